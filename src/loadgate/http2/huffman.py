"""Huffman-coded strings of header fields, read (RFC 7541 section 5.2 and Appendix B).

The code is canonical, so the lengths of its 257 words say all there is; the words are counted up from them. We never write
it: a request's header block is made once, and saving some bytes of it saves nothing that is measured.
"""

from __future__ import annotations

from typing import Final

from loadgate.http2.errors import ErrorCode, Http2Error

# fmt: off
_LENGTHS: Final = (
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28,
    28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6,
    12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15,
    5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20,
    22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22,
    23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26,
    27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,)
# fmt: on
"""Bits of the word of each octet, and last of the end of a string. Source: RFC 7541 Appendix B."""
_END: Final = 256


def _words() -> dict[tuple[int, int], int]:
    """Octet by (bits, word)."""
    found: dict[tuple[int, int], int] = {}
    word, bits = 0, 0
    for octet in sorted(range(len(_LENGTHS)), key=lambda octet: (_LENGTHS[octet], octet)):
        word <<= _LENGTHS[octet] - bits
        bits = _LENGTHS[octet]
        found[bits, word] = octet
        word += 1
    return found


_WORDS: Final = _words()
_SIZES: Final = tuple(sorted(set(_LENGTHS)))


def _prefixes() -> tuple[tuple[int, int], ...]:
    """(octet, bits) of the word that each eight bits begin with, (-1, 0) where that word is longer."""
    table = [(-1, 0)] * 256
    for (bits, word), octet in _WORDS.items():
        if bits <= 8:
            first = word << (8 - bits)
            table[first : first + (1 << (8 - bits))] = [(octet, bits)] * (1 << (8 - bits))
    return tuple(table)


_PREFIXES: Final = _prefixes()
_LONGER: Final = tuple(size for size in _SIZES if size > 8)


def decode(coded: bytes) -> bytes:
    """The string that `coded` stands for. Raises Http2Error where it is none."""
    text = bytearray()
    held, bits = 0, 0
    for octet in coded:
        held = held << 8 | octet
        bits += 8
        while bits >= 8:
            symbol, size = _PREFIXES[held >> (bits - 8)]
            if symbol < 0:
                symbol, size = _long_word(held, bits)
                if not size:
                    break
            bits -= size
            held &= (1 << bits) - 1
            text.append(symbol)
    while bits:  # what is left is shorter than a byte, or the beginning of a long word
        symbol, size = _PREFIXES[(held << (8 - bits)) & 0xFF] if bits < 8 else (-1, 0)
        if not 0 < size <= bits:
            break
        bits -= size
        held &= (1 << bits) - 1
        text.append(symbol)
    if bits > 7 or held != (1 << bits) - 1:
        raise Http2Error(ErrorCode.COMPRESSION_ERROR, "a Huffman-coded string that ends within a character")
    return bytes(text)


def _long_word(held: int, bits: int) -> tuple[int, int]:
    """(octet, bits) of a word longer than eight bits at the front of `held`, (-1, 0) where it is not whole yet."""
    for size in _LONGER:
        if size > bits:
            break
        octet = _WORDS.get((size, held >> (bits - size)))
        if octet == _END:
            raise Http2Error(ErrorCode.COMPRESSION_ERROR, "a Huffman-coded string with its end inside")
        if octet is not None:
            return octet, size
    return -1, 0
