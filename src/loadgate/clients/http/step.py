"""The step a request counts for: the recorder's series by how it ended, and what its replies mostly look like.

A protocol that rides on HTTP, such as GraphQL, gives its steps a *judge*: their exchanges count as that protocol's, and each
reply is looked into before its sample is recorded, so that one of status 200 can be a failure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final, Protocol

from loadgate.clients.base import BodyError, ErrorKind, ExchangeError, Fault
from loadgate.clients.http.head import Head
from loadgate.measure.recorder import Recorder

if TYPE_CHECKING:
    from loadgate.clients.http.response import Response

_PLAIN: Final = 64
"""Heads kept per step: a server that writes another one each time must not fill the memory."""


class Judge(Protocol):
    """Says by its body whether a reply is of use. Steps are told apart by it, so equal ones must hash alike."""

    @property
    def protocol(self) -> str:
        """Name of the protocol the exchanges count for (`measure.protocols`)."""

    def fault(self, body: bytes) -> Fault | None:
        """Why the reply with this body is of no use, or None."""

    def passes(self, body: bytes) -> bool:
        """Whether a reply of no use is no failure: another exchange follows, as after a redirect."""

    def __hash__(self) -> int: ...


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

    __slots__ = ("_expected", "_judge", "_plain", "_recorder", "_tags", "likely", "name", "outcomes")

    def __init__(
        self,
        recorder: Recorder,
        name: str,
        tags: Mapping[str, str],
        expected: Collection[int] | None,
        judge: Judge | None = None,
    ) -> None:
        self._judge = judge
        self._recorder = recorder
        self._tags = tags
        self._expected = expected
        self.name = name
        self.outcomes: dict[int | ErrorKind | tuple[int, ErrorKind], tuple[int, bool]] = {}
        self.likely: PlainReply | None = None
        """The plain reply that came last; None where each one is judged."""
        self._plain: dict[Head, PlainReply] = {}

    @property
    def has_phases(self) -> bool:
        """Whether the protocol has metrics for the opening of a connection: only HTTP has."""
        return self._judge is None

    def plain(self, head: Head, data: bytes) -> PlainReply:
        """The plain reply with this head, whole in `data`; without a judge it is the likely one from now on."""
        if self._judge is not None:
            return PlainReply(head, *self._judged(self._judge, head.status, data[len(head.raw) + 4 :]))
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

    def whole(self, response: Response) -> tuple[int, bool]:
        """As `outcome`, of a reply that came the long way."""
        if self._judge is None:
            return self.outcome(response.status)
        try:
            return self._judged(self._judge, response.status, response.body)
        except BodyError as error:  # counted by whoever raised it
            return self._faulty(response.status, error.kind)

    def _judged(self, judge: Judge, status: int, body: bytes) -> tuple[int, bool]:
        fault = judge.fault(body)
        if fault is None:
            return self.outcome(status)
        if judge.passes(body):
            return self.hop(status)[0], False
        if fault.kind is ErrorKind.PROTOCOL:
            series, ok = self.outcome(status)
            if not ok:  # an error page, which need not be in this protocol
                return series, ok
        self._recorder.error(fault.kind.value, self.name, fault.text)
        return self._faulty(status, fault.kind)

    def _faulty(self, status: int, kind: ErrorKind) -> tuple[int, bool]:
        """Series of a reply that is of no use, whatever its status."""
        key = (status, kind)
        return self.outcomes.get(key) or self._intern(key, {"status": str(status), "error": kind.value}, ok=False)

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

    def _intern(
        self, key: int | ErrorKind | tuple[int, ErrorKind], tags: Mapping[str, str], *, ok: bool
    ) -> tuple[int, bool]:
        tags = {**self._tags, **tags, "expected_response": "true" if ok else "false"}
        protocol = "http" if self._judge is None else self._judge.protocol
        series = self._recorder.exchange_series(protocol, tags, failed=not ok)
        self.outcomes[key] = (series, ok)
        return series, ok
