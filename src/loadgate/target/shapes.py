"""Latency shapes: how long a reply is held back, as the quantile function of a distribution.

A delay is drawn by putting one uniform number through `delay`, so that every request takes exactly one number from the
generator whatever the shape is, and the same seed gives comparable sequences for different shapes.

Rules:
* Parameters and results are milliseconds. Each shape is clamped to `min_ms` .. `max_ms`, 0 to 60,000 unless told otherwise:
  a normal shape never becomes negative, and the tail of a pareto shape ends somewhere.
* `probability` is the share of requests that are held back at all; the others get 0, whatever `min_ms` is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Annotated, Final

from msgspec import Meta, Struct

LONGEST_MS: Final = 60_000.0
"""No reply is held back longer than this."""

Milliseconds = Annotated[float, Meta(ge=0.0, le=LONGEST_MS)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Sigma = Annotated[float, Meta(ge=0.0, le=10.0)]
Alpha = Annotated[float, Meta(ge=0.1, le=1000.0)]

_SMALLEST: Final = 2.0**-54


@cache
def _normal() -> Callable[[float], float]:
    """The quantile function of the standard normal distribution.

    Most targets start without `statistics`; the shapes that need it import it when they are made, before anything is served.
    """
    from statistics import NormalDist

    return NormalDist().inv_cdf


class Shape(Struct, frozen=True, kw_only=True, tag_field="shape", tag="none"):
    """No latency; and what the other shapes are made from."""

    def delay(self, u: float) -> float:
        """The delay for one uniform number, 0 <= u < 1, rounded to the microsecond, which is how clients are told."""
        return 0.0


class _Clamped(Shape, frozen=True, kw_only=True):
    """What all others share. Raises ValueError when the clamp is upside down."""

    min_ms: Milliseconds = 0.0
    max_ms: Milliseconds = LONGEST_MS
    probability: Share = 1.0

    def __post_init__(self) -> None:
        if self.min_ms > self.max_ms:
            raise ValueError(f"`min_ms` ({self.min_ms:g}) is above `max_ms` ({self.max_ms:g})")

    def quantile(self, u: float) -> float:
        """The delay, not clamped, that a share `u` of all delays is below; 0 < u < 1."""
        raise NotImplementedError

    def delay(self, u: float) -> float:
        if u >= self.probability:
            return 0.0
        value = self.quantile(max(u / self.probability, _SMALLEST))
        return round(min(max(value, self.min_ms), self.max_ms), 3)


class Fixed(_Clamped, frozen=True, kw_only=True, tag="fixed"):
    """Always `ms`."""

    ms: Milliseconds

    def quantile(self, u: float) -> float:
        return self.ms


class Uniform(_Clamped, frozen=True, kw_only=True, tag="uniform"):
    """Evenly between `low_ms` and `high_ms`."""

    low_ms: Milliseconds
    high_ms: Milliseconds

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low_ms > self.high_ms:
            raise ValueError(f"`low_ms` ({self.low_ms:g}) is above `high_ms` ({self.high_ms:g})")

    def quantile(self, u: float) -> float:
        return self.low_ms + u * (self.high_ms - self.low_ms)


class Normal(_Clamped, frozen=True, kw_only=True, tag="normal"):
    """Mean and standard deviation. What would be below `min_ms` is `min_ms`, which moves the mean up a little."""

    mean_ms: Milliseconds
    deviation_ms: Milliseconds

    def __post_init__(self) -> None:
        super().__post_init__()
        _normal()

    def quantile(self, u: float) -> float:
        return self.mean_ms + self.deviation_ms * _normal()(u)


class LogNormal(_Clamped, frozen=True, kw_only=True, tag="lognormal"):
    """`sigma` is the standard deviation of the delay's natural logarithm: 0.5 puts p95 at 2.28 and p99 at 3.2 medians."""

    median_ms: Milliseconds
    sigma: Sigma

    def __post_init__(self) -> None:
        super().__post_init__()
        _normal()

    def quantile(self, u: float) -> float:
        return self.median_ms * math.exp(self.sigma * _normal()(u))


class Pareto(_Clamped, frozen=True, kw_only=True, tag="pareto"):
    """From `scale_ms`, the least delay, up: a share (scale / x) ** alpha of all is above x. Small alpha, heavy tail."""

    scale_ms: Milliseconds
    alpha: Alpha

    def quantile(self, u: float) -> float:
        return float(self.scale_ms * (1.0 - u) ** (-1.0 / self.alpha))


SHAPES: Final[dict[str, type[Shape]]] = {
    "none": Shape,
    "fixed": Fixed,
    "uniform": Uniform,
    "normal": Normal,
    "lognormal": LogNormal,
    "pareto": Pareto,
}
"""By name."""

NO_LATENCY: Final = Shape()
