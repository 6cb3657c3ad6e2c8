"""Text with `${...}` in it, compiled once to closures.

Text without a template stays what it is and costs nothing in the run. `$${` stands for `${` itself. A template that is
the whole of a value keeps its type (a captured number stays a number in a JSON body); inside text it is written out:
true, false and null as in JSON, lists and objects as JSON. In a URL, what follows the first `?` is percent-encoded;
before it the value is put in as it is, so that a captured path or a whole URL can be used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from loadgate.config.template import JsonTemplate, Template
from loadgate.errors import Problem
from loadgate.script.expression import Expression, ExpressionError, Names, Render, Scope, compile_expression

_OPEN = "${"


@dataclass(frozen=True, slots=True)
class Compiled:
    """`render(scope)` gives the value. Where `fixed`, it is `value`, whatever the scope."""

    render: Render
    fixed: bool
    value: Any = None


class TemplateCompiler:
    """Compiles the templates of one place in a scenario; `problems` gathers what is wrong with them."""

    def __init__(self, names: Names, problems: list[Problem]) -> None:
        self._names = names
        self._problems = problems

    def text(self, template: Template) -> Compiled:
        """Renders to str."""
        return self._joined(self._parts(template))

    def url(self, template: Template) -> Compiled:
        """Renders to a URL."""
        pieces: list[str | Render] = []
        in_query = False
        for part in self._parts(template):
            piece = part if isinstance(part, str) else _written(part, _to_query if in_query else to_text)
            in_query = in_query or (isinstance(piece, str) and "?" in piece)
            pieces.append(piece)
        return _concatenated(pieces)

    def value(self, template: Template) -> Compiled:
        """Renders to a JSON value, which keeps its type where one `${...}` is the whole of the text."""
        parts = self._parts(template)
        if len(parts) == 1 and isinstance(parts[0], Expression):
            whole = parts[0]
            return Compiled(whole.render, whole.fixed, whole.value)
        return self._joined(parts)

    def json(self, value: JsonTemplate) -> Compiled:
        """Renders to a JSON value with every text in it filled in."""
        if isinstance(value, Template):
            return self.value(value)
        if isinstance(value, dict):
            members = {key: self.json(item) for key, item in value.items()}
            if all(member.fixed for member in members.values()):
                return always({key: member.value for key, member in members.items()})
            pairs = tuple((key, member.render) for key, member in members.items())
            return Compiled(lambda scope: {key: render(scope) for key, render in pairs}, fixed=False)
        if isinstance(value, list):
            items = [self.json(item) for item in value]
            if all(item.fixed for item in items):
                return always([item.value for item in items])
            renders = tuple(item.render for item in items)
            return Compiled(lambda scope: [render(scope) for render in renders], fixed=False)
        return always(value)

    def _joined(self, parts: list[str | Expression]) -> Compiled:
        return _concatenated([part if isinstance(part, str) else _written(part, to_text) for part in parts])

    def _parts(self, template: Template) -> list[str | Expression]:
        """The text cut into literals and compiled expressions. A broken expression is noted and stands for nothing."""
        text, span = template.text, template.span
        parts: list[str | Expression] = []
        literal = ""
        at = 0
        while (found := text.find(_OPEN, at)) >= 0:
            if found > at and text[found - 1] == "$":
                literal += text[at : found - 1] + _OPEN
                at = found + len(_OPEN)
                continue
            literal += text[at:found]
            end = _closing(text, found + len(_OPEN))
            if end < 0:
                where = None if span is None else span.part(text, found, len(text) - found)
                self._problems.append(
                    Problem("`${` is not closed", where, "`}` is missing", "`$${` stands for a plain `${`")
                )
                return [""]
            if literal:
                parts.append(literal)
                literal = ""
            inside = text[found + len(_OPEN) : end]
            try:
                parts.append(compile_expression(inside, self._names))
            except ExpressionError as error:
                start = found + len(_OPEN) + error.position
                where = None if span is None else span.part(text, start, error.length)
                self._problems.append(Problem(str(error), where, error.label, error.note))
            at = end + 1
        literal += text[at:]
        if literal or not parts:
            parts.append(literal)
        return parts


def to_text(value: Any) -> str:
    """`value` as it is written inside text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None or isinstance(value, (list, dict)):
        from msgspec import json

        return json.encode(value).decode("utf-8")
    return str(value)


def _to_query(value: Any) -> str:
    return quote(to_text(value), safe="")


def _closing(text: str, at: int) -> int:
    """Index of the `}` that ends the expression beginning at `at`, or -1; quotes may hold one."""
    inside = ""
    for index in range(at, len(text)):
        character = text[index]
        if inside:
            inside = "" if character == inside else inside
        elif character in "\"'":
            inside = character
        elif character == "}":
            return index
    return -1


def _written(part: Expression, write: Callable[[Any], str]) -> str | Render:
    if part.fixed:
        return write(part.value)
    render = part.render
    return lambda scope: write(render(scope))


def _concatenated(parts: list[str | Render]) -> Compiled:
    merged: list[str | Render] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(last := merged[-1], str):
            merged[-1] = last + part
        else:
            merged.append(part)
    if not merged or all(isinstance(part, str) for part in merged):
        return always("".join(part for part in merged if isinstance(part, str)))
    if len(merged) == 1 and not isinstance(merged[0], str):
        return Compiled(merged[0], fixed=False)
    pattern = "".join(part.replace("%", "%%") if isinstance(part, str) else "%s" for part in merged)
    renders = tuple(part for part in merged if not isinstance(part, str))
    if len(renders) == 1:
        only = renders[0]
        return Compiled(lambda scope: pattern % only(scope), fixed=False)

    def join(scope: Scope) -> str:
        return pattern % tuple(render(scope) for render in renders)

    return Compiled(join, fixed=False)


def always(value: Any) -> Compiled:
    """What renders to `value` in any scope."""
    return Compiled(lambda scope: value, fixed=True, value=value)
