"""Carries GraphQL operations out: documents read once and kept, persisted queries, injected errors, the truth in `extensions`.

Rules:
* A result is a plain dict, ready to be JSON. `data` is in it exactly when execution was begun (GraphQL 7.1).
* Persisted queries are Apollo's: a request with the SHA-256 of a query and no query is answered PERSISTED_QUERY_NOT_FOUND
  until one with both was seen.
* What was injected is in `extensions.loadgate`: `delay_ms`, and `fault`.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)
from msgspec import Struct, ValidationError, convert

from loadgate.target.faults import Kind, Outcome
from loadgate.target.graphql.schema import Allowance

MOST_TOKENS: Final = 5_000
"""Of one document: what is longer is refused before it is read to its end."""
_TOO_DEEP: Final = "the document is nested too deeply"
_MOST_KEPT: Final = 256
_LONGEST_KEPT: Final = 16 * 2**10
_MOST_PERSISTED: Final = 16 * 2**20
"""Characters of all persisted queries; the oldest go first."""

Result = dict[str, Any]


class _Persisted(Struct, frozen=True):
    sha256Hash: str
    version: int = 1


class _Extensions(Struct, frozen=True):
    persistedQuery: _Persisted | None = None


class Ask(Struct, frozen=True):
    """One request as clients write it."""

    query: str | None = None
    variables: dict[str, Any] | None = None
    operationName: str | None = None
    extensions: _Extensions | None = None


class Operation(Struct, frozen=True):
    """What is to be carried out."""

    document: DocumentNode
    node: OperationDefinitionNode
    ask: Ask

    @property
    def kind(self) -> OperationType:
        return self.node.operation


class BadAsk(Exception):
    """Not a GraphQL request at all; the message says why."""


class Refused(Exception):
    """A request that is not carried out; `result` says why. `code` is Apollo's word for it."""

    def __init__(self, errors: list[GraphQLError] | str, code: str) -> None:
        super().__init__(code)
        found = [GraphQLError(errors)] if isinstance(errors, str) else errors
        self.code = code
        self.result: Result = {"errors": [{**_plain(error), "extensions": {"code": code}} for error in found]}


def read_ask(value: Any) -> Ask:
    """Raises BadAsk."""
    if not isinstance(value, dict):
        raise BadAsk("a GraphQL request is a JSON object, or an array of them")
    try:
        ask = convert(value, Ask)
    except ValidationError as error:
        raise BadAsk(f"not a GraphQL request: {error}") from None
    if ask.query is None and (ask.extensions is None or ask.extensions.persistedQuery is None):
        raise BadAsk("a GraphQL request needs a `query`")
    return ask


class Executor:
    """Holds what was read and persisted."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self._documents: dict[str, DocumentNode | Refused] = {}
        self._persisted: dict[str, str] = {}
        self._persisted_size = 0

    def prepare(self, ask: Ask) -> Operation:
        """The operation that `ask` means, valid under the schema. Raises Refused."""
        document = self._document(self._text(ask))
        node = get_operation_ast(document, ask.operationName)
        if node is None:
            name = ask.operationName
            what = (
                "the document has several operations: name one" if name is None else f"there is no operation {name!r}"
            )
            raise Refused(what, "OPERATION_RESOLUTION_FAILURE")
        return Operation(document, node, ask)

    def execute(self, operation: Operation) -> Result:
        """The result of a query or mutation."""
        ask = operation.ask
        try:
            result = execute_sync(
                self.schema,
                operation.document,
                context_value=Allowance(),
                variable_values=ask.variables,
                operation_name=ask.operationName,
            )
        except RecursionError:
            return {"errors": [{"message": _TOO_DEEP}], "data": None}
        return plain_result(result)

    def _text(self, ask: Ask) -> str:
        persisted = None if ask.extensions is None else ask.extensions.persistedQuery
        if persisted is None:
            assert ask.query is not None
            return ask.query
        if persisted.version != 1:
            raise Refused("only version 1 of persisted queries is known", "PERSISTED_QUERY_NOT_SUPPORTED")
        digest = persisted.sha256Hash
        if ask.query is None:
            text = self._persisted.get(digest)
            if text is None:
                raise Refused("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
            return text
        if sha256(ask.query.encode("utf-8", "surrogatepass")).hexdigest() != digest:
            raise Refused("provided sha does not match query", "PERSISTED_QUERY_HASH_MISMATCH")
        if digest not in self._persisted:
            self._persisted[digest] = ask.query
            self._persisted_size += len(ask.query)
            while self._persisted_size > _MOST_PERSISTED:
                self._persisted_size -= len(self._persisted.pop(next(iter(self._persisted))))
        return ask.query

    def _document(self, text: str) -> DocumentNode:
        found = self._documents.get(text)
        if found is None:
            try:
                found = self._read(text)
            except Refused as refused:
                found = refused
            if len(text) <= _LONGEST_KEPT:
                if len(self._documents) >= _MOST_KEPT:
                    self._documents.clear()
                self._documents[text] = found
        if isinstance(found, Refused):
            raise found
        return found

    def _read(self, text: str) -> DocumentNode:
        try:
            document = parse(text, max_tokens=MOST_TOKENS)
            errors = validate(self.schema, document)
        except GraphQLError as error:
            raise Refused([error], "GRAPHQL_PARSE_FAILED") from None
        except RecursionError:
            raise Refused(_TOO_DEEP, "GRAPHQL_PARSE_FAILED") from None
        if errors:
            raise Refused(errors, "GRAPHQL_VALIDATION_FAILED")
        return document


def plain_result(result: ExecutionResult) -> Result:
    """A result of graphql-core as a dict; without `data` where execution was not begun (variables that do not fit)."""
    errors = result.errors
    if not errors:
        return {"data": result.data}
    plain: Result = {"errors": [_plain(error) for error in errors]}
    if result.data is not None or any(error.path for error in errors):
        plain["data"] = result.data
    return plain


def injected_errors() -> Result:
    """The result of a request that fails as a whole."""
    return {"errors": [{"message": "injected fault", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}], "data": None}


def without_field(result: Result) -> Result:
    """`result` with its first field failed. One without data fails as a whole."""
    data = result.get("data")
    if not data:
        return injected_errors()
    name = next(iter(data))
    error = {"message": "injected fault", "path": [name], "extensions": {"code": "INTERNAL_SERVER_ERROR"}}
    return {**result, "errors": [*result.get("errors", ()), error], "data": {**data, name: None}}


def with_truth(result: Result, delay: float, fault: Outcome | None) -> Result:
    """`result` that says what was injected, where something was. `delay` is in milliseconds."""
    truth: dict[str, Any] = {}
    if delay:
        truth["delay_ms"] = delay
    if fault is not None:
        truth["fault"] = str(fault.kind)
    return {**result, "extensions": {"loadgate": truth}} if truth else result


def spoiled(result: Result, fault: Outcome | None) -> Result:
    return without_field(result) if fault is not None and fault.kind is Kind.FIELD else result


def _plain(error: GraphQLError) -> dict[str, Any]:
    return dict(error.formatted)
