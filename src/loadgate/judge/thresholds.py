"""All thresholds of a run, judged while it goes on and at its end.

    judge = ThresholdJudge(thresholds, recorder, warmup=10.0)
    ...                                          # for each window that is closed:
    judge.observe(window)
    reason = judge.breach(elapsed)               # stop the run if it is not None
    ...                                          # at the end:
    results = judge.results(seconds)

A threshold without data fails. One thing that is not recorded is known all the same: a run that counted iterations and no
`dropped_iterations` has dropped none, which is zero and not missing (under a selector: where iterations were counted under
the same tags). Any other series without samples is missing, a counter of the author's own too: nobody can tell one that
never had to count from one whose code was never reached, or whose name is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from loadgate.config.thresholds import Aggregation, Threshold
from loadgate.judge.extent import Extent, SinceWarmup, Sliding, WholeRun
from loadgate.judge.wording import threshold_text
from loadgate.measure.metric import BUILTIN, Metric
from loadgate.measure.recorder import Recorder
from loadgate.measure.select import Selection
from loadgate.measure.windows import Window
from loadgate.record.verdict import ThresholdResult

_ZERO_WHERE_COUNTED: Final[Mapping[str, str]] = {"dropped_iterations": "iterations"}
"""A counter that is written only when it is not zero, and the one whose samples show that somebody was looking."""


class ThresholdJudge:
    """`warmup` (s) is the profile's; `metrics` are all there may be, for the units of what was never measured."""

    def __init__(
        self,
        thresholds: Sequence[Threshold],
        recorder: Recorder,
        *,
        warmup: float,
        metrics: Mapping[str, Metric] = BUILTIN,
    ) -> None:
        self._watched = [_Watched.of(threshold, recorder, warmup) for threshold in thresholds]
        self._recorder = recorder
        self._metrics = metrics
        self._breached: tuple[_Watched, float] | None = None

    def observe(self, window: Window) -> None:
        """Take a closed window; all of the run's windows, also those of the warm-up, in their order."""
        for watched in self._watched:
            watched.observe(window)

    def breach(self, elapsed: float) -> str | None:
        """What ends the run `elapsed` seconds after its start: the first threshold with abortOnFail that is broken, in words.

        None if no such threshold is broken, or has data, or its `delay_abort` has not passed (k6: delay < elapsed). A
        threshold with `over` counts once `over` seconds have been seen. The first breach is kept: in `results` that
        threshold has failed, with the value that broke it, even if the run recovered while it drained.
        """
        for watched in self._watched:
            threshold = watched.threshold
            if not threshold.abort_on_fail or elapsed <= threshold.delay_abort:
                continue
            observed = watched.now()
            if not math.isnan(observed) and not threshold.holds(observed):
                if self._breached is None:
                    self._breached = (watched, observed)
                return threshold_text(self._result(watched, observed, aborted=False))
        return None

    def results(self, seconds: float) -> tuple[ThresholdResult, ...]:
        """Every threshold, in the order given, with what was observed; NaN, and failed, where nothing was.

        `seconds` is the time measured (after the profile's warm-up), for the `rate` of counters over the whole run. May be
        called at any time, as often as one likes.
        """
        found = []
        for watched in self._watched:
            if self._breached is not None and self._breached[0] is watched:
                found.append(self._result(watched, self._breached[1], aborted=True))
            else:
                observed = watched.final(seconds)
                found.append(self._result(watched, observed, aborted=False))
        return tuple(found)

    def _result(self, watched: _Watched, observed: float, *, aborted: bool) -> ThresholdResult:
        threshold = watched.threshold
        series = watched.selection.series()
        metric = self._recorder.describe(series[0]).metric if series else self._metrics.get(threshold.metric)
        return ThresholdResult(
            key=threshold.key,
            expression=threshold.source,
            statistic=threshold.statistic,
            operator=threshold.operator,
            bound=threshold.bound,
            unit=metric.unit if metric is not None else "",
            observed=observed,
            passed=threshold.holds(observed),
            over=threshold.over,
            aborted=aborted,
        )


@dataclass(frozen=True, slots=True)
class _Watched:
    """A threshold and what it has seen. `counted` tells whether nothing means zero; None: it does not."""

    threshold: Threshold
    selection: Selection
    extent: Extent
    counted: Extent | None

    @classmethod
    def of(cls, threshold: Threshold, recorder: Recorder, warmup: float) -> _Watched:
        selection = Selection(recorder, threshold.metric, threshold.selector)
        counted = None
        if threshold.metric in _ZERO_WHERE_COUNTED:
            other = replace(
                threshold,
                metric=_ZERO_WHERE_COUNTED[threshold.metric],
                aggregation=Aggregation.COUNT,
                operator="<",
            )
            counted = _extent(other, Selection(recorder, other.metric, other.selector), recorder, warmup)
        return cls(threshold, selection, _extent(threshold, selection, recorder, warmup), counted)

    def observe(self, window: Window) -> None:
        self.extent.observe(window)
        if self.counted is not None:
            self.counted.observe(window)

    def now(self) -> float:
        value = self.extent.now()
        return 0.0 if math.isnan(value) and self.counted is not None and self.counted.now() > 0.0 else value

    def final(self, seconds: float) -> float:
        value = self.extent.final(seconds)
        return 0.0 if math.isnan(value) and self.counted is not None and self.counted.final(seconds) > 0.0 else value


def _extent(threshold: Threshold, selection: Selection, recorder: Recorder, warmup: float) -> Extent:
    own = warmup if threshold.warmup is None else threshold.warmup
    if threshold.over is not None:
        return Sliding(threshold, selection, own, threshold.over)
    if own != warmup:
        return SinceWarmup(threshold, selection, own)
    return WholeRun(threshold, selection, recorder)
