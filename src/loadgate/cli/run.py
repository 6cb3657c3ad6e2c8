"""`loadgate run`: load the target, judge, show, record."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loadgate.cli.sections import SectionedCommand, SectionedOption

if TYPE_CHECKING:
    from loadgate.record.run import Run

_option = partial(click.option, cls=SectionedOption)
_target = partial(_option, section="Target")
_load = partial(_option, section="Load (instead of what a profile says)")
_result = partial(_option, section="Results")


@click.command(cls=SectionedCommand)
@click.argument("what", metavar="[PROFILE | SCRIPT.py]", required=False)
@_option("--config", metavar="FILE", type=Path, help="Project file. [default: loadgate.yml, if there is one]")
@_option("--seed", type=click.IntRange(0, 2**53), help="Seed of every random choice. [default: a new one]")
@_target(
    "--url",
    help="Where the target is. Without a profile or script: request this very URL, or call grpc://HOST:PORT/SERVICE/METHOD.",
)
@_target("--method", "-X", help="Method, with --url alone. [default: GET]")
@_target("--header", "-H", "headers", metavar="'NAME: VALUE'", multiple=True, help="For each request. Repeatable.")
@_target("--body", metavar="TEXT", help="Body, with --url alone; of a gRPC call, its message as JSON.")
@_target("--start", metavar="COMMAND", help="Start the target with this, wait until it is ready, watch and stop it.")
@_target("--ready", metavar="PATH", help="What a started target must answer to be ready. [default: /, with any reply]")
@_target("--watch", metavar="WHAT", help="Watch what is there: pid:N, container:ID, unit:NAME or cgroup:PATH.")
@_load("--vus", metavar="N", type=int, help="Virtual users.")
@_load("--duration", metavar="TIME", help="How long: 30s, 5m, 1h.")
@_load("--rate", metavar="RATE", help="Iterations started per time, however slow the target: 500/s.")
@_load(
    "--stage", "stages", metavar="TIME:N", multiple=True, help="Ramp to VUs (1m:100) or starts (1m:500/s). Repeatable."
)
@_load("--iterations", metavar="N", type=int, help="Iterations in all, shared by the VUs.")
@_load("--max-vus", metavar="N", type=int, help="Most VUs a rate may take.")
@_load("--warmup", metavar="TIME", help="Leave out what is measured this long at first.")
@_result(
    "--threshold",
    "thresholds",
    metavar="LIMIT",
    multiple=True,
    help="One more limit: 'http_req_duration: p(95)<500ms'. Repeatable.",
)
@_result("--budgets", metavar="FILE", type=Path, help="Limits that need no baseline; instead of the project's.")
@_result("--out", metavar="DIR", type=Path, default="loadgate-out", show_default=True, help="Folder for run.json.")
@_result("--summary", metavar="FILE", type=Path, help="Write a flat JSON summary.")
@_result("--baseline", metavar="NAME", help="Fail if worse than this baseline, run or file; `none`: than nothing.")
@_result("--strict", is_flag=True, help="Leave with 4 if the answer is not sure, or there is no baseline.")
@_result(
    "--store",
    metavar="PLACE",
    help="History the run is kept in: a SQLite file, postgresql://..., or none. [default: .loadgate/history.db]",
)
@_result("--quiet", "-q", is_flag=True, help="Print the verdict and nothing else.")
def run(
    what: str | None,
    config: Path | None,
    seed: int | None,
    url: str | None,
    method: str | None,
    headers: tuple[str, ...],
    body: str | None,
    start: str | None,
    ready: str | None,
    watch: str | None,
    vus: int | None,
    duration: str | None,
    rate: str | None,
    stages: tuple[str, ...],
    iterations: int | None,
    max_vus: int | None,
    warmup: str | None,
    thresholds: tuple[str, ...],
    budgets: Path | None,
    out: Path,
    summary: Path | None,
    baseline: str | None,
    strict: bool,
    store: str | None,
    quiet: bool,
) -> int:
    """Load a service, judge what was measured, and leave with an exit code a CI job can act on.

    With no configuration at all this starts Loadgate's own target and runs a short standard test on it.
    """
    from loadgate.flags import Flags
    from loadgate.plan import make_plan, working_folder

    home = working_folder()
    flags = Flags(
        what=what,
        config=config,
        url=url,
        method=method,
        headers=headers,
        body=body,
        start=start,
        ready=ready,
        watch=watch,
        vus=vus,
        duration=duration,
        rate=rate,
        stages=stages,
        iterations=iterations,
        max_vus=max_vus,
        warmup=warmup,
        thresholds=thresholds,
        seed=seed,
        budgets=budgets,
    )
    plan = make_plan(flags, os.environ)
    with ExitStack() as stack:
        embedded = None
        if plan.embedded:
            from loadgate.cli.embedded import EmbeddedTarget

            embedded = stack.enter_context(EmbeddedTarget())
        from loadgate.cli.against import Against
        from loadgate.cli.output import Output
        from loadgate.cli.places import taken
        from loadgate.cli.trial import Trial

        output = Output(home, out, summary, taken(plan.files, plan.gate, store, baseline), quiet=quiet)
        trial = Trial(plan, output, home / out)
        against = stack.enter_context(closing(Against(plan.gate, store, baseline, strict=strict)))
        finished = trial.run(embedded)

        fresh = count(1)

        def again() -> Run:
            """A fresh run of the same plan, with a target of its own if it is ours."""
            number = next(fresh)
            output.say(f"suspected to be worse than the baseline: measuring again, run {number} of {plan.gate.confirm}")
            return Trial(plan, output, home / out / f"confirm-{number}").run()

        judged = against.judge(finished, again)
        if judged is not finished:
            trial.save(judged)
        unsaved = trial.unsaved or against.keep(judged, trial.file.encode(judged))
    return output.conclude(judged, unsaved)
