"""How a call ended, as a scenario sees it."""

from __future__ import annotations

from typing import Any

import msgspec

from loadgate.clients.base import ErrorKind, ExchangeError, Timings
from loadgate.clients.grpc.head import Head, Metadata
from loadgate.clients.grpc.message import PREFIX, plain
from loadgate.clients.grpc.method import MessageError, Method
from loadgate.clients.grpc.request import Request
from loadgate.clients.grpc.status import CODES

NO_PHASES = (0.0, 0.0, 0.0)


class GrpcReply(msgspec.Struct, gc=False, eq=False):
    """The end of one call: its status, its message, and where the time went. A failure on the way has `error` set.

    Nothing is decoded before it is asked for. A struct, as the replies of HTTP are, and for their reasons.
    """

    request: Request
    code: int
    """Status as a number; of a call that failed on its way what gRPC says such a failure is, mostly UNAVAILABLE."""
    ok: bool
    """Whether the status was expected: OK, unless the call says otherwise."""
    _head: Head | None
    _trailers: Head | None
    _data: bytes | bytearray
    """The message with its prefix; empty for streams, whose messages were handed over one by one."""
    _planned: float
    _start: float
    _first: float
    _end: float
    """When it was planned, sent, begun and whole, in clock seconds."""
    _phases: tuple[float, float, float] = NO_PHASES
    """Blocked, connecting and TLS, in seconds."""
    error: ErrorKind | None = None
    error_text: str = ""
    _details: str = ""
    _message: dict[str, Any] | None = None

    @property
    def status(self) -> str:
        """The name of the status: `OK`, `NOT_FOUND`, ..."""
        return CODES[self.code].name

    @property
    def method(self) -> Method:
        return self.request.method

    @property
    def details(self) -> str:
        """What the server says about the status (`grpc-message`), or what went wrong on the way."""
        return self._details or (self._trailers.details if self._trailers is not None else "")

    @property
    def data(self) -> bytes:
        """The bytes of the message, unpacked. Raises MessageError where that cannot be done; it is counted as an error."""
        if len(self._data) < PREFIX:
            return b""
        try:
            return plain(self._data[0], bytes(self._data[PREFIX:]))
        except ExchangeError as error:
            self.request.step.spoiled(error)
            raise MessageError(str(error)) from None

    @property
    def message(self) -> dict[str, Any]:
        """The fields of the message by their names in the `.proto` file; {} where there was none.

        Raises MessageError (ValueError) where the bytes are no such message.
        """
        if self._message is None:
            self._message = self.request.method.decode(self.data) if self._data else {}
        return self._message

    @property
    def metadata(self) -> Metadata:
        """What the server sent before its messages."""
        return self._head.metadata() if self._head is not None else {}

    @property
    def trailers(self) -> Metadata:
        """What the server sent with the status."""
        return self._trailers.metadata() if self._trailers is not None else {}

    @property
    def timings(self) -> Timings:
        """Where the time went, in milliseconds. Sending is part of waiting: a call may send as long as it receives."""
        planned, start, first, end = self._planned, self._start, self._first, self._end
        blocked, connecting, tls = self._phases
        return Timings(
            blocked=blocked * 1e3,
            connecting=connecting * 1e3,
            tls_handshaking=tls * 1e3,
            sending=0.0,
            waiting=max(0.0, first - start) * 1e3,
            receiving=max(0.0, end - first) * 1e3,
            duration=(end - start) * 1e3,
            latency=(end - planned) * 1e3,
        )

    def __repr__(self) -> str:
        if self.error is not None:
            return f"<GrpcReply {self.error}: {self.error_text}>"
        return f"<GrpcReply {self.status} {self.request.method.name}>"
