"""What a declarative step expects of a reply (`expect`) and takes from it (`capture`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypedDict

from loadgate.config import fields
from loadgate.config.fields import Fields, Place, Reader, Refusal
from loadgate.config.source import Node, Scalar, Table
from loadgate.config.template import JsonTemplate, Template, json_template, template
from loadgate.errors import Problem, Span

RESERVED_NAMES: Final = frozenset({"env", "vars", "data"})
_STATUS_CLASS: Final = re.compile(r"([1-5])xx", re.IGNORECASE)
_CONTAINS: Final = re.compile(r"contains\s+(?=\S)")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class HeaderExpectation:
    """Header `name` equals `value`, or holds it (`contains`)."""

    name: str
    value: Template
    contains: bool


@dataclass(frozen=True, slots=True)
class JsonExpectation:
    """The value at JSON path `path` equals `value`."""

    path: Template
    value: JsonTemplate


@dataclass(frozen=True, slots=True)
class ExpectSpec:
    """All must hold; None or empty means nothing is expected. `max_duration` in seconds; `text` is the whole of a message."""

    status: frozenset[int] | None = None
    headers: tuple[HeaderExpectation, ...] = ()
    body_contains: tuple[Template, ...] = ()
    json: tuple[JsonExpectation, ...] = ()
    max_duration: float | None = None
    text: Template | None = None


class Content(TypedDict):
    """What `read_content` reads, by the names of `ExpectSpec`'s fields."""

    body_contains: tuple[Template, ...]
    json: tuple[JsonExpectation, ...]
    max_duration: float | None


class CaptureFrom(StrEnum):
    """Where a captured value comes from."""

    JSON = "json"
    HEADER = "header"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class CaptureSpec:
    """Keep a part of the reply as `${name}`: a JSON path, a header, or group 1 (else all) of a regex on the body."""

    name: str
    source: CaptureFrom
    expression: str
    span: Span


def read_expect(node: Node, place: Place) -> ExpectSpec:
    """The `expect` mapping of an HTTP step."""
    own = Fields(node, place, f"in {place.what}")
    spec = read_expectations(own, read_status)
    own.done()
    return spec


def read_expectations(own: Fields, status: Reader[frozenset[int]]) -> ExpectSpec:
    """What steps of every protocol may expect, among the fields of `expect`; `status` reads their protocol's statuses."""
    return ExpectSpec(
        status=own.take("status", status, None),
        headers=own.take("header", _headers, ()),
        **read_content(own),
    )


def read_content(own: Fields) -> Content:
    """What may be expected of whatever comes, a message without a status and headers too."""
    return Content(
        body_contains=own.take("body_contains", fields.one_or_more(template), ()),
        json=own.take("json", _json, ()),
        max_duration=own.take("max_duration", fields.positive(fields.duration), None),
    )


def read_status(node: Node, place: Place) -> frozenset[int]:
    """A status, a class such as "2xx", or a list of both, as the set of statuses."""
    return frozenset().union(*fields.some(_status)(node, place))


def read_captures(node: Node, place: Place) -> tuple[CaptureSpec, ...]:
    """The `capture` mapping of a step: name to `{json: ...}`, `{header: ...}` or `{regex: ...}`."""
    if not isinstance(node, Table):
        raise place.refuse(node, "a mapping of names to {json: path}, {header: name} or {regex: pattern}")
    captures: list[CaptureSpec] = []
    for entry in node.entries.values():
        at = Place(f"capture `{entry.key}`", place.context, entry.key_span)
        if not _NAME.fullmatch(entry.key) or entry.key in RESERVED_NAMES:
            why = "has a meaning of its own" if entry.key in RESERVED_NAMES else "use letters, digits and _"
            place.report(Problem(f"`{entry.key}` cannot be the name of a capture", entry.key_span, why))
        try:
            captures += _capture(entry.key, entry.value, at)
        except Refusal as refusal:
            place.report(refusal.problem)
    return tuple(captures)


def _status(node: Node, place: Place) -> frozenset[int]:
    if isinstance(node, Scalar):
        group = _STATUS_CLASS.fullmatch(node.text)
        if group is not None:
            return frozenset(range(int(group[1]) * 100, int(group[1]) * 100 + 100))
        if isinstance(node.value, int) and not isinstance(node.value, bool) and 100 <= node.value <= 599:
            return frozenset((node.value,))
    raise place.refuse(node, "a status from 100 to 599, or a class such as 2xx")


def _headers(node: Node, place: Place) -> tuple[HeaderExpectation, ...]:
    expectations = []
    for name, value in fields.mapping(template)(node, place).items():
        contains = _CONTAINS.match(value.text)
        if contains is None:
            expectations.append(HeaderExpectation(name, value, contains=False))
        else:
            rest = value.text[contains.end() :]
            span = None if value.span is None else value.span.part(value.text, contains.end(), len(rest))
            expectations.append(HeaderExpectation(name, Template(rest, span), contains=True))
    return tuple(expectations)


def _json(node: Node, place: Place) -> tuple[JsonExpectation, ...]:
    if not isinstance(node, Table):
        raise place.refuse(node, "a mapping of JSON paths to values")
    return tuple(
        JsonExpectation(Template(entry.key, entry.key_span), json_template(entry.value, place))
        for entry in node.entries.values()
    )


def _capture(name: str, node: Node, place: Place) -> list[CaptureSpec]:
    own = Fields(node, place, f"in {place.what}")
    given = [kind for kind in CaptureFrom if kind in own]
    if len(given) != 1:
        own.report(f"{place.what} needs exactly one of json, header, regex")
    own.done()
    if len(given) != 1:
        return []
    expression = own.take(given[0], _pattern if given[0] is CaptureFrom.REGEX else fields.text, None)
    span = own.node.entries[given[0]].value.span
    return [] if expression is None else [CaptureSpec(name, given[0], expression, span)]


def _pattern(node: Node, place: Place) -> str:
    written = fields.text(node, place)
    try:
        re.compile(written)
    except (re.error, RecursionError, OverflowError) as error:
        at = getattr(error, "pos", None) or 0
        part = node.span.part(written, at, 1)
        raise Refusal(Problem(f"{place.what} is not a regular expression", part, str(error))) from None
    return written
