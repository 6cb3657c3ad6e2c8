"""`loadgate report`: what `run` showed at its end, again, from the record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    record: Annotated[Path, typer.Argument(metavar="RUN", help="A run.json, or the folder it lies in.")] = Path(
        "loadgate-out"
    ),
    summary: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the flat JSON summary.")] = None,
) -> None:
    """Show a recorded run; also one whose process was killed, as far as it came."""
    from loadgate.cli.output import print_summary, write_summary
    from loadgate.record.file import read_run

    run = read_run(record)
    if summary is not None:
        write_summary(run, summary)
    print_summary(run, [] if summary is None else [("summary", str(summary))])
