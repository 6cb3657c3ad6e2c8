"""The embedded target with a change planted in it: `python -m bench.trust.target --port 8000 --extra 10`.

Extra work is done as bytes come in, before the target looks at them: with each request, for clients wait for replies.
"""

from __future__ import annotations

import argparse
from typing import Final

from bench.trust.service import work
from loadgate.target.command import run_target
from loadgate.target.http import server
from loadgate.target.http.connection import Connection

_TAIL: Final = "fixed:{ms:g}ms,probability=0.01"


def plant(units: int, *, only: bytes = b"") -> None:
    """From now on connections of HTTP do so many units of work with each request, or with those that begin with `only`."""

    class Working(Connection):
        __slots__ = ()

        def data_received(self, data: bytes) -> None:
            if data.startswith(only):
                work(units)
            super().data_received(data)

    vars(server)["Connection"] = Working


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--extra", type=int, default=0, help="units of work more per request")
    parser.add_argument("--on", help="the one path that has them")
    parser.add_argument("--tail", type=float, help="delay of one request in a hundred (ms); 0: a delay of nothing")
    options = parser.parse_args()
    plant(options.extra, only=f"GET {options.on} ".encode() if options.on else b"")
    # with a delay of nothing, too: a reply for which a lot is drawn costs more than one without
    latency = [] if options.tail is None else [_TAIL.format(ms=options.tail)]
    run_target(
        http_port=options.port,
        ws_port=None,
        graphql_port=None,
        grpc_port=None,
        everything=False,
        host="127.0.0.1",
        seed=1,
        latency=latency,
        fault=[],
        stall=None,
        until_eof=False,
    )


if __name__ == "__main__":
    main()
