"""One session of a thousand echoes, each checked: what `bench/websocket.py` has every tool do."""

from loadgate import User, scenario

ECHOES = 1_000
TEXT = "hello world, and thirty bytes."


@scenario
async def echo(user: User) -> None:
    async with user.ws.connect("/ws", name="echo") as ws:
        for _ in range(ECHOES):
            reply = await ws.ask(TEXT)
            user.check(reply.text == TEXT, "the echo is what was sent")
