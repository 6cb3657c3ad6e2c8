"""A real GraphQL server for tests: strawberry's execution behind the standard library's HTTP server, in a thread.

It knows batches (a list of operations) and persisted queries, and answers any GET with a short text.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import strawberry

SCHEMA_TEXT = """
type Query {
  users(limit: Int! = 2): [User!]!
  greeting(name: String!): String!
}
type Mutation { addUser(name: String!): User! }
type Subscription { userAdded(above: Int!): User! }
type User { id: ID! name: String! secret: String }
"""
"""The schema below, in GraphQL's schema language, with a subscription, which goes another way."""


logging.getLogger("strawberry.execution").disabled = True  # errors are what some tests are about


@strawberry.type
class User:
    id: strawberry.ID
    name: str

    @strawberry.field
    def secret(self) -> str | None:
        raise PermissionError("not for you")


@strawberry.type
class Query:
    @strawberry.field
    def users(self, limit: int = 2) -> list[User]:
        return [User(id=strawberry.ID(str(number)), name=f"user {number}") for number in range(1, limit + 1)]

    @strawberry.field
    def greeting(self, name: str) -> str:
        return f"hello {name}"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def add_user(self, name: str) -> User:
        return User(id=strawberry.ID("77"), name=name)


class GraphqlServer(ThreadingHTTPServer):
    """`seen` is every message as it came; `queries` are those known by their hash."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.schema = strawberry.Schema(Query, Mutation)
        self.queries: dict[str, str] = {}
        self.seen: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        self.seen.append(message)
        query = message.get("query")
        persisted = message.get("extensions", {}).get("persistedQuery")
        if persisted is not None:
            if query is None and (query := self.queries.get(persisted["sha256Hash"])) is None:
                code = {"code": "PERSISTED_QUERY_NOT_FOUND"}
                return {"errors": [{"message": "PersistedQueryNotFound", "extensions": code}]}
            assert sha256(query.encode()).hexdigest() == persisted["sha256Hash"]
            self.queries[persisted["sha256Hash"]] = query
        assert isinstance(query, str)
        result = self.schema.execute_sync(query, message.get("variables"), operation_name=message.get("operationName"))
        answer: dict[str, Any] = {"data": result.data}
        if result.errors:
            answer["errors"] = [error.formatted for error in result.errors]
        return answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: GraphqlServer

    def do_GET(self) -> None:
        self._say(b"plain", "text/plain")

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if isinstance(message, list):
            answer: Any = [self.server.answer(each) for each in message]
        else:
            answer = self.server.answer(message)
        self._say(json.dumps(answer).encode(), "application/json")

    def _say(self, body: bytes, kind: str) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: standard error belongs to the test."""


@contextmanager
def graphql_server() -> Iterator[GraphqlServer]:
    """A server that ends with the block."""
    server = GraphqlServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(10.0)
        server.server_close()
