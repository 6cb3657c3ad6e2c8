"""What is known of a query's text without graphql-core: the operations in it, their names and first fields.

Text is cut into tokens as the specification says (comments, strings and block strings are no names), and definitions
are found by their brackets. Nothing is validated beyond that: whether a query is right, its server says, or
`clients/graphql/checking.py` does. Source: GraphQL specification (October 2021), sections 2.1 and 2.2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Final

KINDS: Final = ("query", "mutation", "subscription")
_KEPT: Final = 1024
"""Documents kept by their text: scripts that write values into queries would otherwise fill the memory."""

_TOKEN: Final = re.compile(
    r"""(?P<ignored>[\s,\ufeff]+|\#[^\r\n]*)
      | (?P<string>\"\"\"(?:\\\"\"\"|(?!\"\"\").)*\"\"\"|"(?:\\.|[^"\\\r\n])*")
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>-?[0-9][0-9.eE+-]*)
      | (?P<mark>\.\.\.|[!$&()=:@\[\]{}|])""",
    re.VERBOSE | re.DOTALL,
)
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}


class SyntaxFault(ValueError):
    """The text is no GraphQL document. `position` and `length` count characters of it."""

    def __init__(self, message: str, position: int, length: int = 1) -> None:
        super().__init__(message)
        self.position = position
        self.length = length


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `name` is empty for an anonymous one; `field` is the first field asked for, not its alias."""

    kind: str
    name: str
    field: str

    @property
    def step(self) -> str:
        """The name of a step that sends it: `query Users`, or `query users` after its first field."""
        return " ".join(part for part in (self.kind, self.name or self.field) if part)


@dataclass(frozen=True)
class Document:
    """A query's text as it is sent. `operations` is empty where none could be found."""

    text: str
    operations: tuple[Operation, ...]

    @cached_property
    def hash(self) -> str:
        """What servers know a persisted query by."""
        return sha256(self.text.encode("utf-8")).hexdigest()

    def step_name(self, operation: str | None) -> str:
        """The name of a step that sends `operation`, or the only one there is."""
        chosen = self.chosen(operation)
        if chosen is not None:
            return chosen.step
        return f"query {operation}" if operation else "query"

    def kind(self, operation: str | None) -> str:
        """The kind of `operation`, or of the only one there is; "query" where it is not known."""
        chosen = self.chosen(operation)
        return "query" if chosen is None else chosen.kind

    def chosen(self, operation: str | None) -> Operation | None:
        """The operation of that name, or the only one there is; None where there is none."""
        for each in self.operations:
            if operation is None or each.name == operation:
                return each
        return None


@lru_cache(maxsize=_KEPT)
def document_of(text: str) -> Document:
    """The document in `text`. One that cannot be read has no operations: it is sent as it is, and its server answers."""
    try:
        return Document(text, scan(text))
    except SyntaxFault:
        return Document(text, ())


def scan(text: str) -> tuple[Operation, ...]:
    """The operations in `text`, in order. Raises SyntaxFault where it is no executable document."""
    tokens = _tokens(text)
    found: list[Operation] = []
    at = 0
    while at < len(tokens):
        word, position = tokens[at]
        if word != "{" and word != "fragment" and word not in KINDS:
            expected = "query, mutation, subscription, fragment or {"
            raise SyntaxFault(f"`{word[:40]}` stands where {expected} must", position, len(word))
        body = _body(tokens, at, len(text))
        if word == "{":
            found.append(Operation("query", "", _first_field(tokens, body)))
        elif word != "fragment":
            name = tokens[at + 1][0]
            found.append(Operation(word, name if _is_name(name) else "", _first_field(tokens, body)))
        at = _end(tokens, body, len(text)) + 1
    if not found:
        raise SyntaxFault("there is no operation in it", 0)
    return tuple(found)


_Tokens = list[tuple[str, int]]


def _tokens(text: str) -> _Tokens:
    """Names, marks, and strings and numbers in short, with their positions; brackets are known to match."""
    tokens: _Tokens = []
    open_: list[tuple[str, int]] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            what = "a string is not closed" if text[at] == '"' else f"`{text[at]}` has no meaning here"
            raise SyntaxFault(what, at)
        word = match[0]
        if match.lastgroup == "string":
            tokens.append(('"', at))  # so that it is never taken for a name or a bracket
        elif match.lastgroup != "ignored":
            tokens.append((word, at))
            if word in _CLOSING:
                open_.append((word, at))
            elif word in _CLOSING.values():
                if not open_ or _CLOSING[open_[-1][0]] != word:
                    raise SyntaxFault(f"`{word}` closes nothing", at)
                open_.pop()
        at = match.end()
    if open_:
        raise SyntaxFault(f"`{open_[-1][0]}` is not closed", open_[-1][1])
    return tokens


def _body(tokens: _Tokens, at: int, end: int) -> int:
    """Index of the `{` that opens the selection of the definition at `at`: the first outside other brackets."""
    depth = 0
    for index in range(at, len(tokens)):
        word = tokens[index][0]
        if word == "{" and depth == 0:
            return index
        depth += (word in _CLOSING) - (word in _CLOSING.values())
    raise SyntaxFault(f"`{tokens[at][0]}` selects nothing: it has no {{ ... }}", tokens[at][1], len(tokens[at][0]))


def _end(tokens: _Tokens, body: int, end: int) -> int:
    depth = 0
    for index in range(body, len(tokens)):
        word = tokens[index][0]
        depth += (word in _CLOSING) - (word in _CLOSING.values())
        if depth == 0:
            return index
    raise SyntaxFault("`{` is not closed", end)


def _first_field(tokens: _Tokens, body: int) -> str:
    """The first field in the selection; of `alias: field` the field. Empty where a fragment comes first."""
    words = [word for word, _ in tokens[body + 1 : body + 4]]
    if words and words[0] == "}":
        raise SyntaxFault("`{ }` selects nothing", tokens[body][1])
    if len(words) == 3 and words[1] == ":":
        return words[2]
    return words[0] if _is_name(words[0]) else ""


def _is_name(word: str) -> bool:
    return word.isidentifier()
