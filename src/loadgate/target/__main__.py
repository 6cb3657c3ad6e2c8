"""`python -m loadgate.target [CHAOS [PROTOCOL ...]]`: the target as the child of another program, quick to start and light.

Listens on free ports of 127.0.0.1, prints the lines `loadgate serve` prints, and ends when its standard input does.
CHAOS is a configuration in JSON, as `/api/chaos/config` takes it; PROTOCOL is what is served beside HTTP: websocket, graphql,
grpc.
"""

from __future__ import annotations

import gc
import sys


def main(arguments: list[str]) -> int:
    # nothing that is made while modules are imported is garbage; looking for it is a tenth of the start
    gc.disable()
    import uvloop

    from loadgate.errors import LoadgateError
    from loadgate.target.http.process import serve_until_stopped
    from loadgate.target.http.server import USUAL_PORTS, HttpTarget
    from loadgate.target.settings import from_plain, parse_json, unknown

    try:
        chaos = from_plain(parse_json(arguments[0]) if arguments else {}, seed=1)
        protocols = arguments[1:]
        for protocol in protocols:
            if protocol not in USUAL_PORTS:
                raise LoadgateError(unknown("protocol", protocol, USUAL_PORTS), f"one of {', '.join(USUAL_PORTS)}")
        target = HttpTarget(chaos, protocols=protocols)
        uvloop.run(serve_until_stopped(target, "127.0.0.1", {}, until_eof=True))
    except LoadgateError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
