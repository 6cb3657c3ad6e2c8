"""Thresholds: a condition on one statistic of one metric, and whether it can be meant.

Semantics are k6's (https://grafana.com/docs/k6/latest/using-k6/thresholds/); `threshold_grammar` reads the text.
Pure: which metrics exist, and of which kind, is told to `check_thresholds`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from loadgate.errors import ConfigError, Problem, Span, nearest


class Aggregation(StrEnum):
    """The statistic a threshold asks of a metric."""

    COUNT = "count"
    RATE = "rate"
    VALUE = "value"
    AVG = "avg"
    MIN = "min"
    MED = "med"
    MAX = "max"
    PERCENTILE = "p"


class BoundUnit(StrEnum):
    """What the unit written behind a bound measures; NONE if none was written."""

    NONE = ""
    TIME = "time"
    SHARE = "share"
    PER_SECOND = "rate"
    SIZE = "size"


_HOLDS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
# By metric kind (the words of `measure.metric.Kind`).
_STATISTICS: Final[Mapping[str, tuple[Aggregation, ...]]] = {
    "trend": (Aggregation.AVG, Aggregation.MIN, Aggregation.MED, Aggregation.MAX, Aggregation.PERCENTILE),
    "rate": (Aggregation.RATE,),
    "counter": (Aggregation.COUNT, Aggregation.RATE),
    "gauge": (Aggregation.VALUE,),
}
_UNITS: Final[Mapping[tuple[str, Aggregation], tuple[BoundUnit, ...]]] = {
    ("rate", Aggregation.RATE): (BoundUnit.SHARE,),
    ("counter", Aggregation.RATE): (BoundUnit.PER_SECOND,),
    ("counter", Aggregation.COUNT): (BoundUnit.SIZE,),
}
_UNITS_OTHERWISE: Final = (BoundUnit.TIME, BoundUnit.SIZE)
OPERATOR: Final = re.compile(r"<=|>=|===|==|!=|<(?!=)|>(?!=)")


@dataclass(frozen=True, slots=True)
class Threshold:
    """One condition on one metric.

    `bound` is in milliseconds for times, a share 0 to 1 for rates, else the plain number (bytes, per second).
    `delay_abort` (s): `abort_on_fail` acts only after this much of the run. `warmup` (s): leave out what was measured
    before; None: as the profile says. `over` (s): judge a sliding window this long; None: the whole run.
    `source` is the expression as written; `span` and `key_span` say where it and its metric key stand.
    """

    metric: str
    selector: tuple[tuple[str, str], ...]
    aggregation: Aggregation
    percentile: float | None
    operator: str
    bound: float
    unit: BoundUnit
    source: str
    abort_on_fail: bool = False
    delay_abort: float = 0.0
    warmup: float | None = None
    over: float | None = None
    span: Span | None = None
    key_span: Span | None = None

    def holds(self, observed: float) -> bool:
        """Whether `observed` (in the unit of `bound`) meets the condition. NaN, which is no data, never does."""
        return not math.isnan(observed) and _HOLDS[self.operator](observed, self.bound)

    @property
    def key(self) -> str:
        """The metric with its selector, "http_req_duration{scenario:browse}"."""
        tags = ",".join(f"{tag}:{value}" for tag, value in self.selector)
        return f"{self.metric}{{{tags}}}" if tags else self.metric

    @property
    def statistic(self) -> str:
        """The statistic as k6 writes it, "p(99.9)" or "rate"."""
        return self.aggregation.value if self.percentile is None else f"p({self.percentile:g})"


def check_thresholds(thresholds: Iterable[Threshold], kinds: Mapping[str, str]) -> None:
    """Compare with the metrics there are: name to kind, `trend`, `rate`, `counter` or `gauge`.

    Raises ConfigError naming every unknown metric, statistic a metric's kind has not, and bound that cannot be meant.
    """
    problems = [problem for threshold in thresholds if (problem := _mismatch(threshold, kinds)) is not None]
    if problems:
        raise ConfigError(problems)


def _mismatch(threshold: Threshold, kinds: Mapping[str, str]) -> Problem | None:
    kind = kinds.get(threshold.metric)
    if kind is None:
        likely = nearest(threshold.metric, kinds)
        key_span = threshold.key_span
        if key_span is not None and key_span.text.startswith(threshold.metric):
            key_span = key_span.part(key_span.text, 0, len(threshold.metric))
        return Problem(
            f"there is no metric `{threshold.metric}`",
            key_span,
            f"did you mean `{likely}`?" if likely else "",
            f"metrics: {', '.join(sorted(kinds))}",
        )
    allowed = _STATISTICS[kind]
    source = threshold.source
    if threshold.aggregation not in allowed:
        names = ", ".join("p(N)" if each is Aggregation.PERCENTILE else each.value for each in allowed)
        part = _part(threshold.span, source, 0, len(OPERATOR.split(source, maxsplit=1)[0].rstrip()))
        message = f"`{threshold.metric}` is a {kind} and has no `{threshold.statistic}`"
        return Problem(message, part, "", f"statistics for a {kind}: {names}")
    found = OPERATOR.search(source)
    start = found.end() if found else 0
    written = source[start:].strip()
    part = _part(threshold.span, source, source.rfind(written), len(written))
    if threshold.unit not in (BoundUnit.NONE, *_UNITS.get((kind, threshold.aggregation), _UNITS_OTHERWISE)):
        message = f"`{written}` is a {threshold.unit}, which `{threshold.statistic}` of a {kind} is not"
        return Problem(message, part)
    if kind == "rate" and not 0.0 <= threshold.bound <= 1.0:
        likely = f"{threshold.operator}{threshold.bound:g}%"
        label = f"did you mean `rate{likely}`?" if 1.0 < threshold.bound <= 100.0 else "a share is 0 to 1"
        return Problem(f"`{written}` is no share: `{source}` would always come out the same", part, label)
    return None


def _part(span: Span | None, source: str, offset: int, length: int) -> Span | None:
    return None if span is None else span.part(span.text, span.text.find(source) + offset, length)
