"""The head of an HTTP/1.1 reply, searched rather than tokenised.

Most replies of one step have byte-identical heads for as long as the `Date` line stands (a second), so a parsed head is
kept by its bytes; what is new is checked against the grammar once (RFC 9112 section 4 and 5) and searched for the few
fields that decide how the rest is read.
"""

from __future__ import annotations

import re
from typing import Final

from loadgate.clients.base import ErrorKind, ExchangeError

LIMIT: Final = 64 * 1024
"""Bytes a head may have before it is taken for something else than HTTP."""

_STATUS_LINE: Final = rb"HTTP/1\.[01] [1-9][0-9]{2}(?: [^\r\n\0]*)?"
_NAME: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:"
_GRAMMAR = re.compile(_STATUS_LINE + rb"(?:\r\n" + _NAME + rb"[^\r\n\0]*)*")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEPT: Final = 1024
_KEPT_LENGTH: Final = 4096
_LENGTH = re.compile(rb"[0-9]{1,18}")
_known_heads: dict[bytes, Head] = {}
"""Heads parsed lately, by their bytes."""


class Head:
    """What a head says about the reply it opens.

    `length` is the body's length in bytes, or -1 where the head does not state one. `plain` marks a reply the fast path
    may finish: a stated length, connection kept, nothing to decode, no cookie to keep, no redirect to follow.
    """

    __slots__ = ("chunked", "encoding", "keep_alive", "length", "plain", "raw", "redirect", "sets_cookie", "status")

    def __init__(self, raw: bytes) -> None:
        if len(raw) > LIMIT or _GRAMMAR.fullmatch(raw) is None:
            raise ExchangeError(ErrorKind.PROTOCOL, fault(raw))
        self.raw = raw
        self.status = status = int(raw[9:12])
        lower = raw.lower()
        self.length = _length(lower)
        self.chunked = _chunked(lower)
        options = [option.strip() for option in _value(lower, b"connection").split(b",")]
        # chunks are none of HTTP/1.0: who sends them so frames by guess (RFC 9112 section 6.1)
        lasting = raw[7:8] == b"1" or (b"keep-alive" in options and not self.chunked)
        self.keep_alive = b"close" not in options and lasting
        self.encoding = _value(lower, b"content-encoding").decode("ascii", "replace")
        self.sets_cookie = lower.find(b"\r\nset-cookie:") >= 0
        self.redirect = status in _REDIRECTS and lower.find(b"\r\nlocation:") >= 0
        self.plain = (
            self.length >= 0
            and self.keep_alive
            and status >= 200
            and status not in (204, 304)
            and not (self.chunked or self.encoding or self.sets_cookie or self.redirect)
        )


def parse_head(raw: bytes) -> Head:
    """The head in `raw` (without the empty line that ends it). Raises ExchangeError(protocol)."""
    head = _known_heads.get(raw)
    if head is None:
        head = Head(raw)
        if len(raw) <= _KEPT_LENGTH:
            if len(_known_heads) >= _KEPT:
                _known_heads.clear()
            _known_heads[raw] = head
    return head


def fault(raw: bytes) -> str:
    """What is wrong with a head, whole or not: the first line that is not as it must be, and which one it is."""
    if raw[:7] != b"HTTP/1."[: len(raw)]:
        return f"reply is not HTTP/1: {sample(raw)}"
    if len(raw) > LIMIT:
        return f"reply head is over {LIMIT:,} bytes long: {sample(raw)}"
    for number, line in enumerate(raw.split(b"\r\n"), 1):
        if b"\n" in line:
            return f"line {number} of the reply head ends in a bare line feed: {sample(_before_value(line))}"
        if number == 1:
            if re.fullmatch(_STATUS_LINE, line) is None:
                return f"malformed status line: {sample(line)}"
        elif re.match(_NAME, line) is None:
            return f"line {number} of the reply head is no header field: {sample(_before_value(line))}"
        elif re.search(rb"[\r\0]", line):
            return f"line {number} of the reply head has a control character in it: {sample(_before_value(line))}"
    return f"malformed reply head: {sample(raw)}"


def _before_value(line: bytes) -> bytes:
    """Values stay out of errors: cookies are among them."""
    name, colon, _ = line.partition(b":")
    return name + colon


def sample(raw: bytes) -> str:
    """The first bytes of what came, safe to print in an error."""
    text = raw[:60].decode("latin-1").encode("unicode_escape").decode("ascii")
    return f"`{text}`" + (" ..." if len(raw) > 60 else "")


def _value(lower: bytes, name: bytes) -> bytes:
    """Value of the field `name`, lower-cased; repeated fields joined by commas (RFC 9110 section 5.3)."""
    found = b""
    at = lower.find(b"\r\n" + name + b":")
    while at >= 0:
        at += len(name) + 3
        end = lower.find(b"\r\n", at)
        value = lower[at : end if end >= 0 else len(lower)].strip(b" \t")  # no other blanks: RFC 9110 section 5.6.3
        found = found + b", " + value if found else value
        at = lower.find(b"\r\n" + name + b":", end) if end >= 0 else -1
    return found


def _length(lower: bytes) -> int:
    if lower.find(b"\r\ncontent-length:") < 0:
        return -1
    value = _value(lower, b"content-length")
    # equal repeats are harmless, different ones are how replies get smuggled (RFC 9112 section 6.3)
    repeats = {part.strip(b" \t") for part in value.split(b",")}
    length = repeats.pop()
    if repeats or _LENGTH.fullmatch(length) is None:
        raise ExchangeError(ErrorKind.PROTOCOL, f"content-length is not a number: {sample(value)}")
    return int(length)


def _chunked(lower: bytes) -> bool:
    """Whether the body comes in chunks. Other transfer codings need an offer (`TE`) that is never made."""
    codings = [coding.strip(b" \t") for coding in _value(lower, b"transfer-encoding").split(b",")]
    named = [coding for coding in codings if coding not in (b"", b"identity")]
    if named not in ([], [b"chunked"]):
        raise ExchangeError(ErrorKind.PROTOCOL, f"transfer-encoding not asked for: {sample(b', '.join(named))}")
    return bool(named)
