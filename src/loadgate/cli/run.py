"""`loadgate run`: load the target, judge, show, record."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

_TARGET = "Target"
_LOAD = "Load (instead of what a profile says)"
_RESULT = "Results"


def run(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="PROFILE | SCRIPT.py",
            help="A profile of loadgate.yml, or a Python script. Without either: the only profile there is.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Project file (loadgate.yml, if there is one).", show_default=False),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of every random choice.")] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Where the target is. Alone: request this very URL.", rich_help_panel=_TARGET),
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", "-X", help="Method, with --url alone.", rich_help_panel=_TARGET)
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", help="`Name: value` for each request. Repeatable.", rich_help_panel=_TARGET),
    ] = None,
    body: Annotated[str | None, typer.Option(help="Body, with --url alone.", rich_help_panel=_TARGET)] = None,
    vus: Annotated[int | None, typer.Option(help="Virtual users.", rich_help_panel=_LOAD)] = None,
    duration: Annotated[str | None, typer.Option(help="How long: 30s, 5m, 1h.", rich_help_panel=_LOAD)] = None,
    rate: Annotated[
        str | None,
        typer.Option(help="Iterations started per time, however slow the target: 500/s.", rich_help_panel=_LOAD),
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(help="Ramp to users (1m:100) or starts (1m:500/s). Repeatable.", rich_help_panel=_LOAD),
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(help="Iterations in all, shared by the users.", rich_help_panel=_LOAD)
    ] = None,
    max_vus: Annotated[int | None, typer.Option(help="Most users a rate may take.", rich_help_panel=_LOAD)] = None,
    warmup: Annotated[
        str | None, typer.Option(help="Leave out what is measured this long at first.", rich_help_panel=_LOAD)
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            help="One more limit: 'http_req_duration: p(95)<500ms'. Repeatable.",
            rich_help_panel=_RESULT,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the run record, run.json.", rich_help_panel=_RESULT)
    ] = Path("loadgate-out"),
    summary: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a flat JSON summary.", rich_help_panel=_RESULT)
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the verdict and nothing else.", rich_help_panel=_RESULT)
    ] = False,
) -> None:
    """Load a service, judge what was measured, and leave with an exit code a CI job can act on.

    With no configuration at all this starts Loadgate's own target and runs a short standard test on it.
    """
    from loadgate.plan import Flags, make_plan

    flags = Flags(
        what=what,
        config=config,
        url=url,
        method=method,
        headers=tuple(header or ()),
        body=body,
        vus=vus,
        duration=duration,
        rate=rate,
        stages=tuple(stage or ()),
        iterations=iterations,
        max_vus=max_vus,
        warmup=warmup,
        thresholds=tuple(threshold or ()),
        seed=seed,
    )
    plan = make_plan(flags, os.environ)
    with ExitStack() as stack:
        if plan.embedded:
            from loadgate.cli.embedded import EmbeddedTarget

            target = stack.enter_context(EmbeddedTarget())
        from loadgate.cli.output import Output
        from loadgate.record.file import RunFile
        from loadgate.session import Session

        output = Output(out, summary, quiet=quiet)
        file = RunFile(out)
        if plan.embedded:
            plan = replace(plan, target=replace(plan.target, url=target.url()))
        session = Session(plan, file, os.environ, output.command, output.watch(plan))
        try:
            finished = session.run()
        finally:
            output.close()
    raise typer.Exit(output.conclude(finished, session.unsaved))
