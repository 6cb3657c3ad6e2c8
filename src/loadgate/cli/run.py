"""`loadgate run`: load the target, judge, show, record."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from loadgate.cli.sections import SectionedCommand, SectionedOption
from loadgate.cli.signals import end_if_asked, heed_signals
from loadgate.errors import InvalidRun

_option = partial(click.option, cls=SectionedOption)
_target = partial(_option, section="Target")
_load = partial(_option, section="Load (instead of what a profile says)")
_result = partial(_option, section="Results")


@click.command(cls=SectionedCommand)
@click.argument("what", metavar="[PROFILE | SCRIPT.py]", required=False)
@_option("--config", metavar="FILE", type=Path, help="Project file. [default: loadgate.yml, if there is one]")
@_option("--seed", type=click.IntRange(0, 2**53), help="Seed of every random choice. [default: a new one]")
@_target("--url", help="Where the target is. Without a profile or script: request this very URL.")
@_target("--method", "-X", help="Method, with --url alone. [default: GET]")
@_target("--header", "-H", "headers", metavar="'NAME: VALUE'", multiple=True, help="For each request. Repeatable.")
@_target("--body", metavar="TEXT", help="Body, with --url alone.")
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
@_result("--out", metavar="DIR", type=Path, default="loadgate-out", show_default=True, help="Folder for run.json.")
@_result("--summary", metavar="FILE", type=Path, help="Write a flat JSON summary.")
@_result("--quiet", "-q", is_flag=True, help="Print the verdict and nothing else.")
def run(
    what: str | None,
    config: Path | None,
    seed: int | None,
    url: str | None,
    method: str | None,
    headers: tuple[str, ...],
    body: str | None,
    vus: int | None,
    duration: str | None,
    rate: str | None,
    stages: tuple[str, ...],
    iterations: int | None,
    max_vus: int | None,
    warmup: str | None,
    thresholds: tuple[str, ...],
    out: Path,
    summary: Path | None,
    quiet: bool,
) -> int:
    """Load a service, judge what was measured, and leave with an exit code a CI job can act on.

    With no configuration at all this starts Loadgate's own target and runs a short standard test on it.
    """
    from loadgate.plan import Flags, make_plan, working_folder

    home = working_folder()
    flags = Flags(
        what=what,
        config=config,
        url=url,
        method=method,
        headers=headers,
        body=body,
        vus=vus,
        duration=duration,
        rate=rate,
        stages=stages,
        iterations=iterations,
        max_vus=max_vus,
        warmup=warmup,
        thresholds=thresholds,
        seed=seed,
    )
    plan = make_plan(flags, os.environ)
    with ExitStack() as stack:
        embedded = None
        if plan.embedded:
            from loadgate.cli.embedded import EmbeddedTarget

            embedded = stack.enter_context(EmbeddedTarget())
        from loadgate.cli.output import Output, invalid
        from loadgate.record.file import RunFile
        from loadgate.session import Session

        output = Output(home, out, summary, quiet=quiet)
        file = RunFile(home / out)
        if embedded is not None:
            plan = replace(plan, target=replace(plan.target, url=embedded.url()))
        session = Session(plan, file, os.environ, output.command, output.watch(plan))
        end_if_asked()
        try:
            finished = session.run()
        except InvalidRun:
            if embedded is not None and (lost := embedded.ended()):
                raise InvalidRun(lost) from None
            raise
        finally:
            output.close()
            heed_signals()
        unsaved = session.unsaved
        if embedded is not None and (lost := embedded.ended()):
            finished = invalid(finished, lost)
            unsaved = output.save(finished, file)
    return output.conclude(finished, unsaved)
