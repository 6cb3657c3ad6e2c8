"""How the target speaks GraphQL, and where in a file a place inside a query's text is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loadgate.config import fields
from loadgate.config.fields import Fields, Place
from loadgate.config.source import Node, Scalar
from loadgate.errors import Span

PATH: Final = "/graphql"
INTROSPECT: Final = "introspect"


@dataclass(frozen=True, slots=True)
class GraphqlSpec:
    """The target's endpoint, a path on it or a whole URL, and what its queries are held against before there is load.

    `schema` is a file in GraphQL's schema language; `introspect`: the target itself is asked. `span` is where that is said.
    `subscriptions` is the endpoint for those over WebSocket, None: the same.
    """

    path: str = PATH
    subscriptions: str | None = None
    schema: Path | None = None
    introspect: bool = False
    span: Span | None = field(default=None, repr=False, compare=False)

    def endpoint(self, *, subscribes: bool) -> str:
        """Where operations go that name no other place."""
        return self.subscriptions or self.path if subscribes else self.path


def read_graphql(node: Node, place: Place) -> GraphqlSpec:
    """`/path`, or a mapping of `path` and `schema`."""
    if isinstance(node, Scalar):
        return GraphqlSpec(_path(node, place))
    own = Fields(node, place, "in `graphql` in `target`")
    path = own.take("path", _path, PATH)
    subscriptions = own.take("subscriptions", _ws_endpoint, None)
    schema = own.take("schema", _schema, None)
    own.done()
    span = own.node.entries["schema"].value.span if "schema" in own else None
    introspect = "schema" in own and _is_introspect(own)
    return GraphqlSpec(path, subscriptions, schema, introspect=introspect, span=span)


def _path(node: Node, place: Place) -> str:
    return _endpoint(node, place, ("http://", "https://", "http+unix://"))


def _ws_endpoint(node: Node, place: Place) -> str:
    return _endpoint(node, place, ("ws://", "wss://", "ws+unix://", "http://", "https://", "http+unix://"))


def _endpoint(node: Node, place: Place, schemes: tuple[str, ...]) -> str:
    path = fields.plain(node, place)
    absolute = path.startswith(schemes)
    if not (path.startswith("/") or absolute) or any(character <= " " or character == "\x7f" for character in path):
        raise place.refuse(node, "a path that begins with /, or a whole URL", f"did you mean /{path.strip()}?")
    return path


def _schema(node: Node, place: Place) -> Path | None:
    return None if isinstance(node, Scalar) and node.text == INTROSPECT else fields.file(node, place)


def _is_introspect(own: Fields) -> bool:
    node = own.node.entries["schema"].value
    return isinstance(node, Scalar) and node.text == INTROSPECT


def part_of(span: Span, text: str, offset: int, length: int) -> Span:
    """The span of `text[offset:offset + length]`, where `span` is that of a YAML scalar, or of a text in a Python file.

    Lines of a block (`|`) stand below its mark, all indented alike. Falls back to `span` where the file does not hold the
    text line by line (folded blocks, escapes).
    """
    if "\n" not in text:
        return span.part(text, offset, length)
    before = text[:offset].split("\n")
    row, column = len(before) - 1, len(before[-1])
    line = text.split("\n")[row]
    for first in (span.line + 1, span.line):  # below the mark of a block; in line with a quote
        at = first + row
        if 1 <= at <= len(span.lines) and _holds(span, text, first):
            indent = span.lines[at - 1].find(line) if line else 0
            return span._replace(line=at, column=indent + column + 1, length=max(1, min(length, len(line) - column)))
    return span


def _holds(span: Span, text: str, first: int) -> bool:
    """Whether the lines of `text` stand in the file from line `first` on."""
    lines = text.removesuffix("\n").split("\n")
    shown = span.lines[first - 1 : first - 1 + len(lines)]
    return len(shown) == len(lines) and all(line in there for line, there in zip(lines, shown, strict=True))
