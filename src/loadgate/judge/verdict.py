"""The word a run comes to, and why. Rules, the first that applies decides:

1. INVALID if the run has no end, or nothing was measured after the warm-up.
2. INVALID if not one exchange succeeded, or not one iteration went to its end without an error: that is no measurement of
   the service, whatever the times look like.
3. FAIL if a threshold on a share is broken (failed requests, checks): no delay of the generator's makes a reply wrong.
   INVALID if the generator was not honest (`measure.health`): its delay would be taken for the target's.
4. FAIL if a threshold is broken, or has no data: missing data is never a pass.
5. INVALID if the run is not the one that was asked for: stopped before its end, interrupted at any time, fewer starts than
   planned because the target was too slow, iterations cut off by a maximum duration or without an end when the grace was
   over, users whose data was used up, a target that fell silent.
6. PASS.

So a threshold that is broken is a FAIL even where the run was cut short, because more load would not have mended it; a run
that was cut short with every threshold still holding is no PASS, because the rest might have broken one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loadgate.config.load import Executor
from loadgate.judge.facts import Facts
from loadgate.judge.wording import threshold_text
from loadgate.measure.health import NOTHING_SEEN, PLAN_LIMIT, Health
from loadgate.record.run import RunState
from loadgate.record.verdict import ThresholdResult, Verdict, Word
from loadgate.units import format_duration

SILENCE_LIMIT: Final = 0.1
"""Share of the run, at its end, in which a target with requests waiting may say nothing."""

FEWEST_REFUSED: Final = 3
"""Requests that fail without a reply at the end of a run before the target is taken for gone: one may be its own fault."""

_OPEN: Final = frozenset(executor.value for executor in Executor if executor.open_model)
_COUNTED: Final = frozenset(executor.value for executor in Executor if executor.counted)
_PLANNED: Final = _OPEN | _COUNTED


def decide(facts: Facts, thresholds: Sequence[ThresholdResult], health: Health) -> Verdict:
    """The verdict, with reasons as whole short sentences, the weightiest first.

    A FAIL also says that the plan was missed or the run cut short, and what the generator warns of, since its own delay may
    have broken a limit.
    """
    nothing = worthless(facts)
    if nothing:
        dishonest = [reason for reason in health.reasons if reason != NOTHING_SEEN]
        return Verdict(Word.INVALID, (*nothing, *dishonest))
    broken = _broken(thresholds)
    if not health.healthy and not any(_beyond_doubt(result) for result in thresholds):
        return Verdict(Word.INVALID, health.reasons)
    short = [*_cut_short(facts, thresholds), *_fell_silent(facts), *_cut_off(facts)]
    short += [health.missed] if health.missed else []
    if broken:
        return Verdict(Word.FAIL, (*broken, *health.reasons, *short, *health.warnings))
    if short:
        return Verdict(Word.INVALID, tuple(short))
    return Verdict(Word.PASS)


def worthless(facts: Facts) -> list[str]:
    """Why what was measured is no measurement of the service, if it is none."""
    return [*_unfinished(facts), *_unmeasured(facts), *_unsuccessful(facts)]


def _beyond_doubt(result: ThresholdResult) -> bool:
    """Whether it is broken however late the generator was."""
    return result.measured and not result.passed and result.unit == "share"


def _broken(thresholds: Sequence[ThresholdResult]) -> list[str]:
    """What ended the run, what is broken, what has no data."""
    failed = [result for result in thresholds if not result.passed]
    failed.sort(key=lambda result: (not result.aborted, not result.measured))
    return [threshold_text(result) for result in failed]


def _unfinished(facts: Facts) -> list[str]:
    if facts.state is RunState.RUNNING:
        return ["the run has no end: this is what was measured until the record was last written"]
    return []


def _unmeasured(facts: Facts) -> list[str]:
    if facts.iterations or facts.exchanges:
        return []
    reason = "nothing was measured: no request and no iteration ended after the warm-up"
    cut = sum(load.interrupted for load in facts.loads)
    if facts.trouble:
        reason += f"; most often {facts.trouble}"
    elif cut:
        reason += f"; {cut:,} iterations were cut off at the end of the run, so give it more time than one takes"
    return [reason]


def _unsuccessful(facts: Facts) -> list[str]:
    if facts.exchanges and not facts.answered:
        return [f"no request got a reply: all {facts.exchanges:,} failed, most often {facts.trouble}"]
    if facts.exchanges and facts.failed == facts.exchanges:
        return [f"not one request succeeded: all {facts.exchanges:,} failed, most often {facts.trouble}"]
    if facts.iterations and facts.raised == facts.iterations:
        return [f"every iteration ended with an error: {facts.script_error or f'{facts.raised:,} times'}"]
    return []


def _cut_short(facts: Facts, thresholds: Sequence[ThresholdResult]) -> list[str]:
    at = format_duration(round(facts.elapsed, 1))
    if facts.state is RunState.INTERRUPTED:
        if facts.ended:
            when = "while its teardown was running: all figures are whole"
        elif facts.elapsed < facts.planned:
            when = "before its load had ended"
        else:
            when = "while its last iterations were under way"
        return [f"the run was interrupted after {at}, {when}"]
    if facts.state is RunState.ABORTED and not any(result.aborted for result in thresholds):
        return [f"the run was stopped after {at}, before its load had ended"]
    return []


def _fell_silent(facts: Facts) -> list[str]:
    """A target that stopped answering. In a closed model its users just wait, and no figure would show it; one that refuses
    connections does so fast, and its latency would look better than ever.
    """
    if facts.silence <= SILENCE_LIMIT * min(facts.elapsed, facts.planned):
        return []
    silence = format_duration(round(facts.silence, 1))
    if facts.unanswered:
        end = f"{facts.unanswered:,} requests wait"
    elif facts.refused >= FEWEST_REFUSED:
        end = f"{facts.refused:,} requests failed in it"
    else:
        return []
    return [f"the target stopped answering: no reply came in the last {silence}, {end}"]


def _cut_off(facts: Facts) -> list[str]:
    """Loads that did not do what was asked of them. A run that was interrupted has said so already."""
    if facts.state is not RunState.COMPLETE:
        return []
    used_up = [
        f"load `{load.name}`: users had nothing more to do after {load.completed:,} iterations ({facts.stopped})"
        for load in facts.loads
        if load.stopped and load.executor in _PLANNED and load.completed < PLAN_LIMIT * load.planned
    ]
    if used_up:
        return used_up
    idle = [
        f"load `{load.name}`: none of its {load.started:,} iterations came to its end before its grace was over"
        for load in facts.loads
        if load.interrupted and not load.completed
    ]
    open_ended = [
        f"load `{load.name}`: {load.interrupted:,} of {load.planned:,} iterations had no end when its grace was over"
        for load in facts.loads
        if load.executor in _OPEN and load.completed and load.interrupted > (1.0 - PLAN_LIMIT) * load.planned
    ]
    out_of_time = [
        f"load `{load.name}`: {load.started:,} of {load.planned:,} iterations were started before its time was over; "
        "raise maxDuration, or ask for fewer"
        for load in facts.loads
        if load.executor in _COUNTED and load.started < PLAN_LIMIT * load.planned
    ]
    return idle + open_ended + out_of_time
