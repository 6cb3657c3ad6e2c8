"""A plain HTTP service whose cost per request is known: each answer sorts small lists and is encoded as JSON.

    python -m bench.trust.service --port 8080 [--extra UNITS] [--on 9] [--tail MS] [--memory MB] [--startup MS]

`GET /0` to `/9` cost the same, but for `--extra` units of work on all of them or on the one named with `--on`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from random import Random
from typing import Final

_PLAIN: Final = 300
"""Units of work of a plain request: with what the socket costs, some 130 us on the machines this was written on."""
_TAIL_SHARE: Final = 0.01
_VALUES: Final = (7, 3, 9, 1, 8, 2)


def work(units: int) -> int:
    """So many units of less than a microsecond each: a small list is sorted."""
    total = 0
    for _ in range(units):
        total += sorted(_VALUES)[0]
    return total


class Service(asyncio.Protocol):
    """One connection. Requests have no body; what follows one that is answered late waits for it."""

    def __init__(self, extra: int, only: str | None, tail: float, lot: Random) -> None:
        self._extra, self._only, self._tail, self._lot = extra, only, tail, lot
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._held = (self._held + data).split(b"\r\n\r\n")
        for request in requests:
            self._answer(request.split(b" ", 2)[1].decode("latin-1"))

    def _answer(self, path: str) -> None:
        units = _PLAIN + (self._extra if self._only in (None, path.strip("/")) else 0)
        body = json.dumps({"sum": work(units) % 1000, "path": path}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        if self._tail and self._lot.random() < _TAIL_SHARE:
            asyncio.get_running_loop().call_later(self._tail, self._send, head + body)
        else:
            self._send(head + body)

    def _send(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


async def serve(options: argparse.Namespace) -> None:
    lot = Random(1)
    server = await asyncio.get_running_loop().create_server(
        lambda: Service(options.extra, options.on, options.tail / 1e3, lot), "127.0.0.1", options.port
    )
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--extra", type=int, default=0, help="units of work more per request")
    parser.add_argument("--on", help="the one endpoint that has them, 0 to 9")
    parser.add_argument("--tail", type=float, default=0.0, help="delay of one request in a hundred (ms)")
    parser.add_argument("--memory", type=int, default=0, help="memory held from the start (MB)")
    parser.add_argument("--startup", type=float, default=0.0, help="delay before it listens (ms)")
    options = parser.parse_args()
    held = bytearray(b"x") * (options.memory * 1_000_000)
    time.sleep(options.startup / 1e3)
    try:
        asyncio.run(serve(options))
    except KeyboardInterrupt:
        pass
    del held


if __name__ == "__main__":
    main()
