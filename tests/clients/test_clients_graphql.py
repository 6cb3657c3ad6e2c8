"""The GraphQL client: what counts as a failed exchange, whatever its status, and under which names."""

from __future__ import annotations

import gzip
import json
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import pytest

from loadgate.clients.base import ErrorKind
from loadgate.clients.graphql.client import GraphqlClient
from loadgate.clients.graphql.reply import BatchReply, GraphqlReply
from loadgate.clients.graphql.subscriber import Subscriber
from loadgate.clients.http import HttpClient, HttpStack, RequestDefaults
from loadgate.clients.websocket import WsStack
from loadgate.measure.recorder import Recorder
from tests.support.graphql_server import graphql_server
from tests.support.http_talk import Talk, talk
from tests.support.raw_server import RESET, SILENCE, Answer, RawServer, Received, chunked, in_turn, reply

USERS = "query Users($n: Int!) { users(limit: $n) { id name } }"
DATA = b'{"data": {"users": []}}'


def client_of(here: Talk, user: HttpClient, url: str) -> GraphqlClient:
    return GraphqlClient(user, url, Subscriber(lambda: WsStack(here.stack).client(user)))


class Seen:
    """What a talk left behind, read at its end."""

    def __init__(self, here: Talk) -> None:
        window = here.recorder.close_window(perf_counter())
        assert window is not None
        totals = [(here.recorder.describe(series), tally) for series, tally in here.recorder.totals().items()]
        self.metrics = {key.metric.name for key, _ in totals}
        counted: list[tuple[Any, Any]] = [
            (key.tags, tally) for key, tally in totals if key.metric.name == "graphql_reqs"
        ]
        self.steps = {tags["name"]: int(tally.total) for tags, tally in counted}
        self.endings = {tags.get("error") or f"status {tags['status']}": int(tally.total) for tags, tally in counted}
        failed: list[Any] = [tally for key, tally in totals if key.metric.name == "graphql_req_failed"]
        self.failed = sum(tally.passes for tally in failed), sum(tally.total for tally in failed)
        self.errors = here.errors()


def asked(
    answer: Callable[[Received], Answer] | Answer,
    ask: Callable[[GraphqlClient], Awaitable[Any]] = lambda user: user.query(USERS, {"n": 1}),
    **options: Any,
) -> tuple[Any, Seen, list[Received]]:
    """What `ask` gave, what was recorded, and what the server was sent."""

    async def main(here: Talk) -> tuple[Any, Seen, list[Received]]:
        async with RawServer(answer) as server:
            user = here.user()
            result = await ask(client_of(here, user, server.url + "/graphql"))
            user.close()
            return result, Seen(here), server.requests

    return talk(main, **options)


def body_of(request: Received) -> Any:
    return json.loads(request.body)


# -- what is sent


def test_an_operation_is_a_post_of_json_and_counts_as_graphql_only() -> None:
    got, seen, (request,) = asked([reply(DATA)])
    assert isinstance(got, GraphqlReply)
    assert (got.ok, got.status, got.data, got.errors, got.extensions) == (True, 200, {"users": []}, (), {})
    assert (got.error, got.error_text, got.json()) == (None, "", {"data": {"users": []}})
    assert got.timings.duration > 0.0
    assert (request.method, request.target) == ("POST", "/graphql")
    assert request.headers["content-type"] == "application/json"
    assert "application/json" in request.headers["accept"]
    assert body_of(request) == {"query": USERS, "operationName": "Users", "variables": {"n": 1}}
    assert (seen.steps, seen.failed) == ({"query Users": 1}, (0, 1))
    assert {"graphql_req_duration", "graphql_req_latency", "data_sent"} <= seen.metrics
    assert not any(name.startswith("http_") for name in seen.metrics)


@pytest.mark.parametrize(
    ("query", "options", "step"),
    [
        ("{ users { id } }", {}, "query users"),
        ("mutation Add { add { id } }", {}, "mutation Add"),
        ("# query No { a }\nquery { all: users(s: \"query Nor { a }\") { id } }", {}, "query users"),
        ("query A { a } query B { b }", {"operation": "B"}, "query B"),
        ("query A { a }", {"name": "home"}, "home"),
        ("this is no query", {}, "query"),
    ],
)  # fmt: skip
def test_steps_are_named_after_operations(query: str, options: dict[str, Any], step: str) -> None:
    _, seen, _ = asked([reply(DATA)], lambda user: user.query(query, **options))
    assert seen.steps == {step: 1}


def test_headers_cookies_credentials_and_tags_are_those_of_the_user() -> None:
    async def main(here: Talk) -> list[Received]:
        async with RawServer(in_turn([reply(DATA, "200 OK", "set-cookie: s=1")], [reply(DATA)])) as server:
            user = here.user()
            user.headers["x-user"] = "7"
            client = client_of(here, user, server.url + "/graphql")
            await client.query(USERS)
            await client.at(server.url + "/other").mutation(
                USERS, headers={"X-Own": "yes"}, auth="t0ken", tags={"a": "b"}
            )
            assert "a" not in user.tags
            return server.requests

    first, second = talk(main)
    assert first.connection == second.connection
    assert second.target == "/other"
    assert {"x-user": "7", "x-own": "yes", "cookie": "s=1", "authorization": "Bearer t0ken"}.items() <= (
        second.headers.items()
    )


def test_what_cannot_be_sent_raises() -> None:
    for variables in ({"n": object()}, {"n": {1, object()}}):
        with pytest.raises(ValueError, match="JSON"):
            asked([reply(DATA)], lambda user, given=variables: user.query(USERS, given))  # type: ignore[misc]
    with pytest.raises(ValueError, match="at least one"):
        asked([reply(DATA)], lambda user: user.batch([]))


# -- what comes back

ERRORS = (
    b'{"data": {"users": [{"id": "1", "secret": null}]}, '
    b'"errors": [{"message": "not for you", "path": ["users", 0, "secret"]}]}'
)


def test_a_reply_of_status_200_with_errors_is_a_failed_exchange() -> None:
    got, seen, _ = asked([reply(ERRORS)])
    assert (got.ok, got.status, got.error) == (False, 200, ErrorKind.GRAPHQL)
    assert got.error_text == "not for you (at users.0.secret)"
    assert got.data == {"users": [{"id": "1", "secret": None}]}
    assert got.errors[0]["message"] == "not for you"
    assert (seen.failed, seen.endings) == ((1, 1), {"graphql": 1})
    assert seen.errors == {"graphql": (1, "not for you (at users.0.secret)")}


def test_errors_that_are_allowed_are_no_failure() -> None:
    got, seen, _ = asked([reply(ERRORS)], lambda user: user.query(USERS, allow_errors=True))
    assert (got.ok, got.error, len(got.errors)) == (True, None, 1)
    assert (seen.failed, seen.errors) == ((0, 1), {})


@pytest.mark.parametrize(
    "body", [b'{"data": {"add": {"errors": ["taken"], "user": null}}}', b' {"errors": [], "data": {}}']
)
def test_errors_in_the_data_are_the_applications(body: bytes) -> None:
    got, seen, _ = asked([reply(body)])
    assert (got.ok, seen.failed) == (True, (0, 1))


@pytest.mark.parametrize(
    ("body", "ending", "text"),
    [
        (b"<html>ok</html>", "protocol", "is no GraphQL reply"),
        (b"", "protocol", "is empty"),
        (b"{}", "protocol", "neither data nor errors"),
        (b'{"data": null}', "protocol", "neither data nor errors"),
        (b'[{"data": {}}]', "protocol", "is no GraphQL reply"),
        (b'{"data": {"errors": "\xff', "protocol", "is no GraphQL reply"),
        (b'{"data":{"a":NaN}}', "protocol", "is no GraphQL reply: JSON is malformed"),
        (b'{"data":{"a":1}', "protocol", "is no GraphQL reply"),
        (b'{"errors": "all of it"}', "protocol", "is no GraphQL reply"),
        (b'{"errors": [{}, {}], "data": null}', "graphql", "an error without a message, and 1 more"),
    ],
)
def test_a_body_that_is_no_graphql_reply_is_a_failed_exchange(body: bytes, ending: str, text: str) -> None:
    got, seen, _ = asked([reply(body)])
    assert (got.ok, seen.failed, seen.endings) == (False, (1, 1), {ending: 1})
    assert text in seen.errors[ending][1]
    assert text in got.error_text
    assert got.data is None or isinstance(got.data, dict)


def test_an_error_page_counts_by_its_status_and_a_refusal_in_graphql_by_what_it_says() -> None:
    got, seen, _ = asked([reply(b"<h1>oops</h1>", "500 Internal Server Error")])
    assert (got.ok, got.status, got.error, seen.endings, seen.errors) == (False, 500, None, {"status 500": 1}, {})
    got, seen, _ = asked([reply(b'{"errors": [{"message": "bad query"}]}', "400 Bad Request")])
    assert (got.ok, got.status, got.error_text, seen.endings) == (False, 400, "bad query", {"graphql": 1})


def test_what_comes_the_long_way_is_judged_alike() -> None:
    for whole in (
        chunked(ERRORS),
        reply(gzip.compress(ERRORS), "200 OK", "content-encoding: gzip"),
        reply(ERRORS, "200 OK", "set-cookie: a=b"),
    ):
        for pieces in ([whole], [whole[at : at + 50] for at in range(0, len(whole), 50)]):
            got, seen, _ = asked(pieces)
            assert (got.ok, seen.failed, seen.endings) == (False, (1, 1), {"graphql": 1})
            assert got.data["users"][0]["id"] == "1"
    got, seen, _ = asked([reply(gzip.compress(DATA), "200 OK", "content-encoding: gzip")])
    assert (got.ok, got.data, seen.failed) == (True, {"users": []}, (0, 1))
    got, seen, _ = asked([reply(b"no gzip at all", "200 OK", "content-encoding: gzip")])
    assert (got.ok, got.data, seen.endings, seen.errors["protocol"][0]) == (False, None, {"protocol": 1}, 1)


def test_a_huge_reply_is_judged_by_its_outermost_level() -> None:
    rows = b",".join(b'{"id": "%d", "name": "user"}' % number for number in range(200_000))
    got, seen, _ = asked([reply(b'{"data": {"users": [' + rows + b"]}}")])
    assert (got.ok, len(got.data["users"]), seen.failed) == (True, 200_000, (0, 1))
    got, seen, _ = asked([reply(b'{"data": {"users": [' + rows + b']}, "errors": [{"message": "late"}]}')])
    assert (got.ok, got.error_text, seen.failed) == (False, "late", (1, 1))


def test_no_reply_at_all_is_told_as_for_http() -> None:
    got, seen, _ = asked([RESET])
    assert (got.ok, got.status, got.error, got.data, got.errors) == (False, 0, ErrorKind.RESET, None, ())
    assert (seen.failed, seen.endings) == ((1, 1), {"reset": 1})
    got, seen, _ = asked([SILENCE], lambda user: user.query(USERS, timeout=0.05))
    assert (got.error, seen.endings) == (ErrorKind.TIMEOUT, {"timeout": 1})


def test_connections_leave_nothing_behind_that_nobody_takes() -> None:
    """Only HTTP has metrics for connecting; for others its times would be kept for ever."""

    async def main(here: Talk) -> int:
        async with RawServer([reply(DATA, "200 OK", "connection: close")]) as server:
            client = client_of(here, here.user(), server.url)
            for _ in range(5):
                await client.query(USERS)
            here.recorder.close_window(perf_counter())
            return len(here.recorder._exchanges.part())

    assert talk(main) == 0


# -- persisted queries and batches, with a server that executes


def served(ask: Callable[[GraphqlClient], Awaitable[Any]]) -> tuple[Any, Seen, list[dict[str, Any]]]:
    """As `asked`, of strawberry: what it was sent are GraphQL messages."""
    with graphql_server() as server:

        async def main(here: Talk) -> tuple[Any, Seen]:
            user = here.user()
            result = await ask(client_of(here, user, server.url + "/graphql"))
            user.close()
            return result, Seen(here)

        got, seen = talk(main)
        return got, seen, server.seen


def test_a_query_is_executed() -> None:
    got, seen, _ = served(lambda user: user.query(USERS, {"n": 1}))
    assert (got.ok, got.data) == (True, {"users": [{"id": "1", "name": "user 1"}]})
    got, seen, _ = served(lambda user: user.query("{ users(limit: 1) { id secret } }"))
    assert (got.ok, got.data["users"][0]["id"], got.error_text) == (False, "1", "not for you (at users.0.secret)")
    got, seen, _ = served(lambda user: user.query("{ usrs { id } }"))
    assert (got.ok, got.data, seen.endings) == (False, None, {"graphql": 1})
    assert "Did you mean 'users'?" in got.error_text


def test_a_persisted_query_goes_by_its_hash_and_in_full_once() -> None:
    async def twice(user: GraphqlClient) -> list[GraphqlReply]:
        return [await user.query(USERS, {"n": number}, persisted=True) for number in (1, 2)]

    (first, second), seen, sent = served(twice)
    assert (first.ok, len(first.data["users"]), second.ok, len(second.data["users"])) == (True, 1, True, 2)
    assert ["query" in message for message in sent] == [False, True, False]
    assert [message["variables"]["n"] for message in sent] == [1, 1, 2]
    assert (seen.steps, seen.failed, seen.errors) == ({"query Users": 3}, (0, 3), {})


def test_a_server_without_persisted_queries_is_not_asked_twice() -> None:
    refusal = {
        "errors": [{"message": "PersistedQueryNotSupported", "extensions": {"code": "PERSISTED_QUERY_NOT_SUPPORTED"}}]
    }
    got, seen, requests = asked([reply(json.dumps(refusal).encode())], lambda user: user.query(USERS, persisted=True))
    assert (got.ok, got.error_text, len(requests)) == (False, "PersistedQueryNotSupported", 1)
    assert seen.failed == (1, 1)


def test_a_batch_is_one_exchange_and_fails_with_one_of_its_operations() -> None:
    second = {"query": "query Hello($name: String!) { greeting(name: $name) }", "variables": {"name": "Ann"}}
    got, seen, sent = served(lambda user: user.batch(["query Two { users { id } }", second]))
    assert isinstance(got, BatchReply)
    assert (got.ok, got.results[1]["data"], len(sent)) == (True, {"greeting": "hello Ann"}, 2)
    assert (seen.steps, seen.failed) == ({"batch: Two, Hello": 1}, (0, 1))
    got, seen, _ = served(lambda user: user.batch([second, "{ users { secret } }"]))
    assert (got.ok, got.error, seen.failed) == (False, ErrorKind.GRAPHQL, (1, 1))
    assert got.error_text.startswith("operation 2 of 2: not for you")
    for body in (b'[{"data": {}}]', b'{"data": {}}'):
        got, seen, _ = asked([reply(body)], lambda user: user.batch([USERS, USERS]))
        assert (got.ok, got.error, seen.endings) == (False, ErrorKind.PROTOCOL, {"protocol": 1})
    got, seen, _ = asked([reply(b'{"errors": [{"message": "no batches"}]}')], lambda user: user.batch([USERS, USERS]))
    assert (got.ok, got.error_text, got.results) == (False, "no batches", ())


def test_users_who_ask_no_query_have_no_client() -> None:
    from loadgate.clock import SystemClock
    from loadgate.script.performance import Performance
    from loadgate.script.scenario import Scenario, Script
    from loadgate.script.user import User

    async def nothing(user: User) -> None:
        """Idle."""

    async def main(here: Talk) -> None:
        http = HttpStack(Recorder(start=0.0), RequestDefaults(base="http://127.0.0.1:1"))
        clock = SystemClock()
        script = Script("load.py", (Scenario("idle", nothing),))
        user = Performance(script, recorder=http.recorder, http=http, clock=clock, env={}, seed=1).role().user(1)
        assert user._graphql is None
        assert user.graphql is user.graphql
        clock.close()

    talk(main)
