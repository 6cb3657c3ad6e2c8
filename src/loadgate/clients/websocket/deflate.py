"""permessage-deflate (RFC 7692): what a client offers, what it takes for an answer, and messages made smaller and whole."""

from __future__ import annotations

import zlib
from typing import Final

from loadgate.clients.websocket.frames import BAD_DATA, TOO_BIG, FrameError

OFFER: Final = "permessage-deflate; client_max_window_bits"

_TAIL: Final = b"\x00\x00\xff\xff"
"""The end of a flushed block, which is not sent (RFC 7692 section 7.2.1)."""
_PARAMETERS: Final = frozenset(
    {"server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits", "client_max_window_bits"}
)
_LEAST_WINDOW: Final = 9
"""zlib makes no raw stream with a window of 256 bytes; messages then go out as they are, which any message may."""


class Deflate:
    """The compression of one session, both ways. Its state costs some 300 kB, so there is one only where it was agreed."""

    __slots__ = ("_inflater", "_keeps_theirs", "_packer", "_packer_bits", "_window")

    def __init__(self, *, keeps_ours: bool, keeps_theirs: bool, our_bits: int, their_bits: int) -> None:
        self._keeps_theirs = keeps_theirs
        self._window = -max(their_bits, _LEAST_WINDOW)
        self._packer_bits = -our_bits
        self._packer = zlib.compressobj(wbits=-our_bits) if keeps_ours and our_bits >= _LEAST_WINDOW else None
        self._inflater = zlib.decompressobj(self._window)

    def pack(self, payload: bytes) -> bytes | None:
        """`payload` compressed, or None where it is to go out as it is."""
        if self._packer_bits > -_LEAST_WINDOW:
            return None
        packer = self._packer or zlib.compressobj(wbits=self._packer_bits)
        packed = packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)
        return packed[: -len(_TAIL)]

    def unpack(self, payload: bytes, limit: int) -> bytes:
        """The message that was compressed to `payload`. Raises FrameError: no such, or over `limit` bytes."""
        inflater = self._inflater
        try:
            data = inflater.decompress(payload + _TAIL, limit + 1)
        except zlib.error as error:
            raise FrameError(BAD_DATA, f"message that cannot be inflated: {error}") from None
        if len(data) > limit:
            raise FrameError(TOO_BIG, f"message of more than the {limit:,} bytes that are taken, inflated")
        if not self._keeps_theirs or inflater.eof:  # a last block ends the stream; the next message begins another
            self._inflater = zlib.decompressobj(self._window)
        return data


def agreed(answer: str) -> Deflate:
    """The compression a server's `Sec-WebSocket-Extensions` agrees to. Raises ValueError where it was not offered so."""
    name, *rest = (part.strip() for part in answer.split(";"))
    if name.lower() != "permessage-deflate" or "," in answer:
        raise ValueError(f"the server chose extensions that were not offered: {answer}")
    found: dict[str, str] = {}
    for part in rest:
        parameter, _, value = part.partition("=")
        parameter = parameter.strip().lower()
        if parameter not in _PARAMETERS or parameter in found:
            raise ValueError(f"the server chose an unknown or repeated parameter of permessage-deflate: {parameter}")
        found[parameter] = value.strip().strip('"')
    return Deflate(
        keeps_ours=_flag(found, "client_no_context_takeover"),
        keeps_theirs=_flag(found, "server_no_context_takeover"),
        our_bits=_bits(found, "client_max_window_bits"),
        their_bits=_bits(found, "server_max_window_bits"),
    )


def _flag(found: dict[str, str], name: str) -> bool:
    """Whether the context is kept, which is so where the parameter is absent."""
    if found.get(name):
        raise ValueError(f"the server gave {name} a value, which has none")
    return name not in found


def _bits(found: dict[str, str], name: str) -> int:
    value = found.get(name)
    if value is None:
        return 15
    if value not in {str(bits) for bits in range(8, 16)}:
        raise ValueError(f"the server chose {name}={value}, which is not 8 to 15")
    return int(value)
