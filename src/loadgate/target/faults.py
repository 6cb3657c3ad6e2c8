"""Faults: which requests are answered wrongly, and how.

One uniform number decides whether a request has a fault, which, and with which status: the numbers from 0 to 1 are dealt
out to the kinds in the order of `Kind`, each its probability, and the status codes share their stretch evenly.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from loadgate.target.shapes import Share

Code = Annotated[int, Meta(ge=400, le=599)]


class Kind(StrEnum):
    """`status`: an error status instead of the answer. `reset`: the connection is reset (RST). `timeout`: no answer ever.
    `partial`: the head promises the whole body, half of it is sent, and the connection is closed."""

    STATUS = "status"
    RESET = "reset"
    TIMEOUT = "timeout"
    PARTIAL = "partial"


class Outcome(NamedTuple):
    """The fault of one request; `code` is 0 unless the kind is status."""

    kind: Kind
    code: int = 0


class StatusFault(Struct, frozen=True):
    """Error statuses, each as likely as the other."""

    probability: Share = 0.0
    codes: Annotated[tuple[Code, ...], Meta(min_length=1, max_length=100)] = (500,)


class PlainFault(Struct, frozen=True):
    probability: Share = 0.0


class Faults(Struct, frozen=True):
    """All kinds at once. Raises ValueError when the probabilities add up to more than 1."""

    status: StatusFault = StatusFault()
    reset: PlainFault = PlainFault()
    timeout: PlainFault = PlainFault()
    partial: PlainFault = PlainFault()

    def __post_init__(self) -> None:
        if self.total > 1.0 + 1e-9:
            raise ValueError(f"the probabilities add up to {self.total:g}, which is more than 1")

    @property
    def total(self) -> float:
        return self.status.probability + self.reset.probability + self.timeout.probability + self.partial.probability

    def draw(self, u: float) -> Outcome | None:
        """The fault for one uniform number, 0 <= u < 1, or None."""
        codes, share = self.status.codes, self.status.probability
        if u < share:
            return Outcome(Kind.STATUS, codes[min(int(u / share * len(codes)), len(codes) - 1)])
        for kind, fault in ((Kind.RESET, self.reset), (Kind.TIMEOUT, self.timeout), (Kind.PARTIAL, self.partial)):
            share += fault.probability
            if u < share:
                return Outcome(kind)
        return None
