"""Faults: which requests are answered wrongly, and how.

One uniform number decides whether a request has a fault, which, and with which status: the numbers from 0 to 1 are dealt
out to the kinds in the order of `Kind`, each its probability, and the codes of a kind share its stretch evenly. A kind that
is drawn for a protocol that does not know it (`KINDS`) is no fault.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from loadgate.target.shapes import Share

MOST_GRPC_CODE: Final = 16
Code = Annotated[int, Meta(ge=1, le=599)]
CloseCode = Annotated[int, Meta(ge=1000, le=4999)]


class Kind(StrEnum):
    """`status`: an error status instead of the answer. `reset`: the connection is reset (RST). `timeout`: no answer ever.
    `partial`: the head promises the whole body, half of it is sent, and the connection is closed; of a WebSocket message half
    the frame is sent. `close`: a WebSocket is closed with a code. `errors`: a GraphQL reply of status 200 with errors and no
    data. `field`: one with data, but for one field, for which there is an error. Of gRPC all are of one call, never of its
    connection: `reset` is RST_STREAM, `partial` half of a message and then the end of the stream, without a status."""

    STATUS = "status"
    RESET = "reset"
    TIMEOUT = "timeout"
    PARTIAL = "partial"
    CLOSE = "close"
    ERRORS = "errors"
    FIELD = "field"


_HTTP: Final = frozenset({Kind.STATUS, Kind.RESET, Kind.TIMEOUT, Kind.PARTIAL})
KINDS: Final = {
    "http": _HTTP,
    "websocket": _HTTP | {Kind.CLOSE},
    "graphql": _HTTP | {Kind.CLOSE, Kind.ERRORS, Kind.FIELD},
    "grpc": _HTTP,
}
"""The faults of each protocol that the target speaks. `close` comes with GraphQL because subscriptions are WebSockets."""


class Outcome(NamedTuple):
    """The fault of one request; `code` is 0 unless the kind is status or close."""

    kind: Kind
    code: int = 0


class StatusFault(Struct, frozen=True):
    """Error statuses, each as likely as the other: of HTTP, 400 to 599, which for gRPC mean what they mean there (503 is
    UNAVAILABLE); or of gRPC, 1 to 16. Raises ValueError for others."""

    probability: Share = 0.0
    codes: Annotated[tuple[Code, ...], Meta(min_length=1, max_length=100)] = (500,)

    def __post_init__(self) -> None:
        for code in self.codes:
            if MOST_GRPC_CODE < code < 400:
                raise ValueError(f"{code} is no error status: 400 to 599, or 1 to {MOST_GRPC_CODE} for gRPC")


class CloseFault(Struct, frozen=True):
    """Close codes, each as likely as the other. Raises ValueError for one that no endpoint may send (RFC 6455 7.4)."""

    probability: Share = 0.0
    codes: Annotated[tuple[CloseCode, ...], Meta(min_length=1, max_length=100)] = (1011,)

    def __post_init__(self) -> None:
        for code in self.codes:
            if not is_close_code(code):
                raise ValueError(f"{code} is no close code that may be sent: 1000 to 1003, 1007 to 1014, 3000 to 4999")


def is_close_code(code: int) -> bool:
    """Whether a close frame may carry `code` (RFC 6455 7.4.1, and what was registered since)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


class PlainFault(Struct, frozen=True):
    probability: Share = 0.0


class Faults(Struct, frozen=True):
    """All kinds at once. Raises ValueError when the probabilities add up to more than 1."""

    status: StatusFault = StatusFault()
    reset: PlainFault = PlainFault()
    timeout: PlainFault = PlainFault()
    partial: PlainFault = PlainFault()
    close: CloseFault = CloseFault()
    errors: PlainFault = PlainFault()
    field: PlainFault = PlainFault()

    def __post_init__(self) -> None:
        if self.total > 1.0 + 1e-9:
            raise ValueError(f"the probabilities add up to {self.total:g}, which is more than 1")

    @property
    def total(self) -> float:
        return sum(self.of(kind).probability for kind in Kind)

    def of(self, kind: Kind) -> StatusFault | CloseFault | PlainFault:
        fault: StatusFault | CloseFault | PlainFault = getattr(self, kind)
        return fault

    def draw(self, u: float) -> Outcome | None:
        """The fault for one uniform number, 0 <= u < 1, or None."""
        below = 0.0
        for kind in _KINDS:
            fault = self.of(kind)
            share = fault.probability
            if u < below + share:
                if isinstance(fault, PlainFault):
                    return Outcome(kind)
                return Outcome(
                    kind, fault.codes[min(int((u - below) / share * len(fault.codes)), len(fault.codes) - 1)]
                )
            below += share
        return None


_KINDS: Final = tuple(Kind)
