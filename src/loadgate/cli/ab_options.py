"""What the command lines of `ab` and `calibrate` have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from loadgate.cli.places import format_option

F = TypeVar("F", bound=Callable[..., Any])

_PLAN: Final = (
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Project file. [default: loadgate.yml, if there is one]",
    ),
    click.option(
        "--request", metavar="REQUEST", help="What is asked where no file says it: 'GET /users'. [default: GET /]"
    ),
    click.option("--ready", metavar="PATH", help="What each arm must answer to be ready. [default: /, with any reply]"),
    click.option(
        "--rate", metavar="RATE", help="Starts over both arms: 200/s. [default: 30 % of what the base can do]"
    ),
    click.option(
        "--pairs", type=click.IntRange(8, 1000), help="Pairs of starts at most. [default: what the time allows]"
    ),
    click.option("--length", metavar="TIME", help="Time under load of a pair. [default: by the time and the pairs]"),
    click.option(
        "--warmup",
        metavar="TIME",
        help="What is left out at the start of each. [default: until it is warm, 1s at least]",
    ),
    click.option(
        "--capacity",
        metavar="TIME",
        help="Ask the arms of each pair as fast as they answer, too, for so long. [default: not, it takes more pairs]",
    ),
    click.option(
        "--share-cores",
        is_flag=True,
        help="Let the system choose cores. [default: one for the generator, the others for the arms]",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**53 - 1),
        help="Seed of who comes first, and of the users. [default: a new one]",
    ),
)


def plan_options(command: F) -> F:
    """How pairs are measured: each becomes the argument of the same name, as `AbFlags` has it."""
    return _with(command, _PLAN)


def output_options(record: str) -> Callable[[F], F]:
    """Where results go, of which the file `record` is one: `out`, `quiet` and `form`."""
    options = (
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            default=Path("loadgate-out"),
            show_default=True,
            metavar="DIR",
            help=f"Folder for {record}.",
        ),
        click.option("--quiet", "-q", is_flag=True, help="Print the verdict and nothing else."),
        format_option,
    )
    return lambda command: _with(command, options)


def _with(command: F, options: tuple[Callable[[F], F], ...]) -> F:
    for option in reversed(options):
        command = option(command)
    return command
