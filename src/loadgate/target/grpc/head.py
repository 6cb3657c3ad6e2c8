"""What the header block of a request says (RFC 9113 section 8.3, gRPC's `PROTOCOL-HTTP2.md`, "Requests")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from loadgate.http2.grpc import Code
from loadgate.http2.hpack import Field
from loadgate.target.grpc.method import Method
from loadgate.target.grpc.reply import HEAD, http_error, trailers
from loadgate.target.metrics import Tally

LARGEST_LIST: Final = 64 * 1024
"""Bytes of all fields of a request as RFC 9113 section 6.5.2 counts them; announced to clients."""
_OVERHEAD: Final = 32
_NEEDED: Final = (b":method", b":scheme", b":path")
_PSEUDO: Final = frozenset({*_NEEDED, b":authority"})
_OF_HTTP_1: Final = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE: Final = re.compile(rb"[^\0\r\n]*")
_TIMEOUT: Final = re.compile(rb"([0-9]{1,8})([HMSmun])")
_SECONDS: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


class Malformed(Exception):
    """A request that HTTP/2 does not allow; its stream is reset (RFC 9113 section 8.1.1)."""


class Refusal(Struct, frozen=True):
    """The answer to a request that no method sees. `status` is what it counts as: of gRPC, or of HTTP from 100 up."""

    block: bytes
    status: int
    tally: Tally


class Head(Struct, frozen=True):
    """One request. `method` is None where there is a `refusal`. `timeout` is in seconds, None for no deadline."""

    method: Method | None = None
    refusal: Refusal | None = None
    timeout: float | None = None
    encoding: str = "identity"


class Directory:
    """What can be called, by path, and where is counted what cannot."""

    def __init__(self, methods: Mapping[str, Method], unknown: Tally, refused: Tally) -> None:
        self.methods = methods
        self._unknown = unknown
        self._refused = refused

    def read(self, fields: tuple[Field, ...]) -> Head:
        """Raises Malformed."""
        found = _checked(fields)
        if found[b":method"] != b"POST":
            return Head(refusal=Refusal(http_error(405), 405, self._refused))
        if not found.get(b"content-type", b"").startswith(b"application/grpc"):
            return Head(refusal=Refusal(http_error(415), 415, self._refused))
        size = sum(len(name) + len(value) + _OVERHEAD for name, value in fields)
        if size > LARGEST_LIST:
            return _refused(Code.RESOURCE_EXHAUSTED, f"metadata of more than {LARGEST_LIST:,} bytes", self._refused)
        path = found[b":path"].decode(errors="replace")
        method = self.methods.get(path)
        if method is None:
            return _refused(Code.UNIMPLEMENTED, f"there is no method {path[:200]}", self._unknown)
        timeout = None
        if b"grpc-timeout" in found:
            match = _TIMEOUT.fullmatch(found[b"grpc-timeout"])
            if match is None:
                text = "grpc-timeout: up to eight digits and one of H M S m u n"
                return _refused(Code.INTERNAL, text, method.tally)
            timeout = int(match[1]) * _SECONDS[match[2]]
            if not timeout:
                return _refused(Code.DEADLINE_EXCEEDED, "the call had no time at all", method.tally)
        return Head(method, None, timeout, found.get(b"grpc-encoding", b"identity").decode("latin-1"))


def _refused(code: Code, text: str, tally: Tally) -> Head:
    return Head(refusal=Refusal(HEAD + trailers(code, text), code, tally))


def _checked(fields: tuple[Field, ...]) -> dict[bytes, bytes]:
    """The fields by name, of repeated ones the last. Raises Malformed."""
    found: dict[bytes, bytes] = {}
    plain = False  # whether the pseudo fields are over
    for name, value in fields:
        if name[:1] == b":":
            if plain or name in found or name not in _PSEUDO:
                raise Malformed
        else:
            plain = True
            if _NAME.fullmatch(name) is None or name in _OF_HTTP_1 or (name == b"te" and value != b"trailers"):
                raise Malformed
        if _VALUE.fullmatch(value) is None:
            raise Malformed
        found[name] = value
    if not all(found.get(name) for name in _NEEDED):
        raise Malformed
    return found
