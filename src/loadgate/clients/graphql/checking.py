"""Queries held against a schema before there is load, by graphql-core, which is imported when the first query is checked.

Without a schema only their syntax is checked. Where graphql-core is not installed, the reader of `config.operations` has
checked as much of that as it can, and a schema is an error of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadgate.errors import LoadgateError

if TYPE_CHECKING:
    from graphql import DocumentNode, GraphQLError, GraphQLSchema, VariableDefinitionNode

_ADVICE: Final = re.compile(r" (Did you mean .+\?)$", re.DOTALL)
_WORD: Final = re.compile(r"[$@]?\w+|\.\.\.|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a query, in graphql-core's words. `position` and `length` count characters of its text."""

    message: str
    position: int
    length: int
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of an operation; `needed` where it has no default and cannot be null."""

    name: str
    needed: bool


def installed() -> bool:
    """Whether graphql-core is there."""
    from importlib.util import find_spec

    try:
        return find_spec("graphql") is not None
    except ValueError:
        return False


def need_installed() -> None:
    """Raise LoadgateError where graphql-core is not there."""
    if not installed():
        raise LoadgateError("a schema can only be read with graphql-core", "pip install 'loadgate[graphql]'")


def schema_of_file(path: Path) -> GraphQLSchema:
    """The schema in a file in GraphQL's schema language. Raises LoadgateError, and OSError where it cannot be read."""
    from graphql import GraphQLError, build_schema

    try:
        return build_schema(path.read_text("utf-8-sig"))
    except UnicodeDecodeError:
        raise LoadgateError(f"{path} is not UTF-8 text") from None
    except GraphQLError as error:
        where = "".join(f":{at.line}:{at.column}" for at in (error.locations or ())[:1])
        raise LoadgateError(f"{path}{where} is no GraphQL schema: {error.message}") from None
    except TypeError as error:  # definitions that contradict each other
        raise LoadgateError(f"{path} is no GraphQL schema: {str(error).splitlines()[0]}") from None


def schema_of_introspection(data: Any) -> GraphQLSchema:
    """The schema in the data of a reply to `introspection`. Raises LoadgateError."""
    from graphql import GraphQLError, build_client_schema

    try:
        return build_client_schema(data)
    except (GraphQLError, TypeError, KeyError, ValueError) as error:
        raise LoadgateError(f"the target's description of its schema cannot be read: {error}") from None


def introspection() -> str:
    """The query that asks for all of a schema."""
    from graphql import get_introspection_query

    return get_introspection_query(descriptions=False)


def mistakes(text: str, schema: GraphQLSchema | None) -> list[Mistake]:
    """All that is wrong with the query `text`: its syntax, and where there is a schema, what does not fit it."""
    from graphql import GraphQLError, parse, validate

    try:
        document = parse(text)
        errors = [] if schema is None else validate(schema, document)
    except GraphQLError as error:
        errors = [error]
    except RecursionError:
        return [Mistake("nested too deeply", 0, 1)]
    return [_mistake(error, text) for error in errors]


def variables_of(text: str, operation: str | None) -> list[Variable]:
    """The variables of `operation`, or of the only one, in a text that was found to be right."""
    from graphql import NonNullTypeNode, parse

    return [
        Variable(each.variable.name.value, isinstance(each.type, NonNullTypeNode) and each.default_value is None)
        for each in _variable_nodes(parse(text), operation)
    ]


def _variable_nodes(document: DocumentNode, operation: str | None) -> Sequence[VariableDefinitionNode]:
    from graphql import OperationDefinitionNode

    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode) and (
            operation is None or (node.name is not None and node.name.value == operation)
        ):
            return node.variable_definitions or ()
    return ()


def unfit_values(text: str, operation: str | None, values: Mapping[str, Any], schema: GraphQLSchema) -> dict[str, str]:
    """What keeps `values` from being those of the variables of `operation`, by name, in a text that was found to be right."""
    from graphql import parse
    from graphql.execution.values import get_variable_values

    found: dict[str, str] = {}
    for node in _variable_nodes(parse(text), operation):
        name = node.variable.name.value
        if name in values:
            outcome = get_variable_values(schema, (node,), {name: values[name]}, max_errors=1)
            if isinstance(outcome, list):
                found[name] = outcome[0].message.rstrip(".")
    return found


def _mistake(error: GraphQLError, text: str) -> Mistake:
    found = _ADVICE.search(error.message)
    message = error.message[: found.start()] if found else error.message
    # of several places the last one is where it is used: a variable is declared before that
    position = min(list(error.positions or [0])[-1], len(text))
    word = _WORD.match(text, position)
    advice = found[1].replace("'", "`") if found else ""
    return Mistake(message.removeprefix("Syntax Error: ").rstrip("."), position, len(word[0]) if word else 1, advice)
