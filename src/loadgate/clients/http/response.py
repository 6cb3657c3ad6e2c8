"""The reply a scenario sees."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from loadgate.clients.base import BodyError as BodyError
from loadgate.clients.base import ErrorKind, ExchangeError, Timings
from loadgate.clients.http.coding import decode_body
from loadgate.clients.http.head import Head
from loadgate.clients.http.request import Request

_NO_PHASES = (0.0, 0.0, 0.0, 0.0)
_NO_CHARSETS: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
"""Python decodes these like charsets, but no text is sent in them, and a long one holds the loop for minutes."""


class Headers(Mapping[str, str]):
    """Reply header fields: names in any case, repeated fields joined by ", " (RFC 9110 section 5.3)."""

    __slots__ = ("_fields",)

    def __init__(self, raw: bytes) -> None:
        self._fields: dict[str, list[str]] = {}
        for line in raw.decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            self._fields.setdefault(name.lower(), []).append(value.strip())

    def get_all(self, name: str) -> list[str]:
        """Every value of a repeated field, such as `set-cookie`, in order."""
        return list(self._fields.get(name.lower(), ()))

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._fields[name.lower()])

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._fields)})"


class Response(msgspec.Struct, gc=False, eq=False):
    """One reply, or one failure to get one: then `status` is 0 and `error` says of what kind.

    Headers and body are cut out of the bytes that came only when they are asked for. A struct, because one is made for
    each request: that costs a fifth of what a class does, and the garbage collector never looks at it.
    """

    request: Request
    status: int
    ok: bool
    """Whether the status was expected: 200 to 399, unless the request says otherwise."""
    _head: Head | None
    _data: bytes
    _at: int
    """Where the body begins in the data."""
    _planned: float
    _start: float
    _first: float
    _end: float
    """When it was planned, sent, begun and whole, in clock seconds."""
    _phases: tuple[float, float, float, float] = _NO_PHASES
    """Blocked, connecting, TLS and sending, in seconds."""
    error: ErrorKind | None = None
    error_text: str = ""
    _headers: Headers | None = None

    @property
    def url(self) -> str:
        """The URL that answered: after redirects, the last one."""
        return self.request.url

    @property
    def body(self) -> bytes:
        """The body, content codings undone. Raises BodyError where that cannot be done; it is counted as an error then."""
        return self._data[self._at :] if self._at else self._data

    @property
    def text(self) -> str:
        """The body in the charset of its `Content-Type`, UTF-8 where none is named; what does not fit is replaced.

        Raises BodyError as `body` does.
        """
        body = self.body
        charset = "utf-8"
        for part in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = part.strip().partition("=")
            if name.lower() == "charset":
                charset = value.strip("\"'")
        try:
            if codecs.lookup(charset).name not in _NO_CHARSETS:
                return body.decode(charset, "replace")
        except (LookupError, ValueError):  # not a charset, or one of Python's codecs that is none
            pass
        return body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError (msgspec.DecodeError, BodyError) if it is not."""
        try:
            return msgspec.json.decode(self.body)
        except RecursionError:
            raise ValueError("JSON is nested too deeply") from None

    @property
    def headers(self) -> Headers:
        if self._headers is None:
            self._headers = Headers(self._head.raw if self._head is not None else b"")
        return self._headers

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies this reply sets, by name; what the user has kept is `user.http.cookies`."""
        pairs = (line.partition(";")[0].partition("=") for line in self.headers.get_all("set-cookie"))
        return {name.strip(): value.strip() for name, equals, value in pairs if equals}

    @property
    def timings(self) -> Timings:
        """Where the time went, in milliseconds."""
        planned, start, first, end = self._planned, self._start, self._first, self._end
        blocked, connecting, tls, sending = self._phases
        return Timings(
            blocked=blocked * 1e3,
            connecting=connecting * 1e3,
            tls_handshaking=tls * 1e3,
            sending=sending * 1e3,
            waiting=max(0.0, first - start - sending) * 1e3,
            receiving=(end - first) * 1e3,
            duration=(end - start) * 1e3,
            latency=(end - planned) * 1e3,
        )

    def __repr__(self) -> str:
        if self.error is not None:
            return f"<Response {self.error}: {self.error_text}>"
        return f"<Response {self.status} {self.url}>"


class CodedResponse(Response, gc=False, eq=False):
    """A reply whose body came in a content coding, which is undone when the body is first asked for."""

    _plain: bytes | None = None
    _fault: str = ""

    @property
    def body(self) -> bytes:
        if self._fault:
            raise BodyError(self._fault)
        if self._plain is None:
            assert self._head is not None
            try:
                self._plain = decode_body(self._data, self._head.encoding)
            except ExchangeError as error:
                self._fault = str(error)
                self.request.step.spoiled(error)
                raise BodyError(self._fault, error.kind) from None
            self._data = b""
        return self._plain
