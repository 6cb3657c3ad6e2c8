"""The queries a script or a project declares, and what is wrong with them before there is load.

    from loadgate.script.queries import graphql

    USERS = graphql("query Users($n: Int) { users(limit: $n) { id } }")

marks a text in a Python file; a YAML step declares its own. Queries that a script puts together while it runs are unknown here.
What reads queries is imported when there is one: every run with a script imports this file.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from loadgate.config.graphql import GraphqlSpec, part_of
from loadgate.config.steps import ExchangeStep, GraphqlStep
from loadgate.config.template import as_written, is_fixed
from loadgate.config.websocket import http_url
from loadgate.errors import ConfigError, LoadgateError, Problem, Span, nearest
from loadgate.script.failure import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from graphql import GraphQLSchema

    from loadgate.clients.http.stack import HttpStack

_INTROSPECTION_TIMEOUT: Final = 30.0


@dataclass(frozen=True, slots=True)
class DeclaredQuery:
    """A text that will be sent. `span` is where it is written; `variables` the names given to it and where, None: unknown.
    `values` are theirs, as far as nothing is filled in in them.

    `elsewhere`: it goes to another endpoint than the target's, of whose schema nothing is known. `subscribes`: it is the
    subscription of a step.
    """

    text: str
    span: Span
    operation: str | None = None
    variables: Mapping[str, Span] | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    elsewhere: bool = False
    subscribes: bool = False


_declared: list[DeclaredQuery] | None = None
"""Where queries are noted while a script is being loaded."""


@contextmanager
def declared_queries() -> Iterator[list[DeclaredQuery]]:
    """Collects the queries marked inside the `with` block."""
    global _declared
    outer, _declared = _declared, []
    try:
        yield _declared
    finally:
        _declared = outer


def graphql(text: str) -> str:
    """Mark a query, written at module level, to be checked before there is load; it is given back as it is."""
    if _declared is not None:
        frame = sys._getframe(1)
        _declared.append(DeclaredQuery(text, _span(text, frame.f_code.co_filename, frame.f_lineno)))
    return text


def queries_of(steps: Iterable[ExchangeStep]) -> list[DeclaredQuery]:
    """The queries of the GraphQL steps among `steps`."""
    return [
        DeclaredQuery(
            step.text,
            step.text_span,
            step.operation,
            step.variable_spans,
            {name: as_written(value) for name, value in step.variables.items() if is_fixed(value)},
            elsewhere=step.at is not None,
            subscribes=step.events > 0,
        )
        for step in steps
        if isinstance(step, GraphqlStep)
    ]


def check_queries(queries: Sequence[DeclaredQuery], spec: GraphqlSpec) -> list[Problem]:
    """What is wrong with `queries` by their syntax or, where `spec` names a file, by the schema in it. Sends nothing."""
    from loadgate.clients.graphql import checking

    schema: GraphQLSchema | None = None
    if spec.schema is not None or spec.introspect:
        try:
            checking.need_installed()
            schema = None if spec.schema is None else checking.schema_of_file(spec.schema)
        except LoadgateError as error:
            return [Problem(error.message, spec.span, "", error.hint or "")]
        except OSError as error:
            return [Problem(f"cannot read {spec.schema}: {error.strerror}", spec.span)]
    return [problem for query in queries for problem in _problems(query, schema)]


async def check_with_target(queries: Sequence[DeclaredQuery], http: HttpStack) -> None:
    """Check `queries` once more when the target is there, by the schema that it tells where it is to be asked.

    Raises ConfigError for queries that do not fit, for a target that does not tell, and where no URL is known.
    """
    spec = http.graphql
    for query in queries:
        if query.variables is None or query.elsewhere:
            continue
        try:
            http.builder.locate(http_url(spec.endpoint(subscribes=query.subscribes)))
        except ValueError as error:
            note = "give `target: {url: ...}`, or --url on the command line"
            raise ConfigError([Problem(f"GraphQL cannot be sent: {error}", query.span, "", note)]) from None
    problems = check_queries(queries, spec)
    if spec.introspect and not problems:
        schema = await _asked_for(http, spec)
        problems = [problem for query in queries for problem in _problems(query, schema)]
    if problems:
        raise ConfigError(problems)


async def _asked_for(http: HttpStack, spec: GraphqlSpec) -> GraphQLSchema:
    """The schema the target tells. Raises ConfigError where it tells none."""
    from loadgate.clients.graphql import checking
    from loadgate.clients.graphql.client import GraphqlClient
    from loadgate.clients.graphql.subscriber import Subscriber
    from loadgate.clients.websocket.client import WsStack

    user = http.client({})
    asker = GraphqlClient(user, spec.path, Subscriber(lambda: WsStack(http).client(user)))
    try:
        reply = await asker.query(checking.introspection(), timeout=_INTROSPECTION_TIMEOUT)
        if not reply.ok:
            raise LoadgateError(reply.error_text or f"status {reply.status}")
        return checking.schema_of_introspection(reply.data)
    except LoadgateError as error:
        note = "allow introspection there, or let `schema` name a file"
        message = f"the target does not tell its schema at {spec.path}: {error.message}"
        raise ConfigError([Problem(message, spec.span, "", note)]) from None
    finally:
        user.close()


def _problems(query: DeclaredQuery, schema: GraphQLSchema | None) -> list[Problem]:
    from loadgate.clients.graphql import checking

    if not checking.installed():
        from loadgate.config.operations import SyntaxFault, scan

        try:
            scan(query.text)
        except SyntaxFault as fault:
            span = part_of(query.span, query.text, fault.position, fault.length)
            return [Problem(f"this query is not GraphQL: {fault}", span)]
        return []
    wrong = checking.mistakes(query.text, None if query.elsewhere else schema)
    if wrong:
        return [
            Problem(each.message, part_of(query.span, query.text, each.position, each.length), each.advice)
            for each in wrong
        ]
    return [] if query.variables is None else _variable_problems(query, query.variables, schema)


def _variable_problems(query: DeclaredQuery, given: Mapping[str, Span], schema: GraphQLSchema | None) -> list[Problem]:
    """Variables that the operation has not, those it needs and is not given, and, by the schema, what does not fit them."""
    from loadgate.clients.graphql import checking

    known = {each.name: each for each in checking.variables_of(query.text, query.operation)}
    problems = []
    for name, span in given.items():
        if name not in known:
            likely = nearest(name, known)
            note = f"variables of it: {', '.join(known) or 'none'}"
            label = f"did you mean `{likely}`?" if likely else ""
            problems.append(Problem(f"the operation has no variable `{name}`", span, label, note))
    problems += [
        Problem(f"variable `{name}` is not given", query.span, "", "it has no default and cannot be null")
        for name, each in known.items()
        if each.needed and name not in given
    ]
    if schema is not None and not query.elsewhere:
        unfit = checking.unfit_values(query.text, query.operation, query.values, schema)
        problems += [Problem(wrong, given[name]) for name, wrong in unfit.items()]
    return problems


def _span(text: str, filename: str, line: int) -> Span:
    """Where `text` stands in the call at `line`; the call itself where it is not written there as it is."""
    lines = tuple(each.rstrip("\n") for each in linecache.getlines(filename))
    name = shown(filename)
    source = "\n".join(lines)
    start = sum(len(each) + 1 for each in lines[: line - 1])
    at = source.find(text, start)
    if at < 0:
        return Span(name, line, 1, max(1, len(lines[line - 1]) if line <= len(lines) else 1), lines)
    row = source.count("\n", 0, at)
    column = at - (source.rfind("\n", 0, at) + 1)
    return Span(name, row + 1, column + 1, len(text.split("\n")[0]) or 1, lines)
