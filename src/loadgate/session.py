"""One run from beginning to end: a plan goes in, a record comes out, and it lies on the disk all the while.

This is where the parts meet. The engine runs users; what they leave in the recorder is judged window by window; the record
is written again every few seconds, so that a process that is killed leaves what it had.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loadgate.clients.http import HttpStack
from loadgate.clients.http.stack import stack_for
from loadgate.clock import SystemClock
from loadgate.config.load import LoadSpec
from loadgate.config.profile import Profile
from loadgate.errors import LoadgateError, redact_url
from loadgate.interruption import Interrupted, Signals
from loadgate.judge.budgets import with_budgets
from loadgate.judge.facts import facts
from loadgate.judge.thresholds import ThresholdJudge
from loadgate.judge.verdict import decide, worthless
from loadgate.load.engine import EndState, Engine, Progress, RunEnd
from loadgate.load.executors import LoadStats
from loadgate.load.preflight import reach_target
from loadgate.load.users import UserPool
from loadgate.measure.health import judge_health
from loadgate.measure.metric import BUILTIN
from loadgate.measure.protocols import PROTOCOLS
from loadgate.measure.recorder import Recorder
from loadgate.measure.select import Selection
from loadgate.measure.tally import TrendTally
from loadgate.plan import Plan
from loadgate.program import Program
from loadgate.record.environment import Code, Environment, read_code, read_environment
from loadgate.record.file import RunFile
from loadgate.record.run import Definition, LoadRecord, Run, RunState, Series
from loadgate.record.verdict import Verdict, Word
from loadgate.script.loop import run_loop
from loadgate.script.performance import Performance

SAVE_EVERY: Final = 5.0
"""Seconds between two writings of the record while the run goes on."""


@dataclass(frozen=True, slots=True)
class View:
    """What whoever watches a run gets to see at the end of each window."""

    progress: Progress
    recorder: Recorder
    judge: ThresholdJudge


@dataclass(slots=True)
class Session:
    """One run of `plan`. `watch` is called at each window; `command` is the command line as it may be shown."""

    plan: Plan
    file: RunFile
    env: Mapping[str, str]
    command: str
    watch: Callable[[View], None]
    unsaved: str = ""
    """Why the record on the disk is not the last one, if it is not."""
    _clock: SystemClock = field(default_factory=SystemClock)
    _started: float = field(default_factory=time.time)
    _id: str = field(default_factory=lambda: f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}")
    _seed: int = 0
    _digest: str = ""
    _environment: Environment | None = None
    _code: Code = field(default_factory=Code)
    _http: HttpStack | None = None
    _performance: Performance | None = None
    _program: Program | None = None
    _saved: float = 0.0
    _saving: asyncio.Task[None] | None = None

    def run(self) -> Run:
        """Run it; the finished record is in the file. Raises LoadgateError where nothing could be run."""
        return run_loop(self._run(), self.plan.script.name)

    async def _run(self) -> Run:
        plan, profile = self.plan, self.plan.profile
        self._seed = random.randrange(2**31) if profile.seed is None else profile.seed
        self._digest = plan.definition
        self._environment = read_environment(self.env)
        recorder = Recorder(start=self._clock.now(), warmup=profile.warmup)
        agent = f"loadgate/{self._environment.loadgate}"
        http = stack_for(plan.target, recorder, agent)
        program = self._program = Program(plan.target, self._clock, agent)
        self._http = http
        performance = self._performance = Performance(
            plan.script, recorder=recorder, http=http, clock=self._clock, env=self.env, seed=self._seed
        )
        metrics = {**BUILTIN, **plan.script.metrics}
        judge = ThresholdJudge(profile.thresholds, recorder, warmup=profile.warmup, metrics=metrics)
        engine = Engine(
            profile.loads,
            _pools(profile.loads, performance, lambda: _patience(recorder)),
            recorder,
            self._clock,
            window=_window_width(profile),
            warmup=profile.warmup,
            on_window=lambda progress: self._on_window(progress, engine, recorder, judge),
            before_end=program.settle,
        )
        code = asyncio.create_task(asyncio.to_thread(read_code, Path.cwd(), self.env))
        with Signals() as signals:
            try:
                try:
                    await program.open()
                    await program.start()
                    await self._prepare(http, performance)
                    await program.begin(recorder, profile.warmup)
                except asyncio.CancelledError:
                    raise Interrupted("interrupted before the load began: nothing was measured") from None
                signals.then(engine.interrupt)
                origin = self._clock.now()
                recorder.begin(origin)
                end = await engine.run(origin)
                self._code = await code
                teardown = asyncio.create_task(self._tear_down(performance))
                signals.then(teardown.cancel)
                problem = await teardown
                stopping = asyncio.create_task(program.stop())
                signals.then(stopping.cancel)
                with suppress(asyncio.CancelledError):  # closing the program ends it with less patience
                    await stopping
            finally:
                signals.then(lambda: None)
                await program.close()
        state = RunState.INTERRUPTED if teardown.cancelling() else RunState(end.state.value)
        run = self._record(recorder, judge, end, state, problem)
        await self._save_last(run)
        self._clock.close()
        return run

    async def _prepare(self, http: HttpStack, performance: Performance) -> None:
        """Everything that must be in order before there is load."""
        await reach_target(self.plan.target, http)
        await performance.prepare()

    async def _tear_down(self, performance: Performance) -> str:
        """Run the script's teardown; what went wrong with it, if anything did."""
        try:
            return await performance.finish()
        except asyncio.CancelledError:
            return f"teardown of {self.plan.script.name} was interrupted"

    # -- while it runs

    def _on_window(self, progress: Progress, engine: Engine, recorder: Recorder, judge: ThresholdJudge) -> str | None:
        judge.observe(progress.window)
        self.watch(View(progress, recorder, judge))
        if self._saved == 0.0 or progress.elapsed - self._saved >= SAVE_EVERY:
            self._saved = progress.elapsed
            if self._saving is None or self._saving.done():
                self._saving = asyncio.create_task(self._save_so_far(recorder, judge, engine))
        died = self._program.died if self._program is not None else ""
        return died or judge.breach(progress.elapsed)

    async def _save_so_far(self, recorder: Recorder, judge: ThresholdJudge, engine: Engine) -> None:
        await self._save(self._record(recorder, judge, engine.so_far(), RunState.RUNNING), final=False)

    async def _save_last(self, run: Run) -> None:
        if self._saving is not None:
            await self._saving
        await self._save(run, final=True)

    async def _save(self, run: Run, *, final: bool) -> None:
        """Encode and write in a thread: the loop has replies to attend to.

        A disk that is full must not end the run: it is told when the run is over, if it is still so.
        """
        try:
            await asyncio.to_thread(lambda: self.file.write(self.file.encode(run), final=final))
        except LoadgateError as error:
            self.unsaved = str(error)
        else:
            self.unsaved = ""

    # -- the record

    def _record(
        self, recorder: Recorder, judge: ThresholdJudge, end: RunEnd, state: RunState, problem: str = ""
    ) -> Run:
        assert self._environment is not None and self._program is not None
        program = self._program
        profile = self.plan.profile
        loads = tuple(_load_record(load, end.stats[load.name]) for load in profile.loads)
        known = facts(
            recorder,
            state=state,
            elapsed=end.duration,
            planned=profile.length,
            loads=loads,
            ended=state is not RunState.RUNNING and end.state is EndState.COMPLETE,
        )
        health = judge_health(end.health, warmup=profile.warmup, service_ms=known.service_ms)
        thresholds = judge.results(max(0.0, end.duration - profile.warmup))
        verdict = decide(known, thresholds, health)
        if problem and verdict.word is not Word.INVALID:
            verdict = Verdict(Word.FAIL, (*verdict.reasons, problem))
        if program.died:
            verdict = Verdict(Word.INVALID, (program.died, *verdict.reasons))
        totals = recorder.totals()
        run = Run(
            id=self._id,
            state=state,
            started=self._started,
            duration=end.duration,
            definition=Definition(
                profile=profile.name,
                script=self.plan.script.name,
                target=redact_url(self.plan.target.place),
                warmup=profile.warmup,
                seed=self._seed,
                planned_duration=profile.length,
                digest=self._digest,
                command=self.command,
            ),
            environment=self._environment,
            code=self._code,
            loads=loads,
            series=tuple(
                Series(key.metric, key.tags, tally.copy() if (tally := totals.get(number)) else None)
                for number, key in enumerate(recorder.described())
            ),
            windows=tuple(recorder.windows),
            errors=tuple(recorder.errors),
            health=health,
            health_samples=end.health,
            thresholds=thresholds,
            verdict=verdict,
            notes=(*_notes(recorder, end), *self._resent(), *program.notes()),
            subject=program.record(),
            repeated=program.figures(),
        )
        if state is RunState.RUNNING:
            return run  # it is no verdict yet, and the loop has replies to attend to
        return with_budgets(
            run, self.plan.budgets, trusted=health.healthy and not worthless(known) and not program.died
        )

    def _resent(self) -> Iterator[str]:
        """What was sent more than once, so that the target may have seen more than the figures say."""
        if self._http is not None and (count := self._http.resent):
            yield f"{count:,} requests were sent once more because the server had closed their idle connection"
        if self._performance is not None and (count := self._performance.resent_calls):
            yield f"{count:,} gRPC calls were sent once more because the server had not looked at them (GOAWAY, REFUSED_STREAM)"


def _pools(loads: Sequence[LoadSpec], performance: Performance, patience: Callable[[], float]) -> dict[str, UserPool]:
    """A pool for each load; users are numbered over the whole run. Raises ConfigError for a wrong `exec`."""
    ids = itertools.count(1)
    return {
        load.name: UserPool(performance.role(load.exec, load=load.name, tags=load.tags, env=load.env), ids, patience)
        for load in loads
    }


def _patience(recorder: Recorder) -> float:
    """Seconds an exchange may be under way when the run ends and still be a slow one: ten times the median of the slowest
    protocol, at least one."""
    totals = recorder.totals()
    tallies = [Selection(recorder, protocol.service).tally(totals) for protocol in PROTOCOLS]
    medians = [tally.histogram.percentile(50.0) for tally in tallies if isinstance(tally, TrendTally)]
    return max(1.0, max(medians, default=0.0) * 10.0 / 1e3)


def _window_width(profile: Profile) -> float:
    """Seconds: 20 windows or more, but none longer than a second, nor so short that closing them would be the work.

    Closing one takes the loop a millisecond or two. Once a second that touches 0.2 % of all replies; four times a second it
    would be seen in the 99th percentile.
    """
    return min(1.0, max(0.25, profile.length / 20.0))


def _load_record(load: LoadSpec, stats: LoadStats) -> LoadRecord:
    return LoadRecord(
        name=load.name,
        executor=load.executor.value,
        summary=load.words,
        started=stats.started,
        completed=stats.completed,
        interrupted=stats.interrupted,
        dropped=stats.dropped,
        vus=stats.allocated,
        max_vus=stats.max_allocated,
        stopped=stats.stopped,
        start=load.start_time,
        length=load.length,
    )


def _notes(recorder: Recorder, end: RunEnd) -> tuple[str, ...]:
    notes = []
    if end.state is EndState.ABORTED:
        notes.append(f"stopped early: {end.reason}")
    if recorder.overflowed_names:
        notes.append(
            f"{recorder.overflowed_names:,} requests are counted under the step `(other)`: there were too many names; "
            "give requests whose paths hold ids a `name`"
        )
    if recorder.clock_anomalies:
        notes.append(f"the clock ran backwards in {recorder.clock_anomalies:,} exchanges, which count as 0 ms")
    return tuple(notes)
