"""An HTTP service with a function that takes longer when it is told so: run as a program by tests of profilers.

    python planted.py PORT WORK PLANTED

Each request calls `steady`, WORK rounds of arithmetic, and `planted`, PLANTED rounds of it.
"""

from __future__ import annotations

import asyncio
import sys

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def steady(rounds: int) -> int:
    total = 0
    for number in range(rounds):
        total += number * number
    return total


def planted(rounds: int) -> int:
    total = 0
    for number in range(rounds):
        total += number * number
    return total


class Service(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            self.answer()

    def answer(self) -> None:
        steady(int(sys.argv[2]))
        planted(int(sys.argv[3]))
        self.transport.write(REPLY)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
