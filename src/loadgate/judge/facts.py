"""What a verdict has to know of a run beside thresholds and health, taken from what was measured after the warm-up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from loadgate.measure.errors import ErrorCount
from loadgate.measure.protocols import PROTOCOLS
from loadgate.measure.recorder import Recorder, SeriesKey
from loadgate.measure.select import Selection
from loadgate.measure.tally import RateTally, TrendTally
from loadgate.record.run import LoadRecord, RunState

UNANSWERED: Final = "unanswered"
"""What `clients.base.ErrorKind` calls it; the clients are not this part's business."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Counts are of what ended after the warm-up; times in seconds.

    `exchanges`, and of those `answered` with a reply of any kind, and `failed` (no reply, or one that was not expected).
    `iterations`, and of those `raised` that ended with an error of the script. `trouble` is what went wrong most often with
    exchanges, as a phrase ("status 503 (GET /orders, 1,200 times)"), or empty; `script_error` the same of iterations.
    `service_ms` is the median service time of all exchanges, NaN without any. `planned` is when the last load ends.
    """

    state: RunState
    elapsed: float
    planned: float
    iterations: int
    raised: int
    exchanges: int
    answered: int
    failed: int
    service_ms: float
    trouble: str
    script_error: str
    loads: tuple[LoadRecord, ...]
    unanswered: int = 0
    """Requests that had no reply when the run ended, long after they were sent."""
    silence: float = 0.0
    """Seconds at the end of the planned time in which no reply came."""
    refused: int = 0
    """Exchanges that failed without a reply in that time."""
    stopped: str = ""
    """Why users had nothing more to do, if any had not."""
    ended: bool = False
    """Whether its load came to its end by itself: what was interrupted then is the teardown."""


def facts(
    recorder: Recorder,
    *,
    state: RunState,
    elapsed: float,
    planned: float,
    loads: Sequence[LoadRecord] = (),
    ended: bool = False,
) -> Facts:
    """The facts of a run up to the window that was closed last. `elapsed` and `planned` count from the run's start."""
    iterations, raised = _share(recorder, "iterations_failed")
    exchanges = failed = 0
    troubles: Counter[tuple[str, str, str, str]] = Counter()
    silent = 0
    service = TrendTally()
    for protocol in PROTOCOLS:
        total, bad = _share(recorder, protocol.failed)
        exchanges += total
        failed += bad
        for key, count in _failures(recorder, protocol.failed):
            kind = key.tags.get("error", "")
            silent += count if kind else 0
            troubles[kind, key.tags.get("status", ""), key.tags.get("name", ""), protocol.name] += count
        durations = Selection(recorder, protocol.service).tally(recorder.totals())
        if isinstance(durations, TrendTally):
            service.merge(durations)
    errors, last = tuple(recorder.errors), _last_reply(recorder)
    return Facts(
        state=state,
        elapsed=elapsed,
        planned=planned,
        iterations=iterations,
        raised=raised,
        exchanges=exchanges,
        answered=exchanges - silent,
        failed=failed,
        service_ms=service.histogram.percentile(50.0),
        trouble=_trouble(troubles, errors) or _phrase(errors[:1]),
        script_error=_phrase([error for error in errors if error.kind == "script"][:1]),
        loads=tuple(loads),
        unanswered=sum(error.count for error in errors if error.kind == UNANSWERED),
        silence=max(0.0, min(elapsed, planned) - last),
        refused=_failed_after(recorder, last),
        stopped=next((error.sample for error in errors if error.kind == "stopped"), ""),
        ended=ended,
    )


def _last_reply(recorder: Recorder) -> float:
    """End of the last window in which a reply came, in seconds since the start."""
    replied = {
        series
        for protocol in PROTOCOLS
        for series in Selection(recorder, protocol.failed).series()
        if "error" not in recorder.describe(series).tags
    }
    ends = [window.end for window in recorder.windows if not replied.isdisjoint(window.tallies)]
    return max(ends, default=0.0)


def _failed_after(recorder: Recorder, when: float) -> int:
    """How many exchanges had no reply in the windows that begin at `when` or later."""
    failed = [
        series
        for protocol in PROTOCOLS
        for series in Selection(recorder, protocol.failed).series()
        if "error" in recorder.describe(series).tags
    ]
    later = [window.tallies.get(series) for window in recorder.windows if window.start >= when for series in failed]
    return sum(tally.passes for tally in later if isinstance(tally, RateTally))


def _share(recorder: Recorder, metric: str) -> tuple[int, int]:
    """How many samples of a rate there are, and how many of them are hits."""
    tally = Selection(recorder, metric).tally(recorder.totals())
    return (tally.total, tally.passes) if isinstance(tally, RateTally) else (0, 0)


def _failures(recorder: Recorder, metric: str) -> list[tuple[SeriesKey, int]]:
    """The series of the rate `metric` that have hits, and how many."""
    totals = recorder.totals()
    found = []
    for series in Selection(recorder, metric).series():
        tally = totals.get(series)
        if isinstance(tally, RateTally) and tally.passes:
            found.append((recorder.describe(series), tally.passes))
    return found


def _trouble(troubles: Mapping[tuple[str, str, str, str], int], errors: Sequence[ErrorCount]) -> str:
    """The most frequent of `troubles`: error kind, status, step and protocol of failed exchanges."""
    if not troubles:
        return ""
    (kind, status, step, _), count = max(troubles.items(), key=lambda item: item[1])
    what = f"status {status}"
    if kind:
        samples = [error for error in errors if error.kind == kind]
        same = [error for error in samples if error.step == step] or samples
        what = f"{kind}: {same[0].sample}" if same else kind
    return f"{what} ({step}, {count:,} times)" if step else f"{what} ({count:,} times)"


def _phrase(errors: Sequence[ErrorCount]) -> str:
    return "".join(f"{error.kind}: {error.sample} ({error.step}, {error.count:,} times)" for error in errors)
