"""The step a call counts for: the recorder's series by how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.grpc.plain import PlainReply
from loadgate.clients.grpc.status import CODES, Code
from loadgate.measure.metric import BUILTIN
from loadgate.measure.recorder import Recorder
from loadgate.measure.tally import CounterTally

_STREAMS: Final = ("grpc_streams", "grpc_streams_msgs_sent", "grpc_streams_msgs_received")


class Step:
    """Series of one named call. Tags are joined here, when the step is first met, so that a call costs one dict lookup."""

    __slots__ = ("_counters", "_outcomes", "_tags", "expected", "likely", "name", "record", "recorder")

    def __init__(self, recorder: Recorder, name: str, tags: Mapping[str, str], expected: frozenset[int]) -> None:
        self.recorder = recorder
        self.record = recorder.exchange
        self.name = name
        self.expected = expected
        self.likely: PlainReply | None = None
        """The plain reply that came last."""
        self._tags = tags
        self._outcomes: dict[tuple[int, ErrorKind | None, bool], int] = {}
        self._counters: list[CounterTally] = []

    def outcome(self, code: int, kind: ErrorKind | None, *, ok: bool) -> int:
        """Series of calls that end with `code`, on their way to an error of `kind` if there is one."""
        key = (code, kind, ok)
        series = self._outcomes.get(key)
        if series is None:
            tags = {**self._tags, "status": CODES[code].name, "expected_response": "true" if ok else "false"}
            if kind is not None:
                tags["error"] = kind.value
            series = self._outcomes[key] = self.recorder.exchange_series("grpc", tags, failed=not ok)
        return series

    def counters(self) -> tuple[CounterTally, CounterTally, CounterTally]:
        """Streams, messages sent and messages received: to be counted up in place."""
        if not self._counters:
            self._counters = [self.recorder.counter(BUILTIN[name], self._tags) for name in _STREAMS]
        streams, sent, received = self._counters
        return streams, sent, received

    def spoiled(self, error: ExchangeError) -> None:
        """Count that the message of a reply, whose sample is recorded already, turned out to be of no use."""
        self.recorder.error(error.kind.value, self.name, str(error))

    @property
    def expects_lateness(self) -> bool:
        """Whether it is no failure that no reply comes before the deadline."""
        return Code.DEADLINE_EXCEEDED in self.expected
