"""A user that mostly waits: one request, one check, one second of thinking. The path is one the server logs."""

from loadgate import User, scenario


@scenario
async def waiting(user: User) -> None:
    response = await user.http.get("/logged")
    user.check(response.status == 200, "status is 200")
    await user.sleep(1)
