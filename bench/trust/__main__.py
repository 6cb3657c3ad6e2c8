"""`scripts/trust`: run jobs, and make the table of them."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Final

from bench.machine import BenchError, alone
from bench.trust.cases import GRID, case_of
from bench.trust.cost import Cost, measured, truth
from bench.trust.disturbance import NAMES
from bench.trust.journal import NAME, append, read
from bench.trust.run import run
from bench.trust.table import PAGE, page
from loadgate.errors import LoadgateError

OUT: Final = Path(__file__).parent / "out"


def main() -> int:
    options = _options()
    try:
        if options.do == "table":
            return _table(options.out / NAME, write=options.write)
        with alone():
            cost = measured()
            print(f"a plain request takes {cost.plain:.1f} us of CPU, a unit of work {cost.unit:.3f} us", flush=True)
            if options.do == "truth":
                units = cost.units(options.percent)
                print(f"{units} units for {options.percent} %: {truth(units):+.1f} %, measured apart")
            elif options.do == "run":
                for _ in range(options.jobs):
                    _job(options.case, options.disturbance, options.time, cost, options.out / NAME)
            else:
                _rounds(options.hours, cost, options.out / NAME)
    except (BenchError, LoadgateError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _rounds(hours: float, cost: Cost, path: Path) -> None:
    """Jobs of the cells that have fewest, in the order of the grid, until no time is left for another."""
    end = time.monotonic() + hours * 3600
    done = Counter(job.cell for job in read(path))
    while True:
        cell = min(GRID, key=lambda one: done[one])
        if time.monotonic() + 1.5 * cell[2] > end:
            return
        case, disturbance, seconds = cell
        try:
            _job(case, disturbance, seconds, cost, path)
        except LoadgateError as error:  # one job of a night must not end it
            print(f"{case}, {disturbance}: not measured: {error}", flush=True)
        done[cell] += 1


def _job(name: str, disturbance: str, seconds: float, cost: Cost, path: Path) -> None:
    job = run(case_of(name, cost), disturbance, seconds=seconds, seed=random.randrange(2**31))
    append(path, job)
    print(f"{name}, {disturbance}, {seconds:g} s: {job.verdict} in {job.minutes:.1f} min", flush=True)


def _table(path: Path, *, write: bool) -> int:
    jobs = list(read(path))
    if not jobs:
        raise BenchError(f"{path} has no jobs: run some first, with `scripts/trust plan --hours 8`")
    text = page(jobs)
    print(text)
    if write:
        PAGE.write_text(text)
    return 0


def _seconds(text: str) -> float:
    seconds = float(text.removesuffix("s"))
    if seconds <= 0:
        raise ValueError
    return seconds


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/trust", description=__doc__)
    does = parser.add_subparsers(dest="do", required=True)
    one = does.add_parser("run", help="jobs of one cell")
    one.add_argument("--case", required=True, help="work:5, one-of-ten:20, tail:20, memory:20, startup:100")
    one.add_argument("--disturbance", choices=NAMES, default="idle")
    one.add_argument("--jobs", type=int, default=1)
    one.add_argument("--time", type=_seconds, default=90.0, help="what a job is given: 90s")
    plan = does.add_parser("plan", help="the whole grid, a job of each cell in turn")
    plan.add_argument("--hours", type=float, required=True)
    true = does.add_parser("truth", help="what planted work costs, measured once more and apart")
    true.add_argument("--percent", type=int, default=10)
    table = does.add_parser("table", help="what came of it")
    table.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    for each in (one, plan, table):
        each.add_argument("--out", type=Path, default=OUT, help="folder of the jobs [default: bench/trust/out]")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
