"""What a reply's `Content-Encoding` hides.

Codings are undone on the event loop, for whoever asks for the body, so the work is bounded: a kilobyte may stand for
gigabytes, and a body of many empty members for minutes. Decoders are fed in pieces small enough that one piece cannot go
far past the limit.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Any, Final, Protocol

from loadgate.clients.base import ErrorKind, ExchangeError

DECODED_LIMIT: Final = 64 * 1024 * 1024
"""Bytes a body may have before and after each of its codings: some tenths of a second of work at the worst."""
_LAYERS: Final = 5
"""Codings on top of each other: curl's limit."""
_UNITS: Final = 10_000
"""Members of a gzip body, or frames of a zstd one: blocked gzip has one for each 64 KB."""

_PADDING: Final = re.compile(rb"\0*")
"""Behind the end of gzip members, as on tapes (gzip's manual)."""


class _Decoder(Protocol):
    """One unit of a coding: what is behind its end, of the last piece fed, is `unused_data`."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _Brotli:
    """brotli's decoder as the others are."""

    unused_data = b""  # it refuses bytes behind the end by itself

    def __init__(self) -> None:
        import brotli

        self._decoder: Any = brotli.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._decoder.is_finished())

    def decompress(self, data: bytes, /) -> bytes:
        # once it has stopped at the limit it would have to be asked again: the caller does not go on then
        return bytes(self._decoder.process(data, output_buffer_limit=DECODED_LIMIT + 1))


def _zstd() -> _Decoder:
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj()


def _gzip() -> _Decoder:
    return zlib.decompressobj(wbits=31)


def decode_body(body: bytes, encoding: str) -> bytes:
    """Undo the content codings of `encoding`, last applied first (RFC 9110 section 8.4).

    Raises ExchangeError: protocol for a body that is not what it says or a coding that is not known, oversize for one of
    more than `DECODED_LIMIT` bytes.
    """
    codings = [name for part in reversed(encoding.split(",")) if (name := part.strip().lower()) not in ("", "identity")]
    if len(codings) > _LAYERS:
        raise ExchangeError(ErrorKind.PROTOCOL, f"body has {len(codings)} content codings, {_LAYERS} are undone")
    for coding in codings:
        if not body:
            break
        try:
            body = _undo(body, coding)
        except ExchangeError:
            raise
        except Exception as error:  # each codec has its own error type, and some are found only once imported
            raise ExchangeError(ErrorKind.PROTOCOL, f"body is not valid {coding}: {error}") from None
    return body


def _undo(body: bytes, coding: str) -> bytes:
    # a piece is as long as a decoder may take without its expansion going far past the limit: deflate's is 1,032 at most,
    # zstd's 32,768; brotli's knows no bound, so its decoder watches the limit itself
    if coding in ("gzip", "x-gzip"):
        return _in_pieces(body, coding, _gzip, 64 * 1024)
    if coding == "deflate":
        # servers disagree on whether `deflate` has its zlib wrapper, which opens as RFC 1950 section 2.2 says
        wrapped = body[0] & 0x0F == 8 and int.from_bytes(body[:2]) % 31 == 0
        return _in_pieces(body, coding, lambda: zlib.decompressobj(wbits=15 if wrapped else -15), 64 * 1024)
    if coding == "br":
        return _in_pieces(body, coding, _Brotli, DECODED_LIMIT)
    if coding == "zstd":
        return _in_pieces(body, coding, _zstd, 2 * 1024)
    raise ExchangeError(ErrorKind.PROTOCOL, f"unknown content-encoding `{coding}`")


def _in_pieces(body: bytes, coding: str, new: Callable[[], _Decoder], piece: int) -> bytes:
    """Decode unit after unit (RFC 1952 section 2.2, RFC 8878 section 3), `piece` bytes at a time."""
    if len(body) > DECODED_LIMIT:
        raise ExchangeError(ErrorKind.OVERSIZE, f"{coding} body has {len(body):,} bytes, over {DECODED_LIMIT:,}")
    plain: list[bytes] = []
    size = at = units = 0
    decoder: _Decoder | None = None
    while at < len(body):
        if decoder is None:
            units += 1
            if units > _UNITS:
                raise ExchangeError(ErrorKind.OVERSIZE, f"{coding} body is in over {_UNITS:,} parts")
            decoder = new()
        plain.append(decoder.decompress(body[at : at + piece]))
        at = min(at + piece, len(body))
        size += len(plain[-1])
        if size > DECODED_LIMIT:
            raise ExchangeError(ErrorKind.OVERSIZE, f"{coding} body has over {DECODED_LIMIT:,} bytes when it is undone")
        if decoder.eof:
            at -= len(decoder.unused_data)
            decoder = None
            if coding == "deflate":
                break  # has one unit; what is behind it is ignored, as browsers do
            if coding.endswith("gzip") and (padding := _PADDING.match(body, at)) is not None:
                at = padding.end()
    if decoder is not None:
        raise ValueError("it ends too early")
    return plain[0] if len(plain) == 1 else b"".join(plain)
