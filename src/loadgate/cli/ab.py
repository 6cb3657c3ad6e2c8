"""`loadgate ab`: two builds side by side, started afresh again and again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from loadgate.cli.places import format_option


@click.command()
@click.argument("what", required=False, metavar="[PROFILE | SCRIPT.py]")
@click.option(
    "--base", required=True, metavar="COMMAND|URL", help="What is compared with: 'app --port {port}', or a URL."
)
@click.option("--head", required=True, metavar="COMMAND|URL", help="What may be worse.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Project file. [default: loadgate.yml, if there is one]",
)
@click.option(
    "--request", metavar="REQUEST", help="What is asked where no file says it: 'GET /users'. [default: GET /]"
)
@click.option("--ready", metavar="PATH", help="What each arm must answer to be ready. [default: /, with any reply]")
@click.option("--rate", metavar="RATE", help="Starts over both arms: 200/s. [default: 30 % of what the base can do]")
@click.option("--pairs", type=click.IntRange(8, 1000), help="Pairs of starts at most. [default: what the time allows]")
@click.option("--length", metavar="TIME", help="Time under load of a pair. [default: by the time and the pairs]")
@click.option("--warmup", metavar="TIME", help="What is left out at the start of each. [default: 1s]")
@click.option("--time", default="90s", show_default=True, metavar="TIME", help="About how long all pairs may take.")
@click.option(
    "--seed", type=click.IntRange(0, 2**53 - 1), help="Seed of who comes first, and of the users. [default: a new one]"
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("loadgate-out"),
    show_default=True,
    metavar="DIR",
    help="Folder for ab.json.",
)
@click.option("--all", "every", is_flag=True, help="Show every figure, those that stayed the same too.")
@click.option("--strict", is_flag=True, help="Leave with 4 where the answer is not sure.")
@format_option
def ab(
    what: str | None,
    base: str,
    head: str,
    config: Path | None,
    request: str | None,
    ready: str | None,
    rate: str | None,
    pairs: int | None,
    length: str | None,
    warmup: str | None,
    time: str,
    seed: int | None,
    out: Path,
    every: bool,
    strict: bool,
    form: str,
) -> int:
    """Say whether HEAD is worse than BASE, on this one machine, and how sure that is.

    Both are started afresh for each pair, in an order drawn by lot, and loaded side by side by one schedule that takes turns
    between them. A pair of starts is one piece of evidence. What looks worse is measured again with fresh pairs before it
    fails a build.
    """
    from loadgate.ab.job import NAME, Job
    from loadgate.ab.plan import AbFlags, make_ab_plan
    from loadgate.cli.listing import print_comparison
    from loadgate.cli.output import recorded_command
    from loadgate.plan import working_folder
    from loadgate.record.file import RecordFile

    flags = AbFlags(
        what=what,
        base=base,
        head=head,
        config=config,
        request=request,
        ready=ready,
        rate=rate,
        pairs=pairs,
        length=length,
        warmup=warmup,
        time=time,
        seed=seed,
    )
    home = working_folder()  # a script may change it
    plan = make_ab_plan(flags, os.environ)
    record = Job(plan, RecordFile(home / out, NAME), os.environ, recorded_command(), _say, strict).run()
    if record.comparison is not None:
        print_comparison(record.comparison, record.verdict, form=form, every=every, exit_code=record.exit_code)
    return record.exit_code


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
