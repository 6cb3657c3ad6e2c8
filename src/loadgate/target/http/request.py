"""Reads requests from the bytes of a connection, in pieces of any size. Does no I/O.

Syntax is llhttp's business (httptools). What is added here are the limits, the refusals with the status they deserve, and
requests to upgrade, which are answered as if they had not asked (RFC 9110 7.8 allows it) unless somebody takes them.
"""

from __future__ import annotations

from typing import Final

import httptools

MOST_HEAD: Final = 16 * 2**10
MOST_TARGET: Final = 8 * 2**10
MOST_BODY: Final = 2**20


class Request:
    """One whole request. `plain` is True when the reply needs no `connection` field (kept alive under HTTP/1.1), `upgrade`
    when it asks for another protocol."""

    __slots__ = ("body", "cacheable", "close", "headers", "method", "plain", "target", "upgrade")

    def __init__(
        self,
        method: str,
        target: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes,
        *,
        close: bool,
        old: bool,
        upgrade: bool,
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.close = close
        self.plain = not close and not old
        self.upgrade = upgrade
        self.cacheable = self.plain and not body and not upgrade


class Refusal(Exception):
    """A request that cannot be read on; the connection ends with an error of `status`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class RequestReader:
    """Feed it bytes; whole requests come out of `take`. After a Refusal it reads nothing more.

    `between` is True when no request has been begun, `continues` turns True when a client waits for `100 Continue` and
    is the owner's to clear.
    """

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._ready: list[Request | Refusal] = []
        self._refused = False
        self._message = 0
        self.between = True
        self.continues = False
        self._begin()

    def take(self, data: bytes) -> list[Request | Refusal]:
        """The requests that `data` completes, in order; a Refusal is always the last."""
        if self._refused:
            return []
        self._ready = []
        try:
            self._feed(data)
        except Refusal as refusal:
            self._refuse(refusal)
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, Refusal):
                raise
            self._refuse(error.__context__)
        except httptools.HttpParserError as error:
            self._refuse(Refusal(400, f"not a request: {error}"))
        return self._ready

    def _feed(self, data: bytes) -> None:
        view = memoryview(data)
        message = self._message
        while True:
            try:
                self._parser.feed_data(view)
            except httptools.HttpParserUpgrade as upgrade:
                view = view[upgrade.args[0] :]
                if view:
                    continue
            break
        if message == self._message and not self.between and not self._in_body:
            # Nothing is known of a field before it is whole. Only what came in later pieces is counted, since the piece
            # in which the message began may hold other requests; the event loop bounds its size.
            self._later += len(data)
            if self._later > MOST_HEAD + MOST_TARGET:
                raise Refusal(431, f"the request head is longer than {MOST_HEAD:,} bytes")

    def _refuse(self, refusal: Refusal) -> None:
        self._refused = True
        self.between = False
        self.continues = False
        self._ready.append(refusal)

    def _begin(self) -> None:
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._later = 0  # bytes of head that came in later pieces than its beginning
        self._body = bytearray()
        self._in_body = False
        self._close = False
        self._version = "1.1"

    # What follows is called by httptools.

    def on_message_begin(self) -> None:
        self.between = False
        self._message += 1
        self._begin()

    def on_url(self, url: bytes) -> None:
        self._target += url
        if len(self._target) > MOST_TARGET:
            raise Refusal(414, f"the request target is longer than {MOST_TARGET:,} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:  # a trailer field
            return
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        parser = self._parser
        self._in_body = True
        self._close = not parser.should_keep_alive()
        self._version = parser.get_http_version()
        if self._version not in ("1.1", "1.0"):
            raise Refusal(505, f"HTTP/{self._version} is not spoken here, HTTP/1.1 is")
        if sum(len(name) + len(value) + 4 for name, value in self._headers) > MOST_HEAD:
            raise Refusal(431, f"the request head is longer than {MOST_HEAD:,} bytes")
        fields = dict(self._headers)
        if self._version == "1.1" and "host" not in fields:
            raise Refusal(400, "an HTTP/1.1 request needs a host field")
        length = int(fields.get("content-length") or 0)
        if length > MOST_BODY:
            raise Refusal(413, f"the request body is larger than {MOST_BODY:,} bytes")
        chunked = "transfer-encoding" in fields
        if parser.get_method() == b"CONNECT":
            raise Refusal(501, "CONNECT is for proxies")
        if parser.should_upgrade() and (length or chunked):
            raise Refusal(501, "a request with a body cannot upgrade the connection")
        if (length or chunked) and self._version == "1.1" and fields.get("expect", "").lower() == "100-continue":
            self.continues = True

    def on_body(self, piece: bytes) -> None:
        self.continues = False  # the client did not wait
        self._body += piece
        if len(self._body) > MOST_BODY:
            raise Refusal(413, f"the request body is larger than {MOST_BODY:,} bytes")

    def on_message_complete(self) -> None:
        self.between = True
        self.continues = False
        self._ready.append(
            Request(
                self._parser.get_method().decode("ascii"),
                self._target.decode("latin-1"),
                tuple(self._headers),
                bytes(self._body),
                close=self._close,
                old=self._version == "1.0",
                upgrade=self._parser.should_upgrade(),
            )
        )
