"""Custom metrics of script authors: created at module level, added to for a user.

    logins = Counter("logins")
    logins.add(user)

Kinds, name rules and the exclusion of built-in names are k6's (documentation, "k6/metrics"). One name is one metric: a
second `Trend("checkout_time")` in a helper module means the same one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Literal

from loadgate.errors import LoadgateError, nearest
from loadgate.measure.metric import BUILTIN, Direction, Kind, Metric

if TYPE_CHECKING:
    from loadgate.script.user import User

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

_declared: dict[str, Metric] | None = None
"""Where metrics are noted while a script is being loaded; a script imported by a unit test has no run to tell."""


@contextmanager
def declarations() -> Iterator[dict[str, Metric]]:
    """Collects, by name, the custom metrics created inside the `with` block."""
    global _declared
    outer, _declared = _declared, {}
    try:
        yield _declared
    finally:
        _declared = outer


class _Custom:
    """What the four kinds share."""

    __slots__ = ("metric",)
    kind: ClassVar[Kind]

    def __init__(self, name: str, unit: str, better: Literal["lower", "higher"]) -> None:
        if _NAME.fullmatch(name) is None:
            raise LoadgateError(
                f"`{name}` is not a metric name", "up to 128 ASCII letters, digits and underscores, no digit first"
            )
        if name in BUILTIN:
            raise LoadgateError(f"`{name}` is a built-in metric", "choose another name for your own")
        if better not in ("lower", "higher"):
            raise LoadgateError(f"metric `{name}`: better is `{better}`", "give better='lower' or better='higher'")
        self.metric = Metric(name, self.kind, unit, Direction(better))
        if _declared is not None:
            known = _declared.setdefault(name, self.metric)
            if known != self.metric:
                raise LoadgateError(
                    f"metric `{name}` is created twice, as {_described(known)} and as {_described(self.metric)}"
                )

    @property
    def name(self) -> str:
        return self.metric.name

    def _add(self, user: User, value: float, tags: Mapping[str, str]) -> None:
        ledger = user.ledger
        key = (self.metric.name, *tags.items()) if tags else self.metric.name
        series = ledger.custom.get(key)
        if series is None:
            series = self._series(user, key, tags)
        ledger.add(series, value)

    def _series(self, user: User, key: object, tags: Mapping[str, str]) -> int:
        known = user.shared.metrics
        if known.get(self.name) != self.metric:
            like = nearest(self.name, known)
            raise LoadgateError(
                f"metric `{self.name}` is not part of this run",
                f"did you mean `{like}`?" if like else "create it at module level of the script, not inside a scenario",
            )
        return user.ledger.custom_series(key, self.metric, {tag: str(value) for tag, value in tags.items()})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class Trend(_Custom):
    """A distribution: percentiles, mean, extremes. With `time` the values are milliseconds."""

    __slots__ = ()
    kind = Kind.TREND

    def __init__(self, name: str, time: bool = False, *, better: Literal["lower", "higher"] = "lower") -> None:
        super().__init__(name, "ms" if time else "", better)

    def add(self, user: User, value: float, **tags: str) -> None:
        """Record `value`. Raises ValueError where it is not a finite number."""
        self._add(user, _finite(self, value), tags)


class Counter(_Custom):
    """A sum."""

    __slots__ = ()
    kind = Kind.COUNTER

    def __init__(self, name: str, *, better: Literal["lower", "higher"] = "lower") -> None:
        super().__init__(name, "count", better)

    def add(self, user: User, value: float = 1.0, **tags: str) -> None:
        """Add `value`. Raises ValueError where it is not a finite number."""
        self._add(user, _finite(self, value), tags)


class Rate(_Custom):
    """A share: how many of the values added were true (or not zero)."""

    __slots__ = ()
    kind = Kind.RATE

    def __init__(self, name: str, *, better: Literal["lower", "higher"] = "lower") -> None:
        super().__init__(name, "share", better)

    def add(self, user: User, value: bool | float, **tags: str) -> None:
        """Count one more, and one more hit where `value` is true."""
        self._add(user, 1.0 if value else 0.0, tags)


class Gauge(_Custom):
    """The last value, with the least and the greatest."""

    __slots__ = ()
    kind = Kind.GAUGE

    def __init__(self, name: str, *, better: Literal["lower", "higher"] = "lower") -> None:
        super().__init__(name, "", better)

    def add(self, user: User, value: float, **tags: str) -> None:
        """Set to `value`. Raises ValueError where it is not a finite number."""
        self._add(user, _finite(self, value), tags)


def _finite(metric: _Custom, value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{metric!r}.add: {value} is not a finite number")
    return number


def _described(metric: Metric) -> str:
    return f"{metric.kind.value} of times" if metric.unit == "ms" else metric.kind.value
