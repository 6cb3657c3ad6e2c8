"""A declarative GraphQL step at work. One in which nothing varies is encoded once for each set of tags."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from loadgate.clients.base import ErrorKind
from loadgate.clients.graphql.client import PLAIN, TOLERANT, asks_for_more, bodies, prepare
from loadgate.config.operations import document_of
from loadgate.config.steps import GraphqlStep
from loadgate.config.steps.graphql import ErrorsExpected
from loadgate.errors import Problem
from loadgate.script.exchange import ExchangeRules, ExchangeRun, Iteration, note
from loadgate.script.expression import Scope
from loadgate.script.reply import Expectation, HttpReply, Reply, status_text
from loadgate.script.request import compile_auth, compile_headers
from loadgate.script.template import Compiled, TemplateCompiler

if TYPE_CHECKING:
    from loadgate.clients.http.request import Request
    from loadgate.clients.http.response import Response
    from loadgate.script.user import User


def compile_graphql(
    spec: GraphqlStep, rules: ExchangeRules, compiler: TemplateCompiler, problems: list[Problem]
) -> GraphqlRun:
    """The step of `spec`; what is wrong with its templates goes into `problems`."""
    if spec.errors is not None and spec.errors is not ErrorsExpected.ANY:
        rules = replace(rules, expectations=(_errors(spec.name, spec.errors), *rules.expectations))
    return GraphqlRun(
        spec,
        rules,
        url=None if spec.at is None else compiler.url(spec.at),
        variables=compiler.json(dict(spec.variables)),
        headers=compile_headers(spec.headers, compiler, problems),
        auth=compile_auth(spec, compiler),
    )


class GraphqlRun(ExchangeRun["Response"]):
    """Sends one operation; if it is persisted, its hash first."""

    __slots__ = ("_auth", "_document", "_fixed", "_headers", "_judge", "_spec", "_status_check", "_url", "_variables")

    def __init__(
        self,
        spec: GraphqlStep,
        rules: ExchangeRules,
        *,
        url: Compiled | None,
        variables: Compiled,
        headers: tuple[tuple[str, Compiled], ...],
        auth: Compiled | None,
    ) -> None:
        super().__init__(rules)
        self._auth = auth
        self._document = document_of(spec.text)
        parts = (url, variables, auth, *(value for _, value in headers))
        self._fixed = all(part is None or part.fixed for part in parts)
        self._headers = headers
        self._judge = PLAIN if spec.errors in (None, ErrorsExpected.NONE) else TOLERANT
        self._spec = spec
        statuses = spec.expect.status
        self._status_check = None if statuses is None else f"{spec.name}: status is {status_text(statuses)}"
        self._url = url
        self._variables = variables

    async def send(self, scope: Iteration) -> Response:
        user = scope.user
        kept = user.ledger.requests
        # drawn once, so that a query that has to be sent in full goes with the variables its hash went with
        variables = None if self._fixed else self._variables.render(scope)
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
        user, spec = scope.user, self._spec
        if self._fixed:
            variables = self._variables.value
        parts = bodies(self._document, variables, spec.operation, self._judge, persisted=spec.persisted)
        body, judge = next(islice(parts, part, None))
        try:
            request = prepare(
                user.http,
                user.shared.http.graphql.path if self._url is None else self._url.render(scope),
                body,
                name=spec.name,
                judge=judge,
                headers={name: value.render(scope) for name, value in self._headers},
                timeout=spec.timeout,
                auth=None if self._auth is None else self._auth.render(scope),
                expected=spec.expect.status,
            )
        except (ValueError, LookupError) as error:
            raise ValueError(f"step `{spec.name}`: {error}") from None
        if self._fixed:
            user.ledger.requests[self, part] = request
        return request


def _errors(step: str, expected: ErrorsExpected) -> Expectation:
    """The check of `errors: none` or `errors: some`. A reply that is none of GraphQL's passes neither."""
    wants = expected is ErrorsExpected.SOME

    def wrong(reply: Reply, scope: Scope) -> str | None:
        try:
            fault = PLAIN.fault(reply.body())
        except ValueError as error:
            return str(error)
        if fault is None:
            return f"got none, {reply.summary}" if wants else None
        if fault.kind is ErrorKind.GRAPHQL:
            return None if wants else fault.text
        return f"no GraphQL reply, {reply.summary}"

    return Expectation(f"{step}: {'has errors' if wants else 'no errors'}", wrong)
