"""`loadgate serve`: the embedded target, in the foreground."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    http_port: Annotated[int, typer.Option(help="Port for HTTP; 0 takes a free one.", min=0, max=65535)] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    seed: Annotated[int, typer.Option(help="Seed of data, delays and faults.", min=0)] = 1,
    latency: Annotated[
        list[str] | None,
        typer.Option(
            help="Hold replies back: fixed:20ms, uniform:10ms,30ms (least, most), normal:20ms,5ms (mean, standard deviation), "
            "lognormal:20ms,0.5 (median, sigma of the logarithm) or pareto:10ms,1.5 (least, alpha: smaller is heavier); "
            "then ,min=5ms ,max=1s ,probability=0.01 as needed. /users=fixed:20ms is for one path.",
            show_default="none",
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="Fail at random, with a probability: status:0.01, status=503,500:0.01, reset:0.01, timeout:0.01 or "
            "partial:0.01. Repeatable. /users=reset:0.1 is for one path.",
            show_default="none",
        ),
    ] = None,
    stall: Annotated[
        str | None, typer.Option(help="Stand still at intervals: 1s/10s is 1 s once in 10 s.", show_default="none")
    ] = None,
    until_eof: Annotated[bool, typer.Option("--until-eof", help="End when standard input ends.", hidden=True)] = False,
) -> None:
    """Run the embedded target: known data, known delays, known faults.

    Routes: /health /metrics /users /posts /comments /bytes/N /delay/MS /status/CODE /echo, and /api/chaos/config to change
    latency and faults while it runs. Ends with exit code 0 on SIGINT and SIGTERM, with 2 when the port is taken.
    """
    import uvloop

    from loadgate.target.http.process import announce, serve_http
    from loadgate.target.http.server import HttpTarget
    from loadgate.target.options import from_texts

    target = HttpTarget(from_texts(latency or (), fault or (), stall, seed))
    uvloop.run(serve_http(target, host, http_port, announce, until_eof=until_eof))
