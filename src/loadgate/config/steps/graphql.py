"""A step that sends one GraphQL operation: its text is fixed, so that it can be checked; what varies are its variables.

A subscription is begun, waited for until so many events have come, and stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from loadgate.config import fields
from loadgate.config.expect import ExpectSpec, read_content, read_expectations, read_status
from loadgate.config.fields import Fields, Place, Refusal
from loadgate.config.graphql import part_of
from loadgate.config.source import Node, Table
from loadgate.config.steps.exchange import COUNT_LIMIT, ExchangeStep, read_common, refuse, refuse_captured_headers
from loadgate.config.steps.http import read_url
from loadgate.config.steps.websocket import read_ws_url
from loadgate.config.template import JsonTemplate, Template, json_template
from loadgate.errors import Problem, Span, nearest


class ErrorsExpected(StrEnum):
    """Whether a reply may hold errors. Where it may, holding them is no failure."""

    NONE = "none"
    SOME = "some"
    """It must."""
    ANY = "any"
    """It may or may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphqlStep(ExchangeStep):
    """One operation. `text_span` is that of the text's scalar; `at` None: the target's endpoint.

    `errors` None: nothing is checked, and a reply that holds some is a failed exchange all the same. `events` is how many are
    waited for, 0 where the operation is no subscription; `timeout` is then that of each. `connection_payload` None: none.
    """

    text: str
    text_span: Span
    variables: Mapping[str, JsonTemplate] = field(default_factory=dict)
    variable_spans: Mapping[str, Span] = field(default_factory=dict)
    operation: str | None = None
    persisted: bool = False
    at: Template | None = None
    errors: ErrorsExpected | None = None
    events: int = 0
    connection_payload: Mapping[str, JsonTemplate] | None = None

    @property
    def needs_target(self) -> Span | None:
        if self.at is None:
            return self.text_span
        return self.at.span if self.at.text.startswith("/") else None


def read_graphql_step(key: str, own: Fields) -> GraphqlStep:
    """The step whose key is `graphql`."""
    from loadgate.config.operations import document_of  # most projects have no query: they need not import it

    written = own.node.entries[key].value
    operation = own.take("operation", fields.plain, None)
    text = own.take(key, _query, "")
    document = document_of(text)
    common = read_common(own, document.step_name(operation))
    _check_operation(text, operation, own)
    kind = document.kind(operation) if document.operations else None  # of a text that cannot be read, the keys tell
    subscribes = kind == "subscription" or (kind is None and "events" in own)
    if subscribes:
        refuse(own, "persisted", "a subscription is sent in full")
        refuse_captured_headers(own, common, "events have none")
    else:
        for key in ("events", "connection_payload"):
            refuse(own, key, "only a subscription has it")
    nothing: tuple[ExpectSpec, ErrorsExpected | None] = (ExpectSpec(), None)
    expect, errors = own.take("expect", _expect_events if subscribes else _expect, nothing)
    variables = own.node.entries.get("variables")
    step = GraphqlStep(
        **common,
        text=text,
        text_span=written.span,
        variables=own.take("variables", _variables, {}),
        variable_spans={
            entry.key: entry.key_span
            for entry in (variables.value.entries.values() if variables and isinstance(variables.value, Table) else ())
        },
        operation=operation,
        persisted=own.take("persisted", fields.flag, False),
        at=own.take("at", read_ws_url if subscribes else read_url, None),
        events=own.take("events", fields.whole(1, COUNT_LIMIT), 1) if subscribes else 0,
        connection_payload=own.take("connection_payload", _variables, None) if subscribes else None,
        expect=expect,
        errors=errors,
    )
    own.done()
    return step


def _query(node: Node, place: Place) -> str:
    from loadgate.config.operations import SyntaxFault, scan

    text = fields.text(node, place).replace("\a", "")  # ruamel.yaml's mark of a fold (`>`)
    at = text.find("${")
    if at >= 0:
        span = part_of(node.span, text, at, 2)
        note = "write $name in the query, and give its value under `variables`, where templates are allowed"
        raise Refusal(Problem(f"{place.what} cannot hold a template", span, "the text must be fixed", note))
    try:
        scan(text)
    except SyntaxFault as fault:
        span = part_of(node.span, text, fault.position, fault.length)
        raise Refusal(Problem(f"{place.what} is not GraphQL: {fault}", span)) from None
    return text


def _check_operation(text: str, operation: str | None, own: Fields) -> None:
    """Report an operation that is not there, or not to be told from others."""
    from loadgate.config.operations import document_of

    known = document_of(text).operations
    names = [each.name for each in known if each.name]
    chosen = [each for each in known if operation is None or each.name == operation]
    if operation is not None and known and not chosen:
        likely = nearest(operation, names)
        message = f"there is no operation `{operation}` in the query {own.where}"
        own.report(
            message, "operation", f"did you mean `{likely}`?" if likely else "", f"operations in it: {_listed(names)}"
        )
    elif operation is None and len(known) > 1:
        message = f"the query {own.where} holds several operations"
        own.report(message, "graphql", "", f"say which one to send, as `operation`: {_listed(names)}")


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none that has a name"


def _variables(node: Node, place: Place) -> dict[str, JsonTemplate]:
    if not isinstance(node, Table):
        raise place.refuse(node, "a mapping of names to values")
    return {entry.key: json_template(entry.value, place) for entry in node.entries.values()}


def _expect_events(node: Node, place: Place) -> tuple[ExpectSpec, ErrorsExpected | None]:
    """As `_expect`, of what has no status and no headers."""
    own = Fields(node, place, f"in {place.what}")
    spec = ExpectSpec(**read_content(own))
    errors = own.take("errors", fields.choice(ErrorsExpected), None)
    own.done()
    return spec, errors


def _expect(node: Node, place: Place) -> tuple[ExpectSpec, ErrorsExpected | None]:
    own = Fields(node, place, f"in {place.what}")
    spec = read_expectations(own, read_status)
    errors = own.take("errors", fields.choice(ErrorsExpected), None)
    own.done()
    return spec, errors
