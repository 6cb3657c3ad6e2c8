"""Finding series by metric and tags, as k6's threshold keys do: `http_req_duration{scenario:browse,status:200}`."""

from __future__ import annotations

from collections.abc import Mapping

from loadgate.measure.names import fitting
from loadgate.measure.recorder import Recorder
from loadgate.measure.tally import Tally
from loadgate.measure.windows import merged

Selector = tuple[tuple[str, str], ...]
"""(tag, value) pairs that must all match exactly; empty selects every series of the metric."""


class Selection:
    """The series of `metric` whose tags match `selector`, kept up to date as series appear."""

    __slots__ = ("_looked_at", "_recorder", "_series", "metric", "selector")

    def __init__(self, recorder: Recorder, metric: str, selector: Selector = ()) -> None:
        self._recorder = recorder
        self._looked_at = 0
        self._series: list[int] = []
        self.metric = metric
        self.selector = tuple((tag, fitting(value)) for tag, value in selector)

    def series(self) -> list[int]:
        """Ids of the matching series so far."""
        recorder = self._recorder
        for series in range(self._looked_at, recorder.series_count):
            key = recorder.describe(series)
            if key.metric.name == self.metric and all(key.tags.get(tag) == value for tag, value in self.selector):
                self._series.append(series)
        self._looked_at = recorder.series_count
        return self._series

    def tally(self, tallies: Mapping[int, Tally]) -> Tally | None:
        """What `tallies` (totals, or those of a window) hold of the selected series, merged; None if nothing."""
        return merged(tallies, self.series())
