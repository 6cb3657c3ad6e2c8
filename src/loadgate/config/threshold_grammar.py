"""The text of a threshold.

    http_req_duration{scenario:browse,status:200}:  ["p(95)<500ms", {threshold: "p(99)<1000", abortOnFail: true}]
    metric           {selector}                      expression

The grammar is k6's (grafana/k6 metrics/thresholds_parser.go) and so is its laxness: spaces, `===`, and any float
(`1e3`, `-1`, `Inf`) are fine. Ours on top: a bound may carry a unit (`<1.5s`, `<1%`, `>100/s`, `<10MB`). Bare bounds
mean what they mean in k6: milliseconds, a share 0 to 1, or a plain number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from loadgate.config.thresholds import OPERATOR, Aggregation, BoundUnit, Threshold
from loadgate.errors import LoadgateError, Problem, Span, nearest
from loadgate.units import UnitError, parse_duration, parse_size

_PLAIN_STATISTICS: Final = {each.value: each for each in Aggregation if each is not Aggregation.PERCENTILE}
_SYNONYMS: Final[Mapping[str, str]] = {"mean": "avg", "average": "avg", "median": "med"}
_UNINDEXED_TAGS: Final = frozenset({"vu", "iter"})
_UNMEASURED_GROUPS: Final = frozenset({"::setup", "::teardown"})
"""Where k6 keeps what its setup and teardown did."""

_PERCENTILE: Final = re.compile(r"p\((.*)\)", re.DOTALL)
_BARE_PERCENTILE: Final = re.compile(r"p\(?([0-9]{1,2}(?:\.[0-9]+)?)\)?")
_NUMBER: Final = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?)", re.IGNORECASE)


class ThresholdError(LoadgateError):
    """A metric key or expression that cannot be read; `offset` and `length` say which part of `text`."""

    def __init__(self, message: str, text: str, part: tuple[int, int], label: str = "", note: str = "") -> None:
        super().__init__(message)
        self.text = text
        self.offset, self.length = part
        self.label = label
        self.note = note

    def problem(self, span: Span | None) -> Problem:
        """As a Problem; `span` is where the text stands, if it stands in a file."""
        if span is None:
            span = Span("threshold", 1, 1, len(self.text), (self.text,))
        return Problem(self.message, span.part(self.text, self.offset, self.length), self.label, self.note)

    def __str__(self) -> str:
        return self.problem(None).render()


def parse_threshold(
    key: str,
    expression: str,
    *,
    abort_on_fail: bool = False,
    delay_abort: float = 0.0,
    warmup: float | None = None,
    over: float | None = None,
    span: Span | None = None,
    key_span: Span | None = None,
) -> Threshold:
    """The threshold `expression` on the metric `key`. Raises ThresholdError; knows nothing of which metrics exist."""
    metric, selector = parse_key(key)
    found = OPERATOR.search(expression)
    if found is None:
        raise _no_operator(expression)
    aggregation, percentile = _statistic(expression, found.start())
    bound, unit = _bound(expression, found.end())
    return Threshold(
        metric=metric,
        selector=selector,
        aggregation=aggregation,
        percentile=percentile,
        operator="==" if found[0] == "===" else found[0],
        bound=bound,
        unit=unit,
        source=expression.strip(),
        abort_on_fail=abort_on_fail,
        delay_abort=delay_abort,
        warmup=warmup,
        over=over,
        span=span,
        key_span=key_span,
    )


def parse_key(key: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The metric name and the tags it is narrowed to, in `name` or `name{tag:value,tag:value}`.

    As k6: split at each `,`, then at the first `:`; blanks and quotes around names and values are dropped; a value is
    matched exactly and all must match. Raises ThresholdError, also for `vu` and `iter`, which no metric keeps apart, and
    for the groups of setup and teardown, which are in no figure.
    """
    opening, closing = key.find("{"), key.rfind("}")
    name = key if opening < 0 else key[:opening]
    if not name.strip() or "}" in name:
        raise ThresholdError(f"`{key}` names no metric", key, (0, len(key)), "write `metric` or `metric{tag:value}`")
    if opening < 0:
        return name.strip(), ()
    if closing < opening or key[closing + 1 :].strip():
        raise ThresholdError(
            f"`{key}` does not end its selector", key, (opening, len(key) - opening), "`}` must end it"
        )
    selector: dict[str, str] = {}
    at = opening + 1
    for piece in key[opening + 1 : closing].split(","):
        raw_tag, colon, raw_value = piece.partition(":")
        tag, value = raw_tag.strip().strip("\"'"), raw_value.strip().strip("\"'")
        part = (at, max(1, len(piece)))
        at += len(piece) + 1
        if not colon or not tag or not raw_value.strip():
            raise ThresholdError(f"`{piece}` is not a tag selector", key, part, "write `tag:value`")
        if tag in _UNINDEXED_TAGS:
            raise ThresholdError(f"tag `{tag}` cannot select", key, part, "no metric is kept apart by it")
        if tag == "group" and value in _UNMEASURED_GROUPS:
            raise ThresholdError(
                f"nothing is measured under `{value}`",
                key,
                part,
                "the load begins after setup and ends before teardown",
                "limit what scenarios do; a `group` of theirs needs another name for this",
            )
        if tag in selector:
            raise ThresholdError(f"tag `{tag}` is selected twice", key, part, "a tag has one value")
        selector[tag] = value
    return name.strip(), tuple(selector.items())


def _no_operator(text: str) -> ThresholdError:
    label, part = "", (0, max(1, len(text)))
    single = re.search(r"=[<>]?", text)
    if single is not None:
        part = (single.start(), len(single[0]))
        label = f"did you mean `{single[0][1:] + '=' if len(single[0]) == 2 else '=='}`?"
    message = f"`{text}` compares nothing" if text.strip() else "this threshold is empty"
    return ThresholdError(message, text, part, label, "write for example `p(95)<500`; operators: < <= > >= == !=")


def _statistic(text: str, end: int) -> tuple[Aggregation, float | None]:
    """The statistic in `text[:end]`."""
    name = text[:end].strip()
    part = (text.find(name), len(name)) if name else (0, max(1, end))
    percentile = _PERCENTILE.fullmatch(name)
    if percentile is not None:
        inner = percentile[1].strip()
        value = float(inner) if _NUMBER.fullmatch(inner) else math.nan
        if 0.0 <= value <= 100.0:
            return Aggregation.PERCENTILE, value
        label = "must be a number from 0 to 100"
        if 100.0 < value < 10_000.0 and inner.isdigit():
            label += f"; did you mean `p({inner[:2]})` or `p({inner[:2]}.{inner[2:]})`?"
        raise ThresholdError(f"`{name}` is not a percentile", text, part, label)
    if name in _PLAIN_STATISTICS:
        return _PLAIN_STATISTICS[name], None
    if name.endswith("="):
        label = f"did you mean `{text[end]}=`?"
        raise ThresholdError(f"`={text[end]}` is no operator", text, (text.rfind("=", 0, end), 2), label)
    bare = _BARE_PERCENTILE.fullmatch(name)
    likely = f"p({bare[1]})" if bare else _SYNONYMS.get(name) or nearest(name, _PLAIN_STATISTICS)
    raise ThresholdError(
        f"`{name}` is not a statistic" if name else "the statistic is missing",
        text,
        part,
        f"did you mean `{likely}`?" if likely else "",
        f"statistics: {', '.join(sorted([*_PLAIN_STATISTICS, 'p(N)']))}",
    )


def _bound(text: str, start: int) -> tuple[float, BoundUnit]:
    """The number behind the operator, `text[start:]`, in the unit of the metric, and what its unit measures."""
    written = text[start:].strip()
    part = (text.find(written, start), len(written)) if written else (max(0, len(text) - 1), 1)
    number = _NUMBER.match(written)
    note = "a bound is a number with or without a unit: 500, 500ms, 1.5s, 1%, 100/s, 10MB"
    if number is None:
        message = f"`{written}` is not a number" if written else "the bound is missing"
        raise ThresholdError(message, text, part, "", note)
    value, unit = float(number[0]), written[number.end() :].strip()
    if not unit:
        return value, BoundUnit.NONE
    if unit == "%":
        return value / 100.0, BoundUnit.SHARE
    if unit.replace(" ", "") == "/s":
        return value, BoundUnit.PER_SECOND
    sign = -1.0 if value < 0.0 else 1.0
    magnitude = number[0].lstrip("+-") + unit
    try:
        return sign * parse_duration(magnitude) * 1000.0, BoundUnit.TIME
    except UnitError:
        pass
    try:
        return sign * parse_size(magnitude), BoundUnit.SIZE
    except UnitError:
        raise ThresholdError(f"`{written}` is not a number", text, part, f"`{unit}` is no unit", note) from None
