"""Reads one reply that the fast path cannot finish, fed in pieces of any size. Does no I/O.

Own code finds the head and counts a stated length; chunked bodies go to httptools (llhttp). Nothing is ever pipelined,
so bytes behind the end of a reply are a fault of the server and end the connection.
"""

from __future__ import annotations

from typing import Final

import httptools

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.http.head import LIMIT, Head, fault, parse_head, sample

_BODILESS: Final = frozenset({204, 304})
KEPT_LIMIT: Final = 256 * 1024 * 1024
"""Bytes of one reply's body that are kept for whoever may read it."""
_CHUNKED_HEAD: Final = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
"""What llhttp is shown of a head: it has opinions of its own on upgrades and on lengths beside chunks."""


class ReplyReader:
    """Collects one reply: feed it until `done`; `eof()` when the peer closes.

    `continued` turns True when a `100 Continue` came. `bodiless` is for replies to HEAD, whose length fields speak of a
    body that is not sent. Without `keep` the bytes of the body are counted and dropped as they come. Raises ExchangeError
    of kind protocol (malformed), cut (ended too early) or oversize (a body to be kept that is over `KEPT_LIMIT`).
    """

    __slots__ = (
        "_bodiless",
        "_body",
        "_buffer",
        "_got",
        "_interim",
        "_keep",
        "_missing",
        "_parser",
        "continued",
        "done",
        "head",
        "surplus",
    )

    def __init__(self, *, bodiless: bool, keep: bool = True) -> None:
        self._bodiless = bodiless
        self._body = bytearray()  # not a list: a body in chunks of two bytes would take forty times its size
        self._buffer = b""
        self._got = 0
        self._interim = 0
        self._keep = keep
        self._missing = 0
        self._parser: httptools.HttpResponseParser | None = None
        self.continued = False
        self.done = False
        self.surplus = False
        self.head: Head | None = None

    @property
    def body(self) -> bytes:
        """What came of the body, as it came; empty where it is not kept."""
        return bytes(self._body)

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; True when the reply is whole."""
        if self.head is None:
            data = self._find_head(self._buffer + data)
        if self.head is not None and data:
            self._take(data)
        return self.done

    def eof(self) -> None:
        """The peer closed, which may be the end of the reply. Raises ExchangeError(cut) where it is not."""
        head = self.head
        if head is not None and head.length < 0 and not head.chunked:
            self.done = True
            return
        if head is None:
            if not self._buffer:
                raise ExchangeError(ErrorKind.CUT, "connection closed after an interim reply (status 1xx)")
            raise ExchangeError(ErrorKind.CUT, f"reply ended within its head: {sample(self._status_line())}")
        got = self._got
        if head.chunked:
            raise ExchangeError(ErrorKind.CUT, f"reply ended before its last chunk, after {got:,} bytes of body")
        raise ExchangeError(ErrorKind.CUT, f"reply ended after {got:,} of {head.length:,} bytes of body")

    @property
    def begun(self) -> bool:
        """Whether a byte of the reply itself, not only interim ones, has come."""
        return self.head is not None or bool(self._buffer)

    def _status_line(self) -> bytes:
        return self._buffer.partition(b"\r\n")[0]

    def _find_head(self, buffer: bytes) -> bytes:
        """Set `head` once it is whole and return what follows it; interim (1xx) heads are passed over."""
        at = 0
        while True:
            cut = buffer.find(b"\r\n\r\n", at)
            if cut < 0:
                buffer = buffer[at:]
                self._check_beginning(buffer)
                self._buffer = buffer
                return b""
            head = parse_head(buffer[at:cut])
            at, begun = cut + 4, at
            if head.status >= 200:
                break
            if head.status == 101:
                raise ExchangeError(ErrorKind.PROTOCOL, "server switched protocols unasked (status 101)")
            self.continued = self.continued or head.status == 100
            self._interim += at - begun
            if self._interim > LIMIT:
                raise ExchangeError(ErrorKind.PROTOCOL, f"over {LIMIT:,} bytes of interim replies (status 1xx)")
        buffer = buffer[at:]
        self._buffer = b""
        self.head = head
        if self._bodiless or head.status in _BODILESS or (head.length == 0 and not head.chunked):
            self._finish(buffer)
            return b""
        if head.chunked:
            self._parser = httptools.HttpResponseParser(_Chunks(self))
            self._parse(_CHUNKED_HEAD)
        else:
            self._missing = head.length
            if self._keep and head.length > KEPT_LIMIT:
                raise ExchangeError(ErrorKind.OVERSIZE, f"body of {head.length:,} bytes is over {KEPT_LIMIT:,}")
        return buffer

    @staticmethod
    def _check_beginning(buffer: bytes) -> None:
        # a bare line feed is told from the start, since a head whose lines end in one never comes to its end
        alien = buffer[:7] != b"HTTP/1."[: len(buffer)]
        if alien or len(buffer) > LIMIT or buffer.count(b"\n") != buffer.count(b"\r\n"):
            raise ExchangeError(ErrorKind.PROTOCOL, fault(buffer))

    def _take(self, data: bytes) -> None:
        if self._parser is not None:
            self._parse(data)
        elif self._missing < 0:
            self._store(data)
            self._check_size()
        else:
            piece = data[: self._missing]
            self._store(piece)
            self._missing -= len(piece)
            if self._missing == 0:
                self._finish(data[len(piece) :])

    def _store(self, piece: bytes) -> None:
        self._got += len(piece)
        if self._keep:
            self._body += piece

    def _check_size(self) -> None:
        if self._keep and self._got > KEPT_LIMIT:
            raise ExchangeError(ErrorKind.OVERSIZE, f"body without a stated length is over {KEPT_LIMIT:,} bytes")

    def _parse(self, data: bytes) -> None:
        assert self._parser is not None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self.done:
                raise ExchangeError(ErrorKind.PROTOCOL, f"malformed chunked body: {error}") from None
            self.surplus = True
        self._check_size()
        if self.done:
            self._parser = None  # it holds this reader through its callbacks

    def _finish(self, rest: bytes) -> None:
        self.done = True
        self.surplus = bool(rest)


class _Chunks:
    """httptools' callbacks for one chunked body."""

    __slots__ = ("_reader",)

    def __init__(self, reader: ReplyReader) -> None:
        self._reader = reader

    def on_message_begin(self) -> None:
        self._reader.surplus = self._reader.done

    def on_body(self, body: bytes) -> None:
        if not self._reader.done:
            self._reader._store(body)

    def on_message_complete(self) -> None:
        self._reader.done = True
