"""Many A/B tests of one build against itself: how often they fail it, and how far two of its starts lie apart.

One pilot says how all jobs measure, and each job draws its lots from a seed of its own. The record (`calibration.json`) is
written again after each job, that of a job beside it; a job that has no end is left out.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from loadgate._version import __version__
from loadgate.ab.cores import generator_on
from loadgate.ab.job import FAULTY, Job
from loadgate.ab.job import NAME as JOB_NAME
from loadgate.ab.order import Arm
from loadgate.ab.pilot import Chosen, Speed, choose, fitted
from loadgate.ab.plan import AbPlan
from loadgate.clock import SystemClock
from loadgate.errors import InvalidRun, LoadgateError
from loadgate.interruption import Interrupted, Signals
from loadgate.judge.calibration import JobEvidence, exact_interval, figure_noises
from loadgate.judge.looks import CONFIRMATION
from loadgate.judge.pairs import differences
from loadgate.record.ab import AbProgress, AbRecord
from loadgate.record.calibration import Budget, Calibration, JobRecord, encode_calibration
from loadgate.record.comparison import Change
from loadgate.record.environment import Environment, read_environment
from loadgate.record.file import RecordFile
from loadgate.record.run import RunState
from loadgate.record.verdict import Word
from loadgate.script.loop import run_loop
from loadgate.units import format_clock

NAME: Final = "calibration.json"
MINUTES: Final = (1, 2, 5, 10)


@dataclass(slots=True)
class Calibrating:
    """Runs `jobs` jobs of `plan`, whose arms are one build. `folder` gets the jobs' records, `file`, in it, the whole.

    `say` is told how it goes, `watch` where it stands as each pair begins.
    """

    plan: AbPlan
    jobs: int
    folder: Path
    file: RecordFile
    env: Mapping[str, str]
    command: str
    say: Callable[[str], None]
    watch: Callable[[AbProgress], None] = lambda progress: None
    unsaved: str = ""
    """Why the record is not on the disk, if it is not."""
    _started: float = field(default_factory=time.time)
    _token: str = field(default_factory=lambda: secrets.token_hex(3))
    _seed: int = 0
    _environment: Environment | None = None
    _chosen: Chosen | None = None
    _records: list[JobRecord] = field(default_factory=list)
    _evidence: list[JobEvidence] = field(default_factory=list)
    _interrupted: bool = False

    def run(self) -> Calibration:
        """What the jobs showed. Raises LoadgateError where none is evidence."""
        self._seed = random.randrange(2**31) if self.plan.seed is None else self.plan.seed
        self._environment = read_environment(self.env)
        run_loop(self._run(), self.plan.script.name)
        if not self._evidence and self._interrupted:
            raise Interrupted("interrupted before a job was finished")
        if not self._evidence:
            reasons = dict.fromkeys(reason for record in self._records for reason in record.reasons)
            raise InvalidRun(f"no job is evidence: {'; '.join(reasons)}")
        found = self._calibration(RunState.INTERRUPTED if self._interrupted else RunState.COMPLETE)
        self._save(found, final=True)
        return found

    async def _run(self) -> None:
        clock = SystemClock()
        try:
            with Signals(restores=True) as signals:
                try:
                    await self._measure(clock, signals)
                except (asyncio.CancelledError, Interrupted):
                    self._interrupted = True
        finally:
            clock.close()

    async def _measure(self, clock: SystemClock, signals: Signals) -> None:
        agent = f"loadgate/{__version__}"
        with generator_on(self.plan.cores):
            chosen = self._chosen = await choose(self.plan, seed=self._seed, clock=clock, env=self.env, agent=agent)
        pace = chosen.pace
        each = chosen.pairs * chosen.took
        self.say(
            f"{self.jobs} jobs of up to {chosen.pairs} pairs, each {pace.warmup:.3g} s warm-up and {pace.length:.3g} s at "
            f"{pace.rate:.4g}/s, {format_clock(self.jobs * each)} at most and "
            f"{format_clock(CONFIRMATION[-1].pairs * chosen.took)} more for each that confirms something; seed {self._seed}"
        )
        for number in range(1, self.jobs + 1):
            if len(self._records) >= FAULTY and not self._evidence:
                break
            signals.then_end()
            await self._job(number, chosen, (self.jobs - number) * each, clock, signals)
            if self._evidence:
                self._save(self._calibration(RunState.RUNNING))

    async def _job(self, number: int, chosen: Chosen, rest: float, clock: SystemClock, signals: Signals) -> None:
        """Measure job `number`, after which there are `rest` seconds of others. Raises Interrupted."""
        seed = random.Random(f"job {self._seed} {number}").randrange(2**31)
        title = f"job {number} of {self.jobs}"
        try:
            job = Job(
                replace(self.plan, seed=seed),
                RecordFile(self.folder / f"job-{number:02}", JOB_NAME),
                self.env,
                self.command,
                lambda text: None,
                lambda progress: self.watch(replace(progress, title=title, left=progress.left + rest)),
                chosen=chosen,
            )
            record = await job.measure(clock, signals)
        except Interrupted:
            raise
        except LoadgateError as error:
            if not self._records:  # not even once: it is no accident
                raise
            self._records.append(JobRecord(number, seed, Word.INVALID, reasons=(error.message,)))
        else:
            if record.state is RunState.INTERRUPTED:
                raise Interrupted("interrupted in the middle of a job")
            self._take(number, seed, job, record)
        self.say(f"{title}: {_outcome(self._records[-1])}")

    def _take(self, number: int, seed: int, job: Job, record: AbRecord) -> None:
        word = record.verdict.word
        rows = () if record.comparison is None else record.comparison.rows
        worse = [] if record.comparison is None else record.comparison.having(Change.WORSE)
        self._records.append(
            JobRecord(
                number=number,
                seed=seed,
                verdict=word,
                pairs=record.evidence,
                worse=tuple(sorted(map(str, job.suspected))),
                alarms=tuple(str(row.series) for row in worse),
                reasons=record.verdict.reasons,
            )
        )
        if word is not Word.INVALID:
            self._evidence.append(JobEvidence(rows, differences(job.pairs), job.suspected))

    def _calibration(self, state: RunState) -> Calibration:
        """What the jobs so far show, of which one at least is evidence."""
        assert self._chosen is not None and self._environment is not None
        chosen, counted = self._chosen, len(self._evidence)
        low, high = exact_interval(sum(record.verdict is Word.FAIL for record in self._records), counted)
        budgets = tuple(Budget(minutes, self._pairs_in(60.0 * minutes)) for minutes in MINUTES)
        return Calibration(
            id=f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(self._started))}-{self._token}",
            started=float(int(self._started)),
            command=self.command,
            arm=self.plan.arms[Arm.BASE].words,
            name=self.plan.profile.name,
            definition=self.plan.definition,
            environment=self._environment,
            seed=self._seed,
            rate=chosen.pace.rate,
            length=chosen.pace.length,
            warmup=chosen.pace.warmup,
            capacity=self.plan.capacity,
            most=chosen.pairs,
            planned=self.jobs,
            state=state,
            jobs=tuple(self._records),
            low=low,
            high=high,
            budgets=budgets,
            figures=figure_noises(self._evidence, budgets),
        )

    def _pairs_in(self, seconds: float) -> int:
        """How many pairs a test of this build has in so much time, if nobody says it."""
        assert self._chosen is not None
        pace = self._chosen.pace
        plan = replace(self.plan, time=seconds, pairs=None, rate=pace.rate, warmup=pace.warmup)
        return fitted(plan, Speed(pace.rate), self._chosen.start).pairs

    def _save(self, found: Calibration, *, final: bool = False) -> None:
        """A disk that is full must not end it: it is told at the end, if it is still so."""
        try:
            self.file.write(encode_calibration(found), final=final)
        except LoadgateError as error:
            self.unsaved = error.message
        else:
            self.unsaved = ""


def _outcome(record: JobRecord) -> str:
    """How a job ended, in a line."""
    if record.verdict is Word.INVALID:
        return f"invalid, it counts nothing: {record.reasons[0]}"
    if record.verdict is Word.FAIL:
        return f"FAIL, a false alarm: {', '.join(record.alarms)}"
    looked = f"; {', '.join(record.worse)} looked worse, and was not so again" if record.worse else ""
    return f"{record.verdict}, {record.pairs} pairs{looked}"
