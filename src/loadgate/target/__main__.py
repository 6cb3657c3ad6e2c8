"""`python -m loadgate.target [CHAOS]`: the target as the child of another program, quick to start and light.

Listens on a free port of 127.0.0.1, prints the line `loadgate serve` prints, and ends when its standard input does.
CHAOS is a configuration in JSON, as `/api/chaos/config` takes it.
"""

from __future__ import annotations

import sys

import uvloop

from loadgate.errors import LoadgateError
from loadgate.target.http.process import announce, serve_http
from loadgate.target.http.server import HttpTarget
from loadgate.target.settings import from_plain, parse_json


def main(arguments: list[str]) -> int:
    try:
        chaos = from_plain(parse_json(arguments[0]) if arguments else {}, seed=1)
        uvloop.run(serve_http(HttpTarget(chaos), "127.0.0.1", 0, announce, until_eof=True))
    except LoadgateError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
