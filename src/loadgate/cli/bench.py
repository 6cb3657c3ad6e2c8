"""`loadgate bench`: start-up, first request, memory, latency by payload size, benchmarks and commands."""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loadgate.cli.sections import SectionedCommand, SectionedOption

if TYPE_CHECKING:
    from loadgate.record.run import Run

_option = partial(click.option, cls=SectionedOption)
_target = partial(_option, section="Start-up")
_sizes = partial(_option, section="Latency by payload size")
_repeats = partial(_option, section="Repetition")
_result = partial(_option, section="Results")


@click.command(cls=SectionedCommand)
@click.argument("script", metavar="[SCRIPT.py]", required=False, type=Path)
@_option("--config", metavar="FILE", type=Path, help="Project file. [default: loadgate.yml, if there is one]")
@_option("--command", "commands", metavar="NAME=COMMAND", multiple=True, help="A command to measure. Repeatable.")
@_target("--start", metavar="COMMAND", help="Start the target with this, again and again.")
@_target("--url", help="Where the target is.")
@_target("--ready", metavar="PATH", help="What a started target must answer to be ready. [default: /, with any reply]")
@_target("--starts", metavar="N", type=click.IntRange(1, 1000), help="Start it exactly so often.")
@_target(
    "--request", metavar="REQUEST", help="The first request after each start, such as 'GET /users/1'. [default: GET /]"
)
@_sizes("--size-request", metavar="REQUEST", help="What is sent at each size: 'POST /echo', or 'GET /bytes/{size}'.")
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
@_option("--seed", type=click.IntRange(0, 2**53), help="Seed of every random choice. [default: a new one]")
@_result("--budgets", metavar="FILE", type=Path, help="Limits that need no baseline; instead of the project's.")
@_result("--out", metavar="DIR", type=Path, default="loadgate-out", show_default=True, help="Folder for run.json.")
@_result("--summary", metavar="FILE", type=Path, help="Write a flat JSON summary.")
@_result("--baseline", metavar="NAME", help="Fail if worse than this baseline, run or file; `none`: than nothing.")
@_result("--strict", is_flag=True, help="Leave with 4 if the comparison is unsure, or there is no baseline.")
@_result(
    "--store",
    metavar="PLACE",
    help="History the run is kept in: a SQLite file, postgresql://..., or none. [default: .loadgate/history.db]",
)
@_result("--quiet", "-q", is_flag=True, help="Print the verdict and nothing else.")
def bench(
    script: Path | None,
    config: Path | None,
    commands: tuple[str, ...],
    start: str | None,
    url: str | None,
    ready: str | None,
    starts: int | None,
    request: str | None,
    size_request: str | None,
    sizes: tuple[int, ...],
    rates: tuple[str, ...],
    vus: int | None,
    duration: str | None,
    interval: str | None,
    time: str | None,
    seed: int | None,
    budgets: Path | None,
    out: Path,
    summary: Path | None,
    baseline: str | None,
    strict: bool,
    store: str | None,
    quiet: bool,
) -> int:
    """Measure how a program starts, what it weighs, how it answers by size, and how fast functions and commands are.

    Everything is repeated until it is known well enough, or time is up. With no configuration at all this measures
    Loadgate's own target.
    """
    from loadgate.bench.plan import BenchFlags, make_bench_plan
    from loadgate.plan import working_folder

    home = working_folder()
    flags = BenchFlags(
        script=script,
        config=config,
        url=url,
        start=start,
        ready=ready,
        starts=starts,
        request=request,
        sizes=sizes,
        size_request=size_request,
        rates=rates,
        vus=vus,
        duration=duration,
        commands=commands,
        interval=interval,
        time=time,
        budgets=budgets,
        seed=seed,
    )
    plan = make_bench_plan(flags, os.environ)

    from loadgate.bench.suite import Suite
    from loadgate.cli.against import Against
    from loadgate.cli.output import Output
    from loadgate.cli.places import taken
    from loadgate.cli.signals import end_if_asked, heed_signals
    from loadgate.record.file import RunFile

    output = Output(home, out, summary, taken(plan.files, plan.gate, store, baseline), quiet=quiet)

    def suite(folder: Path) -> Suite:
        return Suite(plan, RunFile(folder), os.environ, output.command, output.watch, output.say)

    def measured(which: Suite) -> Run:
        end_if_asked()
        try:
            return which.run()
        finally:
            output.close()
            heed_signals()

    with closing(Against(plan.gate, store, baseline, strict=strict)) as against:
        own = suite(home / out)
        finished = measured(own)
        fresh = count(1)

        def again() -> Run:
            """The whole bench once more."""
            number = next(fresh)
            output.say(
                f"suspected to be worse than the baseline: measuring again, bench {number} of {plan.gate.confirm}"
            )
            return measured(suite(home / out / f"confirm-{number}"))

        judged = against.judge(finished, again)
        if judged is not finished:
            own.save(judged)
        unsaved = own.unsaved or against.keep(judged, own.file.encode(judged))
    return output.conclude(judged, unsaved)
