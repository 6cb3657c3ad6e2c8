"""Why a message does not fit its type, in words a user can act on: protobuf's own name neither the place nor what would do.

Protobuf stays the judge: each field is tried by itself, down to the one value that it refuses.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, Final

from loadgate.errors import nearest

Fits = Callable[[Any, Mapping[str, Any]], bool]
"""Whether protobuf takes fields, in proto3's JSON, as a message of a type (a descriptor)."""

_field: Any = import_module("google.protobuf.descriptor").FieldDescriptor
_TAKES: Final[Mapping[int, str]] = {
    _field.CPPTYPE_INT32: "a whole number of 32 bits",
    _field.CPPTYPE_UINT32: "a whole number of 32 bits, not below 0",
    _field.CPPTYPE_INT64: "a whole number of 64 bits",
    _field.CPPTYPE_UINT64: "a whole number of 64 bits, not below 0",
    _field.CPPTYPE_FLOAT: "a number",
    _field.CPPTYPE_DOUBLE: "a number",
    _field.CPPTYPE_BOOL: "true or false",
    _field.CPPTYPE_STRING: "a text",
    _field.CPPTYPE_MESSAGE: "a mapping of fields to values",
}
_KNOWN_TYPES: Final = "google.protobuf."
_TAKES_KNOWN: Final = {
    "google.protobuf.Timestamp": "a time such as 2020-01-02T03:04:05Z",
    "google.protobuf.Duration": "seconds such as 1.5s",
}
_SHOWN: Final = 40
"""Characters of a value that are shown."""
_MOST: Final = 12
"""Names that are listed."""


def misfit(kind: Any, message: Mapping[str, Any], fits: Fits, at: str = "") -> str:
    """What is wrong with the first field of `message`, which lies at the path `at`, that does not fit the type `kind`.

    Empty where each field fits by itself, as of two that exclude one another.
    """
    for name, value in message.items():
        field = next((each for each in kind.fields if name in (each.name, each.json_name)), None)
        where = f"{at}.{name}" if at else str(name)
        if field is None:
            inside = f" (`{where}`)" if at else ""
            return (
                f"{kind.full_name} has no field `{name}`{inside}: {_likely(str(name), (f.name for f in kind.fields))}"
            )
        if not fits(kind, {name: value}):
            return _of_field(kind, field, value, fits, where)
    return ""


def _of_field(kind: Any, field: Any, value: Any, fits: Fits, at: str) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        if not isinstance(value, Mapping):
            return f"{kind.full_name}: `{at}` takes a mapping, not {_shown(value)}"
        entry = field.message_type.fields_by_name["value"]
        for key, each in value.items():
            if not fits(kind, {field.name: {key: each}}):
                return _of_value(kind, entry, each, fits, f"{at}.{key}")
    elif isinstance(field.default_value, list):  # it is repeated
        if not isinstance(value, list):
            return f"{kind.full_name}: `{at}` takes a list, not {_shown(value)}"
        for number, each in enumerate(value):
            if not fits(kind, {field.name: [each]}):
                return _of_value(kind, field, each, fits, f"{at}[{number}]")
    return _of_value(kind, field, value, fits, at)


def _of_value(kind: Any, field: Any, value: Any, fits: Fits, at: str) -> str:
    if field.enum_type is not None:
        if isinstance(value, str):
            likely = _likely(value, field.enum_type.values_by_name)
            return f"{kind.full_name}: {_shown(value)} in `{at}` is no {field.enum_type.full_name}: {likely}"
        return f"{kind.full_name}: `{at}` takes a name of {field.enum_type.full_name}, not {_shown(value)}"
    takes = _TAKES[field.cpp_type]
    if field.message_type is not None:
        if isinstance(value, Mapping) and (found := misfit(field.message_type, value, fits, at)):
            return found
        name = field.message_type.full_name
        if name.startswith(_KNOWN_TYPES):
            takes = _TAKES_KNOWN.get(name, f"what protobuf's JSON has for {name}")
    elif field.type == _field.TYPE_BYTES:
        takes = "bytes in base64"
    return f"{kind.full_name}: `{at}` takes {takes}, not {_shown(value)}"


def _likely(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = nearest(word, names) or next((name for name in names if name.endswith(f"_{word.upper()}")), None)
    if near is not None:
        return f"did you mean `{near}`?"
    return f"it has {', '.join(names[:_MOST])}{', ...' if len(names) > _MOST else ''}" if names else "it has none"


def _shown(value: Any) -> str:
    text = f"`{value}`" if isinstance(value, str) else json.dumps(value, default=repr)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
