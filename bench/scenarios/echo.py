"""One session of a thousand echoes, each checked: what `bench/websocket.py` has every tool do."""

from loadgate import User, scenario
from loadgate.clients.websocket import WsStack

ECHOES = 1_000
TEXT = "hello world, and thirty bytes."


@scenario
async def echo(user: User) -> None:
    client = WsStack(user.shared.http).client(user.http)
    async with client.connect("/ws", name="echo") as ws:
        for _ in range(ECHOES):
            reply = await ws.ask(TEXT)
            user.check(reply.text == TEXT, "the echo is what was sent")
