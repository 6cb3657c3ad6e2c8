"""`/graphql` over HTTP (GraphQL over HTTP, draft of 2025): POST, batches, GET for queries; subscriptions by upgrade.

Statuses: a request that is no GraphQL request is 400. One that GraphQL refuses (it does not parse, does not fit the schema)
is 200, and 400 for clients that accept `application/graphql-response+json`, as the draft has it. All else is 200.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from graphql import OperationType

from loadgate.clock import Clock
from loadgate.target.faults import KINDS, Kind, Outcome
from loadgate.target.graphql.execution import (
    Ask,
    BadAsk,
    Executor,
    Refused,
    Result,
    injected_errors,
    read_ask,
    spoiled,
    with_truth,
)
from loadgate.target.graphql.schema import make_schema
from loadgate.target.graphql.subscription import SUBPROTOCOL, SubscriptionSession
from loadgate.target.http.connection import Site
from loadgate.target.http.query import parameters
from loadgate.target.http.reply import Reply, body_reply, error_reply
from loadgate.target.http.request import Request
from loadgate.target.http.routes import Call, Manner
from loadgate.target.tables import Tables
from loadgate.target.websocket.connection import WebSocket
from loadgate.target.websocket.handshake import handshake, offered, wants_websocket

MOST_BATCH: Final = 100
PATH: Final = "/graphql"
_JSON: Final = b"application/json"
_RESPONSE_JSON: Final = b"application/graphql-response+json"
_WARM_UP: Final = Ask("{ user(id: 1) { name posts { title comments { body } } } __schema { queryType { name } } }")


class GraphqlService:
    """One schema and its executor, for all ports that serve it."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._executor = Executor(make_schema(tables, clock))
        # whatever graphql-core does at its first execution is done before a port is open
        self._executor.execute(self._executor.prepare(_WARM_UP))

    def add_to(self, site: Site) -> None:
        """Serve `/graphql`, and `/graphql/ws` for clients that want an address of its own for subscriptions."""

        def switch(call: Call, transport: asyncio.Transport) -> None:
            spoken = SUBPROTOCOL in offered(call.request)
            WebSocket(site, transport, lambda socket: SubscriptionSession(socket, site, self._executor, spoken=spoken))

        kinds = KINDS["graphql"] - {Kind.CLOSE}
        manner = Manner("graphql", kinds, self._answer, switch)
        site.routes.add(PATH, manner, GET=self._get, POST=self._get)
        site.routes.add(f"{PATH}/ws", Manner("graphql", kinds, switch=switch), GET=_upgrade)

    def _get(self, call: Call) -> Reply:
        return self._answer(call, 0.0, None)

    def _answer(self, call: Call, delay: float, fault: Outcome | None) -> Reply:
        request = call.request
        if request.method == "GET" and wants_websocket(request):
            return _upgrade(call)
        try:
            value = _query_value(call.query) if request.method == "GET" else _body_value(request)
            if isinstance(value, list):
                if not 1 <= len(value) <= MOST_BATCH:
                    raise BadAsk(f"a batch has 1 to {MOST_BATCH} requests, not {len(value):,}")
                results = [self._result(read_ask(each), request.method, fault)[0] for each in value]
                body, refused = msgspec.json.encode([with_truth(each, delay, fault) for each in results]), False
            else:
                result, refused = self._result(read_ask(value), request.method, fault)
                body = msgspec.json.encode(with_truth(result, delay, fault))
        except BadAsk as bad:
            return _bad(400, str(bad))
        except _WrongMethod as wrong:
            return _bad(405, str(wrong), b"allow: POST\r\n")
        modern = any(
            "application/graphql-response+json" in value for name, value in request.headers if name == "accept"
        )
        return body_reply(400 if refused and modern else 200, body, _RESPONSE_JSON if modern else _JSON)

    def _result(self, ask: Ask, method: str, fault: Outcome | None) -> tuple[Result, bool]:
        """The result, and whether GraphQL refused the request."""
        if fault is not None and fault.kind is Kind.ERRORS:
            return injected_errors(), False
        try:
            operation = self._executor.prepare(ask)
        except Refused as refused:
            return refused.result, True
        if operation.kind is OperationType.SUBSCRIPTION:
            raise BadAsk(f"subscriptions need a WebSocket with the subprotocol {SUBPROTOCOL} at this path")
        if method == "GET" and operation.kind is not OperationType.QUERY:
            raise _WrongMethod("only queries may be sent by GET")
        result = self._executor.execute(operation)
        return spoiled(result, fault), "data" not in result


class _WrongMethod(Exception):
    pass


def _upgrade(call: Call) -> Reply:
    """A client that does not offer the subprotocol is let in and told by close code 4406, where its library looks."""
    return handshake(call.request, SUBPROTOCOL if SUBPROTOCOL in offered(call.request) else None)


def _body_value(request: Request) -> Any:
    kind = next((value for name, value in request.headers if name == "content-type"), "application/json")
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise BadAsk(f"content-type: expected application/json, got {kind[:100]}")
    try:
        return msgspec.json.decode(request.body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadAsk(f"the body is not JSON: {error}") from None


def _query_value(query: str) -> dict[str, Any]:
    """The request that the parameters of a GET stand for; `variables` and `extensions` are JSON."""
    fields: dict[str, Any] = {}
    for name, text in parameters(query):
        if name in ("variables", "extensions") and text:
            try:
                fields[name] = msgspec.json.decode(text)
            except (msgspec.DecodeError, RecursionError) as error:
                raise BadAsk(f"{name}: not JSON: {error}") from None
        elif name in ("query", "operationName") and text:
            fields[name] = text
    return fields


def _bad(status: int, message: str, fields: bytes = b"") -> Reply:
    return error_reply(status, message, fields)
