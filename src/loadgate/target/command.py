"""The target as a program: from ports and texts to a process that serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import uvloop

from loadgate.target.http.process import serve_until_stopped
from loadgate.target.http.server import USUAL_PORTS, HttpTarget
from loadgate.target.options import from_texts


def run_target(
    *,
    http_port: int,
    ws_port: int | None,
    graphql_port: int | None,
    grpc_port: int | None,
    everything: bool,
    host: str,
    seed: int,
    latency: Iterable[str],
    fault: Iterable[str],
    stall: str | None,
    until_eof: bool,
) -> None:
    """Serve the protocols that have a port, with `everything` all of them, on their usual ports where none is given.

    Returns when the target was told to stop. Raises ChaosError for texts that cannot be used (see `options.from_texts`) and
    LoadgateError when an address cannot be had or graphql-core is missing.
    """
    ports = {"http": http_port, "websocket": ws_port, "graphql": graphql_port, "grpc": grpc_port}
    wanted = wanted_ports(ports, everything)
    target = HttpTarget(from_texts(latency, fault, stall, seed), protocols=wanted.keys())
    uvloop.run(serve_until_stopped(target, host, wanted, until_eof=until_eof))


def wanted_ports(ports: Mapping[str, int | None], everything: bool) -> dict[str, int]:
    """The ports to open, by protocol."""
    given = {protocol: port for protocol, port in ports.items() if port is not None}
    return {**USUAL_PORTS, **given} if everything else given
