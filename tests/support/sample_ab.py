"""Records of A/B tests that were never run."""

from __future__ import annotations

import math
from dataclasses import replace

from loadgate.config.gate import GateSpec
from loadgate.judge.gating import decide_gate
from loadgate.judge.pairs import compare_pairs
from loadgate.measure.metric import Direction
from loadgate.record.ab import AbRecord, PairRecord
from loadgate.record.comparison import Change, Comparison
from loadgate.record.environment import Environment
from loadgate.record.explained import Counted, Explained, Grown
from loadgate.record.result import Figure, Result, SeriesName
from loadgate.record.stacks import Frame
from loadgate.record.verdict import Verdict, Word
from tests.support.results import FAILED, P95, result

P50 = SeriesName("", "http_req_duration", "p50")
CPU = SeriesName("", "target_cpu_per_request", "")
MACHINE = Environment("AMD EPYC 7763", 4.0, "linux 6.1.0 x86_64", "Debian 12", "3.11.7", "0.1.0", "")
BASE = {P50: 12.0, P95: 30.0, FAILED: 0.001, CPU: 0.17}
OF_STEP = SeriesName("GET /users | all", "http_req_latency", "p95")
NOISE = (0.004, -0.006, 0.002, -0.001, 0.005, -0.003, 0.001, -0.004, 0.003, -0.002)

EXPLAINED = Explained(
    tool="py-spy",
    counts="running or waiting for a core",
    seconds=10.0,
    samples=(712, 941),
    times=(0.00222, 0.00294),
    functions=(
        Grown(
            Frame("planted", "app.py", 23),
            Counted.SELF,
            0.00015,
            0.0005,
            45e-6,
            0.067,
            0.17,
            Frame("answer", "app.py", 39),
        ),
        Grown(Frame("Shop.render", "shop.so"), Counted.TOTAL, 0.001, 0.0012, 60e-6, 0.45, 0.41),
    ),
)


def ab_record(change: float = 0.0, noise: float = 1.0, *, faults: tuple[str, ...] = ()) -> AbRecord:
    """Ten pairs in which the head takes more CPU by `change` (relative); `noise` widens the spread of all of them."""
    pairs = []
    for each in NOISE:
        moved = {series: value * math.exp(noise * each) for series, value in BASE.items()}
        moved[CPU] *= 1.0 + change
        pairs.append((_result(BASE), _result(moved | {FAILED: BASE[FAILED]})))
    compared = compare_pairs(pairs, gate=GateSpec())
    fresh = 5 if compared.having(Change.WORSE) else 0
    if fresh:
        compared = replace(compared, notes=("1 of 1 that looked worse confirmed by 5 fresh pairs",))
    verdict = Verdict(Word.INVALID, faults) if faults else decide_gate(Verdict(Word.PASS), compared)
    return AbRecord(
        started=1_800_000_000.0,
        command="loadgate ab --base '/opt/builds/main/bin/python app.py {port}' --head ...",
        environment=MACHINE,
        seed=7,
        rate=1468.2,
        length=4.0,
        warmup=1.0,
        most=12,
        restarts=True,
        pairs=tuple(_pair(number, faults if number > 10 else ()) for number in range(1, 14 if faults else 11 + fresh)),
        confirming=fresh,
        comparison=_named(compared),
        verdict=verdict,
        arms=(
            "/opt/builds/main-3f2c1aa/venv/bin/python app.py --port '{port}' --workers 1 --log-level warning --cache `none`",
            "/opt/builds/head-9b1e77d/venv/bin/python app.py --port '{port}' --workers 1 --log-level warning --cache `lru`",
        ),
    )


def _named(comparison: Comparison) -> Comparison:
    sides = (replace(side, ids=("1", "2")) for side in (comparison.base, comparison.head))
    base, head = sides
    return replace(comparison, base=base, head=head)


def _result(values: dict[SeriesName, float]) -> Result:
    step = Figure(OF_STEP, "ms", Direction.LOWER, result({P95: values[P95]}).figures[0].estimate)
    return replace(result(values), figures=(*result(values).figures, step))


def _pair(number: int, faults: tuple[str, ...]) -> PairRecord:
    return PairRecord(number, ("base", "head"), {CPU: 0.17}, {CPU: math.nan}, (2936, 2936), faults)
