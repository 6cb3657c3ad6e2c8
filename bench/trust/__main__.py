"""`scripts/trust`: run jobs, and make the table of them."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from bench.machine import BenchError, alone
from bench.trust import truths
from bench.trust.cases import GRID, SUBJECTS, WORK, Case, case_of
from bench.trust.cost import TRIAL, truth
from bench.trust.disturbance import NAMES as DISTURBANCES
from bench.trust.journal import NAME, read
from bench.trust.rounds import measure
from bench.trust.table import BARS, PAGE, page
from loadgate.errors import LoadgateError

OUT: Final = Path(__file__).parent / "out"


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends it ends the job that is under way, too
    try:
        if options.do == "table":
            return _table(options.out, write=options.write)
        with alone():
            if options.do == "truth":
                _truth(options.percent, options.out)
            elif options.do == "run":
                cell = (options.case, options.disturbance, options.time)
                measure(
                    {cell: options.jobs},
                    {},
                    units=_units([case_of(options.case)], options.out),
                    out=options.out,
                    say=_say,
                )
            else:
                done = Counter(job.cell for job in read(options.out / NAME))
                units = _units((case_of(name) for name, _, _ in GRID), options.out)
                measure(GRID, done, units=units, out=options.out, say=_say, hours=options.hours)
    except (BenchError, LoadgateError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _units(cases: Iterable[Case], out: Path) -> dict[str, float]:
    """Of each subject in which work is planted, the units that make a request cost 1 % more: as they were found the first time.

    So all jobs that are kept in `out` have the same.
    """
    found = {}
    for subject in dict.fromkeys(case.subject for case in cases if case.kind in WORK and case.amount):
        known = [size for size in truths.read(out / truths.SIZES) if size.subject == subject]
        if not known:
            known = [truth(subject, TRIAL[subject])]
            truths.append(out / truths.SIZES, known[0])
        size = known[0]
        if size.percent <= 0.0:
            raise BenchError(f"{subject}: work costs nothing here ({size.percent:+.2f} %): remove {out / truths.SIZES}")
        _say(f"{subject}: {size.units} units of work are {size.percent:+.2f} % of a request (error {size.error:.2f})")
        found[subject] = size.units / size.percent
    return found


def _truth(percents: Sequence[int], out: Path) -> None:
    """Measure planted work once more and apart, and keep it."""
    for subject, percent in _units([Case(subject, "work", 1) for subject in SUBJECTS], out).items():
        for amount in percents:
            found = truth(subject, round(percent * amount))
            truths.append(out / truths.NAME, found)
            _say(f"{subject}: {found.units} units for {amount} %: {found.percent:+.2f} % (error {found.error:.2f})")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _table(out: Path, *, write: bool) -> int:
    jobs = list(read(out / NAME))
    if not jobs:
        raise BenchError(f"{out / NAME} has no jobs: run some first, with `scripts/trust plan --hours 8`")
    text = page(jobs, truths.read(out / truths.NAME))
    print(text)
    if write:
        PAGE.write_text(text)
    met = [bar.met(jobs) for bar in BARS]
    return 1 if False in met else 3 if None in met else 0


def _seconds(text: str) -> float:
    seconds = float(text.removesuffix("s"))
    if seconds <= 0:
        raise ValueError
    return seconds


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/trust", description=__doc__)
    does = parser.add_subparsers(dest="do", required=True)
    one = does.add_parser("run", help="jobs of one cell")
    one.add_argument(
        "--case", required=True, help="work:5, one-of-ten:20, tail:20, memory:20, startup:100, target/work:5"
    )
    one.add_argument("--disturbance", choices=DISTURBANCES, default="idle")
    one.add_argument("--jobs", type=int, default=1)
    one.add_argument("--time", type=_seconds, default=90.0, help="what a job is given: 90s")
    plan = does.add_parser("plan", help="the whole grid, a job of each cell in turn")
    plan.add_argument("--hours", type=float, required=True)
    true = does.add_parser("truth", help="what planted work costs, measured once more and apart")
    true.add_argument("--percent", type=int, nargs="+", default=[5, 20])
    table = does.add_parser("table", help="what came of it")
    table.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    for each in (one, plan, true, table):
        each.add_argument("--out", type=Path, default=OUT, help="folder of the jobs [default: bench/trust/out]")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
