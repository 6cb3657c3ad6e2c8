"""Runs that never happened: windows of a real Recorder, filled with made-up samples at made-up times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loadgate.measure.metric import BUILTIN, Kind, Metric
from loadgate.measure.recorder import Recorder
from loadgate.measure.windows import Window

START = 1000.0

CUSTOM = {
    kind: Metric(f"my_{kind.value}", kind, {Kind.TREND: "ms", Kind.RATE: "share"}.get(kind, "count")) for kind in Kind
}
"""One custom metric of each kind: `my_trend`, `my_rate`, `my_counter`, `my_gauge`."""

METRICS = {**BUILTIN, **{metric.name: metric for metric in CUSTOM.values()}}


class MadeUp:
    """`at` is seconds since the start of the run."""

    def __init__(self, warmup: float = 0.0) -> None:
        self.recorder = Recorder(start=START, warmup=warmup)
        self.at = 0.0

    def add(self, metric: str, *values: float, **tags: str) -> None:
        """Samples of the window that is open."""
        series = self.recorder.series(METRICS[metric], tags)
        for value in values:
            self.recorder.add(series, value)

    def requests(
        self,
        times_ms: Sequence[float],
        *,
        name: str = "GET /",
        status: int = 200,
        error: str = "",
        tags: Mapping[str, str] | None = None,
        protocol: str = "http",
    ) -> None:
        """Exchanges that took `times_ms`, tagged as the HTTP client tags them."""
        ok = not error and status < 400
        told = {"name": name, "status": str(status), "expected_response": "true" if ok else "false", **(tags or {})}
        if error:
            told |= {"status": "0", "error": error}
        series = self.recorder.exchange_series(protocol, told, failed=not ok)
        for took in times_ms:
            end = START + self.at
            start = end - took / 1e3
            self.recorder.exchange(series, 100, 1000, start, start, end, end)

    def iterations(self, count: int, *, failed: int = 0, **tags: str) -> None:
        """Iterations that ended in the open window, as the script part counts them."""
        self.recorder.counter(BUILTIN["iterations"], tags).total += count
        rate = self.recorder.rate(BUILTIN["iterations_failed"], tags)
        rate.total += count
        rate.passes += failed

    def close(self, width: float = 1.0) -> Window:
        self.at += width
        return self.recorder.close_window(START + self.at)
