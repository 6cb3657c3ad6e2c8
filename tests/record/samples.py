"""Records of runs that never happened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from loadgate.measure.health import Health, HealthSample, judge_health
from loadgate.measure.metric import Direction
from loadgate.measure.recorder import Recorder
from loadgate.measure.spread import spread_of
from loadgate.record.environment import Code, Environment
from loadgate.record.repeated import Repeated
from loadgate.record.result import SeriesName
from loadgate.record.run import Definition, LoadRecord, Run, RunState, Series, SubjectRecord
from loadgate.record.verdict import BudgetResult, ThresholdResult, Verdict, Word
from tests.support.made_up import MadeUp

STARTED = 1767225600.25  # 2026-01-01T00:00:00.250Z

ENVIRONMENT = Environment(
    cpu="AMD EPYC 7763",
    cores=1.5,
    kernel="linux 6.1.0 x86_64",
    image="Debian GNU/Linux 12 (bookworm)",
    python="3.11.7",
    loadgate="0.1.0",
    ci="github",
)

DEFINITION = Definition(
    profile="standard",
    script="load.py",
    target="http://127.0.0.1:3000",
    warmup=1.0,
    seed=7,
    planned_duration=4.0,
    digest="0123456789abcdef",
    command="loadgate run standard",
)

HEALTHY = (HealthSample(1.0, 0.3, 0.2), HealthSample(2.0, 0.31, 0.4), HealthSample(3.0, 0.32, 0.3))


def run_of(recorder: Recorder, **changes: Any) -> Run:
    """What was recorded, as a whole record; `changes` are fields of the run."""
    totals = recorder.totals()
    duration = recorder.windows[len(recorder.windows) - 1].end if len(recorder.windows) else 0.0
    run = Run(
        id="20260101-000000-abc123",
        state=RunState.COMPLETE,
        started=STARTED,
        duration=duration,
        definition=DEFINITION,
        environment=ENVIRONMENT,
        code=Code("0123456789abcdef0123456789abcdef01234567", "main", False),
        loads=(LoadRecord("default", "constant-vus", "10 VUs for 4s", 14, 12, 2, 0, 10, 10),),
        series=tuple(
            Series(key.metric, key.tags, totals.get(number)) for number, key in enumerate(recorder.described())
        ),
        windows=tuple(recorder.windows),
        errors=tuple(recorder.errors),
        health=Health(True, 0.31, 0.4, 0, 0, 0, ()),
        health_samples=HEALTHY,
        thresholds=(
            ThresholdResult("http_req_duration", "p(95)<500", "p(95)", "<", 500.0, "ms", 98.7654321, True),
            ThresholdResult("http_req_failed", "rate<0.01", "rate", "<", 0.01, "share", 0.25, False, 30.0, True),
        ),
        verdict=Verdict(Word.FAIL, ("http_req_failed rate<0.01: 25 %",)),
        notes=("stopped early: http_req_failed rate<0.01",),
    )
    return replace(run, **changes)


def whole_run() -> Run:
    """A run with everything in it: two steps, errors, checks, a custom metric of each kind, a warm-up window."""
    made = MadeUp(warmup=1.0)
    made.requests([900.0, 800.0], name="GET /")  # the warm-up, which counts for nothing
    made.add("vus", 10.0)
    made.close()
    for second in range(3):
        made.requests([10.0 + second, 20.0, 30.0], name="GET /")
        made.requests([100.0], name="POST /posts", status=500)
        made.add("my_trend", -3.5, 0.0, 12.5, plan="gold")
        made.add("my_rate", 1.0, 0.0, 1.0, 1.0)
        made.add("my_counter", 2.5)
        made.add("my_gauge", 5.0 - second)
        made.add("vus", 10.0)
        made.add("checks", 1.0, 1.0, 0.0, check="status is 200")
        made.iterations(4, failed=1, scenario="default")
        made.recorder.error("status", "POST /posts", "500 Internal Server Error")
        made.close()
    return run_of(made.recorder)


def target_run() -> Run:
    """A whole run with all that is kept of a target: what was watched, repeated and budgeted."""
    values = tuple(250.0 + number for number in range(20))
    return replace(
        whole_run(),
        subject=SubjectRecord("python app.py, process 4711", ("PSS: permission denied",), 0.002, 1.0),
        repeated=(
            Repeated(
                SeriesName("", "target_startup_time", ""),
                "ms",
                Direction.LOWER,
                values,
                spread_of(values),
                warmups=1,
                settled=False,
                advice=("another program took 20 % of the CPU",),
            ),
        ),
        budgets=(BudgetResult("startup", "", "max_time_ms", 500.0, 259.5, "ms", Word.PASS, 20, 1),),
    )


def empty_run() -> Run:
    """A record that was left before anything was measured."""
    return run_of(
        MadeUp().recorder,
        state=RunState.RUNNING,
        loads=(),
        health=judge_health(()),
        health_samples=(),
        thresholds=(),
        verdict=Verdict(Word.INVALID, ("nothing was measured",)),
        notes=(),
    )
