"""What can go wrong with a subscription: an event with `error` set, one sample, one counted error, no hang and no crash."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from loadgate.clients.base import ErrorKind
from loadgate.clients.graphql.client import GraphqlClient
from loadgate.clients.websocket import inbox
from tests.support.subscription_talk import ACK, QUERY, Serve, Server, begun, next_of, silent, with_peer
from tests.support.subscriptions import client_of
from tests.support.ws_talk import Peer, RawWs, WsTalk, ws_talk

PROTOCOL, CUT, RESET, TIMEOUT = ErrorKind.PROTOCOL, ErrorKind.CUT, ErrorKind.RESET, ErrorKind.TIMEOUT


async def without_subprotocol(peer: Peer) -> None:
    await peer.say(peer.reply())
    await peer.to_the_end()


async def forbidden(peer: Peer) -> None:
    await peer.say(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")


def closing(code: int) -> Serve:
    async def serve(peer: Peer) -> None:
        server = Server(peer)
        await server.accept()
        await server.hear()
        await server.close(code)
        await peer.to_the_end()

    return serve


@pytest.mark.parametrize(
    ("serve", "kind", "words"),
    [
        (without_subprotocol, PROTOCOL, "does not speak graphql-transport-ws"),
        (forbidden, PROTOCOL, "handshake refused: 403 Forbidden"),
        (silent, TIMEOUT, "no connection_ack within 0.05 s"),
        (closing(4400), RESET, "closed 4400 by the server (it could not read a message of ours)"),
        (closing(4401), RESET, "closed 4401 by the server (it took nothing before it had acknowledged the connection)"),
        (closing(4403), RESET, "mostly in the connection payload)"),
        (closing(4408), RESET, "closed 4408 by the server (connection_init came too late for it)"),
        (closing(4429), RESET, "(it took the connection for one that is opened already)"),
        (closing(1000), RESET, "closed 1000 by the server"),
        (begun({"id": "1", "type": "error", "payload": [{"message": "no"}]}), ErrorKind.GRAPHQL, "no"),
        (begun({"id": "1", "type": "error", "payload": 5}), PROTOCOL, "is no GraphQL reply"),
        (begun({"id": "1", "type": "next", "payload": {}}), PROTOCOL, "neither data nor errors"),
        (begun({"id": "1", "type": "next"}), PROTOCOL, "is no GraphQL reply"),
        (begun({"id": 1, "type": "next"}), PROTOCOL, "a message that is none of graphql-transport-ws"),
        (begun(b"5"), PROTOCOL, "a message that is none of graphql-transport-ws"),
        (begun({"type": "data"}), PROTOCOL, "a message of type `data`"),
        (begun(end=4409), RESET, "(it took the id of a subscription for one that is in use)"),
        (begun(end="close"), RESET, "without a close frame"),
        (begun(end="reset"), RESET, "reset by peer"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_what_keeps_a_subscription_from_its_first_event_is_one_failure(
    serve: Serve, kind: ErrorKind, words: str, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: RawWs) -> None:
        async with user.subscribe(QUERY, timeout=0.05 if kind is TIMEOUT else 5) as subscription:
            event = await subscription.next()
            assert (event.error, words in event.error_text) == (kind, True), event
        assert here.counts("graphql_reqs") == {kind.value: 1}
        assert here.errors() == {kind.value: (1, event.error_text)}
        assert here.total("ws_messages") == 0
        ((tags, _),) = here.talk._tallies("graphql_reqs")
        assert tags["name"] == "subscription Ticks"
        if serve is forbidden:
            assert tags["status"] == "403"
            assert here.total("data_sent") > 100

    with_peer(main, serve, new_loop=new_loop)


def test_an_acknowledgement_that_never_comes_is_told_within_the_connect_timeout() -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: RawWs) -> None:
        async with user.subscribe(QUERY, timeout=60) as subscription:
            assert (await subscription.next()).error_text == "no connection_ack within 0.1 s"

    with_peer(main, silent, connect_timeout=0.1)


def test_a_message_that_is_none_of_the_protocol_is_answered_with_4400() -> None:
    async def main(here: WsTalk, user: GraphqlClient, server: RawWs) -> None:
        async with user.subscribe(QUERY) as subscription:
            await subscription.next()
        async with asyncio.timeout(5):
            while not server.peers[0].codes:
                await asyncio.sleep(0.002)
        assert server.peers[0].codes == [4400]

    with_peer(main, begun({"type": "data"}))


@pytest.mark.parametrize(("end", "kind"), [("close", RESET), ("reset", RESET), (4500, RESET), (1001, RESET)])
def test_a_connection_that_breaks_in_mid_stream_fails_each_subscription_behind_its_events(
    end: str | int, kind: ErrorKind
) -> None:
    async def serve(peer: Peer) -> None:
        server = Server(peer)
        await server.acknowledge()
        for _ in range(2):
            await server.hear()
        await server.say(next_of("1", 1), next_of("1", 2), next_of("2", 1))
        if isinstance(end, int):
            await server.close(end)
        else:
            peer.close() if end == "close" else peer.reset()
        await peer.to_the_end()

    async def main(here: WsTalk, user: GraphqlClient, server: RawWs) -> None:
        async with user.subscribe(QUERY) as first, user.subscribe(QUERY) as second:
            seen = [[event.error async for event in each] for each in (first, second)]
        assert seen == [[None, None, kind], [None, kind]]
        assert (first.error, second.error) == (kind, kind)
        assert here.counts("graphql_reqs") == {"101": 2, kind.value: 2}
        assert here.errors()[kind.value] == (2, first.error_text)
        assert here.total("graphql_events") == 3
        event = await first.next()  # for as often as a scenario asks
        assert (event.last, event.error) == (True, kind)

    with_peer(main, serve)


def test_an_event_that_does_not_come_in_time_has_failed_and_one_that_comes_late_is_no_second_exchange() -> None:
    late = asyncio.Event()

    async def serve(peer: Peer) -> None:
        server = Server(peer)
        await server.acknowledge()
        await server.hear()
        await late.wait()
        await server.say(next_of("1", 1), next_of("1", 2))
        await peer.to_the_end()

    async def main(here: WsTalk, user: GraphqlClient, server: RawWs) -> None:
        async with user.subscribe(QUERY, timeout=0.03) as subscription:
            event = await subscription.next()
            assert (event.error, event.error_text, event.last) == (TIMEOUT, "no event within 0.03 s", False)
            late.set()
            assert [(await subscription.next(5)).data["ticks"] for _ in range(2)] == [1, 2]
            event = await subscription.next(0.01)
            assert event.error_text == "no event within 0.01 s, after 2 that came"
        assert here.counts("graphql_reqs") == {"timeout": 2}
        assert here.talk.errors() == {"timeout": (2, "no event within 0.03 s")}
        assert (here.total("graphql_events"), here.samples("graphql_event_gap")) == (2, 1)

    with_peer(main, serve)


def test_the_opening_of_the_connection_is_no_part_of_the_service_time_but_of_latency() -> None:

    async def serve(peer: Peer) -> None:
        server = Server(peer)
        await server.accept()
        await server.hear()
        await asyncio.sleep(0.03)
        await server.say(ACK)
        await server.hear()
        await server.say(next_of("1", 1))
        await peer.to_the_end()

    async def main(here: WsTalk, user: GraphqlClient, server: RawWs) -> None:
        async with user.subscribe(QUERY) as subscription:
            assert (await subscription.next()).ok
        opening, service, latency = (
            here.talk.trend(metric).maximum
            for metric in ("graphql_connection_init", "graphql_req_duration", "graphql_req_latency")
        )
        assert opening >= 25.0
        assert latency >= 0.99 * (opening + service)

    with_peer(main, serve)


def test_pings_are_answered_with_their_payload() -> None:
    heard: list[Any] = []

    async def serve(peer: Peer) -> None:
        server = Server(peer)
        await server.acknowledge()
        await server.hear()
        await server.say({"type": "ping"}, {"type": "pong"}, {"type": "ping", "payload": {"a": [1, "ö"]}})
        heard.extend([await server.hear(), await server.hear()])
        await server.say(next_of("1", 1))
        await peer.to_the_end()

    async def main(here: WsTalk, user: GraphqlClient, server: RawWs) -> None:
        async with user.subscribe(QUERY) as subscription:
            assert (await subscription.next()).ok
        assert heard == [{"type": "pong"}, {"type": "pong", "payload": {"a": [1, "ö"]}}]

    with_peer(main, serve)


def test_a_server_that_pings_on_and_on_and_reads_nothing_is_left() -> None:
    async def serve(peer: Peer) -> None:
        server = Server(peer)
        await server.acknowledge()
        while True:
            await server.say(*[{"type": "ping", "payload": "x" * 1000}] * 100)

    async def main(here: WsTalk, user: GraphqlClient, server: RawWs) -> None:
        async with user.subscribe(QUERY, timeout=15) as subscription:
            event = await subscription.next()
        assert event.error_text == "more and more pings, by a server that reads no answer"

    with_peer(main, serve)


def test_events_of_a_subscription_that_was_stopped_are_let_go_and_those_of_an_unknown_one_are_said() -> None:
    async def serve(peer: Peer) -> None:
        server = Server(peer)
        await server.acknowledge()
        await server.hear()
        await server.say(next_of("1", 1))
        assert await server.hear() == {"id": "1", "type": "complete"}
        assert (await server.hear())["id"] == "2"
        await server.say(next_of("1", 2), {"id": "1", "type": "complete"}, next_of("x", 3), next_of("2", 4))
        await peer.to_the_end()

    async def main(here: WsTalk, user: GraphqlClient, server: RawWs) -> None:
        async with user.subscribe(QUERY) as subscription:
            assert (await subscription.next()).data == {"ticks": 1}
        async with user.subscribe(QUERY) as subscription:
            assert (await subscription.next()).data == {"ticks": 4}
        assert here.counts("graphql_reqs") == {"101": 2}
        assert here.errors() == {"protocol": (1, "a message `next` for the unknown subscription `x`")}
        assert [error.step for error in here.recorder.errors] == ["subscription Ticks"]

    with_peer(main, serve)


@pytest.mark.parametrize(("code", "said"), [(1000, {}), (4500, {"reset": 1})])
def test_a_connection_that_ends_while_nothing_is_subscribed_is_opened_anew(code: int, said: dict[str, int]) -> None:
    async def serve(peer: Peer) -> None:
        server = Server(peer)
        await server.acknowledge()
        await server.hear()
        await server.say({"id": "1", "type": "complete"})
        await server.close(code)
        await peer.to_the_end()

    async def main(here: WsTalk, user: GraphqlClient, server: RawWs) -> None:
        for number in (1, 2):
            async with user.subscribe(QUERY) as subscription:
                assert [event async for event in subscription] == []
            async with asyncio.timeout(5):
                while server.finished < number:
                    await asyncio.sleep(0.002)
        assert here.counts("graphql_reqs") == {"101": 2}
        assert {kind: count // 2 for kind, (count, _) in here.errors().items()} == said
        assert len(server.peers) == 2

    with_peer(main, serve)


def test_events_that_nobody_takes_are_dropped_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "MOST", 3)

    async def main(here: WsTalk, user: GraphqlClient, server: RawWs) -> None:
        async with user.subscribe(QUERY) as subscription:
            async with asyncio.timeout(5):
                while subscription.events < 5:
                    await asyncio.sleep(0.002)
            assert [(await subscription.next()).data["ticks"] for _ in range(3)] == [1, 2, 3]
        assert here.errors()["unread"][0] == 2
        assert here.total("graphql_events") == 5

    with_peer(main, begun(*(next_of("1", number) for number in range(1, 6))))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"variables": {"a": object()}}, "variables cannot be written as JSON"),
        ({"connection_payload": {"a": object()}}, "the connection payload cannot be written as JSON"),
        ({"url": "relative"}, "neither a path"),
        ({"url": "ftp://127.0.0.1/"}, "ftp"),
        ({"timeout": 0}, "a timeout is more than 0"),
        ({"headers": {"upgrade": "x"}}, "the client's own to write"),
    ],
)
def test_what_cannot_be_sent_raises(wrong: dict[str, Any], words: str) -> None:
    async def main(here: WsTalk) -> None:
        with pytest.raises(ValueError, match=words):
            client_of(here.user(), "ws://127.0.0.1:1/").subscribe(QUERY, **wrong)
        assert here.total("graphql_reqs") == 0

    ws_talk(main)
