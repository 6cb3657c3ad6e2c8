"""One A/B test: a pilot, pairs of starts until every gating figure is decided or time is up, fresh pairs for what looks worse.

The record (`ab.json`) is written again after each pair, so that a process that is killed leaves what it had.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from loadgate._version import __version__
from loadgate.ab.cores import generator_on
from loadgate.ab.explain import explain, sampled_for
from loadgate.ab.notes import dropped_note, limit_note
from loadgate.ab.order import ARMS, Arm, pair_order
from loadgate.ab.pair import Measured, measure_pair
from loadgate.ab.pilot import Chosen, choose
from loadgate.ab.plan import AbPlan
from loadgate.clock import SystemClock
from loadgate.errors import InvalidRun, LoadgateError
from loadgate.interruption import Interrupted, Signals
from loadgate.judge.calibration import calibrated
from loadgate.judge.gating import NAMED, decide_gate
from loadgate.judge.looks import CONFIRMATION, planned_looks
from loadgate.judge.pairs import Pair, compare_pairs, confirmed
from loadgate.judge.wording import change_text, listed
from loadgate.record.ab import AbProgress, AbRecord, PairRecord, encode_ab
from loadgate.record.calibration import Calibrated, Calibration
from loadgate.record.comparison import Change, Comparison
from loadgate.record.environment import Environment, read_environment
from loadgate.record.file import RecordFile
from loadgate.record.result import SeriesName
from loadgate.record.run import RunState
from loadgate.record.verdict import Verdict, Word
from loadgate.script.loop import run_loop
from loadgate.units import format_clock

NAME: Final = "ab.json"
FAULTY: Final = 3
FAULTY_SHARE: Final = 0.1
"""So many pairs that are no evidence, or this share of those there may be where that is more, and nothing more is tried."""


@dataclass(slots=True)
class Job:
    """Runs `plan` once. `say` is told how it goes, `watch` where it stands as each pair begins; `file` gets the record.

    `chosen`: what a pilot has found before; None: there is to be one. `calibration` is the machine's, if there is one.
    """

    plan: AbPlan
    file: RecordFile
    env: Mapping[str, str]
    command: str
    say: Callable[[str], None]
    watch: Callable[[AbProgress], None] = lambda progress: None
    strict: bool = False
    explain: bool = False
    """Whether to look into both arms where the head is worse."""
    chosen: Chosen | None = None
    calibration: Calibration | None = None
    suspected: frozenset[SeriesName] = frozenset()
    """What looked worse at a look, whether it was confirmed or not."""
    _unsaved: str = ""
    """Why the record is not on the disk, if it is not."""
    _started: float = field(default_factory=time.time)
    _seed: int = 0
    _environment: Environment | None = None
    _measured: list[Measured] = field(default_factory=list)
    _fresh: list[Measured] = field(default_factory=list)
    _faulty: list[Measured] = field(default_factory=list)
    _interrupted: bool = False
    _confirming: bool = False

    def run(self) -> AbRecord:
        """The record, judged. Raises LoadgateError where no pair could be measured."""
        record = run_loop(self._run(), self.plan.script.name)
        if record.comparison is None:
            raise InvalidRun(f"no pair is evidence: {'; '.join(record.verdict.reasons)}", self._unsaved or None)
        if not self._unsaved:
            return record
        return replace(record, verdict=record.verdict.lacking(self._unsaved))

    async def measure(self, clock: SystemClock, signals: Signals) -> AbRecord:
        """The record, judged, on a loop that runs already. Raises LoadgateError where nothing was measured."""
        self._seed = random.randrange(2**31) if self.plan.seed is None else self.plan.seed
        self._environment = read_environment(self.env)
        try:
            with generator_on(self.plan.cores):
                record = await self._measure(clock, f"loadgate/{__version__}", signals)
        except asyncio.CancelledError:
            self._interrupted = True
        if self._interrupted:
            if not self._measured:
                raise Interrupted("interrupted before a pair was measured")
            record = self._so_far(RunState.INTERRUPTED)
        self._save(record, final=True)
        return record

    @property
    def pairs(self) -> list[Pair]:
        """The pairs that are evidence, fresh ones aside."""
        return [_pair(one) for one in self._measured]

    @property
    def measured(self) -> list[Measured]:
        """All pairs that are evidence, fresh ones last."""
        return [*self._measured, *self._fresh]

    async def _run(self) -> AbRecord:
        clock = SystemClock()
        try:
            with Signals(restores=True) as signals:
                return await self.measure(clock, signals)
        finally:
            clock.close()

    async def _measure(self, clock: SystemClock, agent: str, signals: Signals) -> AbRecord:
        chosen = self.chosen
        if chosen is None:
            chosen = self.chosen = await choose(self.plan, seed=self._seed, clock=clock, env=self.env, agent=agent)
        pace = chosen.pace
        self.say(
            f"up to {chosen.pairs} pairs of {'starts' if self.plan.restarts else 'blocks'}, each {pace.warmup:.3g} s warm-up "
            f"and {pace.length:.3g} s at {pace.rate:.4g}/s, {format_clock(chosen.pairs * chosen.took)} at most and "
            f"{format_clock(CONFIRMATION[-1].pairs * chosen.took)} to confirm; seed {self._seed}"
        )

        async def another() -> Measured | None:
            """The next pair that is evidence; None where it was interrupted, or too many were none."""
            while not self._hopeless and not self._interrupted:
                number = len(self._measured) + len(self._fresh) + len(self._faulty) + 1
                signals.then_end()
                self.watch(self._progress())
                try:
                    found = await measure_pair(
                        self.plan,
                        number,
                        pace,
                        seed=self._seed,
                        clock=clock,
                        env=self.env,
                        agent=agent,
                        signals=signals,
                    )
                except LoadgateError as error:
                    if not self._measured:  # not even once: it is no accident
                        raise
                    found = self._unmeasured(number, str(error))
                if found.interrupted:
                    self._interrupted = True
                    break
                if not found.faults:
                    return found
                self._faulty.append(found)
                self.say(f"pair {number} counts nothing: {found.faults[0]}")
            return None

        comparison: Comparison | None = None
        for look in planned_looks(chosen.pairs):
            while len(self._measured) < look.pairs:
                found = await another()
                if found is None:
                    return self._so_far()
                self._measured.append(found)
                self._save(self._so_far(RunState.RUNNING))
            comparison = self._compare(look.alpha)
            self.say(f"{look.pairs} pairs: {_standing(comparison)}")
            if not comparison.having(Change.UNSURE):
                break
        assert comparison is not None
        record = self._record(await self._confirmed(comparison, another))
        if not self.explain or record.verdict.word is not Word.FAIL or self._interrupted:
            return record
        self._save(record)
        self.say("a last pair is looked into by a profiler, to see what made it worse")
        left = chosen.took - pace.length + sampled_for(pace)
        self.watch(AbProgress(1, 1, False, left, record.comparison, explaining=True))
        explained = await explain(
            self.plan,
            len(record.pairs) + 1,
            pace,
            seed=self._seed,
            clock=clock,
            env=self.env,
            agent=agent,
            signals=signals,
            folder=self.file.path.parent,
        )
        return replace(record, explained=explained)

    async def _confirmed(self, comparison: Comparison, another: Callable[[], Awaitable[Measured | None]]) -> Comparison:
        """`comparison` with only those figures worse that fresh pairs say are."""
        worse = comparison.having(Change.WORSE)
        if not worse:
            return comparison
        fewest, most = CONFIRMATION[0].pairs, CONFIRMATION[-1].pairs
        self.say(f"{len(worse)} of them worse: {fewest} to {most} fresh pairs to confirm it")
        self._confirming = True
        lost = {row.series for row in worse}
        self.suspected = frozenset(lost)
        for look in CONFIRMATION:
            while lost and len(self._fresh) < look.pairs:
                found = await another()
                if found is None:
                    break
                self._fresh.append(found)
            fresh = [_pair(one) for one in self._fresh]
            lost = {series for series in lost if not confirmed(series, fresh)}
        rows = tuple(replace(row, word=Change.UNSURE) if row.series in lost else row for row in comparison.rows)
        what = f"{len(worse) - len(lost)} of {len(worse)} that looked worse confirmed by {len(self._fresh)} fresh pairs"
        return replace(comparison, rows=rows, notes=(*comparison.notes, what))

    @property
    def _hopeless(self) -> bool:
        assert self.chosen is not None
        return len(self._faulty) >= max(FAULTY, FAULTY_SHARE * self.chosen.pairs)

    def _progress(self) -> AbProgress:
        assert self.chosen is not None
        done, most = len(self._measured), self.chosen.pairs
        if self._confirming:
            done, most = len(self._fresh), CONFIRMATION[-1].pairs
        left = (most - done) * self.chosen.took
        comparison = self._compare() if self._measured else None
        return AbProgress(done + 1, most, self._confirming, left, comparison)

    def _unmeasured(self, number: int, fault: str) -> Measured:
        """A pair that did not come to be."""
        return Measured(number, pair_order(self._seed, number), {}, dict.fromkeys(ARMS, 0), (fault,))

    def _compare(self, alpha: float = 0.0) -> Comparison:
        """Base and head by the pairs so far, of which there is one at least. With an `alpha` of 0 nothing is decided."""
        comparison = compare_pairs(self.pairs, gate=self.plan.gate, alpha=alpha)
        return replace(comparison, notes=tuple(self._notes()))

    def _notes(self) -> Iterator[str]:
        """What a reader should know of the pairs so far."""
        if not self.plan.restarts:
            yield "it speaks of these two processes only: nothing was started afresh"
        yield from self.plan.notes
        yield from dropped_note(self._measured)
        yield from limit_note(self._measured)

    def _so_far(self, state: RunState = RunState.COMPLETE) -> AbRecord:
        """What there would be if nothing more were measured."""
        return self._record(self._compare() if self._measured else None, state)

    def _record(self, comparison: Comparison | None, state: RunState = RunState.COMPLETE) -> AbRecord:
        assert self.chosen is not None and self._environment is not None
        commits = self.plan.commits
        return AbRecord(
            started=self._started,
            command=self.command,
            environment=self._environment,
            seed=self._seed,
            rate=self.chosen.pace.rate,
            length=self.chosen.pace.length,
            warmup=self.chosen.pace.warmup,
            capacity=self.plan.capacity,
            cores=None if self.plan.cores is None else (self.plan.cores.generator, self.plan.cores.arms),
            most=self.chosen.pairs,
            restarts=self.plan.restarts,
            pairs=tuple(_pair_record(one) for one in (*self._measured, *self._fresh, *self._faulty)),
            confirming=len(self._fresh),
            comparison=comparison,
            verdict=self._verdict(comparison, state),
            state=state,
            arms=(self.plan.arms[Arm.BASE].words, self.plan.arms[Arm.HEAD].words),
            commits=None if commits is None else (commits.base, commits.head),
            calibration=self._known(comparison, self.chosen.pairs),
        )

    def _known(self, comparison: Comparison | None, pairs: int) -> Calibrated | None:
        if self.calibration is None:
            return None
        return calibrated(self.calibration, self.plan.definition, comparison, pairs)

    def _verdict(self, comparison: Comparison | None, state: RunState) -> Verdict:
        if state is RunState.RUNNING:
            return Verdict(Word.INVALID, ("the test has no end: these are the pairs until it was last written",))
        if self._hopeless or comparison is None:
            reasons = dict.fromkeys(fault for one in self._faulty for fault in one.faults)
            return Verdict(Word.INVALID, tuple(reasons) or ("no pair was measured",))
        if state is RunState.INTERRUPTED:
            count = len(self._measured)
            after = f"interrupted after {count} {'pair' if count == 1 else 'pairs'}: nothing is decided"
            return Verdict(Word.UNSURE, (after,), self.strict)
        return decide_gate(Verdict(Word.PASS), comparison, strict=self.strict)

    def _save(self, record: AbRecord, *, final: bool = False) -> None:
        """A disk that is full must not end the job: it is told at the end, if it is still so."""
        try:
            self.file.write(encode_ab(record), final=final)
        except LoadgateError as error:
            self._unsaved = error.message
        else:
            self._unsaved = ""


def _pair(measured: Measured) -> Pair:
    return measured.results[Arm.BASE], measured.results[Arm.HEAD]


def _pair_record(measured: Measured) -> PairRecord:
    values: dict[Arm, dict[SeriesName, float]] = {arm: {} for arm in ARMS}
    for arm, result in measured.results.items():
        values[arm] = {figure.series: figure.estimate.value for figure in result.figures}
    return PairRecord(
        number=measured.number,
        started=tuple(arm.value for arm in measured.order.started),
        base=values[Arm.BASE],
        head=values[Arm.HEAD],
        requests=(measured.requests[Arm.BASE], measured.requests[Arm.HEAD]),
        faults=measured.faults,
    )


def _standing(comparison: Comparison) -> str:
    """How many figures have which word, those that are not the same by name."""
    told = []
    for word in Change:
        found = comparison.having(word)
        names = [f"{row.series.words} {change_text(row.change, share=row.share)}" for row in found]
        named = f" ({listed(names, NAMED)})" if word is not Change.SAME else ""
        told += [f"{len(found)} {word}{named}"] if found else []
    return ", ".join(told) or "nothing that gates"
