"""What `run` and `bench` have in common: the options on their results, and how what was measured is judged, kept and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from functools import partial, wraps
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import click

from loadgate.cli.sections import SectionedOption
from loadgate.cli.signals import end_if_asked, heed_signals

if TYPE_CHECKING:
    from loadgate.cli.output import Output
    from loadgate.config.gate import GateSpec
    from loadgate.record.file import RunFile
    from loadgate.record.run import Run

F = TypeVar("F", bound=Callable[..., Any])

_result = partial(click.option, cls=SectionedOption, section="Results")
_OPTIONS: Final = (
    _result("--budgets", metavar="FILE", type=Path, help="Limits that need no baseline; instead of the project's."),
    _result("--out", metavar="DIR", type=Path, default="loadgate-out", show_default=True, help="Folder for run.json."),
    _result("--summary", metavar="FILE", type=Path, help="Write a flat JSON summary."),
    _result("--baseline", metavar="NAME", help="Fail if worse than this baseline, run or file; `none`: than nothing."),
    _result("--strict", is_flag=True, help="Leave with 4 if the answer is not sure, or there is no baseline."),
    _result(
        "--store",
        metavar="PLACE",
        help="History the run is kept in: a SQLite file, postgresql://..., or none. [default: .loadgate/history.db]",
    ),
    _result("--quiet", "-q", is_flag=True, help="Print the verdict and nothing else."),
)


@dataclass(frozen=True, slots=True)
class ResultFlags:
    """What the command line says of results; None: not given. Named as the options are."""

    budgets: Path | None
    out: Path
    summary: Path | None
    baseline: str | None
    strict: bool
    store: str | None
    quiet: bool


class Measurement(Protocol):
    """One run or bench. Its record goes to `file`; `unsaved` says why it is not on the disk, if it is not."""

    @property
    def file(self) -> RunFile: ...
    @property
    def unsaved(self) -> str: ...
    def run(self) -> Run:
        """Do it. Raises LoadgateError where there is nothing to record."""

    def save(self, run: Run) -> None:
        """Write the record once more, since the verdict of `run` is another one now."""


def result_options(command: F) -> Callable[..., Any]:
    """The options under "Results". The command gets what they say as one argument, `results`."""

    @wraps(command)
    def with_results(**given: Any) -> Any:
        own = {each.name: given.pop(each.name) for each in fields(ResultFlags)}
        return command(**given, results=ResultFlags(**own))

    wrapped: Callable[..., Any] = with_results
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def seed_option(command: F) -> F:
    return click.option(
        "--seed", type=click.IntRange(0, 2**53), help="Seed of every random choice. [default: a new one]"
    )(command)


def ready_option(section: str) -> Callable[[F], F]:
    """`--ready` under the heading `section`."""
    text = "What a started target must answer to be ready. [default: /, with any reply]"
    return click.option("--ready", metavar="PATH", cls=SectionedOption, section=section, help=text)


@contextmanager
def under_way(output: Output) -> Iterator[None]:
    """While an event loop looks after signals and there is a live view: both end here. Harmless within another one."""
    end_if_asked()
    try:
        yield
    finally:
        output.close()
        heed_signals()


def measure(
    results: ResultFlags,
    home: Path,
    files: Iterable[Path],
    gate: GateSpec,
    make: Callable[[Output, Path], Measurement],
    noun: str,
) -> int:
    """Measure, against a baseline as often as `gate` says, and leave behind what `results` asks for; the exit code.

    `make` makes what measures once and writes its record to a folder. `home` is the folder the command was given in, `files`
    what it read, `noun` what it is called. Raises LoadgateError.
    """
    from loadgate.cli.against import Against
    from loadgate.cli.output import Output
    from loadgate.cli.places import taken

    kept = taken(files, gate, results.store, results.baseline)
    output = Output(home, results.out, results.summary, kept, quiet=results.quiet)

    def measured(one: Measurement) -> Run:
        with under_way(output):
            return one.run()

    first = make(output, home / results.out)
    with closing(Against(gate, results.store, results.baseline, strict=results.strict)) as against:
        finished = measured(first)
        fresh = count(1)

        def again() -> Run:
            """The same once more, afresh."""
            number = next(fresh)
            output.say(f"suspected to be worse than the baseline: measuring again, {noun} {number} of {gate.confirm}")
            return measured(make(output, home / results.out / f"confirm-{number}"))

        judged = against.judge(finished, again)
        if judged is not finished:
            first.save(judged)
        unsaved = first.unsaved or against.keep(judged, first.file.encode(judged))
    return output.conclude(judged, unsaved)
