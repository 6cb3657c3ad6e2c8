"""`loadgate serve` without Click: a target is started once per test, and reading options by Click is a third of its start.

Only arguments that stand in the tables below, as Click would read them, are read here. Everything else (help, an option that
nobody knows, a number that is none) is Click's, with its messages: see `serve`. A test holds both to the same reading.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from typing import Any, Final

MOST_PORT: Final = 65_535
_PORTS: Final = {
    "--http-port": "http_port",
    "--ws-port": "ws_port",
    "--graphql-port": "graphql_port",
    "--grpc-port": "grpc_port",
}
_TEXTS: Final = {"--host": "host", "--stall": "stall"}
_LISTS: Final = {"--latency": "latency", "--fault": "fault"}
_FLAGS: Final = {"--all": "everything", "--until-eof": "until_eof"}


def read_serve(arguments: Sequence[str]) -> dict[str, Any] | None:
    """What `loadgate serve` was asked for, by the names of its parameters; None for what Click must look at."""
    asked: dict[str, Any] = {
        "http_port": 3000,
        "ws_port": None,
        "graphql_port": None,
        "grpc_port": None,
        "everything": False,
        "host": "127.0.0.1",
        "seed": 1,
        "latency": (),
        "fault": (),
        "stall": None,
        "until_eof": False,
    }
    rest = iter(arguments)
    for argument in rest:
        if argument in _FLAGS:
            asked[_FLAGS[argument]] = True
            continue
        name, equals, value = argument.partition("=")
        if not equals:
            value = next(rest, "-")
        if value.startswith("-"):
            return None
        if name in _PORTS and _is_number(value) and int(value) <= MOST_PORT:
            asked[_PORTS[name]] = int(value)
        elif name == "--seed" and _is_number(value):
            asked["seed"] = int(value)
        elif name in _TEXTS:
            asked[_TEXTS[name]] = value
        elif name in _LISTS:
            asked[_LISTS[name]] += (value,)
        else:
            return None
    return asked


def serve_quickly(arguments: Sequence[str]) -> int | None:
    """Run the target; the exit code, or None where nothing was done because Click must look at the arguments."""
    asked = read_serve(arguments)
    if asked is None:
        return None
    # nothing that is made while modules are imported is garbage; looking for it is a tenth of the start
    gc.disable()
    from loadgate.cli.signals import Interruption, heed_signals
    from loadgate.cli.streams import make_lenient
    from loadgate.errors import LoadgateError

    make_lenient()
    heed_signals()
    try:
        from loadgate.target.command import run_target

        run_target(**asked)
    except Interruption:
        print("error: interrupted", file=sys.stderr)
        return 130
    except LoadgateError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except BaseException as error:
        from loadgate.cli.app import report_defect

        return report_defect(error)
    return 0


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
