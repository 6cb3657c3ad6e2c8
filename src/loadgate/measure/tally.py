"""What has been measured of one series: one form for each kind of metric, all of them mergeable."""

from __future__ import annotations

from dataclasses import dataclass, field

from loadgate.measure.histogram import Histogram
from loadgate.measure.metric import Kind


@dataclass(slots=True)
class TrendTally:
    """A distribution."""

    histogram: Histogram = field(default_factory=Histogram)

    def merge(self, other: TrendTally) -> None:
        self.histogram.merge(other.histogram)

    def copy(self) -> TrendTally:
        return TrendTally(self.histogram.copy())


@dataclass(slots=True)
class RateTally:
    """`passes` of `total` samples were not zero."""

    passes: int = 0
    total: int = 0

    @property
    def rate(self) -> float:
        """Share of passes; NaN without samples."""
        return self.passes / self.total if self.total else float("nan")

    def merge(self, other: RateTally) -> None:
        self.passes += other.passes
        self.total += other.total

    def copy(self) -> RateTally:
        return RateTally(self.passes, self.total)


@dataclass(slots=True)
class CounterTally:
    """A sum."""

    total: float = 0.0

    def merge(self, other: CounterTally) -> None:
        self.total += other.total

    def copy(self) -> CounterTally:
        return CounterTally(self.total)


@dataclass(slots=True)
class GaugeTally:
    """The last value set, and the extremes.

    `order` tells which of two was set later, in whatever order they are merged: several windows of one series, or several
    series of one window. Where it is equal, `other` is taken for the later one.
    """

    last: float
    minimum: float
    maximum: float
    order: int = 0
    """How many samples the recorder had when the last one was set."""

    def merge(self, other: GaugeTally) -> None:
        if other.order >= self.order:
            self.last, self.order = other.last, other.order
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)

    def copy(self) -> GaugeTally:
        return GaugeTally(self.last, self.minimum, self.maximum, self.order)


Tally = TrendTally | RateTally | CounterTally | GaugeTally

KIND_OF: dict[type, Kind] = {
    TrendTally: Kind.TREND,
    RateTally: Kind.RATE,
    CounterTally: Kind.COUNTER,
    GaugeTally: Kind.GAUGE,
}


def put(tallies: dict[int, Tally], key: int, tally: Tally) -> None:
    """As `merge_into`, but `tally` itself may be kept."""
    held = tallies.setdefault(key, tally)
    if held is not tally:
        held.merge(tally)  # type: ignore[arg-type]  # one key has one kind


def merge_into(tallies: dict[int, Tally], key: int, tally: Tally) -> None:
    """Add `tally` to what `tallies` holds under `key`; `tally` itself is not kept."""
    held = tallies.get(key)
    if held is None:
        tallies[key] = tally.copy()
    else:
        held.merge(tally)  # type: ignore[arg-type]  # one key has one kind
