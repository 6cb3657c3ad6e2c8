"""The digest of a definition: a short name for what was measured and how. Runs with different ones are not comparable.

It is taken over canonical JSON (RFC 8785 in spirit: sorted keys, no blanks), so that it depends on values alone:
* the order of keys does not matter, and neither does whether a number is written 10 or 10.0;
* of a dataclass count the fields that are compared and are not at their default, so that a field added in a later version
  of Loadgate, and where in a file something stands, do not break a series of runs.

Leave secrets out: a digest is published, and a token that is renewed does not change what is measured.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any, Final

import msgspec

from loadgate.errors import Span

LENGTH: Final = 16
"""Hexadecimal characters, 64 bits: a chance of 1 in 10**13 that two of a thousand definitions share one."""

_EXACT: Final = 2**53
"""Below this every whole float is one integer, and JSON readers agree on it."""


def digest(parts: Mapping[str, object]) -> str:
    """`LENGTH` hexadecimal characters of SHA-256 over `parts`.

    Values are None, booleans, numbers, texts, bytes, enumerations, paths, mappings with text keys, lists, tuples, sets and
    dataclasses. Raises TypeError for others, ValueError for a number that is not finite.
    """
    text = msgspec.json.encode(_canonical(parts), order="sorted")
    return hashlib.sha256(text).hexdigest()[:LENGTH]


def _canonical(value: object) -> Any:
    if isinstance(value, Enum):
        return _canonical(value.value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < _EXACT else {"int": str(value)}
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be part of a digest")
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, PurePath):
        return value.as_posix()
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("the keys of what is digested must be texts")
        return {_canonical(key): _canonical(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted((_canonical(inner) for inner in value), key=msgspec.json.encode)
    if is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    raise TypeError(f"{type(value).__name__} cannot be part of a digest")


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, with its type's, since a step of one type is not one of another."""
    found: dict[str, Any] = {"": type(value).__name__}
    for field in fields(value):
        inner = getattr(value, field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if field.compare and not isinstance(inner, Span) and (default is MISSING or inner != default):
            found[field.name] = _canonical(inner)
    return found
