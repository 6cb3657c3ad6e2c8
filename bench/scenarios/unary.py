"""A unary gRPC call and a check, without pause: what `bench/grpc.py` has every tool do."""

from loadgate import User, scenario

METHOD = "bench.Greeter/SayHello"


@scenario
async def status(user: User) -> None:
    reply = await user.grpc.unary(METHOD, {"name": "bench"})
    user.check(reply.ok, "status is OK")


@scenario
async def message(user: User) -> None:
    reply = await user.grpc.unary(METHOD, {"name": "bench"})
    user.check(reply.message["message"] == "Hello bench", "greeted")
