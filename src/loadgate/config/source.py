"""A YAML file as a tree in which every key and value knows where it stands.

The file is composed by ruamel.yaml (YAML 1.2) and not constructed: scalars are typed here, so that the tree keeps
the exact text and place of each, tags cannot build objects, and a duplicate key is an error that names both places.
ruamel.yaml is imported when a file is read, not before: a run without a file does not pay for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from loadgate.errors import ConfigError, Problem, Span

if TYPE_CHECKING:
    from ruamel.yaml.error import MarkedYAMLError

MOST_NODES: Final = 100_000  # aliases can multiply a small file without bound
_LINE_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # the breaks ruamel.yaml counts
_TAG: Final = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. `text` is what was written (without quotes), `value` what YAML 1.2 makes of it."""

    value: str | int | float | bool | None
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Listing:
    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Entry:
    key: str
    key_span: Span
    value: Node


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping with text keys, in the order written."""

    entries: Mapping[str, Entry]
    span: Span


Node: TypeAlias = Scalar | Listing | Table


@dataclass(frozen=True, slots=True)
class Source:
    """A file's tree, and the problems that did not keep it from being built, such as a key given twice."""

    tree: Node
    problems: tuple[Problem, ...]


def read_source(path: Path) -> Source:
    """The tree of the YAML file at `path`. Raises ConfigError: missing, not a file, not UTF-8, or bad YAML."""
    shown = str(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError([Problem(f"there is no file {shown}")]) from None
    except IsADirectoryError:
        raise ConfigError([Problem(f"{shown} is a directory, not a file")]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError([Problem(f"cannot read {shown}: {reason}")]) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = data[: error.start].decode("utf-8-sig", errors="replace")
        lines = _LINE_BREAK.split(good)
        span = Span(shown, len(lines), len(lines[-1]) + 1, 1, (*lines[:-1], f"{lines[-1]}\ufffd"))
        label = f"byte 0x{data[error.start]:02x} is not UTF-8"
        problem = Problem(f"{shown} is not UTF-8 text", span, label, "save the file as UTF-8")
        raise ConfigError([problem]) from None
    return parse_source(text, shown)


def parse_source(text: str, file: str) -> Source:
    """The tree of the YAML document `text`; `file` is the name shown in errors. Raises ConfigError."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    lines = tuple(_LINE_BREAK.split(text))
    reader = YAML(typ="rt", pure=True)
    reader.composer.warn_double_anchors = False  # YAML allows an anchor to be set again
    try:
        root = reader.compose(text)
    except MarkedYAMLError as error:
        raise ConfigError([_syntax_problem(error, file, lines)]) from None
    except ReaderError as error:
        before = _LINE_BREAK.split(text[: error.position])
        span = Span(file, len(before), len(before[-1]) + 1, 1, lines)
        raise ConfigError([Problem("a control character is not allowed in YAML", span)]) from None
    except RecursionError:
        raise ConfigError([_too_deep(file)]) from None
    except (YAMLError, ValueError, AssertionError) as error:
        raise ConfigError([Problem(f"{file} is not valid YAML: {str(error).splitlines()[0]}")]) from None
    if root is None:
        raise ConfigError([Problem(f"{file} is empty", Span(file, 1, 1, 1, lines))])
    builder = _Builder(file, lines)
    try:
        tree = builder.node(root)
    except RecursionError:
        raise ConfigError([_too_deep(file)]) from None
    return Source(tree, tuple(builder.problems))


class _Mark(Protocol):
    line: int
    column: int


class _YamlNode(Protocol):
    """The part of ruamel.yaml's nodes that is used; lines and columns count from 0."""

    id: str
    tag: Any
    value: Any
    style: str | None
    start_mark: _Mark
    end_mark: _Mark


class _Builder:
    """Turns composed YAML nodes into our tree, and gathers what YAML lets pass and we do not."""

    def __init__(self, file: str, lines: tuple[str, ...]) -> None:
        self.file = file
        self.lines = lines
        self.problems: list[Problem] = []
        self._count = 0
        self._open: set[int] = set()

    def node(self, yaml: _YamlNode, key: Span | None = None) -> Node:
        """`yaml` as our node; `key` is the span of its key, which stands in for a value that was left out."""
        span = self._span(yaml, key)
        self._count += 1
        if self._count > MOST_NODES:
            raise ConfigError([Problem(f"{self.file} holds more than {MOST_NODES:,} values", span)])
        if id(yaml) in self._open:
            raise ConfigError([Problem("an alias (`*name`) must not stand inside its own anchor", span)])
        self._open.add(id(yaml))
        try:
            if yaml.id == "mapping":
                return Table(self._entries(yaml), span)
            if yaml.id == "sequence":
                self._check_tag(yaml, span, "seq")
                return Listing(tuple(self.node(item) for item in yaml.value), span)
            return self._scalar(yaml, span)
        finally:
            self._open.discard(id(yaml))

    def _entries(self, yaml: _YamlNode) -> dict[str, Entry]:
        self._check_tag(yaml, self._span(yaml), "map")
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in yaml.value:
            span = self._span(key)
            if key.id != "scalar":
                self.problems.append(Problem("a key must be plain text", span))
            elif key.tag == f"{_TAG}merge":
                # `<<: *defaults`: YAML 1.1, but every CI system has it. Own keys win, earlier sources win over later.
                for source in value.value if value.id == "sequence" else [value]:
                    node = self.node(source)
                    if isinstance(node, Table):
                        merged = {**node.entries, **merged}
                    else:
                        self.problems.append(Problem("`<<` merges mappings only", node.span))
            elif key.value in entries:
                first = entries[key.value].key_span
                self.problems.append(
                    Problem(
                        f"key `{key.value}` is given twice",
                        span,
                        f"first given at line {first.line}, column {first.column}",
                    )
                )
            else:
                entries[key.value] = Entry(key.value, span, self.node(value, span))
        return {**merged, **entries}

    def _scalar(self, yaml: _YamlNode, span: Span) -> Scalar:
        text = str(yaml.value)
        kind = self._check_tag(yaml, span, "str", "int", "float", "bool", "null", "timestamp")
        try:
            value = _typed(text, kind)
        except ValueError:
            self.problems.append(Problem(f"`{text[:20]}` cannot be read as a number", span))
            value = None
        return Scalar(value, text, span)

    def _check_tag(self, yaml: _YamlNode, span: Span, *allowed: str) -> str:
        kind = str(yaml.tag).removeprefix(_TAG)
        if kind in allowed:
            return kind
        self.problems.append(Problem(f"YAML tag `{yaml.tag}` is not allowed here", span, note="write plain values"))
        return "str"

    def _span(self, yaml: _YamlNode, key: Span | None = None) -> Span:
        start, end = yaml.start_mark, yaml.end_mark
        line = self.lines[start.line] if start.line < len(self.lines) else ""
        if key is not None and (start.line, start.column) == (end.line, end.column):
            return key
        first, last = start.column, end.column if end.line == start.line else len(line)
        if yaml.id == "scalar" and yaml.style in ("'", '"') and line[first + 1 : last - 1] == yaml.value:
            first, last = first + 1, last - 1  # the content, so that a caret can point into it
        return Span(self.file, start.line + 1, first + 1, max(1, last - first), self.lines)


def _typed(text: str, kind: str) -> str | int | float | bool | None:
    """The value of scalar `text` of YAML kind `kind`. Raises ValueError."""
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("true", "yes", "on")  # the latter two only under `%YAML 1.1`
    if kind == "int":
        digits = text.replace("_", "").lower()
        based = digits.lstrip("+-")[:2] in ("0x", "0o", "0b")
        return int(digits, 0 if based else 10)
    if kind == "float":
        return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _syntax_problem(error: MarkedYAMLError, file: str, lines: tuple[str, ...]) -> Problem:
    mark = error.problem_mark or error.context_mark
    if error.problem == "but found another document":
        message = f"{file} holds more than one YAML document"
    else:
        message = f"{file} is not valid YAML: {error.problem or error.context}"
    if mark is None:
        return Problem(message)
    row, column = mark.line, mark.column
    if row >= len(lines) or (not lines[row].strip() and row > 0):
        # The file ended too early: point behind its last text.
        row = next((n for n in range(min(row, len(lines) - 1), -1, -1) if lines[n].strip()), 0)
        column = len(lines[row])
    span = Span(file, row + 1, column + 1, 1, lines)
    label = ""
    if lines[row][column : column + 1] == "\t":
        label = "indent with spaces, not tabs"
    elif (
        (error.context or "").startswith("while") and error.context_mark is not None and error.context_mark.line != row
    ):
        label = f"{error.context} from line {error.context_mark.line + 1}"
    return Problem(message, span, label)


def _too_deep(file: str) -> Problem:
    return Problem(f"{file} is nested too deeply")
