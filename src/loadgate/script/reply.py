"""What a declarative step asks of its reply: expectations, which become checks, and captures."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from loadgate.config.expect import CaptureFrom, CaptureSpec, ExpectSpec, HeaderExpectation, JsonExpectation
from loadgate.config.template import Template, as_written
from loadgate.errors import Problem, Span
from loadgate.script.expression import RESERVED, Scope
from loadgate.script.jsonpath import MISSING, JsonPath, JsonPathError, Missing, parse_jsonpath
from loadgate.script.template import TemplateCompiler, to_text
from loadgate.units import format_duration, format_ms

if TYPE_CHECKING:
    from loadgate.clients.http.response import Response

_SHOWN: Final = 80
_NOT_JSON: Final = object()
_SECRET = re.compile(r"password|passwd|secret|token|authorization|cookie|api[-_]?key", re.IGNORECASE)
"""What is found at such a place is kept out of messages."""


class Reply(ABC):
    """What expectations and captures see of a reply, whatever its protocol.

    It is decoded at most once, however many paths look into it.
    """

    __slots__ = ("_document",)

    def __init__(self) -> None:
        self._document: Any = MISSING

    def find(self, path: JsonPath) -> Any:
        """The value at `path`, or MISSING; also where the reply is not JSON."""
        if self._document is MISSING:
            try:
                self._document = self.json()
            except ValueError:
                self._document = _NOT_JSON
        return path.find(self._document)

    @property
    @abstractmethod
    def summary(self) -> str:
        """Status or error, for messages."""

    @property
    @abstractmethod
    def duration(self) -> float:
        """Service time in milliseconds."""

    @abstractmethod
    def header(self, name: str) -> str | None:
        """The header field, or the metadata, of this name in any case; None where there is none."""

    @abstractmethod
    def body(self) -> bytes:
        """The reply's bytes. Raises ValueError where they cannot be unpacked."""

    @abstractmethod
    def text(self) -> str:
        """The reply as text. Raises ValueError where it cannot be unpacked."""

    @abstractmethod
    def json(self) -> Any:
        """The reply as a JSON value. Raises ValueError where it is none."""


class HttpReply(Reply):
    """A response of HTTP, or of what rides on it."""

    __slots__ = ("response",)

    def __init__(self, response: Response) -> None:
        self._document = MISSING  # as Reply does, without the call
        self.response = response

    @property
    def summary(self) -> str:
        response = self.response
        return f"status {response.status}" if response.error is None else f"{response.error.value} error"

    @property
    def duration(self) -> float:
        return self.response.timings.duration

    def header(self, name: str) -> str | None:
        return self.response.headers.get(name)

    def body(self) -> bytes:
        return self.response.body

    def text(self) -> str:
        return self.response.text

    def json(self) -> Any:
        return self.response.json()


@dataclass(frozen=True, slots=True)
class Expectation:
    """`name` is the check's; `wrong` gives None where the reply is as expected, else what it was instead."""

    name: str
    wrong: Callable[[Reply, Scope], str | None]


@dataclass(frozen=True, slots=True)
class Capture:
    """`take` gives the value for `name`, or MISSING; `check` and `place` are for saying so."""

    name: str
    check: str
    place: str
    take: Callable[[Reply], Any]


def compile_expectations(
    step: str, spec: ExpectSpec, compiler: TemplateCompiler, problems: list[Problem]
) -> tuple[Expectation, ...]:
    """Everything but the status, which the step itself looks at."""
    found = [_header(header, compiler) for header in spec.headers]
    found += [_body_contains(text, compiler) for text in spec.body_contains]
    if spec.text is not None:
        found.append(_text(spec.text, compiler))
    found += [made for item in spec.json if (made := _json(item, compiler, problems)) is not None]
    if spec.max_duration is not None:
        found.append(_within(spec.max_duration))
    return tuple(Expectation(f"{step}: {expectation.name}", expectation.wrong) for expectation in found)


def compile_captures(step: str, specs: tuple[CaptureSpec, ...], problems: list[Problem]) -> tuple[Capture, ...]:
    """The captures of a step. A name that templates use for something else is a problem."""
    captures: list[Capture] = []
    for spec in specs:
        if spec.name in RESERVED:
            message = f"`{spec.name}` cannot be the name of a capture"
            problems.append(Problem(message, spec.span, "", f"`${{{spec.name}}}` has a meaning of its own"))
        take = _take(spec, problems)
        if take is not None:
            captures.append(Capture(spec.name, f"{step}: has {spec.name}", spec.expression, take))
    return tuple(captures)


def status_text(statuses: frozenset[int]) -> str:
    """The set in words: "2xx or 304"."""
    rest = set(statuses)
    parts = []
    for hundred in range(100, 600, 100):
        whole = set(range(hundred, hundred + 100))
        if whole <= rest:
            rest -= whole
            parts.append((hundred, f"{hundred // 100}xx"))
    parts += [(status, str(status)) for status in rest]
    return " or ".join(text for _, text in sorted(parts))


def _header(spec: HeaderExpectation, compiler: TemplateCompiler) -> Expectation:
    wanted = compiler.text(spec.value)

    def wrong(reply: Reply, scope: Scope) -> str | None:
        found = reply.header(spec.name)
        if found is None:
            return f"no such header, {reply.summary}"
        expected = wanted.render(scope)
        held = expected in found if spec.contains else expected == found
        return None if held else _got(found, spec.name)

    return Expectation(f"header {spec.name} {'contains' if spec.contains else 'is'} {spec.value.text}", wrong)


def _body_contains(text: Template, compiler: TemplateCompiler) -> Expectation:
    wanted = compiler.text(text)

    def wrong(reply: Reply, scope: Scope) -> str | None:
        try:
            body = reply.body()
        except ValueError as error:
            return str(error)
        return None if wanted.render(scope).encode() in body else f"not in {len(body):,} bytes, {reply.summary}"

    return Expectation(f"body contains {_shown(text.text)}", wrong)


def _text(text: Template, compiler: TemplateCompiler) -> Expectation:
    wanted = compiler.text(text)

    def wrong(reply: Reply, scope: Scope) -> str | None:
        found = reply.text()
        return None if wanted.render(scope) == found else f"got {_shown(found)}, {reply.summary}"

    return Expectation(f"text is {_shown(text.text)}", wrong)


def _json(spec: JsonExpectation, compiler: TemplateCompiler, problems: list[Problem]) -> Expectation | None:
    path = _path(spec.path.text, spec.path.span, problems)
    wanted = compiler.json(spec.value)
    if path is None:
        return None

    def wrong(reply: Reply, scope: Scope) -> str | None:
        found = reply.find(path)
        if found is MISSING:
            return f"not in the reply, {reply.summary}"
        return None if same_json(found, wanted.render(scope)) else _got(to_text(found), path.text)

    return Expectation(f"{path} is {_shown(to_text(as_written(spec.value)))}", wrong)


def _within(seconds: float) -> Expectation:
    limit = seconds * 1e3

    def wrong(reply: Reply, scope: Scope) -> str | None:
        duration = reply.duration
        return None if duration <= limit else f"took {format_ms(duration)}"

    return Expectation(f"within {format_duration(seconds)}", wrong)


def _take(spec: CaptureSpec, problems: list[Problem]) -> Callable[[Reply], Any] | None:
    if spec.source is CaptureFrom.JSON:
        path = _path(spec.expression, spec.span, problems)
        return None if path is None else lambda reply: reply.find(path)
    if spec.source is CaptureFrom.HEADER:
        return lambda reply: MISSING if (found := reply.header(spec.expression)) is None else found
    pattern = re.compile(spec.expression)

    def search(reply: Reply) -> str | Missing:
        try:
            match = pattern.search(reply.text())
        except ValueError:  # a body that cannot be unpacked, which is counted
            return MISSING
        if match is None:
            return MISSING
        found = match[1] if pattern.groups else match[0]
        return MISSING if found is None else str(found)

    return search


def _path(text: str, span: Span | None, problems: list[Problem]) -> JsonPath | None:
    try:
        return parse_jsonpath(text)
    except JsonPathError as error:
        where = None if span is None else span.part(text, error.position, error.length)
        note = "supported: $.name, [0], [-1], ['any name'], [*], .length()"
        problems.append(Problem(f"`{text}` is not a JSON path: {error}", where, "", note))
        return None


def same_json(one: Any, other: Any) -> bool:
    """Equality of JSON values: 1 and 1.0 are the same number, but 1 and true are not (in Python they are)."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return bool(one == other)


def _got(value: str, place: str) -> str:
    return "got another value" if _SECRET.search(place) else f"got {_shown(value)}"


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
