"""What a scenario holds as `user.graphql`: operations sent over the user's own HTTP connections, with its cookies.

An operation is a POST of JSON (GraphQL over HTTP, section 5), a subscription a message over WebSocket. Both count for
`graphql_reqs` and its kin, not for those of what carries them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import json as codec

from loadgate.clients.graphql.judge import BatchJudge, GraphqlJudge, is_miss
from loadgate.clients.graphql.reply import BatchReply, GraphqlReply
from loadgate.clients.graphql.subscriber import Subscriber, key_of
from loadgate.clients.http.client import HttpClient
from loadgate.clients.http.request import Auth, Request, checked_timeout
from loadgate.clients.http.response import Response
from loadgate.clients.http.step import Judge
from loadgate.config.operations import Document, document_of

if TYPE_CHECKING:
    from loadgate.clients.graphql.subscription import Subscription

JSON: Final = "application/json"
ACCEPT: Final = "application/graphql-response+json, application/json"
"""What a client should accept (GraphQL over HTTP, section 5.1)."""

PLAIN: Final = GraphqlJudge()
TOLERANT: Final = GraphqlJudge(errors=True)
_HASHED: Final = {PLAIN: GraphqlJudge(hashed=True), TOLERANT: GraphqlJudge(errors=True, hashed=True)}

Operation = str | Mapping[str, Any]
"""One operation of a batch: its text, or a mapping with `query` and, where needed, `variables` and `operation`."""


class GraphqlClient:
    """Queries of one user. Nothing that goes wrong with an exchange raises: the reply then says so (`ok`, `error`).

    Raises ValueError for what cannot be sent at all: variables that are no JSON, a broken header, no target URL.
    """

    __slots__ = ("_http", "_subscriber", "_subscriptions", "_url")

    def __init__(self, http: HttpClient, url: str, subscriber: Subscriber, subscriptions: str | None = None) -> None:
        self._http = http
        self._subscriber = subscriber
        self._subscriptions = subscriptions or url
        self._url = url

    def at(self, url: str) -> GraphqlClient:
        """The same user's client of another endpoint: a path on the target, or a whole URL."""
        return GraphqlClient(self._http, url, self._subscriber)

    async def query(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        operation: str | None = None,
        name: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        persisted: bool = False,
        auth: Auth | None = None,
        tags: Mapping[str, str] | None = None,
        expect: Collection[int] | int | None = None,
        allow_errors: bool = False,
    ) -> GraphqlReply:
        """Send a query or a mutation, and wait for its reply.

        `operation` says which one is meant where the text holds several. `name` is the step it counts for; without it that is
        the operation's kind and name, or its first field. `persisted`: the hash goes first, and the text only where the
        server does not know it yet (Apollo, "Automatic persisted queries"); both exchanges count, and not knowing is no
        failure. `allow_errors`: the reply may hold errors without having failed. Others as in `user.http.request`.
        """
        document = document_of(query)
        if document.kind(operation) == "subscription":
            raise ValueError("a subscription has no single reply: `async with user.graphql.subscribe(...)` takes it")
        judge = TOLERANT if allow_errors else PLAIN
        expected = frozenset((expect,)) if isinstance(expect, int) else frozenset(expect) if expect else None
        http = self._http
        context = http.stack.context({**http.context.tags, **tags}) if tags else http.context
        if name is None:
            name = document.step_name(operation)
        for body, each in bodies(document, variables, operation, judge, persisted=persisted):
            outer, http.context = http.context, context
            try:
                request = prepare(
                    http,
                    self._url,
                    body,
                    name=name,
                    judge=each,
                    headers=headers,
                    timeout=timeout,
                    auth=auth,
                    expected=expected,
                )
            finally:
                http.context = outer
            response = await http.send(request)
            if not (each.hashed and asks_for_more(response)):
                break
        return GraphqlReply(response, judge)

    mutation = execute = query

    def subscribe(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        operation: str | None = None,
        name: str | None = None,
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        connection_payload: Mapping[str, Any] | None = None,
        auth: Auth | None = None,
        tags: Mapping[str, str] | None = None,
        allow_errors: bool = False,
    ) -> Subscription:
        """A subscription, begun by `async with` and stopped at the end of its block.

        It goes over WebSocket (`graphql-transport-ws`): over the connection that the user has to `url` with these `headers`,
        `auth` and `connection_payload`, or over a new one. `url` is a path on the target or absolute, with the scheme ws, wss,
        http or https; without it, the endpoint. `connection_payload` is what the server wants to know before it acknowledges
        the connection, mostly a token. `timeout` is in seconds, over the opening of the connection, and again for each event
        that `next` waits for. Others as in `query`.
        """
        from loadgate.clients.graphql.step import SubscriptionStep  # most users subscribe to nothing
        from loadgate.clients.graphql.subscription import Subscription

        document = document_of(query)
        payload = _encoded(_message(document, variables, operation)).decode()
        key = key_of(url or self._subscriptions, headers, auth, connection_payload)
        ws = self._subscriber.ws
        self._subscriber.socket(key, timeout)  # so that what cannot be sent is said here
        ws.settle()
        http = self._http
        context = http.stack.context({**http.context.tags, **tags}) if tags else http.context
        return Subscription(
            ws,
            lambda: self._subscriber.socket(key, timeout),
            ws.stack.step(context, document.step_name(operation) if name is None else name, SubscriptionStep),
            payload,
            TOLERANT if allow_errors else PLAIN,
            ws.stack.builder.timeout if timeout is None else checked_timeout(timeout),
        )

    async def batch(
        self,
        operations: Sequence[Operation],
        *,
        name: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        auth: Auth | None = None,
    ) -> BatchReply:
        """Send several operations in one exchange, as a list. Raises ValueError for an empty one.

        Without `name` the step is called after all of them: `batch: Users, Posts`.
        """
        if not operations:
            raise ValueError("a batch needs at least one operation")
        parts: list[dict[str, Any]] = []
        names: list[str] = []
        for each in operations:
            given: dict[str, Any] = {"query": each} if isinstance(each, str) else dict(each)
            query: Any = given.pop("query", None)
            variables: Any = given.pop("variables", None)
            operation: Any = given.pop("operation", None)
            if given or not isinstance(query, str):
                raise ValueError("an operation of a batch is a text, or a mapping with query, variables and operation")
            document = document_of(query)
            parts.append(_message(document, variables, operation))
            names.append(document.step_name(operation).partition(" ")[2] or "query")
        judge = BatchJudge(len(parts))
        request = prepare(
            self._http,
            self._url,
            _encoded(parts),
            name=name if name is not None else f"batch: {', '.join(names)}",
            judge=judge,
            headers=headers,
            timeout=timeout,
            auth=auth,
        )
        return BatchReply(await self._http.send(request), judge)


def bodies(
    document: Document,
    variables: Mapping[str, Any] | None,
    operation: str | None,
    judge: GraphqlJudge,
    *,
    persisted: bool,
) -> Iterator[tuple[bytes, GraphqlJudge]]:
    """What is sent for an operation, and how the reply is judged: `persisted`, first the hash and, if need be, all of it.

    Raises ValueError for variables that are no JSON.
    """
    message = _message(document, variables, operation)
    if not persisted:
        yield _encoded(message), judge
        return
    message["extensions"] = {"persistedQuery": {"version": 1, "sha256Hash": document.hash}}
    short = {key: value for key, value in message.items() if key != "query"}
    yield _encoded(short), _HASHED[judge]
    yield _encoded(message), judge


def prepare(
    http: HttpClient,
    url: str,
    body: bytes,
    *,
    name: str,
    judge: Judge,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    auth: Auth | None = None,
    expected: frozenset[int] | None = None,
) -> Request:
    """The request that carries `body`, under the present tags of `http`. Raises ValueError for what cannot be sent."""
    return http.prepare(
        "POST",
        url,
        headers={"accept": ACCEPT, **(headers or {})},
        body=body,
        content_type=JSON,
        name=name,
        expected=expected,
        auth=auth,
        timeout=timeout,
        judge=judge,
    )


def asks_for_more(response: Response) -> bool:
    """Whether the server does not know the query whose hash it was sent."""
    try:
        return response.error is None and is_miss(response.body)
    except ValueError:
        return False


def _message(document: Document, variables: Mapping[str, Any] | None, operation: str | None) -> dict[str, Any]:
    message: dict[str, Any] = {"query": document.text}
    if operation is None and len(document.operations) == 1:
        operation = document.operations[0].name or None
    if operation is not None:
        message["operationName"] = operation
    if variables:
        message["variables"] = variables
    return message


def _encoded(message: object) -> bytes:
    try:
        return codec.encode(message)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"variables cannot be written as JSON: {error}") from None
