"""The step a session's messages count for: the recorder's series by how a message ended, and the session's own metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from loadgate.clients.base import ErrorKind
from loadgate.measure.metric import BUILTIN
from loadgate.measure.recorder import Recorder

_PROTOCOL: Final = "websocket"


class WsStep:
    """Series and counters of one name under one set of tags.

    An exchange is a message that was sent and the one that answered it. What belongs to none (handshakes, pings, messages
    without a question) is counted in `sent_bytes` and `received_bytes`, so that `data_sent` and `data_received` are all
    that went over the wire.
    """

    __slots__ = (
        "_failures",
        "_recorder",
        "_tags",
        "answered",
        "connecting",
        "name",
        "ping",
        "received",
        "received_bytes",
        "sent",
        "sent_bytes",
        "session_duration",
        "sessions",
    )

    def __init__(self, recorder: Recorder, name: str, tags: Mapping[str, str]) -> None:
        self._recorder = recorder
        self._tags = {**tags, "name": name, "proto": _PROTOCOL}
        self._failures: dict[tuple[ErrorKind, int], int] = {}
        self.name = name
        self.answered = recorder.exchange_series(_PROTOCOL, {**self._tags, "status": "101"}, failed=False)
        """101 is the status of every message in k6, that of the handshake which made it possible."""
        self.connecting = recorder.series(BUILTIN["ws_connecting"], self._tags)
        self.session_duration = recorder.series(BUILTIN["ws_session_duration"], self._tags)
        self.ping = recorder.series(BUILTIN["ws_ping"], self._tags)
        self.sessions = recorder.counter(BUILTIN["ws_sessions"], self._tags)
        self.sent = recorder.counter(BUILTIN["ws_msgs_sent"], self._tags)
        self.received = recorder.counter(BUILTIN["ws_msgs_received"], self._tags)
        self.sent_bytes = recorder.counter(BUILTIN["data_sent"], self._tags)
        self.received_bytes = recorder.counter(BUILTIN["data_received"], self._tags)

    def fail(
        self, kind: ErrorKind, text: str, sent: int, planned: float, start: float, end: float, status: int = 0
    ) -> None:
        """Record one exchange without an answer: `sent` bytes, times in clock seconds, `status` of a refused handshake."""
        series = self._failures.get((kind, status))
        if series is None:
            tags = {**self._tags, "status": str(status), "error": kind.value}
            series = self._failures[kind, status] = self._recorder.exchange_series(_PROTOCOL, tags, failed=True)
        self._recorder.exchange(series, sent, 0, planned, start, end, end)
        self._recorder.error(kind.value, self.name, text)
