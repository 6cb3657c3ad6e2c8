"""Tallies as JSON, and the numbers in them: what one kind of metric leaves in a record. The codec puts them in place.

JSON has no NaN and no infinity: not a number is null, an infinite one the largest float. Both are read back as they were.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVar

import msgspec

from loadgate.measure.histogram import SUB_BUCKETS, TOP, Histogram, lower_bound
from loadgate.measure.metric import Kind
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, Tally, TrendTally

BUCKETS: Final[Mapping[str, float]] = {"per_octave": SUB_BUCKETS, "least": lower_bound(1), "top": TOP}
"""How values are cut: bucket 1 begins at `least`, each doubling has `per_octave` buckets, `top` is the last one's index."""

_FormT = TypeVar("_FormT")


def tally_form(tally: Tally) -> object:
    """What stands for `tally` in a record, as something msgspec encodes."""
    if isinstance(tally, TrendTally):
        sparse = tally.histogram.to_sparse()
        sparse["sum"] = finite(sparse["sum"])
        return sparse
    if isinstance(tally, RateTally):
        return _RateForm(tally.passes, tally.total)
    if isinstance(tally, CounterTally):
        return _CounterForm(number_form(tally.total))
    return _GaugeForm(number_form(tally.last), number_form(tally.minimum), number_form(tally.maximum), tally.order)


def read_tally(kind: Kind, raw: msgspec.Raw) -> Tally:
    """The tally of a metric of `kind` in the JSON `raw`. Raises ValueError (msgspec's errors are some) or OverflowError."""
    return _READERS[kind](raw)


def number_form(value: float) -> float | None:
    """`value` as JSON can hold it."""
    return None if math.isnan(value) else finite(value)


def read_number(written: float | None) -> float:
    """What `number_form` was given."""
    if written is None:
        return math.nan
    return written if abs(written) < sys.float_info.max else math.copysign(math.inf, written)


def finite(value: float) -> float:
    """`value`, or the largest float in place of an infinite one."""
    return max(-sys.float_info.max, min(value, sys.float_info.max))


class _TrendForm(msgspec.Struct):
    sum: float
    min: float | None
    max: float | None
    gaps: list[int]
    counts: list[int]


class _RateForm(msgspec.Struct):
    passes: int
    total: int


class _CounterForm(msgspec.Struct):
    total: float | None


class _GaugeForm(msgspec.Struct):
    last: float | None
    min: float | None
    max: float | None
    order: int


class _Reader(Generic[_FormT]):
    """Reads the tallies of one kind."""

    def __init__(self, form: type[_FormT], make: Callable[[_FormT], Tally]) -> None:
        self._decoder = msgspec.json.Decoder(form)
        self._make = make

    def __call__(self, raw: msgspec.Raw) -> Tally:
        return self._make(self._decoder.decode(raw))


def _trend(form: _TrendForm) -> Tally:
    if form.gaps and (form.min is None or form.max is None):
        raise ValueError("a histogram with samples needs `min` and `max`")
    return TrendTally(Histogram.from_sparse(msgspec.structs.asdict(form)))


def _gauge(form: _GaugeForm) -> Tally:
    return GaugeTally(read_number(form.last), read_number(form.min), read_number(form.max), form.order)


_READERS: Final[Mapping[Kind, Callable[[msgspec.Raw], Tally]]] = {
    Kind.TREND: _Reader(_TrendForm, _trend),
    Kind.RATE: _Reader(_RateForm, lambda form: RateTally(form.passes, form.total)),
    Kind.COUNTER: _Reader(_CounterForm, lambda form: CounterTally(read_number(form.total))),
    Kind.GAUGE: _Reader(_GaugeForm, _gauge),
}
