"""Header fields as bytes, both ways (HPACK, RFC 7541).

What we write uses the static table and literals, never the dynamic table and never Huffman's code: a block then depends on
nothing but its fields, and is made once for all the requests of a step. What we read may use all of it: a peer may have
written before it learnt which size of dynamic table we allow. Where that is 0 from the first byte on, equal blocks are equal
fields, and whoever reads may keep them by their bytes.

Plain tables of our own and not the `hpack` package: what is needed of it is this file, and it is the oracle in the tests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from loadgate.http2 import huffman
from loadgate.http2.errors import ErrorCode, Http2Error

Field = tuple[bytes, bytes]
"""Name in lower case, and value."""

_STATIC: Final[tuple[Field, ...]] = (
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
)
"""RFC 7541 Appendix A, which counts from 1."""
_PAIRS: Final = {field: number for number, field in enumerate(_STATIC, 1)}
_NAMES: Final = {name: number for number, (name, _) in reversed([*enumerate(_STATIC, 1)])}
_SECRET: Final = frozenset({b"authorization", b"cookie", b"proxy-authorization"})
"""Written so that no intermediary keeps them in a table (section 7.1.3)."""
_OVERHEAD: Final = 32
"""What an entry of the dynamic table counts beside its bytes (section 4.1)."""
_MOST_BYTES_OF_A_NUMBER: Final = 5


# -- writing


def encode_headers(fields: Iterable[Field]) -> bytes:
    """A header block of `fields`, names in lower case."""
    block = bytearray()
    for field in fields:
        pair = _PAIRS.get(field)
        if pair is not None:
            block += _number(pair, 7, 0x80)
            continue
        name, value = field
        known = _NAMES.get(name)
        block += _number(known or 0, 4, 0x10 if name in _SECRET else 0)
        if known is None:
            block += _number(len(name), 7, 0) + name
        block += _number(len(value), 7, 0) + value
    return bytes(block)


def _number(value: int, bits: int, first: int) -> bytes:
    """An integer whose first byte has `bits` bits left (section 5.1)."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((first | value,))
    found = bytearray((first | most,))
    value -= most
    while value >= 128:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


# -- reading


class Decoder:
    """Reads the header blocks of one peer, in order. `limit` is the HEADER_TABLE_SIZE that was announced to it (bytes)."""

    __slots__ = ("_limit", "_most", "_size", "_table", "plain")

    def __init__(self, limit: int = 4096) -> None:
        self.plain = True
        """Whether the last block had nothing to do with the dynamic table: its bytes mean the same fields at any time."""
        self._limit = limit
        self._most = limit
        self._size = 0
        self._table: deque[Field] = deque()

    def decode(self, block: bytes) -> tuple[Field, ...]:
        """The fields of a whole header block. Raises Http2Error (COMPRESSION_ERROR) for one that is none."""
        try:
            return self._fields(block)
        except IndexError:
            raise _broken("a header block that ends within a field") from None

    def _fields(self, block: bytes) -> tuple[Field, ...]:
        fields: list[Field] = []
        at, end = 0, len(block)
        self.plain = True
        while at < end:
            first = block[at]
            if first & 0x80:
                index, at = _read_number(block, at, 7)
                fields.append(self._entry(index))
            elif first & 0xE0 == 0x20:
                size, at = _read_number(block, at, 5)
                if fields:
                    raise _broken("a change of the table's size after a field")
                if size > self._limit:
                    raise _broken(f"a dynamic table of {size:,} bytes where {self._limit:,} are allowed")
                self._most = size
                self._evict(0)
                self.plain = False
            else:
                kept = bool(first & 0x40)
                index, at = _read_number(block, at, 6 if kept else 4)
                if index:
                    name = self._entry(index)[0]
                else:
                    name, at = _read_text(block, at)
                value, at = _read_text(block, at)
                fields.append((name, value))
                if kept:
                    self._keep((name, value))
        return tuple(fields)

    def _entry(self, index: int) -> Field:
        if 0 < index <= len(_STATIC):
            return _STATIC[index - 1]
        if not 0 < index <= len(_STATIC) + len(self._table):
            raise _broken(f"entry {index} of a table that has none")
        self.plain = False
        return self._table[index - len(_STATIC) - 1]

    def _keep(self, field: Field) -> None:
        size = len(field[0]) + len(field[1]) + _OVERHEAD
        self.plain = False
        self._evict(size)
        if size <= self._most:  # one that is too large empties the table, which is no error (section 4.4)
            self._table.appendleft(field)
            self._size += size

    def _evict(self, coming: int) -> None:
        while self._table and self._size + coming > self._most:
            name, value = self._table.pop()
            self._size -= len(name) + len(value) + _OVERHEAD


def _read_number(block: bytes, at: int, bits: int) -> tuple[int, int]:
    most = (1 << bits) - 1
    value = block[at] & most
    at += 1
    if value < most:
        return value, at
    for shift in range(0, 7 * _MOST_BYTES_OF_A_NUMBER, 7):
        octet = block[at]
        at += 1
        value += (octet & 0x7F) << shift
        if octet < 128:
            return value, at
    raise _broken("a number that is too large")


def _read_text(block: bytes, at: int) -> tuple[bytes, int]:
    coded = block[at] & 0x80
    size, begin = _read_number(block, at, 7)
    end = begin + size
    if end > len(block):
        raise _broken("a header block that ends within a string")
    text = block[begin:end]
    return (huffman.decode(text) if coded else text), end


def _broken(text: str) -> Http2Error:
    return Http2Error(ErrorCode.COMPRESSION_ERROR, text)
