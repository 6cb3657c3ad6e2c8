"""`loadgate bench`: start-up, first request, memory, latency by payload size, benchmarks and commands."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import click

from loadgate.cli.measuring import ResultFlags, measure, ready_option, result_options, seed_option
from loadgate.cli.places import config_option
from loadgate.cli.sections import SectionedCommand, SectionedOption

_option = partial(click.option, cls=SectionedOption)
_target = partial(_option, section="Start-up")
_sizes = partial(_option, section="Latency by payload size")
_repeats = partial(_option, section="Repetition")


@click.command(cls=SectionedCommand)
@click.argument("script", metavar="[SCRIPT.py]", required=False, type=Path)
@config_option
@_option("--command", "commands", metavar="NAME=COMMAND", multiple=True, help="A command to measure. Repeatable.")
@_target("--start", metavar="COMMAND", help="Start the target with this, again and again.")
@_target("--url", help="Where the target is.")
@ready_option("Start-up")
@_target("--starts", metavar="N", type=click.IntRange(1, 1000), help="Start it exactly so often.")
@_target(
    "--request", metavar="REQUEST", help="The first request after each start, such as 'GET /users/1'. [default: GET /]"
)
@_sizes(
    "--size-request",
    metavar="REQUEST",
    help="What is sent at each size: 'POST /echo', or 'GET /bytes/{size}'. HTTP only; for others see `sizes` in docs/bench.md.",
)
@_sizes(
    "--size",
    "sizes",
    metavar="BYTES",
    multiple=True,
    type=click.IntRange(0, 10**9),
    help="Repeatable. [default: 100, 1000, 10000]",
)
@_sizes("--rate", "rates", metavar="RATE", multiple=True, help="Each size at this fixed rate too: 100/s. Repeatable.")
@_sizes("--vus", metavar="N", type=click.IntRange(1, 1_000_000), help="Virtual users of the closed loop. [default: 1]")
@_sizes("--duration", metavar="TIME", help="How long each size is sent. [default: 3s]")
@_repeats(
    "--interval", metavar="PERCENT", help="Repeat until the 95 % interval of each median is so narrow. [default: 5%]"
)
@_repeats("--time", metavar="TIME", help="But no longer than this for one figure. [default: 1m]")
@seed_option
@result_options
def bench(results: ResultFlags, **given: Any) -> int:
    """Measure how a program starts, what it weighs, how it answers by size, and how fast functions and commands are.

    Everything is repeated until it is known well enough, or time is up. With no configuration at all this measures
    Loadgate's own target.
    """
    from loadgate.bench.plan import BenchFlags, make_bench_plan
    from loadgate.plan import working_folder

    home = working_folder()
    plan = make_bench_plan(BenchFlags(**given, budgets=results.budgets), os.environ)

    from loadgate.bench.suite import Suite
    from loadgate.record.file import RunFile

    return measure(
        results,
        home,
        plan.files,
        plan.gate,
        lambda output, folder: Suite(plan, RunFile(folder), os.environ, output.command, output.watch, output.say),
        "bench",
    )
