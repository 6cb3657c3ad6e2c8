"""Ten endpoints of the service, one after the other, each a step of its own."""

from loadgate import User, scenario


@scenario
async def ten(user: User) -> None:
    for number in range(10):
        await user.http.get(f"/{number}")
