"""What every protocol client shares: the ways an exchange can fail, and the times one is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ErrorKind(StrEnum):
    """Why an exchange has no usable reply. A failed check is not one of these: it had its reply."""

    DNS = "dns"
    """The host name did not resolve."""
    CONNECT = "connect"
    """Refused, unreachable, or not accepted within the connect timeout."""
    TLS = "tls"
    """Handshake or certificate refused."""
    TIMEOUT = "timeout"
    """No complete reply within the request timeout."""
    RESET = "reset"
    """The peer closed or reset the connection before the first byte of the reply."""
    UNANSWERED = "unanswered"
    """No complete reply when the run ended, long after the request was sent."""
    CUT = "cut"
    """The reply ended before it was whole."""
    OVERSIZE = "oversize"
    """The body of the reply is larger than what is kept of one, or becomes so when its coding is undone."""
    PROTOCOL = "protocol"
    """The reply is not what the protocol allows."""
    GRAPHQL = "graphql"
    """The reply holds errors of GraphQL's, whatever its status."""


class ExchangeError(Exception):
    """Raised inside the clients only; callers see a reply with `error` set.

    `kind` says which counter it goes to, `str(self)` is the sample shown to the user.
    """

    def __init__(self, kind: ErrorKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class BodyError(ValueError):
    """The body of a reply is not what its content coding says, or too large to be unpacked."""

    def __init__(self, text: str, kind: ErrorKind = ErrorKind.PROTOCOL) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a reply that came whole is of no use: the counter it goes to, and the sample shown to the user."""

    kind: ErrorKind
    text: str


@dataclass(frozen=True, slots=True)
class Timings:
    """Phases of one exchange in milliseconds, as k6's `response.timings` names them.

    `duration` is the service time (sending + waiting + receiving); `latency` counts from the planned
    start to the last byte, so it holds `blocked`, `connecting`, `tls_handshaking` and any late start too.
    Source: k6 documentation, "Response".
    """

    blocked: float
    connecting: float
    tls_handshaking: float
    sending: float
    waiting: float
    receiving: float
    duration: float
    latency: float
