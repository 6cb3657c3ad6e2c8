"""`loadgate report`: what `run` showed at its end, again, from the record."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("record", metavar="[RUN]", type=Path, default="loadgate-out")
@click.option("--summary", metavar="FILE", type=Path, help="Write the flat JSON summary.")
def report(record: Path, summary: Path | None) -> None:
    """Show a recorded run; also one whose process was killed, as far as it came.

    RUN is a run.json or the folder it lies in; loadgate-out without it.
    """
    from loadgate.cli.output import check_summary, print_summary, write_summary
    from loadgate.record.file import read_run

    if summary is not None:
        check_summary(summary)
    run = read_run(record)
    if summary is not None:
        write_summary(run, summary)
    print_summary(run, [] if summary is None else [("summary", str(summary))])
