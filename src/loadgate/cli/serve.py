"""`loadgate serve`: the embedded target, in the foreground. `quick` reads the same options; a test holds them together."""

from __future__ import annotations

from typing import Any

import click

_LATENCY = (
    "Hold replies back: fixed:20ms, uniform:10ms,30ms (least, most), normal:20ms,5ms (mean, standard deviation), "
    "lognormal:20ms,0.5 (median, sigma of the logarithm) or pareto:10ms,1.5 (least, alpha: smaller is heavier); then "
    ",min=5ms ,max=1s ,probability=0.01 as needed. /users=fixed:20ms is for one path, websocket=fixed:20ms for one protocol "
    "(http, websocket, graphql, grpc). Repeatable."
)
_FAULT = (
    "Fail at random, with a probability: status:0.01, status=503,500:0.01, reset:0.01, timeout:0.01 or partial:0.01; of "
    "WebSockets also close:0.01 or close=1012:0.01, of GraphQL errors:0.01 (no data) or field:0.01 (one field fails), of gRPC "
    "grpc=status=UNAVAILABLE,8:0.01. "
    "/users=reset:0.1 is for one path, graphql=field:0.1 for one protocol. Repeatable."
)
_PORT = click.IntRange(0, 65535)


@click.command()
@click.option("--http-port", type=_PORT, default=3000, show_default=True, help="0 takes a free one, here and below.")
@click.option("--ws-port", type=_PORT, help="Serve WebSocket too: /ws here and on the HTTP port. Usually 3001.")
@click.option("--graphql-port", type=_PORT, help="Serve GraphQL too: /graphql here and on the HTTP port. Usually 4000.")
@click.option(
    "--grpc-port", type=_PORT, help="Serve gRPC too: mockforge.greeter.Greeter, with reflection. Usually 50051."
)
@click.option(
    "--all", "everything", is_flag=True, help="Serve all protocols, on the usual ports unless told otherwise."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of data, delays and faults."
)
@click.option("--latency", metavar="SHAPE", multiple=True, help=_LATENCY)
@click.option("--fault", metavar="FAULT", multiple=True, help=_FAULT)
@click.option("--stall", metavar="TIME/TIME", help="Stand still at intervals: 1s/10s is 1 s once in 10 s.")
@click.option("--until-eof", is_flag=True, hidden=True, help="End when standard input ends.")
def serve(**asked: Any) -> None:
    """Run the embedded target: known data, known delays, known faults.

    HTTP alone unless more is asked for. Routes: /health /metrics /users /posts /comments /bytes/N /delay/MS /status/CODE
    /echo, and /api/chaos/config to change latency and faults while it runs. WebSocket at /ws answers `echo: ` and the
    message; /ws?truth=1 says how long a reply was held back, /ws?push=100ms sends by itself. GraphQL at /graphql has the same
    users, posts and comments, and subscriptions (graphql-transport-ws) at the same address. gRPC has
    mockforge.greeter.Greeter with SayHello, SayHelloStream, SayHelloClientStream and Chat. Ends with exit code 0 on SIGINT
    and SIGTERM, with 2 when a port is taken.
    """
    from loadgate.target.command import run_target

    run_target(**asked)
