"""Run records as they are kept: zstd frames, a tenth of the JSON."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import zstandard

LARGEST: Final = 1 << 30
"""Bytes a record may have when it is whole. Records have some 100 kB; what claims more than this is no record."""


def compress(record: bytes, level: int = 3) -> bytes:
    return zstandard.ZstdCompressor(level=level, write_checksum=True).compress(record)


def expand(data: bytes) -> bytes:
    """What `compress` was given. Raises ValueError for what it did not make."""
    try:
        if not 0 <= zstandard.frame_content_size(data) <= LARGEST:
            raise ValueError("its size is not known, or too large")
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None


def to_text(data: bytes) -> str:
    """Compressed data for a text file."""
    return base64.b64encode(data).decode()


def from_text(text: str) -> bytes:
    """What `to_text` was given, looked through. Raises ValueError for what it did not make."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    expand(data)
    return data
