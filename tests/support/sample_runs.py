"""Runs that never took place: seeded samples, recorded by a real Recorder, in the shape of a record.

Figures are drawn from distributions and kept to few digits, so that they do not hang on how fine a histogram's buckets are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from loadgate.config.load import Executor, LoadSpec, Stage
from loadgate.config.threshold_grammar import parse_threshold
from loadgate.measure.health import Health, HealthSample, judge_health
from loadgate.measure.metric import BUILTIN, Direction, Kind, Metric
from loadgate.measure.recorder import Recorder
from loadgate.measure.spread import spread_of
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, Tally, TrendTally
from loadgate.measure.windows import Window, merged
from loadgate.record.environment import Code, Environment
from loadgate.record.repeated import Repeated
from loadgate.record.result import SeriesName
from loadgate.record.run import Definition, LoadRecord, Run, RunState, Series, SubjectRecord
from loadgate.record.verdict import ThresholdResult, Verdict, Word

START = 1000.0
"""Clock seconds at which every sample run begins."""


@dataclass(frozen=True)
class SampleStep:
    """One step: its time in ms is lognormal. `waits` is added before the send. `fails` maps errors to shares."""

    name: str
    rate: float
    median: float = 10.0
    sigma: float = 0.4
    waits: float = 0.0
    fails: Mapping[str, float] = field(default_factory=dict)
    """By error kind, or by a status in digits."""
    protocol: str = "http"


SHOP = (
    SampleStep("GET /health", 61.0, 4.0, 0.35),
    SampleStep("POST /orders", 18.5, 22.0, 0.5),
    SampleStep("GET /orders/{id}", 20.0, 11.2, 0.45),
)
FAULTY = (
    SampleStep("GET /health", 61.0, 4.0, 0.35),
    SampleStep("POST /orders", 18.5, 120.0, 0.7, fails={"timeout": 0.02, "503": 0.06}),
    SampleStep("GET /orders/{id}/positions/{position}/history", 20.0, 11.2, 0.45, fails={"reset": 0.004}),
)
STALLED = (SampleStep("GET /stall", 100.0, 5.0, 0.3, waits=400.0), SampleStep("GET /fine", 50.0, 5.0, 0.3))

CHECKS: Mapping[str, float] = {"status is 200": 1.0, "body holds an id": 1.0}
FAULTY_CHECKS: Mapping[str, float] = {
    "status is 200": 0.98,
    "body holds an id": 0.995,
    "price is positive": 1.0,
    "currency is EUR": 1.0,
    "reply within a second": 0.97,
    "etag is set": 1.0,
}

CLOSED = LoadSpec(
    "default", Executor.RAMPING_VUS, start_vus=0, stages=(Stage(10.0, 10.0), Stage(40.0, 10.0), Stage(10.0, 0.0))
)
OPEN = LoadSpec("default", Executor.CONSTANT_ARRIVAL_RATE, rate=100.0, duration=60.0, max_vus=200)


class Play:
    """Feeds a Recorder second by second, as an engine would."""

    def __init__(self, steps: Sequence[SampleStep], *, warmup: float = 0.0, seed: int = 7) -> None:
        self.steps = steps
        self.recorder = Recorder(start=START, warmup=warmup)
        self.health: list[HealthSample] = []
        self._random = np.random.default_rng(seed)
        self.custom = False
        self.checks: Mapping[str, float] = CHECKS
        self.watched = False

    def windows(
        self, seconds: int, *, planned: int = 0, dropped: int = 0, cpu: float = 0.31, lag: float = 0.4
    ) -> Iterator[Window]:
        """Play `seconds` windows of a second each."""
        for second in range(seconds):
            now = START + second
            for step in self.steps:
                self._exchanges(step, now)
            self._points(now)
            self.recorder.add(self.recorder.series(BUILTIN["vus"], {}), min(10.0, second + 1.0))
            window = self.recorder.close_window(now + 1.0)
            self.health.append(HealthSample(second + 1.0, cpu, lag, planned, planned - dropped, dropped))
            yield window

    def _exchanges(self, step: SampleStep, now: float) -> None:
        recorder, random = self.recorder, self._random
        count = round(step.rate)
        times = np.round(random.lognormal(np.log(step.median), step.sigma, count), 1) / 1e3
        drawn = random.random(count)
        for number, (seconds, draw) in enumerate(zip(times.tolist(), drawn.tolist(), strict=True)):
            tags = {"name": step.name, "scenario": "default", "method": step.name.partition(" ")[0]}
            failed = False
            for kind, share in step.fails.items():
                if draw < share:
                    failed = True
                    if kind.isdigit():
                        tags["status"] = kind
                    else:
                        tags |= {"status": "0", "error": kind}
                        recorder.error(
                            kind, step.name, f"{kind} after {seconds * 1e3:.0f} ms: 127.0.0.1:3000 did not answer"
                        )
                    break
                draw -= share
            tags = {"status": "200", **tags, "expected_response": "false" if failed else "true"}
            series = recorder.exchange_series(step.protocol, tags, failed=failed)
            planned = now + number / max(1, count)
            start = planned + step.waits / 1e3
            recorder.exchange(series, 120, 900, planned, start, start + seconds * 0.9, start + seconds)

    def _points(self, now: float) -> None:
        recorder, random = self.recorder, self._random
        tags = {"scenario": "default"}
        for _ in range(20):
            recorder.add(recorder.series(BUILTIN["iterations"], tags), 1.0)
            recorder.add(recorder.series(BUILTIN["iterations_failed"], tags), 0.0)
            recorder.add(recorder.series(BUILTIN["iteration_duration"], tags), float(np.round(random.normal(200, 20))))
            for name, share in self.checks.items():
                held = 1.0 if random.random() < share else 0.0
                recorder.add(recorder.series(BUILTIN["checks"], {**tags, "check": name}), held)
        if self.custom:
            self._custom(tags)
        if self.watched:
            self._resources(now - START)

    def _resources(self, at: float) -> None:
        """What a target would have used in this second: more and more memory, most CPU in the middle."""
        used = {
            "target_cpu": 0.3 + 0.01 * (30.0 - abs(at - 30.0)),
            "target_memory": 40e6 + 1e5 * at,
            "target_memory_pss": 38e6 + 1e5 * at,
            "target_memory_peak": 52e6,
            "target_processes": 3.0,
            "target_threads": 12.0,
            "target_open_files": 20.0 + at % 7,
            "target_disk_read": 0.0,
            "target_disk_written": 4096.0,
            "target_context_switches": 210.0,
            "target_page_faults": 4.0,
            "target_major_faults": 0.0,
        }
        for name, value in used.items():
            self.recorder.add(self.recorder.series(BUILTIN[name], {}), value)

    def _custom(self, tags: Mapping[str, str]) -> None:
        recorder, random = self.recorder, self._random
        own = (
            Metric("checkout_time", Kind.TREND, "ms"),
            Metric("basket_size", Kind.TREND, ""),
            Metric("logins", Kind.COUNTER, "count", Direction.HIGHER),
            Metric("cache_hits", Kind.RATE, "share", Direction.HIGHER),
            Metric("queue_length", Kind.GAUGE, ""),
        )
        values = (
            float(np.round(random.normal(800, 90))),
            float(random.integers(1, 9)),
            1.0,
            1.0,
            float(random.integers(0, 40)),
        )
        for metric, value in zip(own, values, strict=True):
            recorder.add(recorder.series(metric, tags), value)
        group = {**tags, "group": "::checkout::pay"}
        recorder.add(recorder.series(BUILTIN["group_duration"], group), float(np.round(random.normal(300, 30))))


def results(recorder: Recorder, limits: Mapping[str, Sequence[str]]) -> tuple[ThresholdResult, ...]:
    """Thresholds of percentiles, shares and counts, judged on the totals; enough of a judge for a picture."""
    judged = []
    for key, expressions in limits.items():
        for expression in expressions:
            threshold = parse_threshold(key, expression)
            numbers = [n for n in range(recorder.series_count) if recorder.describe(n).metric.name == threshold.metric]
            unit = recorder.describe(numbers[0]).metric.unit if numbers else ""
            tally = merged(recorder.totals(), numbers)
            observed = _observed(tally, threshold.percentile)
            judged.append(
                ThresholdResult(
                    key=threshold.key,
                    expression=threshold.source,
                    statistic=threshold.statistic,
                    operator=threshold.operator,
                    bound=threshold.bound,
                    unit=unit,
                    observed=observed,
                    passed=threshold.holds(observed),
                )
            )
    return tuple(judged)


def _observed(tally: Tally | None, percentile: float | None) -> float:
    if isinstance(tally, TrendTally):
        return tally.histogram.mean if percentile is None else tally.histogram.percentile(percentile)
    if isinstance(tally, RateTally):
        return tally.rate
    if isinstance(tally, CounterTally):
        return tally.total
    return tally.last if isinstance(tally, GaugeTally) else float("nan")


LIMITS: Mapping[str, Sequence[str]] = {
    "http_req_duration": ("p(95)<500ms", "p(99)<1s"),
    "http_req_failed": ("rate<1%",),
    "checks": ("rate>99%",),
}


def run_of(
    play: Play,
    seconds: float,
    *,
    load: LoadSpec = CLOSED,
    state: RunState = RunState.COMPLETE,
    thresholds: tuple[ThresholdResult, ...] = (),
    verdict: Verdict | None = None,
    health: Health | None = None,
    notes: tuple[str, ...] = (),
) -> Run:
    """The record of what `play` has recorded so far."""
    recorder = play.recorder
    totals = recorder.totals()
    done = merged(totals, [n for n in range(recorder.series_count) if recorder.describe(n).metric.name == "iterations"])
    completed = int(done.total) if isinstance(done, CounterTally) else 0
    dropped = sum(sample.dropped for sample in play.health)
    return Run(
        id="20260102-030405-abcdef",
        state=state,
        started=1_767_322_800.0,
        duration=seconds,
        definition=Definition(
            profile="standard",
            script="loadgate.yml",
            target="http://127.0.0.1:3000",
            warmup=recorder.warmup,
            seed=7,
            planned_duration=load.length,
            digest="0123456789abcdef",
            command="loadgate run standard",
        ),
        environment=Environment(
            cpu="AMD EPYC 7763 64-Core Processor",
            cores=4,
            kernel="linux 6.1.0 x86_64",
            image="Debian GNU/Linux 12",
            python="3.12.3",
            loadgate="0.1.0",
            ci="",
        ),
        code=Code("9b1e77d0c0ffee", "main", dirty=True),
        loads=(
            LoadRecord(
                name=load.name,
                executor=load.executor.value,
                summary=load.words,
                started=completed + (3 if state is not RunState.COMPLETE else 0),
                completed=completed,
                interrupted=3 if state is RunState.INTERRUPTED else 0,
                dropped=dropped,
                vus=10,
                max_vus=200 if load.executor.open_model else 10,
            ),
        ),
        series=tuple(
            Series(recorder.describe(number).metric, recorder.describe(number).tags, totals.get(number))
            for number in range(recorder.series_count)
        ),
        windows=tuple(recorder.windows),
        errors=tuple(recorder.errors),
        health=health or judge_health(play.health),
        health_samples=tuple(play.health),
        thresholds=thresholds,
        verdict=verdict or _verdict(thresholds),
        notes=notes,
    )


def _verdict(thresholds: Sequence[ThresholdResult]) -> Verdict:
    broken = [result for result in thresholds if not result.passed]
    reasons = tuple(
        f"{result.key} {result.expression}: " + (f"{result.observed:.3g}" if result.measured else "no data")
        for result in broken
    )
    return Verdict(Word.FAIL if broken else Word.PASS, reasons)


def passing() -> Run:
    play = Play(SHOP, warmup=5.0)
    for _ in play.windows(60):
        pass
    return run_of(play, 60.0, thresholds=results(play.recorder, LIMITS))


def failing() -> Run:
    """Errors, failing checks, an author's own metrics, broken thresholds, one without data."""
    play = Play(FAULTY)
    play.custom, play.checks = True, FAULTY_CHECKS
    for _ in play.windows(60):
        pass
    limits = {**LIMITS, "http_req_duration": ("p(95)<150ms", "p(99)<1s"), "never_seen": ("p(95)<1s",)}
    return run_of(
        play, 60.0, thresholds=results(play.recorder, limits), notes=("teardown of loadgate.yml was interrupted",)
    )


def stalled() -> Run:
    """An open model in which requests waited long before they were sent."""
    play = Play(STALLED)
    for _ in play.windows(20, planned=100):
        pass
    return run_of(play, 20.0, load=OPEN, thresholds=results(play.recorder, LIMITS))


def invalid() -> Run:
    play = Play(SHOP)
    for _ in play.windows(20, planned=1000, dropped=399, cpu=0.97, lag=240.0):
        pass
    health = judge_health(play.health)
    verdict = Verdict(Word.INVALID, health.reasons)
    return run_of(play, 20.0, load=OPEN, thresholds=results(play.recorder, LIMITS), verdict=verdict, health=health)


def empty() -> Run:
    """Nothing was measured."""
    verdict = Verdict(Word.INVALID, ("nothing was measured: no request ended after the warm-up",))
    play = Play(())
    return run_of(play, 0.0, thresholds=results(play.recorder, LIMITS), verdict=verdict)


def repeated(
    metric: str,
    unit: str,
    values: Sequence[float],
    step: str = "",
    *,
    settled: bool = True,
    advice: tuple[str, ...] = (),
) -> Repeated:
    """A figure that came to `values`."""
    return Repeated(
        SeriesName(step, metric, ""), unit, Direction.LOWER, tuple(values), spread_of(values), 1, settled, advice
    )


def watched() -> Run:
    """The target was started, watched and stopped; benchmarks beside it, one of them shaky."""
    play = Play(SHOP, warmup=5.0)
    play.watched = True
    for _ in play.windows(60):
        pass
    random = np.random.default_rng(7)
    starts = np.round(random.normal(251.0, 2.0, 20), 1).tolist()
    steady, shaky = np.round(random.normal(184.0, 3.0, 40)).tolist(), np.round(random.normal(9e5, 2e5, 15)).tolist()
    advice = ("the clock of the CPU was changed meanwhile: set the governor `performance`",)
    return replace(
        run_of(play, 60.0, thresholds=results(play.recorder, LIMITS)),
        subject=SubjectRecord(
            "python app.py --port 3000, process 4711 with its children",
            ("bytes on the network: the program shares its network with others",),
            0.0042,
            1.0,
        ),
        repeated=(
            repeated("target_port_open", "ms", [value - 5.5 for value in starts]),
            repeated("target_startup_time", "ms", [*starts[:-1], 612.0]),
            repeated("target_startup_memory", "bytes", [38_100_000.0 + 4096.0 * n for n in range(20)]),
            repeated("", "ns", steady, "parse/1000"),
            repeated("", "ns", shaky, "render a page with all of its parts", settled=False, advice=advice),
        ),
    )


def started() -> Run:
    """The target was started once, and nothing of it could be read after that."""
    run = replace(passing(), subject=SubjectRecord("node server.js", ("/proc/4711: permission denied",), 0.0001, 0.5))
    once = (("target_startup_time", "ms", [251.5]), ("target_startup_memory", "bytes", [38_100_000.0]))
    return replace(run, repeated=tuple(replace(repeated(*each), warmups=0) for each in once))


def interrupted() -> Run:
    play = Play(SHOP)
    for _ in play.windows(24):
        pass
    return run_of(play, 24.3, state=RunState.INTERRUPTED, thresholds=results(play.recorder, LIMITS))


def running() -> Run:
    """What a process that was killed left."""
    verdict = Verdict(Word.INVALID, ("the run did not come to its end",))
    return replace(interrupted(), state=RunState.RUNNING, verdict=verdict)


SAMPLES = {
    "passing": passing,
    "failing": failing,
    "stalled": stalled,
    "invalid": invalid,
    "empty": empty,
    "watched": watched,
    "started": started,
    "interrupted": interrupted,
    "running": running,
}
