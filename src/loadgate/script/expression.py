"""What may stand between `${` and `}`: one name, compiled once to a closure.

    ${user_id}  ${order.items[0].sku}     a captured value, or a place inside it
    ${vars.plan}  ${env.TOKEN}            known before the run, so they cost nothing in it
    ${data.people.name}                   a column of the row this iteration drew
    ${vu}  ${iteration}                   number of the user (from 1) and of its iteration (from 0)
    ${uuid}  ${now}  ${timestamp}         version 4 UUID · ISO 8601 in UTC · Unix time in milliseconds
    ${random.int(1,100)}  ${random.choice(a,b)}  ${random.string(8)}

Random values come from the user's own generator, so a seed repeats a run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, Protocol
from uuid import UUID

from loadgate.errors import nearest
from loadgate.script.jsonpath import MISSING, JsonPathError, follow, parse_steps

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_LONGEST: Final = 1_000_000
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CALL = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)\((.*)\)", re.DOTALL)
_ARGUMENT = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([^,"']*?))\s*(?:,|$)""")
_NUMBER = re.compile(r"-?[0-9]{1,15}")


class Scope(Protocol):
    """What a template reads while it is rendered: one iteration of one user."""

    captures: dict[str, Any]

    @property
    def id(self) -> int: ...

    @property
    def iteration(self) -> int: ...

    @property
    def random(self) -> Random: ...

    def row(self, feeder: str) -> Mapping[str, Any]:
        """The row this iteration drew from `feeder`; the same one each time it is asked."""

    def wall(self) -> float:
        """Unix time in seconds."""


Render = Callable[[Scope], Any]


class Unresolved(Exception):
    """A template cannot be filled in: what it names was not captured in this iteration."""


class ExpressionError(ValueError):
    """Found before the run. `position` and `length` count characters of the expression."""

    def __init__(self, message: str, position: int, length: int, label: str = "", note: str = "") -> None:
        super().__init__(message)
        self.position = position
        self.length = length
        self.label = label
        self.note = note


@dataclass(frozen=True, slots=True)
class Names:
    """What is known, before the run, at one place of a scenario."""

    captures: frozenset[str] = frozenset()
    """Captured by earlier steps."""
    later: Mapping[str, str] = field(default_factory=dict)
    """Captured by later steps: name to step."""
    vars: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    data: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Feeder to its columns."""


@dataclass(frozen=True, slots=True)
class Expression:
    """`render` gives the value; where it is `fixed` the value never changes and `value` holds it."""

    render: Render
    fixed: bool = False
    value: Any = None


def compile_expression(text: str, names: Names) -> Expression:
    """Compile the inside of `${...}`. Raises ExpressionError."""
    lead = len(text) - len(text.lstrip())
    body = text.strip()
    match = _IDENTIFIER.match(body)
    if match is None:
        problem = "`${}` names nothing" if not body else f"`{body}` is not a name"
        raise ExpressionError(problem, lead, max(1, len(body)), note=_choices(names))
    try:
        return _compile(match.group(), body, match.end(), names)
    except JsonPathError as error:
        raise ExpressionError(str(error), lead + error.position, error.length) from None
    except ExpressionError as error:
        error.position += lead
        raise


def _compile(head: str, body: str, at: int, names: Names) -> Expression:
    if head == "random":
        return Expression(_random(body, at))
    steps, end = parse_steps(body, at)
    if end < len(body):
        raise ExpressionError(f"`{body[end:]}` is not understood here", end, len(body) - end)
    if head in _PLAIN:
        if steps:
            raise ExpressionError(f"`{head}` has nothing inside it", at, len(body) - at)
        return Expression(_PLAIN[head])
    if head in ("vars", "env", "data"):
        if not steps or not isinstance(steps[0], str):
            raise ExpressionError(f"`{head}` needs a name, as in `{head}.name`", 0, len(body))
        if head == "data":
            return Expression(_row_value(steps, body, names))
        return _constant(head, steps, body, names)
    return Expression(_captured(head, steps, body, names))


def _captured(head: str, steps: tuple[str | int, ...], body: str, names: Names) -> Render:
    if head not in names.captures:
        if head in names.later:
            raise ExpressionError(
                f"`{head}` is used before it is captured", 0, len(head), f"captured later, by `{names.later[head]}`"
            )
        raise _unknown(f"unknown name `{head}`", head, 0, [*names.captures, *RESERVED], _choices(names))
    if not steps:

        def plain(scope: Scope) -> Any:
            try:
                return scope.captures[head]
            except KeyError:
                raise Unresolved(head) from None

        return plain

    def inside(scope: Scope) -> Any:
        found = follow(scope.captures.get(head, MISSING), steps)
        if found is MISSING:
            raise Unresolved(body)
        return found

    return inside


def _row_value(steps: tuple[str | int, ...], body: str, names: Names) -> Render:
    feeder = str(steps[0])
    if feeder not in names.data:
        raise _unknown(f"unknown data `{feeder}`", feeder, len("data."), names.data)
    if len(steps) < 2:
        raise ExpressionError(f"name a column of `{feeder}`", 0, len(body), note=_listed("columns", names.data[feeder]))
    column, rest = steps[1], steps[2:]
    columns = names.data[feeder]
    if not isinstance(column, str) or column not in columns:
        at = len(f"data.{feeder}.")
        raise _unknown(f"`{feeder}` has no column `{column}`", str(column), at, columns, _listed("columns", columns))

    def value(scope: Scope) -> Any:
        row = scope.row(feeder)
        found = follow(row[column], rest) if column in row else MISSING
        if found is MISSING:
            raise LookupError(f"this row of `{feeder}` has no `{body.removeprefix(f'data.{feeder}.')}`")
        return found

    return value


def _constant(head: str, steps: tuple[str | int, ...], body: str, names: Names) -> Expression:
    name, at = str(steps[0]), len(head) + 1
    table: Mapping[str, Any] = names.vars if head == "vars" else names.env
    if name not in table:
        if head == "env":
            raise ExpressionError(
                f"environment variable `{name}` is not set", at, len(name), note="set it before the run"
            )
        raise _unknown(f"unknown variable `{name}`", name, at, table, _listed("vars", table))
    value = follow(table[name], steps[1:])
    if value is MISSING:
        raise ExpressionError(f"`{body}` leads nowhere", at, len(body) - at)
    return Expression(lambda scope: value, fixed=True, value=value)


def _random(body: str, at: int) -> Render:
    match = _CALL.fullmatch(body, at)
    if match is None:
        raise ExpressionError(
            f"`{body}` is not understood",
            0,
            len(body),
            note="use random.int(1,100), random.choice(a,b), random.string(8)",
        )
    function, arguments = match[1], _arguments(match[2])
    if function == "choice" and arguments:
        options = tuple(arguments)
        return lambda scope: scope.random.choice(options)
    numbers = [value for value in arguments if isinstance(value, int)]
    if function == "int" and len(numbers) == len(arguments) == 2:
        low, high = numbers
        if low > high:
            raise ExpressionError(f"random.int: {low} is above {high}", match.start(2), len(match[2]))
        return lambda scope: scope.random.randint(low, high)
    if function == "string" and len(numbers) == len(arguments) == 1 and 0 < numbers[0] <= _LONGEST:
        length = numbers[0]
        return lambda scope: "".join(scope.random.choices(_ALPHABET, k=length))
    usage = {"int": "random.int(1,100)", "choice": "random.choice(a,b)", "string": "random.string(8)"}
    if function in usage:
        raise ExpressionError(f"`{body}` has other arguments than {usage[function]}", 0, len(body))
    raise _unknown(
        f"unknown function `random.{function}`", function, match.start(1), usage, _listed("functions", usage)
    )


def _arguments(text: str) -> list[str | int]:
    """Comma-separated arguments: integers are numbers, all else is text, in quotes where it holds a comma."""
    values: list[str | int] = []
    at = 0
    while at < len(text):
        match = _ARGUMENT.match(text, at)
        if match is None:
            return []
        quoted = match[1] if match[1] is not None else match[2]
        bare = match[3] or ""
        if quoted is None and not bare:
            return []
        values.append(quoted if quoted is not None else int(bare) if _NUMBER.fullmatch(bare) else bare)
        at = match.end()
    return values


def _uuid(scope: Scope) -> str:
    return str(UUID(int=scope.random.getrandbits(128), version=4))


def _now(scope: Scope) -> str:
    return datetime.fromtimestamp(scope.wall(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_PLAIN: Final[Mapping[str, Render]] = {
    "vu": lambda scope: scope.id,
    "iteration": lambda scope: scope.iteration,
    "uuid": _uuid,
    "now": _now,
    "timestamp": lambda scope: int(scope.wall() * 1000),
}

RESERVED: Final = (*_PLAIN, "random", "vars", "env", "data")
"""Names a capture cannot have."""


def _unknown(message: str, word: str, position: int, known: Any, note: str = "") -> ExpressionError:
    like = nearest(word, known)
    return ExpressionError(message, position, len(word), f"did you mean `{like}`?" if like else "", note)


def _choices(names: Names) -> str:
    return _listed("known here", [*sorted(names.captures), *RESERVED])


def _listed(what: str, names: Any) -> str:
    listed = list(names) if isinstance(names, (list, tuple)) else sorted(names)
    shown = ", ".join(listed[:12]) + (", ..." if len(listed) > 12 else "")
    return f"{what}: {shown}" if listed else f"{what}: none"
