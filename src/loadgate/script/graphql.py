"""A declarative GraphQL step at work. One in which nothing varies is encoded once for each set of tags."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from loadgate.clients.base import ErrorKind
from loadgate.clients.graphql.client import PLAIN, TOLERANT, asks_for_more, bodies, prepare
from loadgate.config.operations import document_of
from loadgate.config.steps import GraphqlStep
from loadgate.config.steps.graphql import ErrorsExpected
from loadgate.errors import Problem
from loadgate.script.exchange import ExchangeRules, ExchangeRun, Iteration, Step, note
from loadgate.script.expression import Scope
from loadgate.script.reply import Expectation, HttpReply, Reply, status_text
from loadgate.script.request import compile_auth, compile_headers
from loadgate.script.template import Compiled, TemplateCompiler

if TYPE_CHECKING:
    from loadgate.clients.http.request import Request
    from loadgate.clients.http.response import Response
    from loadgate.script.user import User


@dataclass(frozen=True, slots=True)
class Parts:
    """What may vary of an operation. `url` None: the target's endpoint."""

    url: Compiled | None
    variables: Compiled
    headers: tuple[tuple[str, Compiled], ...]
    auth: Compiled | None


def compile_graphql(
    spec: GraphqlStep, rules: ExchangeRules, compiler: TemplateCompiler, problems: list[Problem]
) -> Step:
    """The step of `spec`; what is wrong with its templates goes into `problems`."""
    common = Parts(
        url=None if spec.at is None else compiler.url(spec.at),
        variables=compiler.json(dict(spec.variables)),
        headers=compile_headers(spec.headers, compiler, problems),
        auth=compile_auth(spec, compiler),
    )
    if not spec.events:
        return GraphqlRun(spec, with_errors_check(spec, rules, lambda reply: (reply.body(),)), common)
    from loadgate.script.subscription import SubscriptionRun  # most runs have none: they need not import its client

    payload = spec.connection_payload
    return SubscriptionRun(spec, rules, common, None if payload is None else compiler.json(dict(payload)))


class GraphqlRun(ExchangeRun["Response"]):
    """Sends one operation; if it is persisted, its hash first."""

    __slots__ = ("_document", "_fixed", "_judge", "_parts", "_spec", "_status_check")

    def __init__(self, spec: GraphqlStep, rules: ExchangeRules, parts: Parts) -> None:
        super().__init__(rules)
        self._document = document_of(spec.text)
        varying = (parts.url, parts.variables, parts.auth, *(value for _, value in parts.headers))
        self._fixed = all(part is None or part.fixed for part in varying)
        self._parts = parts
        self._judge = PLAIN if spec.errors in (None, ErrorsExpected.NONE) else TOLERANT
        self._spec = spec
        statuses = spec.expect.status
        self._status_check = None if statuses is None else f"{spec.name}: status is {status_text(statuses)}"

    async def send(self, scope: Iteration) -> Response:
        user = scope.user
        kept = user.ledger.requests
        # drawn once, so that a query that has to be sent in full goes with the variables its hash went with
        variables = None if self._fixed else self._parts.variables.render(scope)
        request = kept.get((self, 0)) or self._prepare(scope, 0, variables)
        response = await user.http.send(request)
        if self._spec.persisted and asks_for_more(response):
            request = kept.get((self, 1)) or self._prepare(scope, 1, variables)
            response = await user.http.send(request)
        return response

    def reply(self, user: User, came: Response) -> Reply:
        reply = HttpReply(came)
        if self._status_check is not None:
            held = came.status in (self._spec.expect.status or ())
            if not user.check(held, self._status_check):
                note(user, self._status_check, f"got {reply.summary}")
        return reply

    def _prepare(self, scope: Iteration, part: int, variables: Any) -> Request:
        """The request with the hash alone (part 0 of a persisted query) or with the text."""
        user, spec, parts = scope.user, self._spec, self._parts
        if self._fixed:
            variables = parts.variables.value
        made = bodies(self._document, variables, spec.operation, self._judge, persisted=spec.persisted)
        body, judge = next(islice(made, part, None))
        try:
            request = prepare(
                user.http,
                user.shared.http.graphql.path if parts.url is None else parts.url.render(scope),
                body,
                name=spec.name,
                judge=judge,
                headers={name: value.render(scope) for name, value in parts.headers},
                timeout=spec.timeout,
                auth=None if parts.auth is None else parts.auth.render(scope),
                expected=spec.expect.status,
            )
        except (ValueError, LookupError) as error:
            raise ValueError(f"step `{spec.name}`: {error}") from None
        if self._fixed:
            user.ledger.requests[self, part] = request
        return request


def with_errors_check(
    spec: GraphqlStep, rules: ExchangeRules, results: Callable[[Reply], Iterable[bytes]]
) -> ExchangeRules:
    """`rules` with the check of `errors: none` or `errors: some`, if there is one, of the `results` in a reply.

    A reply that is none of GraphQL's, or has no result, passes neither.
    """
    if spec.errors is None or spec.errors is ErrorsExpected.ANY:
        return rules
    wants = spec.errors is ErrorsExpected.SOME

    def wrong(reply: Reply, scope: Scope) -> str | None:
        try:
            faults = [PLAIN.fault(result) for result in results(reply)]
        except ValueError as error:
            return str(error)
        found = next((fault for fault in faults if fault is not None and fault.kind is ErrorKind.GRAPHQL), None)
        if found is not None:
            return None if wants else found.text
        if any(faults) or not faults:
            return f"no GraphQL reply, {reply.summary}"
        return f"got none, {reply.summary}" if wants else None

    check = Expectation(f"{spec.name}: {'has errors' if wants else 'no errors'}", wrong)
    return replace(rules, expectations=(check, *rules.expectations))
