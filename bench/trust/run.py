"""One job: an A/B test of a subject against itself with something planted, on a machine that is disturbed.

`python -m bench.trust.run CASE DISTURBANCE --units N --seconds S --seed N` prints its line (`journal.py`): so `apart.py`
runs it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from bench.machine import BenchError, commit, description
from bench.process import Others
from bench.trust.cases import REQUESTS, Case, case_of
from bench.trust.disturbance import NAMES, disturbed
from bench.trust.journal import Block, Done, encode
from loadgate.ab.job import NAME, Job
from loadgate.ab.order import Arm
from loadgate.ab.pair import Measured
from loadgate.ab.plan import AbFlags, make_ab_plan
from loadgate.errors import InvalidRun, LoadgateError
from loadgate.interruption import Interrupted
from loadgate.record.ab import AbRecord
from loadgate.record.file import RecordFile
from loadgate.record.run import RunState
from loadgate.record.verdict import Word


def run(case: Case, disturbance: str, *, seconds: float, seed: int) -> Done:
    """Run it. Raises LoadgateError where it cannot be run; one in which nothing was evidence is INVALID.

    Raises KeyboardInterrupt where Ctrl-C ended it: half a job is none.
    """
    flags = AbFlags(
        base=case.base,
        head=case.head,
        what=None if case.script is None else str(case.script),
        config=case.config,
        request=REQUESTS[case.subject] if case.script is None else None,
        time=f"{seconds:g}s",
        seed=seed,
    )
    started = time.monotonic()
    record: AbRecord | None = None
    with tempfile.TemporaryDirectory() as folder, disturbed(disturbance, seed=seed, seconds=seconds):
        job = Job(make_ab_plan(flags, os.environ), RecordFile(Path(folder), NAME), os.environ, "", _quiet)
        others = Others()
        try:
            record = job.run()
        except Interrupted:
            raise KeyboardInterrupt from None
        except InvalidRun as error:
            reasons: tuple[str, ...] = (error.message,)
        else:
            reasons = record.verdict.reasons
        share = others.share()
    if record is not None and record.state is RunState.INTERRUPTED:
        raise KeyboardInterrupt
    rows = () if record is None or record.comparison is None else record.comparison.rows
    return Done(
        case=case.name,
        disturbance=disturbance,
        seconds=seconds,
        seed=seed,
        minutes=(time.monotonic() - started) / 60,
        verdict=str(Word.INVALID if record is None else record.verdict.word),
        words={str(row.series): str(row.word) for row in rows},
        reasons=reasons,
        units=case.units,
        base=tuple(_block(pair, Arm.BASE) for pair in job.measured),
        head=tuple(_block(pair, Arm.HEAD) for pair in job.measured),
        machine=description(),
        commit=commit(),
        others=share,
    )


def _block(pair: Measured, arm: Arm) -> Block:
    figures = {str(figure.series): figure.estimate.value for figure in pair.results[arm].figures}
    return Block(figures, pair.service[arm])


def _quiet(_: str) -> None:
    """What a job says of its looks is in its record."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case")
    parser.add_argument("disturbance", choices=NAMES)
    parser.add_argument("--units", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    try:
        case = case_of(options.case).planted(options.units)
        job = run(case, options.disturbance, seconds=options.seconds, seed=options.seed)
    except (BenchError, LoadgateError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    sys.stdout.buffer.write(encode(job))
    return 0


if __name__ == "__main__":
    sys.exit(main())
