"""Series ids of everything a script records itself, under one set of tags.

Tags change rarely (a group is entered, an author sets one) and samples are many. So a user holds the ledger of its
present tags: recording costs one dict lookup, changing a tag one more. Ledgers are shared by all users of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from loadgate.measure.metric import BUILTIN, Metric
from loadgate.measure.tally import CounterTally, RateTally

if TYPE_CHECKING:
    from loadgate.clients.http.request import Request
    from loadgate.clients.http.stack import Context
    from loadgate.script.shared import Shared

GROUP_SEPARATOR: Final = "::"
"""k6 joins nested groups with it: `::checkout::pay`."""

IterationTally = tuple[CounterTally, RateTally, int]
"""Tallies of `iterations` and `iterations_failed`, and the series of `iteration_duration`."""


class Ledger:
    """`context` is the HTTP client's idea of the same tags."""

    __slots__ = (
        "_changed",
        "_shared",
        "add",
        "checks",
        "context",
        "custom",
        "group_duration",
        "iterations",
        "requests",
        "tags",
    )

    def __init__(self, shared: Shared, context: Context) -> None:
        self._shared = shared
        self._changed: dict[tuple[str, str | None], Ledger] = {}
        self.add: Callable[[int, float], None] = shared.recorder.add
        self.checks: dict[str, RateTally] = {}
        self.context = context
        self.custom: dict[object, int] = {}
        self.group_duration = -1
        self.iterations: IterationTally | None = None
        """Where iterations that end under these tags are counted, once there was one: see `begin_iterations`."""
        self.requests: dict[object, Request] = {}
        """Requests of declarative steps that are the same at each iteration, by step."""
        self.tags: Mapping[str, str] = context.tags

    def with_tag(self, tag: str, value: str | None) -> Ledger:
        """The ledger of these tags with `tag` set to `value`, or without it where that is None."""
        key = (tag, value)
        found = self._changed.get(key)
        if found is None:
            tags = {name: text for name, text in self.tags.items() if name != tag}
            if value is not None:
                tags[tag] = value
            found = self._changed[key] = self._shared.ledger(tags)
        return found

    def with_tags(self, tags: Mapping[str, str | None]) -> Ledger:
        ledger = self
        for tag, value in tags.items():
            ledger = ledger.with_tag(tag, value)
        return ledger

    def group(self, name: str) -> Ledger:
        """The ledger inside group `name` of this one's group. Raises ValueError for a name with `::` in it."""
        if not name or GROUP_SEPARATOR in name:
            raise ValueError(f"`{name}` is not a group name: it must not be empty nor hold `{GROUP_SEPARATOR}`")
        ledger = self.with_tag("group", self.tags.get("group", "") + GROUP_SEPARATOR + name)
        if ledger.group_duration < 0:
            ledger.group_duration = self._shared.recorder.series(BUILTIN["group_duration"], ledger.tags)
        return ledger

    def check(self, name: str) -> RateTally:
        """The tally of the check `name`, kept in `checks`."""
        tally = self._shared.recorder.rate(BUILTIN["checks"], {**self.tags, "check": name})
        self.checks[name] = tally
        return tally

    def custom_series(self, key: object, metric: Metric, tags: Mapping[str, str]) -> int:
        """Series of an author's metric with tags of its own, kept in `custom` under `key`."""
        series = self._shared.recorder.series(metric, {**self.tags, **tags})
        self.custom[key] = series
        return series

    def begin_iterations(self) -> IterationTally:
        """Set `iterations`."""
        recorder = self._shared.recorder
        self.iterations = (
            recorder.counter(BUILTIN["iterations"], self.tags),
            recorder.rate(BUILTIN["iterations_failed"], self.tags),
            recorder.series(BUILTIN["iteration_duration"], self.tags),
        )
        return self.iterations
