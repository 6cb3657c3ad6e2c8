"""`bench/TRUST.md`: how often each rule fails a build with nothing planted, and how often with something. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench.figures import VERDICTS
from bench.percentiles import percentile
from bench.results import table
from bench.trust.journal import Block, Done
from bench.trust.rivals import P50, RULES
from loadgate.judge.calibration import exact_interval
from loadgate.record.verdict import Word

PAGE: Final = Path(__file__).parent.parent / "TRUST.md"
CPU: Final = "target_cpu_per_request"
_WORDS: Final = (Word.FAIL, Word.UNSURE, Word.INVALID)


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise of issue 6: of the jobs of a cell, what share `hit` is at least (or at most), of so many jobs."""

    name: str
    case: str
    disturbance: str
    seconds: float
    least: int
    limit: float
    hit: Callable[[Done], bool]
    at_most: bool = False


def _failed(job: Done) -> bool:
    return job.verdict == Word.FAIL


def _passed(job: Done) -> bool:
    return job.verdict == Word.PASS


def _names(series: str) -> Callable[[Done], bool]:
    return lambda job: job.words.get(series) == "worse"


BARS: Final = (
    Bar("nothing planted: FAIL", "work:0", "idle", 45.0, 100, 0.01, _failed, at_most=True),
    Bar("nothing planted, one core burnt: FAIL", "work:0", "burner", 45.0, 100, 0.01, _failed, at_most=True),
    Bar("+5 %: CPU per request worse", "work:5", "idle", 90.0, 20, 0.90, _names(CPU)),
    Bar("+10 %: FAIL", "work:10", "idle", 90.0, 20, 0.95, _failed),
    Bar("+20 %: p50 named", "work:20", "idle", 90.0, 20, 0.80, _names(P50)),
    *(
        Bar(f"+{percent} %: PASS", f"work:{percent}", "idle", 90.0, 20, 0.0, _passed, at_most=True)
        for percent in (5, 10, 20)
    ),
)


def page(jobs: Sequence[Done]) -> str:
    """The whole page, from one job at least."""
    machines = sorted({job.machine.rsplit(", ", 1)[0] for job in jobs})
    parts = [
        "# Can its verdict be trusted?",
        "Written by `scripts/trust table --write`: do not edit by hand. `scripts/trust plan --hours 8` runs more jobs, and "
        "goes on\nwhere it was stopped. Ranges are exact 95 % binomial intervals (Clopper-Pearson).",
        "\n".join(f"Measured on {machine}." for machine in machines),
        "## What was promised",
        _bars(jobs),
        "## Loadgate",
        "`work:N` is N % more CPU work per request of a real service, `one-of-ten:N` that on one endpoint of ten, `tail:N` N "
        "ms more\nfor one request in a hundred, `memory:N` N MB and `startup:N` N ms more at the start. With `work:0` every "
        "FAIL is false.\n`CPU` and `p50` are the shares of jobs that name CPU per request or p50 as worse.",
        _loadgate(jobs),
        "## Other rules, on the same pairs",
        "Shares of jobs that a rule fails. Rules that compare two runs get the first pair; how each is applied is in\n"
        "[`bench/trust/rivals.py`](trust/rivals.py).",
        _rivals(jobs),
    ]
    return "\n\n".join(parts) + "\n"


def _bars(jobs: Sequence[Done]) -> str:
    rows = []
    for bar in BARS:
        own = [job for job in jobs if job.cell == (bar.case, bar.disturbance, bar.seconds)]
        hits = sum(map(bar.hit, own))
        # at most 1 of 100 is what was promised of a hundred, so it is of a part of a hundred more, too
        met = hits <= math.ceil(bar.limit * len(own)) if bar.at_most else hits >= bar.limit * len(own)
        said = VERDICTS[met] if len(own) >= bar.least else f"not measured ({len(own)} of {bar.least} jobs)"
        word = "at most" if bar.at_most else "at least"
        rows.append(
            [bar.name, bar.disturbance, f"{bar.seconds:g} s", f"{hits} of {len(own)}", f"{word} {bar.limit:.0%}", said]
        )
    return table(["", "machine", "job", "jobs", "promised", ""], rows)


def _loadgate(jobs: Sequence[Done]) -> str:
    rows = []
    for cell, own in _cells(jobs):
        minutes = [job.minutes for job in own]
        counts = [sum(job.verdict == word for job in own) for word in _WORDS]
        rows.append(
            [
                *_named(cell),
                str(len(own)),
                *(_share(count, len(own)) for count in counts),
                *(_share(sum(map(_names(series), own)), len(own)) for series in (CPU, P50)),
                f"{median(minutes):.1f}",
                f"{percentile(minutes, 90):.1f}",
            ]
        )
    return table(
        ["planted", "machine", "job", "jobs", *(word.upper() for word in _WORDS), "CPU", "p50", "min", "min p90"], rows
    )


def _rivals(jobs: Sequence[Done]) -> str:
    rows = []
    for cell, own in _cells(jobs):
        firsts: list[tuple[int, Block]] = [(at, job.base[0]) for at, job in enumerate(own) if job.base]
        cells = []
        for rule in RULES.values():
            said = [rule(job.base, job.head, [block for n, block in firsts if n != at]) for at, job in enumerate(own)]
            known = [one for one in said if one is not None]
            cells.append(_share(sum(known), len(known)) if known else "-")
        rows.append([*_named(cell), _share(sum(map(_failed, own)), len(own)), *cells])
    return table(["planted", "machine", "job", "Loadgate", *RULES], rows)


def _cells(jobs: Sequence[Done]) -> list[tuple[tuple[str, str, float], list[Done]]]:
    """The jobs by cell, sorted by disturbance, what kind of thing is planted, how much of it, and time."""

    def place(cell: tuple[str, str, float]) -> tuple[str, str, int, float]:
        kind, _, amount = cell[0].partition(":")
        return cell[1], kind, int(amount), cell[2]

    return [(cell, [job for job in jobs if job.cell == cell]) for cell in sorted({job.cell for job in jobs}, key=place)]


def _named(cell: tuple[str, str, float]) -> list[str]:
    return [cell[0], cell[1], f"{cell[2]:g} s"]


def _share(hits: int, jobs: int) -> str:
    low, high = exact_interval(hits, jobs)
    return f"{hits / jobs:.0%} ({low:.0%}-{high:.0%})"
