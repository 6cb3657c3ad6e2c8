"""Calls as bytes: the header block of a step is made once and sent many times."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from loadgate.clients.grpc.method import Method
from loadgate.clients.grpc.step import Step
from loadgate.clients.transport import Origin
from loadgate.http2 import END_HEADERS, Kind, encode_headers, frames

LONGEST_TIMEOUT: Final = 86_400.0
"""Seconds: a day, as for HTTP."""

_NAME: Final = re.compile(r"[a-z0-9_.-]+")
_VALUE: Final = re.compile(r"[\x20-\x7e]*")
_RESERVED: Final = frozenset({"te", "content-type", "connection", "transfer-encoding", "upgrade", "keep-alive", "host"})


class Request:
    """What all calls of a step have in common. `block` is the header block, `lead` how its HEADERS frame begins.

    `lead` is empty for a block that needs more than one frame. `deadline` is in seconds, over connecting and the whole call.
    """

    __slots__ = ("block", "lead", "method", "step", "streams", "timeout", "wire")

    def __init__(self, method: Method, step: Step, block: bytes, timeout: float) -> None:
        self.method = method
        self.step = step
        self.streams = method.client_streaming or method.server_streaming
        self.wire = method.wire
        """Makes a message into what is sent."""
        self.block = block
        self.timeout = timeout
        fits = len(block) <= frames.DEFAULT_FRAME_SIZE
        self.lead = frames.head(Kind.HEADERS, END_HEADERS, len(block)) if fits else b""


def header_block(
    method: Method, origin: Origin, metadata: Mapping[str, str | bytes], timeout: float, user_agent: str
) -> bytes:
    """The fields of a call in the order that gRPC's `PROTOCOL-HTTP2.md` wants them.

    Raises ValueError for metadata that cannot be sent and for a timeout that is none.
    """
    fields = [
        (b":method", b"POST"),
        (b":scheme", origin.scheme.encode()),
        (b":path", method.path.encode()),
        (b":authority", origin.authority.encode()),
        (b"te", b"trailers"),
        (b"grpc-timeout", timeout_field(timeout)),
        (b"content-type", b"application/grpc"),
        (b"grpc-accept-encoding", b"identity,gzip"),
    ]
    own = {name.lower(): value for name, value in metadata.items()}
    if "user-agent" not in own:
        fields.append((b"user-agent", user_agent.encode("latin-1", "replace")))
    fields += [(name.encode("latin-1", "replace"), metadata_value(name, value)) for name, value in own.items()]
    return encode_headers(fields)


def metadata_value(name: str, value: str | bytes) -> bytes:
    """One value as it is sent. Raises ValueError where name or value is not allowed."""
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"`{name}` cannot be the name of gRPC metadata: it takes a-z, 0-9, `_`, `-` and `.`")
    if name in _RESERVED or name.startswith("grpc-"):
        raise ValueError(f"`{name}` is gRPC's own and cannot be given as metadata")
    if name.endswith("-bin"):
        return b64encode(value if isinstance(value, bytes) else value.encode()).rstrip(b"=")
    if not isinstance(value, str) or _VALUE.fullmatch(value) is None:
        raise ValueError(f"the value of the metadata `{name}` must be printable ASCII; give others under `{name}-bin`")
    return value.strip(" ").encode()


def timeout_field(seconds: float) -> bytes:
    """`grpc-timeout`: at most eight digits and a unit. Raises ValueError for what is not 0 to a day."""
    if not 0 < seconds <= LONGEST_TIMEOUT:
        raise ValueError(f"a timeout must be more than 0 and at most {LONGEST_TIMEOUT:,.0f} s, not {seconds}")
    if seconds < 10:
        return b"%du" % max(1, round(seconds * 1e6))
    return b"%dm" % round(seconds * 1e3)
