"""Subscriptions over `graphql-transport-ws`, with the client of `websockets`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.target.raw import ask
from tests.target.serving import certain, serving

TICKS = "subscription { ticks(count: 3, everyMs: 1) { number } }"


class Client:
    """One connection that has been acknowledged."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def send(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def subscribe(self, id: str, query: str, **more: Any) -> None:
        self.send(id=id, type="subscribe", payload={"query": query, **more})

    def receive(self) -> Any:
        return json.loads(self.socket.recv(5))

    def closed(self) -> int | None:
        """The code the server closes with, None for an end without one."""
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                self.socket.recv(5)
        return None if caught.value.rcvd is None else caught.value.rcvd.code


@contextmanager
def dialled(url: str, subprotocol: str = "graphql-transport-ws") -> Iterator[Client]:
    with connect(url, subprotocols=[Subprotocol(subprotocol)], close_timeout=5, proxy=None) as socket:
        yield Client(socket)


@contextmanager
def acknowledged(url: str) -> Iterator[Client]:
    with dialled(url) as client:
        client.send(type="connection_init", payload={"token": "any"})
        assert client.receive() == {"type": "connection_ack"}
        yield client


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with serving() as urls:
        yield urls


def test_events_come_in_order_and_then_the_end(urls: dict[str, str]) -> None:
    base = urls["graphql-ws"].removesuffix("/graphql")
    http = urls["http"].replace("http", "ws")
    for url in (f"{base}/graphql", f"{base}/graphql/ws", f"{http}/graphql", f"{http}/graphql/ws"):
        with acknowledged(url) as client:
            client.subscribe("a", TICKS)
            assert [client.receive() for _ in range(3)] == [
                {"type": "next", "id": "a", "payload": {"data": {"ticks": {"number": n}}}} for n in (1, 2, 3)
            ]
            assert client.receive() == {"type": "complete", "id": "a"}


def test_ticks_keep_their_interval_and_many_run_at_once(urls: dict[str, str]) -> None:
    with acknowledged(urls["graphql-ws"]) as client:
        start = time.perf_counter()
        for n in range(20):
            client.subscribe(
                str(n), "subscription T($n: Int) { ticks(count: $n, everyMs: 20) { number } }", variables={"n": 3}
            )
        messages = [client.receive() for _ in range(80)]
        assert time.perf_counter() - start >= 0.04
        assert sum(each["type"] == "complete" for each in messages) == 20


def test_queries_and_mutations_are_answered_once(urls: dict[str, str]) -> None:
    with acknowledged(urls["graphql-ws"]) as client:
        client.subscribe("q", "query Q($id: ID!) { user(id: $id) { id } }", variables={"id": 3}, operationName="Q")
        assert client.receive()["payload"] == {"data": {"user": {"id": "3"}}}
        assert client.receive() == {"type": "complete", "id": "q"}


def test_comments_are_told_whoever_creates_them(urls: dict[str, str]) -> None:
    with acknowledged(urls["graphql-ws"]) as all_, acknowledged(urls["graphql-ws"]) as some:
        all_.subscribe("c", "subscription { commentAdded { postId body } }")
        some.subscribe("c", "subscription { commentAdded(postId: 2) { body post { id } } }")
        for client in (all_, some):  # an answer to something later says that both are subscribed
            client.subscribe("q", "{ user(id: 1) { id } }")
            assert client.receive()["id"] == "q" and client.receive()["type"] == "complete"
        ask(urls["http"], "POST /comments", b'{"postId": 1, "body": "one"}')
        text = b'{"query": "mutation { createComment(postId: 2, body: \\"two\\") { id } }"}'
        assert ask(urls["graphql"], "POST /graphql", text).status == 200
        assert all_.receive()["payload"]["data"]["commentAdded"] == {"postId": "1", "body": "one"}
        assert all_.receive()["payload"]["data"]["commentAdded"] == {"postId": "2", "body": "two"}
        assert some.receive()["payload"]["data"]["commentAdded"] == {"body": "two", "post": {"id": "2"}}


def test_a_client_may_end_a_subscription_and_use_its_id_again(urls: dict[str, str]) -> None:
    with acknowledged(urls["graphql-ws"]) as client:
        client.subscribe("a", "subscription { ticks(count: 1000000, everyMs: 0) { number } }")
        assert client.receive()["type"] == "next"
        client.send(id="a", type="complete")
        client.send(type="ping", payload={"n": 1})
        while (message := client.receive())["type"] == "next":
            pass
        assert message == {"type": "pong", "payload": {"n": 1}}
        client.subscribe("a", TICKS)
        assert client.receive()["payload"] == {"data": {"ticks": {"number": 1}}}


@pytest.mark.parametrize(
    "query", ["subscription { tick }", "subscription {", "subscription { ticks(count: -1) { number } }"]
)
def test_a_subscription_that_cannot_be_is_an_error_of_its_own(urls: dict[str, str], query: str) -> None:
    with acknowledged(urls["graphql-ws"]) as client:
        client.subscribe("bad", query)
        message = client.receive()
        assert (message["type"], message["id"]) == ("error", "bad") and message["payload"][0]["message"]
        client.subscribe("good", TICKS)
        assert client.receive()["type"] == "next"


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([{"type": "subscribe", "id": "a", "payload": {"query": TICKS}}], 4401),
        ([{"type": "connection_init"}, {"type": "connection_init"}], 4429),
        ([{"type": "begin"}], 4400),
        ([[]], 4400),
        ([{"type": "connection_init"}, {"type": "subscribe", "payload": {"query": TICKS}}], 4400),
        ([{"type": "connection_init"}, {"type": "subscribe", "id": "a", "payload": {}}], 4400),
        ([{"type": "connection_init"}, *[{"type": "subscribe", "id": "a", "payload": {"query": TICKS}}] * 2], 4409),
    ],
)
def test_what_breaks_the_protocol_closes_with_its_code(urls: dict[str, str], messages: list[Any], code: int) -> None:
    with dialled(urls["graphql-ws"]) as client:
        for message in messages:
            client.socket.send(json.dumps(message))
        assert client.closed() == code


def test_a_client_that_does_not_speak_the_protocol_is_told_so(urls: dict[str, str]) -> None:
    with connect(urls["graphql-ws"], proxy=None) as socket:
        assert Client(socket).closed() == 4406
    with acknowledged(urls["graphql-ws"]) as client:
        client.socket.send(b"bytes")
        assert client.closed() == 4400


@pytest.mark.parametrize(
    ("chaos", "code"), [(certain("close", codes=[4500]), 4500), (certain("reset"), None), (certain("partial"), None)]
)
def test_faults_that_end_the_connection(chaos: dict[str, Any], code: int | None) -> None:
    with serving(chaos) as urls, acknowledged(urls["graphql-ws"]) as client:
        client.subscribe("a", TICKS)
        assert client.closed() == code


def test_faults_of_one_operation() -> None:
    with serving(certain("timeout")) as urls, acknowledged(urls["graphql-ws"]) as client:
        client.subscribe("a", TICKS)
        client.send(type="ping")
        assert client.receive() == {"type": "pong"}
        ask(urls["http"], "DELETE /api/chaos/config")
        ask(urls["http"], "POST /api/chaos/disable")
        client.subscribe("b", TICKS)
        assert client.receive()["id"] == "b"
    with serving(certain("errors")) as urls, acknowledged(urls["graphql-ws"]) as client:
        client.subscribe("a", TICKS)
        message = client.receive()
        assert message["type"] == "error" and message["payload"][0]["message"] == "injected fault"
    with serving(certain("field")) as urls, acknowledged(urls["graphql-ws"]) as client:
        client.subscribe("a", TICKS)
        payload = client.receive()["payload"]
        assert payload["data"] == {"ticks": None} and payload["errors"][0]["path"] == ["ticks"]
        assert payload["extensions"] == {"loadgate": {"fault": "field"}}


def test_the_first_event_is_held_back_and_says_so() -> None:
    with serving({"latency": {"shape": "fixed", "ms": 30}}) as urls, acknowledged(urls["graphql-ws"]) as client:
        start = time.perf_counter()
        client.subscribe("a", TICKS)
        assert client.receive()["payload"]["extensions"] == {"loadgate": {"delay_ms": 30.0}}
        assert time.perf_counter() - start >= 0.03
        assert "extensions" not in client.receive()["payload"]
