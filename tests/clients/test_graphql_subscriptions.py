"""Subscriptions against real servers, strawberry's and the embedded target: what scenarios do, and what is counted of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import pytest

from loadgate.clients.base import ErrorKind
from loadgate.clients.graphql.client import GraphqlClient
from tests.support.subscriptions import Served, client_of, subscribing
from tests.support.ws_talk import WsTalk, ws_talk
from tests.target.serving import certain, serving

COUNT = "subscription Count($to: Int!) { count(to: $to) }"
ENDLESS = "subscription Endless { count(to: 1000000, everyMs: 1) }"


@pytest.fixture(scope="module")
def target() -> Iterator[dict[str, str]]:
    with serving() as urls:
        yield urls


def test_events_come_in_order_and_the_end_behind_them() -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: Served) -> None:
        async with user.subscribe(COUNT, {"to": 3}) as subscription:
            events = [event async for event in subscription]
            assert [event.data for event in events] == [{"count": 1}, {"count": 2}, {"count": 3}]
            assert all(event.ok and not event.last and event.error is None for event in events)
            end = await subscription.next()
            assert (end.ok, end.last, end.error, end.data) == (False, True, None, None)
            assert end.error_text == "completed by the server"
            assert (subscription.error, subscription.events) == (None, 3)
        assert here.counts("graphql_reqs") == {"101": 1}
        assert (here.total("graphql_subscriptions"), here.total("graphql_events")) == (1, 3)
        assert (here.samples("graphql_event_gap"), here.samples("graphql_connection_init")) == (2, 1)
        assert (here.total("ws_sessions"), here.total("ws_messages"), here.errors()) == (1, 0, {})
        assert server.types == ["connection_init", "subscribe"]
        (tags,) = [tags for tags, _ in here.talk._tallies("graphql_req_duration")]
        assert (tags["name"], tags["scenario"], tags["proto"]) == ("subscription Count", "s", "websocket")

    subscribing(main)


def test_all_subscriptions_of_a_user_share_a_connection_even_those_that_open_it() -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: Served) -> None:
        async def one(to: int) -> list[int]:
            async with user.subscribe(COUNT, {"to": to}, name="one") as subscription:
                return [event.data["count"] async for event in subscription]

        assert await asyncio.gather(*map(one, range(1, 21))) == [list(range(1, to + 1)) for to in range(1, 21)]
        assert await one(2) == [1, 2]
        assert (len(server.peers), here.total("ws_sessions"), here.samples("graphql_connection_init")) == (1, 1, 1)
        assert (here.counts("graphql_reqs"), here.total("graphql_events")) == ({"101": 21}, 212)
        other = client_of(here.user(), server.url)
        async with other.subscribe(COUNT, {"to": 1}) as subscription:
            assert (await subscription.next()).data == {"count": 1}
        assert len(server.peers) == 2

    subscribing(main)


def test_a_subscription_is_stopped_at_the_end_of_its_block_and_the_connection_stays() -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: Served) -> None:
        for number in (1, 2):
            async with user.subscribe(ENDLESS) as subscription:
                assert (await subscription.next()).data == {"count": 1}
            await server.until(lambda number=number: server.stopped == number)  # type: ignore[misc]
            stopped = await subscription.next()
            while not stopped.last:  # what came before the stop can still be read
                stopped = await subscription.next()
            assert (stopped.ok, stopped.error, stopped.error_text) == (False, None, "stopped by the scenario")
        async with user.subscribe("subscription { silence }"):
            pass
        await server.until(lambda: server.types.count("complete") == 3)
        assert len(server.peers) == 1
        assert (here.counts("graphql_reqs"), here.total("graphql_subscriptions"), here.errors()) == ({"101": 2}, 3, {})

    subscribing(main)


def test_payload_headers_and_credentials_open_the_connection_and_tell_it_from_others() -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: Served) -> None:
        given: list[dict[str, Any]] = [
            {},
            {"connection_payload": {"token": "a"}},
            {"connection_payload": {"token": "a"}, "headers": {"x-own": "b"}},
            {"connection_payload": {"token": "a"}, "auth": "bearer"},
        ]
        for options in [*given, *given]:
            async with user.subscribe(COUNT, {"to": 1}, **options) as subscription:
                assert (await subscription.next()).ok
        assert server.tokens == [None, "a", "a", "a"]
        requests = [peer.request for peer in server.peers]
        assert [request.headers.get("x-own") for request in requests if request] == [None, None, "b", None]
        assert [request.headers.get("authorization") for request in requests if request][3] == "Bearer bearer"

    subscribing(main)


def test_connections_that_are_not_used_any_more_are_closed_when_there_are_many() -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: Served) -> None:
        async with user.subscribe("subscription { silence }") as kept:
            for number in range(12):
                payload = {"token": f"t{number}"}
                async with user.subscribe(COUNT, {"to": 1}, connection_payload=payload) as subscription:
                    assert (await subscription.next()).ok
            assert len(here._users[0]._sessions) == 8
            async with user.subscribe(COUNT, {"to": 1}) as other:  # over the first one, which is in use
                assert (await other.next()).ok
        assert (len(server.peers), kept.error) == (13, None)
        assert (here.counts("graphql_reqs"), here.errors()) == ({"101": 13}, {})

    subscribing(main)


def test_a_connection_that_is_refused_says_what_the_code_means() -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: Served) -> None:
        async with user.subscribe(COUNT, {"to": 1}, connection_payload={"token": "wrong"}) as subscription:
            event = await subscription.next()
            assert (event.ok, event.last, event.error) == (False, True, ErrorKind.RESET)
            assert [each.error async for each in subscription] == [ErrorKind.RESET]
        assert subscription.error_text == event.error_text
        assert event.error_text.startswith("closed 4403 by the server: Forbidden (it refuses the connection; ")
        assert here.counts("graphql_reqs") == {"reset": 1}
        assert here.errors() == {"reset": (1, event.error_text)}
        assert (here.total("graphql_subscriptions"), here.total("ws_messages")) == (0, 0)
        async with user.subscribe(COUNT, {"to": 1}) as subscription:  # with another payload
            assert (await subscription.next()).ok

    subscribing(main)


@pytest.mark.parametrize("allowed", [False, True])
def test_an_event_with_errors_is_a_failure_unless_they_are_allowed(allowed: bool) -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: Served) -> None:
        async with user.subscribe("subscription { users { id secret } }", allow_errors=allowed) as subscription:
            events = [event async for event in subscription]
        assert [event.data["users"]["id"] for event in events] == ["1", "2"]
        assert [event.errors[0]["message"] for event in events] == ["not for you"] * 2
        assert [event.ok for event in events] == [allowed, allowed]
        assert here.counts("graphql_reqs") == ({"101": 1} if allowed else {"graphql": 2})
        assert here.errors() == ({} if allowed else {"graphql": (2, "not for you (at users.secret)")})
        assert here.total("graphql_events") == 2

    subscribing(main)


@pytest.mark.parametrize("allowed", [False, True])
def test_an_operation_that_the_server_refuses_has_failed_unless_errors_are_allowed(allowed: bool) -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: Served) -> None:
        async with user.subscribe("subscription { cont(to: 1) }", allow_errors=allowed) as subscription:
            events = [event async for event in subscription]
        (event,) = events
        assert "Did you mean 'count'?" in event.errors[0]["message"]
        assert (event.ok, event.last, event.error) == (allowed, not allowed, None if allowed else ErrorKind.GRAPHQL)
        assert here.counts("graphql_reqs") == ({"101": 1} if allowed else {"graphql": 1})
        assert here.total("graphql_events") == 0
        async with user.subscribe(COUNT, {"to": 1}) as subscription:
            assert (await subscription.next()).ok
        assert len(server.peers) == 1

    subscribing(main)


def test_one_of_several_operations_is_chosen_and_gives_the_step_its_name() -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: Served) -> None:
        text = f"{COUNT} subscription Other {{ count(to: 7) }}"
        async with user.subscribe(text, operation="Other", tags={"team": "x"}) as subscription:
            assert [event.data["count"] async for event in subscription] == list(range(1, 8))
        ((tags, tally),) = here.talk._tallies("graphql_events")
        assert (tags["name"], tags["team"], tally.total) == ("subscription Other", "x", 7)
        with pytest.raises(ValueError, match=r"user\.graphql\.subscribe"):
            await user.query(COUNT, {"to": 1})

    subscribing(main)


def test_the_exchange_goes_from_subscribe_to_the_first_event_and_latency_from_the_plan() -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: Served) -> None:
        user._http.planned = perf_counter() - 100.0
        async with user.subscribe("subscription { count(to: 2, everyMs: 30) }") as subscription:
            first, second = [event async for event in subscription]
        assert user._http.planned == 0.0
        assert here.talk.trend("graphql_req_latency").minimum >= 100e3
        duration = here.talk.trend("graphql_req_duration").maximum
        assert duration == pytest.approx(first.wait, rel=0.01)
        assert here.talk.trend("graphql_event_gap").minimum == pytest.approx(second.wait, rel=0.01)
        assert second.wait >= 25.0

    subscribing(main)


def test_what_one_user_sets_off_another_one_hears(target: dict[str, str]) -> None:
    async def main(here: WsTalk) -> None:
        listener, author = (client_of(here.user(), target["graphql"]) for _ in range(2))
        query = "subscription { commentAdded(postId: 1) { body } }"
        async with listener.subscribe(query) as subscription, listener.subscribe("{ users { id } }") as other:
            assert (await other.next()).ok  # so that the server has read both
            made = await author.query('mutation { createComment(postId: 1, body: "hello") { id } }')
            assert made.ok, made
            assert (await subscription.next()).data == {"commentAdded": {"body": "hello"}}
        assert here.counts("graphql_reqs") == {"101": 2, "200": 1}

    ws_talk(main, base=target["http"])


@pytest.mark.parametrize(
    ("fault", "more", "kind", "words"),
    [
        ("reset", {}, ErrorKind.RESET, "reset by peer"),
        ("close", {"codes": [4500]}, ErrorKind.RESET, "closed 4500 by the server: injected fault (an error of its own)"),
        ("partial", {}, ErrorKind.CUT, "cut short"),
        ("timeout", {}, ErrorKind.TIMEOUT, "no event within 0.05 s"),
        ("errors", {}, ErrorKind.GRAPHQL, "injected"),
    ],
)  # fmt: skip
def test_faults_of_the_embedded_target_are_one_failure_each(
    fault: str, more: dict[str, Any], kind: ErrorKind, words: str
) -> None:
    async def main(here: WsTalk) -> None:
        user = client_of(here.user(), urls["graphql-ws"])
        async with user.subscribe("subscription { ticks(count: 2, everyMs: 1) { number } }", timeout=5) as subscription:
            event = await subscription.next(0.05 if fault == "timeout" else None)
        assert (event.error, words in event.error_text) == (kind, True), event
        assert here.counts("graphql_reqs") == {kind.value: 1}
        assert here.errors() == {kind.value: (1, event.error_text)}

    with serving(certain(fault, **more)) as urls:
        ws_talk(main)
