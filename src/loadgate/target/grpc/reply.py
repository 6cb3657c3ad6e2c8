"""The header blocks that a call is answered with (gRPC's `PROTOCOL-HTTP2.md`, "Responses")."""

from __future__ import annotations

from typing import Final

from loadgate.http2 import encode_headers
from loadgate.http2.grpc import Code
from loadgate.target.faults import Outcome

HEAD: Final = encode_headers(
    ((b":status", b"200"), (b"content-type", b"application/grpc"), (b"grpc-accept-encoding", b"identity,gzip"))
)
"""Begins every reply; marks may follow, and in a reply that is nothing but a status the trailers."""
OK: Final = encode_headers(((b"grpc-status", b"0"),))
_LONGEST: Final = 1024
"""Bytes of a status's text, before they are encoded."""


def trailers(code: Code, text: str = "") -> bytes:
    """The block that ends a reply."""
    if code == Code.OK:
        return OK
    return encode_headers(((b"grpc-status", b"%d" % code), (b"grpc-message", encoded(text))))


def http_error(status: int) -> bytes:
    """The block of a reply to what is no gRPC."""
    return encode_headers(((b":status", b"%d" % status), (b"content-length", b"0")))


def marks(delay: float, fault: Outcome | None) -> bytes:
    """What was done to the call on purpose, under the names that HTTP replies have. `delay` is in milliseconds."""
    fields = []
    if delay:
        fields.append((b"x-loadgate-delay-ms", b"%.3f" % delay))
    if fault is not None:
        fields.append((b"x-loadgate-fault", fault.kind.encode()))
    return encode_headers(fields)


def encoded(text: str) -> bytes:
    """`grpc-message`: UTF-8, percent-encoded but for printable ASCII; a long text is cut."""
    octets = text.encode(errors="replace")[:_LONGEST]
    return b"".join(b"%c" % octet if 0x20 <= octet <= 0x7E and octet != 0x25 else b"%%%02X" % octet for octet in octets)
