"""The step a request counts for: the recorder's series by how it ended, and what its replies mostly look like."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.http.head import Head
from loadgate.measure.recorder import Recorder

_PLAIN: Final = 64
"""Heads kept per step: a server that writes another one each time must not fill the memory."""


class PlainReply:
    """What is known of a plain reply (see `Head.plain`) to a step before it is looked into.

    Replies to one step mostly have the same head, byte for byte, as long as its `Date` stands, which is a second. One that
    has `size` bytes and begins with `opening` (the head and the empty line) is this reply again, but for its body.
    """

    __slots__ = ("body_at", "head", "ok", "opening", "series", "size", "status")

    def __init__(self, head: Head, series: int, ok: bool) -> None:
        self.head = head
        self.opening = head.raw + b"\r\n\r\n"
        self.body_at = len(self.opening)
        self.size = self.body_at + head.length
        self.status = head.status
        self.series = series
        self.ok = ok


class Step:
    """The recorder's series for one named request, by how it ended.

    Tags are joined here, when the step is first met, so that a request costs one dict lookup.
    """

    __slots__ = ("_expected", "_plain", "_recorder", "_tags", "likely", "name", "outcomes")

    def __init__(
        self, recorder: Recorder, name: str, tags: Mapping[str, str], expected: Collection[int] | None
    ) -> None:
        self._recorder = recorder
        self._tags = tags
        self._expected = expected
        self.name = name
        self.outcomes: dict[int | ErrorKind, tuple[int, bool]] = {}
        self.likely: PlainReply | None = None
        """The plain reply that came last."""
        self._plain: dict[Head, PlainReply] = {}

    def plain(self, head: Head) -> PlainReply:
        """The plain reply with this head, which is then the likely one."""
        reply = self._plain.get(head)
        if reply is None:
            if len(self._plain) >= _PLAIN:
                self._plain.clear()
            reply = self._plain[head] = PlainReply(head, *self.outcome(head.status))
        self.likely = reply
        return reply

    def outcome(self, status: int) -> tuple[int, bool]:
        """(series, expected) of a reply with `status`; 200 to 399 are expected unless the request says otherwise."""
        found = self.outcomes.get(status)
        if found is None:
            ok = 200 <= status < 400 if self._expected is None else status in self._expected
            found = self._intern(status, {"status": str(status)}, ok=ok)
        return found

    def hop(self, status: int) -> tuple[int, bool]:
        """As `outcome`, of a redirect that is followed: what the request expects is said of the last reply."""
        return self.outcomes.get(-status) or self._intern(-status, {"status": str(status)}, ok=True)

    def failure(self, kind: ErrorKind) -> int:
        """Series of an exchange that ended without a usable reply."""
        found = self.outcomes.get(kind)
        if found is None:
            found = self._intern(kind, {"status": "0", "error": kind.value}, ok=False)
        return found[0]

    def spoiled(self, error: ExchangeError) -> None:
        """Count that the body of a reply, whose sample is recorded already, turned out to be of no use."""
        self._recorder.error(error.kind.value, self.name, str(error))

    def _intern(self, key: int | ErrorKind, tags: Mapping[str, str], *, ok: bool) -> tuple[int, bool]:
        tags = {**self._tags, **tags, "expected_response": "true" if ok else "false"}
        series = self._recorder.exchange_series("http", tags, failed=not ok)
        self.outcomes[key] = (series, ok)
        return series, ok
