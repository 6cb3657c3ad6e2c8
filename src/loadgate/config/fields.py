"""Reading typed values out of the positioned tree, gathering every problem on the way.

A *reader* is a function `(node, place) -> value` that raises `Refusal`. `Fields` takes the entries of one mapping out
by key, and at the end reports the keys nobody asked for: the list of what is allowed is the list of what was read, so
the two cannot drift apart. After a problem reading goes on with the default; `project` raises if there were any.

Why not pydantic: it sees plain values, so its errors would have to be carried back to line and column along paths
that differ from the file wherever a union or a shorthand ("1m:100") is involved, and its words replaced one by one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from loadgate.config.source import Listing, Node, Scalar, Table
from loadgate.errors import Problem, Span, nearest
from loadgate.units import UnitError, parse_duration

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

LONGEST_TIMEOUT: Final = 86_400.0
"""Seconds."""

_REFERENCE: Final = re.compile(r"\$\{([^}]*)(\}?)")


class Refusal(Exception):
    """A value that cannot be used; caught where the next value can be read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Context:
    """What readers may look at: environment variables, the folder paths are relative to, the problems so far."""

    env: Mapping[str, str]
    folder: Path
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """A value's place in words, such as "`vus` in profile `standard`", to begin a message with."""

    what: str
    context: Context
    key: Span | None = None  # of the key, if it has one: what is missing inside is pointed at there

    def refuse(self, node: Node, must: str, label: str = "", note: str = "") -> Refusal:
        return Refusal(Problem(f"{self.what} must be {must}", node.span, label or _this_is(node), note))

    def report(self, problem: Problem) -> None:
        self.context.problems.append(problem)


Reader: TypeAlias = Callable[[Node, Place], T]


class Fields:
    """The entries of one mapping. `where` ends a message: "in profile `standard`"."""

    def __init__(self, node: Node, place: Place, where: str) -> None:
        if not isinstance(node, Table):
            raise place.refuse(node, "a mapping (`key: value` lines)")
        self.node = node
        self.context = place.context
        self.span = place.key or node.span
        self.where = where
        self._known: set[str] = set()
        self._denied: set[str] = set()

    def __contains__(self, key: str) -> bool:
        self._known.add(key)
        return key in self.node.entries

    def take(self, key: str, read: Reader[T], default: T) -> T:
        """The value at `key`; `default` if it is absent, or refused and reported."""
        if key not in self:
            return default
        try:
            entry = self.node.entries[key]
            return read(entry.value, Place(f"`{key}` {self.where}", self.context, entry.key_span))
        except Refusal as refusal:
            self.context.problems.append(refusal.problem)
            return default

    def need(self, key: str, read: Reader[T], stand_in: T) -> T:
        """The value at `key`, whose absence is reported; `stand_in` keeps reading going after a problem."""
        if key not in self:
            self.report(f"`{key}` is missing {self.where}")
        return self.take(key, read, stand_in)

    def report(self, message: str, key: str | None = None, label: str = "", note: str = "") -> None:
        """A problem at the key `key`, or at the key of this mapping."""
        span = self.span if key is None else self.node.entries[key].key_span
        self.context.problems.append(Problem(message, span, label, note))

    def allow(self, keys: Iterable[str]) -> None:
        """Let `keys` be among those that may stand here."""
        self._known.update(keys)

    def deny(self, key: str, message: str, label: str) -> None:
        """Report `key` where it is given, which others of this kind may have: it is not listed among those allowed."""
        if key in self:
            self.report(message, key, label)
        self._denied.add(key)

    def done(self) -> None:
        """Report the keys that were not asked for."""
        allowed = ", ".join(sorted(self._known - self._denied))
        for key in self.node.entries.keys() - self._known:
            likely = nearest(key, self._known - self._denied)
            label = f"did you mean `{likely}`?" if likely else ""
            self.report(f"unknown key `{key}` {self.where}", key, label, f"allowed here: {allowed}")


def text(node: Node, place: Place) -> str:
    """Any scalar, as it is written: `1.10` stays "1.10"."""
    if isinstance(node, Scalar) and node.value is not None:
        return node.text
    raise place.refuse(node, "text")


def plain(node: Node, place: Place) -> str:
    """Text that is fixed before the run: `${env.NAME}` is filled in, any other reference refused."""

    def value(match: re.Match[str]) -> str:
        name, closed = match[1].strip(), match[2]
        part = node.span.part(written, match.start(), len(match[0]))
        if not closed:
            raise Refusal(Problem(f"`${{` is not closed in {place.what}", part, "write `${env.NAME}`"))
        if not name.startswith("env."):
            problem = Problem(f"`{match[0]}` cannot be used for {place.what}", part, "only `${env.NAME}` can")
            raise Refusal(problem)
        found = place.context.env.get(name.removeprefix("env."))
        if found is None:
            message = f"environment variable `{name.removeprefix('env.')}` is not set"
            raise Refusal(Problem(message, part, "", f"needed for {place.what}"))
        return found

    written = text(node, place)
    return _REFERENCE.sub(value, written)


def whole(minimum: int, most: int = 2**53) -> Reader[int]:
    """A reader of whole numbers from `minimum` (0 or 1) to `most`."""

    def read(node: Node, place: Place) -> int:
        value = node.value if isinstance(node, Scalar) else None
        must = {0: "a whole number, 0 or more", 1: "a whole number, 1 or more"}[minimum]
        if isinstance(value, bool) or not isinstance(value, int):
            raise place.refuse(node, must)
        if value < minimum:
            raise place.refuse(node, must, "too small")
        if value > most:
            raise place.refuse(node, must, f"too large: {most:,} at most")
        return value

    return read


def number(node: Node, place: Place) -> float:
    """A number, 0 or more; not NaN, not infinite."""
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.refuse(node, "a number, 0 or more")
    if not 0 <= value <= 1e12:
        raise place.refuse(node, "a number, 0 or more", "not a number that can be used")
    return float(value)


def flag(node: Node, place: Place) -> bool:
    """`true` or `false`."""
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return node.value
    raise place.refuse(node, "`true` or `false`")


def duration(node: Node, place: Place) -> float:
    """Seconds, from text with a unit, or 0."""
    if not isinstance(node, Scalar) or node.value is None or isinstance(node.value, bool):
        raise place.refuse(node, "a duration, for example 30s")
    return duration_of(node.text, node, place)


def duration_of(written: str, node: Node, place: Place) -> float:
    """Seconds in `written`, a part of the text of `node`."""
    try:
        return parse_duration(written)
    except UnitError as error:
        raise Refusal(Problem(f"{place.what}: {error.message}", node.span, error.hint or "")) from None


def k6_duration(node: Node, place: Place) -> float:
    """Seconds, from text with a unit or, as in k6, a bare number of milliseconds."""
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return duration(node, place)
    if not 0 <= value <= 1e12:
        raise place.refuse(node, "a duration", "must be 0 or more" if value < 0 else "too long")
    return value / 1000.0


def positive(read: Reader[float]) -> Reader[float]:
    """A reader like `read` that refuses 0."""

    def checked(node: Node, place: Place) -> float:
        value = read(node, place)
        if value <= 0.0 or math.isnan(value):
            raise place.refuse(node, "more than 0", "too small")
        return value

    return checked


def timeout(node: Node, place: Place) -> float:
    """Seconds, more than 0 and at most a day: no client waits longer."""
    value = positive(duration)(node, place)
    if value > LONGEST_TIMEOUT:
        raise place.refuse(node, "at most 24h", "too long")
    return value


def choice(kind: type[E]) -> Reader[E]:
    """A reader of the members of `kind`, by value."""

    def read(node: Node, place: Place) -> E:
        names = [member.value for member in kind]
        written = node.text if isinstance(node, Scalar) else ""
        if written in names:
            return kind(written)
        likely = nearest(written, names)
        raise place.refuse(node, f"one of {', '.join(names)}", f"did you mean `{likely}`?" if likely else "")

    return read


def file(node: Node, place: Place) -> Path:
    """The path of an existing file, relative to the folder of the configuration file."""
    path = place.context.folder / plain(node, place)
    try:
        found, folder = path.is_file(), path.is_dir()
    except ValueError:
        found, folder = False, False
    if not found:
        raise place.refuse(node, "a file", "this is a directory" if folder else f"there is no file {path}")
    return path


def items(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """A reader of lists; refused items are reported and left out."""

    def read_all(node: Node, place: Place) -> tuple[T, ...]:
        if not isinstance(node, Listing):
            raise place.refuse(node, "a list")
        return _gathered(node.items, read, place)

    return read_all


def one_or_more(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """A reader of one item or a list of them."""

    def read_all(node: Node, place: Place) -> tuple[T, ...]:
        return _gathered(node.items if isinstance(node, Listing) else (node,), read, place)

    return read_all


def some(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """As `one_or_more`, where an empty list would be met by nothing."""

    def read_all(node: Node, place: Place) -> tuple[T, ...]:
        if isinstance(node, Listing) and not node.items:
            raise place.refuse(node, "one or a list of them", "the list is empty: leave it out to expect nothing")
        return one_or_more(read)(node, place)

    return read_all


def mapping(read: Reader[T]) -> Reader[dict[str, T]]:
    """A reader of mappings with free keys; refused values are reported and left out."""

    def read_all(node: Node, place: Place) -> dict[str, T]:
        if not isinstance(node, Table):
            raise place.refuse(node, "a mapping (`key: value` lines)")
        values: dict[str, T] = {}
        for entry in node.entries.values():
            try:
                at = Place(f"`{entry.key}` in {place.what}", place.context, entry.key_span)
                values[entry.key] = read(entry.value, at)
            except Refusal as refusal:
                place.report(refusal.problem)
        return values

    return read_all


def _gathered(nodes: tuple[Node, ...], read: Reader[T], place: Place) -> tuple[T, ...]:
    values: list[T] = []
    for node in nodes:
        try:
            values.append(read(node, place))
        except Refusal as refusal:
            place.report(refusal.problem)
    return tuple(values)


def _this_is(node: Node) -> str:
    if isinstance(node, Table):
        return "this is a mapping"
    if isinstance(node, Listing):
        return "this is a list"
    if node.value is None:
        return "nothing is given here"
    if isinstance(node.value, bool):
        return "this is true or false"
    return "this is text" if isinstance(node.value, str) else "this is a number"
