"""The step a subscription counts for: the recorder's series of its exchange, and of its events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from loadgate.clients.websocket.step import Outcomes
from loadgate.measure.metric import BUILTIN
from loadgate.measure.recorder import Recorder

_PROTOCOL: Final = "graphql"


class SubscriptionStep(Outcomes):
    """Its exchange is the time from `subscribe` to the first event. Bytes are counted by the connection it shares."""

    __slots__ = ("begun", "events", "gap")

    def __init__(self, recorder: Recorder, name: str, tags: Mapping[str, str]) -> None:
        super().__init__(recorder, name, tags, _PROTOCOL)
        self.begun = recorder.counter(BUILTIN["graphql_subscriptions"], self.tags)
        self.events = recorder.counter(BUILTIN["graphql_events"], self.tags)
        self.gap = recorder.series(BUILTIN["graphql_event_gap"], self.tags)
