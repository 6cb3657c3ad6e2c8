"""The step a session's messages count for: the recorder's series by how a message ended, and the session's own metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from loadgate.clients.base import ErrorKind
from loadgate.measure.metric import BUILTIN
from loadgate.measure.recorder import Recorder

_PROTOCOL: Final = "websocket"


class Outcomes:
    """Series of the exchanges of `protocol` of one name under one set of tags, by how they ended. `tags` are those of all."""

    __slots__ = ("_failures", "_protocol", "_recorder", "answered", "name", "tags")

    def __init__(self, recorder: Recorder, name: str, tags: Mapping[str, str], protocol: str) -> None:
        self._failures: dict[tuple[ErrorKind, int], int] = {}
        self._protocol = protocol
        self._recorder = recorder
        self.name = name
        self.tags = {**tags, "name": name, "proto": _PROTOCOL}
        self.answered = recorder.exchange_series(protocol, {**self.tags, "status": "101"}, failed=False)
        """101 is the status of every message in k6, that of the handshake which made it possible."""

    def fail(
        self, kind: ErrorKind, text: str, sent: int, planned: float, start: float, end: float, status: int = 0
    ) -> None:
        """Record one exchange without an answer: `sent` bytes, times in clock seconds, `status` of a refused handshake."""
        series = self._failures.get((kind, status))
        if series is None:
            tags = {**self.tags, "status": str(status), "error": kind.value}
            series = self._failures[kind, status] = self._recorder.exchange_series(self._protocol, tags, failed=True)
        self._recorder.exchange(series, sent, 0, planned, start, end, end)
        self._recorder.error(kind.value, self.name, text)


class WsStep(Outcomes):
    """Series and counters of the messages of one name, and of the sessions they are sent in.

    An exchange is a message that was sent and the one that answered it. What belongs to none (handshakes, pings, messages
    without a question) is counted in `sent_bytes` and `received_bytes`, so that `data_sent` and `data_received` are all
    that went over the wire.
    """

    __slots__ = (
        "connecting",
        "ping",
        "received",
        "received_bytes",
        "sent",
        "sent_bytes",
        "session_duration",
        "sessions",
    )

    def __init__(self, recorder: Recorder, name: str, tags: Mapping[str, str]) -> None:
        super().__init__(recorder, name, tags, _PROTOCOL)
        self.connecting = recorder.series(BUILTIN["ws_connecting"], self.tags)
        self.session_duration = recorder.series(BUILTIN["ws_session_duration"], self.tags)
        self.ping = recorder.series(BUILTIN["ws_ping"], self.tags)
        self.sessions = recorder.counter(BUILTIN["ws_sessions"], self.tags)
        self.sent = recorder.counter(BUILTIN["ws_msgs_sent"], self.tags)
        self.received = recorder.counter(BUILTIN["ws_msgs_received"], self.tags)
        self.sent_bytes = recorder.counter(BUILTIN["data_sent"], self.tags)
        self.received_bytes = recorder.counter(BUILTIN["data_received"], self.tags)
