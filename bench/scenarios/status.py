"""One request and one check, without pause: what `bench/compare.py` has every tool do."""

from loadgate import User, scenario


@scenario
async def status(user: User) -> None:
    response = await user.http.get("/file")
    user.check(response.status == 200, "status is 200")
