"""`bench/TRUST.md`: how often each rule fails a build with nothing planted, and how often with something. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Final

from bench.figures import VERDICTS
from bench.percentiles import percentile
from bench.results import table
from bench.trust.cases import case_of
from bench.trust.journal import Block, Cell, Done
from bench.trust.rivals import RULES
from bench.trust.truths import Truth, percent_of
from loadgate.judge.calibration import exact_interval
from loadgate.record.verdict import Word

PAGE: Final = Path(__file__).parent.parent / "TRUST.md"
CPU: Final = "target_cpu_per_request"
P50: Final = "http_req_duration p50"
P99: Final = "http_req_duration p99"
_WORDS: Final = (Word.FAIL, Word.UNSURE, Word.INVALID)


_RIVALS: Final = """\
Shares of jobs that a rule fails (`trust/rivals.py`).

* guide: mean or p95 of all requests of head above 110 % of base's.
* previous run: p50 of head's first start above 110 % or 200 % of that of base's first start (github-action-benchmark).
* Mann-Whitney: all requests of all starts, one-sided p < 0.01.
* Welch: p50 of the starts, as if they were no pairs, one-sided p < 0.01.
* Bencher: p50 of head's first start beyond the 0.99 boundary of the t-test of base's first starts in the other jobs of the
  row, 64 at most; a dash: there are fewer than two.
* k6: p95 of head's first start above a threshold of base's first + 10 %."""


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

    def counts(self, jobs: Sequence[Done]) -> tuple[int, int]:
        """Hits, and the jobs that count."""
        own = [job for job in jobs if job.cell == (self.case, self.disturbance, self.seconds)]
        if self.at_most:  # who finds nothing since nothing was evidence has kept no promise of silence
            own = [job for job in own if job.verdict != Word.INVALID]
        return sum(map(self.hit, own)), len(own)

    def met(self, jobs: Sequence[Done]) -> bool | None:
        """None: there are too few jobs."""
        hits, count = self.counts(jobs)
        if count < self.least:
            return None
        return hits <= self.limit * count if self.at_most else hits >= self.limit * count


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


def page(jobs: Sequence[Done], truths: Sequence[Truth] = ()) -> str:
    """The whole page, from one job at least."""
    machines = sorted({job.machine.rsplit(", ", 1)[0] for job in jobs})
    commits = ", ".join(dict.fromkeys(job.commit or "unknown" for job in jobs))
    parts = [
        "# Can its verdict be trusted?",
        "Written by `scripts/trust table --write`: do not edit by hand. `scripts/trust plan --hours 8` runs more jobs, and "
        "goes on\nwhere it was stopped. Ranges are exact 95 % binomial intervals (Clopper-Pearson).",
        "\n".join(f"Measured on {machine}." for machine in machines) + f" Loadgate at commit {commits}.",
        "## What was promised",
        _bars(jobs),
        "## Loadgate",
        "`work:N` is N % more CPU work per request of a real service, `one-of-ten:N` that on one endpoint of ten, `tail:N` N "
        "ms more\nfor one request in a hundred, `memory:N` N MB and `startup:N` N ms more at the start; `target/...` is "
        "planted in the\nembedded target instead. Where it is 0, every FAIL is false. "
        "`CPU`, `p50` and `p99` are the\nshares of jobs that name CPU per request, p50 or p99 as worse (p99 informs, and "
        "fails nothing); `min` is how long they took,\nmedian and 90th percentile; `others` is the share of a core that other "
        "programs took meanwhile.\n\n"
        "The machine: idle, as far as `others` says; `burner` a program of ours that takes a core all the time, `burners` one "
        "on each core,\n`bursts` one on a core, on and off for 0.2 to 2 s, `drift` one that takes from none to all of a core "
        "over the job; `quota` one\ncore for the generator and both arms together.",
        _loadgate(jobs),
        "## What was planted in fact",
        _planted(jobs, truths),
        "## Other rules, on the same pairs",
        _RIVALS,
        _rivals(jobs),
    ]
    return "\n\n".join(parts) + "\n"


def _bars(jobs: Sequence[Done]) -> str:
    rows = []
    for bar in BARS:
        hits, count = bar.counts(jobs)
        met = bar.met(jobs)
        said = VERDICTS[met] if met is not None else f"not measured ({count} of {bar.least} jobs)"
        word = "at most" if bar.at_most else "at least"
        rows.append(
            [bar.name, bar.disturbance, f"{bar.seconds:g} s", f"{hits} of {count}", f"{word} {bar.limit:.0%}", said]
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
                *(_share(sum(map(_names(series), own)), len(own)) for series in (CPU, P50, P99)),
                f"{median(minutes):.1f}",
                f"{percentile(minutes, 90):.1f}",
                f"{median(job.others for job in own):.0%}",
            ]
        )
    words = [word.upper() for word in _WORDS]
    return table(["planted", "machine", "job", "jobs", *words, "CPU", "p50", "p99", "min", "min p90", "others"], rows)


def _planted(jobs: Sequence[Done], truths: Sequence[Truth]) -> str:
    """Work by the CPU time of one process that is asked with it and without, and what jobs say of it."""
    rows = []
    for name in dict.fromkeys(name for (name, *_), _ in _cells(jobs)):
        case, own = case_of(name), [job for job in jobs if job.case == name and job.units]
        if case.kind != "work" or not own:
            continue
        found = percent_of(truths, case.subject, fmean(job.units for job in own))
        said = [cost for job in own if (cost := _cpu(job)) is not None]
        truth = "not measured" if found is None else f"{found[0]:+.2f} % +/- {1.96 * found[1]:.2f}"
        rows.append([name, truth, f"{median(said):+.2f} %" if said else "-", str(len(said))])
    text = (
        "By the kernel's count of one process that is asked for two paths in turn, of which one has the work\n"
        "(`scripts/trust truth`, 95 % interval), and as all pairs of a job have it, the median of jobs."
    )
    return (
        f"{text}\n\n{table(['planted', 'in fact', 'by jobs', 'jobs'], rows)}" if rows else "No work is among the jobs."
    )


def _cpu(job: Done) -> float | None:
    """How much more CPU a request took in head, in percent: the median of its pairs."""
    pairs = [(one.figures.get(CPU), other.figures.get(CPU)) for one, other in zip(job.base, job.head, strict=True)]
    logs = [math.log(head / base) for base, head in pairs if base and head]
    return math.expm1(median(logs)) * 100.0 if logs else None


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


def _cells(jobs: Sequence[Done]) -> list[tuple[Cell, list[Done]]]:
    """The jobs by cell, sorted by disturbance, what kind of thing is planted, how much of it, and time."""

    def place(cell: Cell) -> tuple[str, str, int, float]:
        kind, _, amount = cell[0].partition(":")
        return cell[1], kind, int(amount), cell[2]

    return [(cell, [job for job in jobs if job.cell == cell]) for cell in sorted({job.cell for job in jobs}, key=place)]


def _named(cell: Cell) -> list[str]:
    return [cell[0], cell[1], f"{cell[2]:g} s"]


def _share(hits: int, jobs: int) -> str:
    low, high = exact_interval(hits, jobs)
    return f"{hits / jobs:.0%} ({low:.0%}-{high:.0%})"
