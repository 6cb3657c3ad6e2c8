"""One bench: start-ups, latency by payload size, benchmarks of a script, commands, in this order; one record of all.

Rules:
* Latency by size is a run like any other (`Session`), and what is repeated goes into its record; without it the record has no
  load. Budgets are judged at the end, when everything is measured.
* What was measured before something failed or somebody wanted an end is recorded, and is no pass.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from loadgate._version import __version__
from loadgate.bench.commands import run_command
from loadgate.bench.functions import run_worker
from loadgate.bench.plan import BenchPlan
from loadgate.bench.repeating import Case, Measured, Outcome, Row, Sofar, repeat
from loadgate.bench.sizes import NAME
from loadgate.bench.starts import Starter
from loadgate.clock import SystemClock
from loadgate.config.start import StartSpec
from loadgate.errors import InvalidRun, LoadgateError, redact_url
from loadgate.interruption import Interrupted, Signals
from loadgate.judge.budgets import with_budgets
from loadgate.measure.health import Health
from loadgate.plan import Plan
from loadgate.probe.kept import Keeper
from loadgate.program import Program
from loadgate.record.digest import digest
from loadgate.record.environment import read_code, read_environment
from loadgate.record.file import RunFile
from loadgate.record.repeated import Repeated
from loadgate.record.result import SeriesName
from loadgate.record.run import Definition, Run, RunState
from loadgate.record.starts import MEMORY, STARTUP, UNITS
from loadgate.record.verdict import Verdict, Word
from loadgate.script.benchmark import Benchmark, load_benchmarks
from loadgate.script.loop import run_loop
from loadgate.session import SAVE_EVERY, Session, View

LIMIT: Final = 300.0
"""Seconds that one repetition of a benchmark or command may take."""

SAMPLES: Final = 10
"""Samples of a benchmark in one process; their median is its value."""


@dataclass(slots=True)
class Suite:
    """Runs `plan` once. `say` is told how it goes, `watch` makes a view of the load; `env` is what scripts see."""

    plan: BenchPlan
    file: RunFile
    env: Mapping[str, str]
    command: str
    watch: Callable[[Plan], Callable[[View], None]]
    say: Callable[[str], None]
    unsaved: str = ""
    """Why the record is not on the disk, if it is not."""
    _started: float = field(default_factory=time.time)
    _begun: float = field(default_factory=time.perf_counter)
    _interrupted: bool = False
    _saved: float = 0.0
    _repeated: list[Repeated] = field(default_factory=list)
    _loaded: Run | None = None

    def run(self) -> Run:
        """The record, judged by its budgets.

        Raises LoadgateError where something could not be measured; what was measured until then is in the file.
        """
        try:
            self._measure()
        except LoadgateError as error:
            if not self._repeated and self._loaded is None:
                raise
            if not isinstance(error, Interrupted):
                self.save(self._record(_reason(error)))
                raise InvalidRun(error.message, error.hint) from None
            self._interrupted = True
        if self._interrupted and not self._repeated and self._loaded is None:
            raise Interrupted("interrupted before anything was measured")
        run = self._record("the bench was interrupted before all was measured" if self._interrupted else "")
        self.save(run)
        return run

    def _measure(self) -> None:
        spec = self.plan.spec
        cases = self._cases()  # a script is read before anything takes time
        if spec.starts is not None:
            run_loop(self._starts(), NAME)
        if self.plan.load is not None and not self._interrupted:
            run = self._loaded = self._load()
            known = {each.series for each in self._repeated}
            self._repeated += (each for each in run.repeated if each.series not in known)
            self._interrupted = run.state is RunState.INTERRUPTED
        if cases and not self._interrupted:
            run_loop(self._others(cases), NAME)

    def _record(self, wrong: str) -> Run:
        """What was measured, judged; `wrong`: why that is not all, or ""."""
        run = self._unloaded() if self._loaded is None else self._loaded
        run = replace(run, repeated=tuple(self._repeated))
        trusted = run.verdict.word is Word.PASS
        if wrong:
            state = RunState.INTERRUPTED if self._interrupted else run.state
            run = replace(run, state=state, verdict=Verdict(Word.INVALID, (*run.verdict.reasons, wrong)))
        return with_budgets(run, self.plan.budgets, trusted=trusted)

    def save(self, run: Run) -> None:
        """Write the record, whole."""
        try:
            self.file.write(self.file.encode(run), final=True)
        except LoadgateError as error:
            self.unsaved = str(error)

    def _keep(self, sofar: Sofar) -> None:
        """Have what was measured so far on the disk, every few seconds: the process may be killed."""
        now = time.perf_counter()
        if now - self._saved < SAVE_EVERY:
            return
        self._saved = now
        run = self._unloaded() if self._loaded is None else self._loaded
        why = "the bench has no end: this is what was measured until the record was last written"
        verdict = Verdict(Word.INVALID, (why,))
        run = replace(run, state=RunState.RUNNING, repeated=(*self._repeated, *sofar()), verdict=verdict)
        with suppress(LoadgateError):  # a full disk is told at the end, if it is still full
            self.file.write(self.file.encode(run), final=False)

    # -- what is repeated

    async def _starts(self) -> None:
        with Signals():
            try:
                await self._start_again_and_again()
            except asyncio.CancelledError:  # before the first start, or while the last program is ended
                self._interrupted = True

    async def _start_again_and_again(self) -> None:
        plan, clock = self.plan, SystemClock()
        assert plan.spec.starts is not None
        keeper = await Keeper.open()
        try:
            starter = Starter(plan.target, plan.spec.starts, keeper, clock, f"loadgate/{__version__}")
            await starter.check()

            async def once() -> Row:
                return (await starter.launch()).row()

            figures = tuple(Measured(series, unit, series in (STARTUP, MEMORY)) for series, unit in UNITS.items())
            case = Case("start-up", figures, once, lambda: starter.cpu)
            self._take(await repeat(case, plan.starts_policy, self.say, self._keep))
        finally:
            await keeper.close()
            clock.close()

    async def _others(self, cases: Sequence[Case]) -> None:
        """Benchmarks and commands, one after the other; the target runs meanwhile if one of them asks it for something."""
        asking = any(case.asks for case in cases)
        target = replace(self.plan.target, start=self.plan.target.start if asking else None, watch=None, metrics=None)
        clock = SystemClock()
        with Signals():
            try:
                async with Program(target, clock) as program:
                    await program.start()
                    for case in cases:
                        self._take(await repeat(case, self.plan.policy, self.say, self._keep))
                        if program.died:
                            raise InvalidRun(f"{program.died}, while `{case.name}` was measured")
                        if self._interrupted:
                            break
                    await program.stop()
            except asyncio.CancelledError:  # while the program starts or is stopped
                self._interrupted = True
            finally:
                clock.close()

    def _take(self, outcome: Outcome) -> None:
        self._repeated += outcome.repeated
        self._interrupted = outcome.interrupted
        if outcome.error is not None:
            raise outcome.error

    def _cases(self) -> list[Case]:
        spec, url = self.plan.spec, self.plan.target.url
        script, commands = spec.script, spec.commands
        benchmarks = () if script is None else load_benchmarks(script)
        cases = [benchmark_case(script, each, url) for each in benchmarks if script is not None]
        return cases + [command_case(name, command) for name, command in commands.items()]

    # -- what is loaded

    def _load(self) -> Run:
        """Latency by payload size: a run, whose record will be this bench's."""
        assert self.plan.load is not None
        profile, script = self.plan.load
        plan = Plan(replace(profile, seed=self.plan.seed), script, self.plan.target, does=self.plan.does)
        session = Session(plan, self.file, self.env, self.command, self.watch(plan))
        return session.run()

    def _unloaded(self) -> Run:
        """A record without load."""
        plan = self.plan
        lasted = time.perf_counter() - self._begun
        return Run(
            id=f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(self._started))}-{secrets.token_hex(3)}",
            state=RunState.COMPLETE,
            started=self._started,
            duration=lasted,
            definition=Definition(
                profile=NAME,
                script=NAME if plan.spec.script is None else plan.spec.script.name,
                target=redact_url(plan.target.url or ""),
                warmup=0.0,
                seed=plan.seed or 0,
                planned_duration=lasted,
                digest=digest({"does": plan.does}),
                command=self.command,
            ),
            environment=read_environment(self.env),
            code=read_code(Path.cwd(), self.env),
            loads=(),
            series=(),
            windows=(),
            errors=(),
            health=Health(True, 0.0, 0.0, 0, 0, 0, ()),
            health_samples=(),
            thresholds=(),
            verdict=Verdict(Word.PASS),
        )


def _reason(error: LoadgateError) -> str:
    """The error as one of a verdict's reasons: one line, without what the program printed."""
    return error.message.partition("\n")[0].removesuffix(", and it printed:")


def benchmark_case(script: Path, benchmark: Benchmark, url: str | None) -> Case:
    """A benchmark of a script. Loops are calibrated by the first repetition and kept."""
    name = benchmark.name
    time_, peak = SeriesName(name, "benchmark_time", ""), SeriesName(name, "benchmark_memory", "")
    loops = 0

    async def once() -> Row:
        nonlocal loops
        result = await run_worker(script, name, url=url, samples=SAMPLES, loops=loops, limit=LIMIT)
        loops = loops or result.loops
        return {time_: result.value, **({} if result.peak is None else {peak: float(result.peak)})}

    return Case(name, (Measured(time_, "ns", decides=True), Measured(peak, "bytes")), once, asks=benchmark.is_async)


def command_case(name: str, command: StartSpec) -> Case:
    """A command, as often as it takes."""
    wall, cpu = SeriesName(name, "command_time", ""), SeriesName(name, "command_cpu", "")
    peak = SeriesName(name, "command_memory", "")

    async def once() -> Row:
        result = await run_command(command.argv, folder=command.folder, env=command.env, limit=LIMIT)
        row = {wall: result.wall * 1e3, cpu: result.cpu * 1e3}
        return row if result.peak is None else {**row, peak: float(result.peak)}

    return Case(name, (Measured(wall, "ms", decides=True), Measured(cpu, "ms"), Measured(peak, "bytes")), once)
