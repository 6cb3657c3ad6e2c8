"""`loadgate serve`: the embedded target, in the foreground."""

from __future__ import annotations

import click

_LATENCY = (
    "Hold replies back: fixed:20ms, uniform:10ms,30ms (least, most), normal:20ms,5ms (mean, standard deviation), "
    "lognormal:20ms,0.5 (median, sigma of the logarithm) or pareto:10ms,1.5 (least, alpha: smaller is heavier); then "
    ",min=5ms ,max=1s ,probability=0.01 as needed. /users=fixed:20ms is for one path. Repeatable."
)
_FAULT = (
    "Fail at random, with a probability: status:0.01, status=503,500:0.01, reset:0.01, timeout:0.01 or partial:0.01. "
    "/users=reset:0.1 is for one path. Repeatable."
)


@click.command()
@click.option("--http-port", type=click.IntRange(0, 65535), default=3000, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of data, delays and faults."
)
@click.option("--latency", metavar="SHAPE", multiple=True, help=_LATENCY)
@click.option("--fault", metavar="FAULT", multiple=True, help=_FAULT)
@click.option("--stall", metavar="TIME/TIME", help="Stand still at intervals: 1s/10s is 1 s once in 10 s.")
@click.option("--until-eof", is_flag=True, hidden=True, help="End when standard input ends.")
def serve(
    http_port: int,
    host: str,
    seed: int,
    latency: tuple[str, ...],
    fault: tuple[str, ...],
    stall: str | None,
    until_eof: bool,
) -> None:
    """Run the embedded target: known data, known delays, known faults.

    Routes: /health /metrics /users /posts /comments /bytes/N /delay/MS /status/CODE /echo, and /api/chaos/config to change
    latency and faults while it runs. Ends with exit code 0 on SIGINT and SIGTERM, with 2 when the port is taken.
    """
    import uvloop

    from loadgate.target.http.process import announce, serve_http
    from loadgate.target.http.server import HttpTarget
    from loadgate.target.options import from_texts

    target = HttpTarget(from_texts(latency, fault, stall, seed))
    uvloop.run(serve_http(target, host, http_port, announce, until_eof=until_eof))
