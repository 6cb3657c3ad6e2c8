"""Connections of one user: kept, never pipelined, up to six at once, given up when the server gives them up."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable

import pytest
import uvloop

from loadgate.clients.base import ErrorKind
from loadgate.clients.http import HttpClient, Response
from tests.support.http_talk import Talk, assert_error, talk
from tests.support.memory_wire import MemoryConnector
from tests.support.raw_server import (
    CLOSE,
    HALF_CLOSE,
    OK,
    RESET,
    SILENCE,
    Answer,
    RawServer,
    Received,
    chunked,
    in_turn,
    reply,
)

NewLoop = Callable[[], asyncio.AbstractEventLoop]
both_loops = pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.SelectorEventLoop])


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0.001)


# -- keep-alive


@both_loops
@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ([OK], True),
        ([chunked(b"hello")], True),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], True),
        ([b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n"], True),
        ([reply(b"", "404 Not Found")], True),
        ([reply(b"", "500 Oops")], True),
        ([reply(b"bye", "200 OK", "connection: close")], False),
        ([chunked(b"bye", "connection: close")], False),
        ([b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"], False),
        ([chunked(b"bye").replace(b"1.1", b"1.0").replace(b"chunked", b"chunked\r\nconnection: keep-alive")], False),
        ([b"HTTP/1.1 200 OK\r\n\r\nto the end", CLOSE], False),
        ([OK, HALF_CLOSE], False),
        ([reply() + b"surplus"], False),
    ],
)
def test_a_connection_is_kept_exactly_where_the_reply_allows_it(answer: Answer, kept: bool, new_loop: NewLoop) -> None:
    async def main(here: Talk) -> None:
        async with RawServer(answer) as server:
            user = here.user()
            for _ in range(5):
                assert (await user.get(f"{server.url}/")).error is None
            assert server.connections == (1 if kept else 5)
            assert not here.errors()

    talk(main, new_loop=new_loop)


def test_users_share_no_connection() -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:
            users = [here.user() for _ in range(20)]
            for _ in range(3):
                assert all(response.ok for response in await asyncio.gather(*(u.get(f"{server.url}/") for u in users)))
            assert server.connections == 20

    talk(main)


def test_a_user_keeps_a_connection_to_each_origin() -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as one, RawServer() as two:
            user = here.user()
            for _ in range(4):
                assert (await user.get(f"{one.url}/")).ok
                assert (await user.get(f"{two.url}/")).ok
            assert (one.connections, two.connections) == (1, 1)
            assert (len(one.requests), len(two.requests)) == (4, 4)

    talk(main)


def test_a_reply_is_never_taken_for_another_requests() -> None:
    def echo(request: Received) -> Answer:
        return [0.001 * (request.number % 3), reply(request.target.encode())]

    async def main(here: Talk) -> None:
        async with RawServer(echo) as server:
            user = here.user()

            async def ask(number: int) -> None:
                response = await user.get(f"{server.url}/{number}", name="any")
                assert response.text == f"/{number}"

            for round in range(5):
                await asyncio.gather(*(ask(10 * round + number) for number in range(10)))

    talk(main)


# -- several at once


@both_loops
def test_six_requests_at_once_use_six_connections_and_keep_them(new_loop: NewLoop) -> None:
    async def main(here: Talk) -> None:
        async with RawServer([0.02, OK]) as server:
            user = here.user()
            for _ in range(3):
                replies = await asyncio.gather(*(user.get(f"{server.url}/") for _ in range(6)))
                assert all(response.ok for response in replies)
                assert server.connections == 6
            assert here.counts() == {"200": 18}

    talk(main, new_loop=new_loop)


def test_more_than_six_wait_their_turn_and_the_wait_is_called_blocked() -> None:
    async def main(here: Talk) -> None:
        async with RawServer([0.05, OK]) as server:
            user = here.user()
            replies = await asyncio.gather(*(user.get(f"{server.url}/{number}") for number in range(12)))
            assert all(response.ok for response in replies)
            assert server.connections == 6
            order = [int(request.target[1:]) for request in server.requests]
            assert sorted(order[:6]) == [0, 1, 2, 3, 4, 5], "first come, first served"
            for response in replies[6:]:
                times = response.timings
                assert times.blocked >= 45
                assert times.connecting == 0
                assert times.latency >= times.blocked + times.duration - 0.01
            assert here.trend("http_req_blocked").maximum >= 45

    talk(main)


def test_waiting_requests_are_served_although_those_before_them_fail() -> None:
    async def main(here: Talk) -> None:
        async with RawServer(lambda request: [0.005, RESET] if request.number < 6 else [OK]) as server:
            user = here.user()
            replies = await asyncio.gather(*(user.post(f"{server.url}/") for _ in range(10)))
            assert [response.status for response in replies[6:]] == [200] * 4
            assert here.counts() == {"reset": 6, "200": 4}

    talk(main)


def test_what_a_scenario_gave_up_does_not_keep_it_waiting() -> None:
    async def main(here: Talk) -> None:
        async with RawServer(lambda request: [SILENCE] if request.target == "/never" else [OK]) as server:
            user = here.user()
            stuck = [asyncio.ensure_future(user.get(f"{server.url}/never")) for _ in range(6)]
            await server.until(lambda: len(server.requests) == 6)
            for future in stuck:
                future.cancel()
            response = await user.get(f"{server.url}/")
            assert response.ok
            assert here.counts() == {"timeout": 6, "200": 1}
            assert "given up by the scenario" in here.errors()["timeout"][1]

    talk(main, timeout=10.0)


def test_a_reply_that_nobody_waits_for_any_more_is_still_counted() -> None:
    async def main(here: Talk) -> None:
        async with RawServer([0.03, OK]) as server:
            user = here.user()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await user.get(f"{server.url}/")
            assert (await user.get(f"{server.url}/")).ok  # on a second connection: the first one is busy
            await server.until(lambda: len(server.requests) == 2)
            await turns()
            assert here.counts() == {"200": 2}
            assert server.connections == 2

    talk(main)


# -- idle connections closed by the server


@both_loops
@pytest.mark.parametrize("end", [CLOSE, RESET])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_idle_connection_that_was_closed_is_replaced_unseen(method: str, end: Answer, new_loop: NewLoop) -> None:
    async def main(here: Talk) -> None:
        async with RawServer([OK, end]) as server:  # type: ignore[list-item]
            user = here.user()
            for number in range(4):
                assert (await user.request(method, f"{server.url}/")).ok
                await server.until(lambda: server.open_connections == 0)
                await turns()
                assert server.connections == number + 1
            assert here.counts() == {"200": 4}
            assert not here.errors()

    talk(main, new_loop=new_loop)


def test_a_request_is_not_sent_into_a_connection_whose_end_is_known() -> None:
    """Between the server's FIN and the transport's end there is a turn of the loop, in which scenarios run."""

    async def main(here: Talk) -> None:
        async with RawServer() as server:
            user = here.user()
            assert (await user.post(f"{server.url}/")).ok
            assert user._first is not None
            user._first.eof_received()
            assert (await user.post(f"{server.url}/")).ok
            assert server.connections == 2
            assert not here.errors()

    talk(main)


def closes_on_second_request(request: Received) -> Answer:
    """Each connection answers once and is closed on its next request, as if that had crossed the server's FIN."""
    _seen[request.connection] = _seen.get(request.connection, 0) + 1
    return [OK] if _seen[request.connection] == 1 else [CLOSE]


_seen: dict[int, int] = {}


@both_loops
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_an_idempotent_request_that_meets_a_closing_connection_is_sent_once_more(
    method: str, new_loop: NewLoop
) -> None:
    _seen.clear()

    def answer(request: Received) -> Answer:
        acts = list(closes_on_second_request(request))
        return [b"HTTP/1.1 204 No Content\r\n\r\n"] if acts == [OK] else acts

    async def main(here: Talk) -> None:
        async with RawServer(answer) as server:
            user = here.user()
            assert (await user.request(method, f"{server.url}/a")).status == 204
            response = await user.request(method, f"{server.url}/b")
            assert response.status == 204, repr(response)
            assert response.timings.connecting > 0
            assert server.connections == 2
            assert [request.target for request in server.requests] == ["/a", "/b", "/b"]
            assert here.counts() == {"204": 2}
            assert not here.errors()

    talk(main, new_loop=new_loop)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_request_with_side_effects_is_not_sent_again_but_counted_as_reset(method: str) -> None:
    _seen.clear()

    async def main(here: Talk) -> None:
        async with RawServer(closes_on_second_request) as server:
            user = here.user()
            assert (await user.request(method, f"{server.url}/", data=b"x")).ok
            response = await user.request(method, f"{server.url}/", data=b"x")
            assert response.error is ErrorKind.RESET
            assert len(server.requests) == 2
            assert here.counts() == {"200": 1, "reset": 1}
            assert here.errors()["reset"][0] == 1

    talk(main)


@both_loops
def test_a_reset_is_the_servers_doing_and_is_counted_also_on_a_kept_connection(new_loop: NewLoop) -> None:
    async def main(here: Talk) -> None:
        async with RawServer(in_turn([OK], [RESET], [OK])) as server:
            user = here.user()
            assert (await user.get(f"{server.url}/")).ok
            response = await user.get(f"{server.url}/")
            assert response.error is ErrorKind.RESET, repr(response)
            assert len(server.requests) == 2, "it is not hidden by sending the request again"
            assert (await user.get(f"{server.url}/")).ok

    talk(main, new_loop=new_loop)


def test_a_request_is_sent_again_only_once() -> None:
    async def main(here: Talk) -> None:
        async with RawServer(in_turn([OK], [CLOSE])) as server:
            user = here.user()
            assert (await user.get(f"{server.url}/")).ok
            assert (await user.get(f"{server.url}/")).error is ErrorKind.RESET
            assert len(server.requests) == 3
            assert here.counts() == {"200": 1, "reset": 1}

    talk(main)


def test_a_request_whose_reply_has_begun_is_not_sent_again() -> None:
    async def main(here: Talk) -> None:
        async with RawServer(in_turn([OK], [b"HTTP/1.1 20", CLOSE])) as server:
            user = here.user()
            assert (await user.get(f"{server.url}/")).ok
            assert (await user.get(f"{server.url}/")).error is ErrorKind.CUT
            assert len(server.requests) == 2

    talk(main)


def test_a_word_said_to_an_idle_connection_ends_it_and_is_no_reply() -> None:
    async def main(here: Talk) -> None:
        async with RawServer(in_turn([OK, 0.01, b"HTTP/1.1 408 Request Timeout\r\n\r\n"], [OK])) as server:
            user = here.user()
            assert (await user.get(f"{server.url}/")).ok
            await server.until(lambda: server.open_connections == 0)
            assert (await user.post(f"{server.url}/")).status == 200
            assert here.counts() == {"200": 2}
            assert server.connections == 2

    talk(main)


def test_a_connection_that_its_asker_no_longer_needed_is_an_idle_one() -> None:
    """It was opened for a request that was given up; a server that closes it meanwhile is not at fault."""

    async def main(here: Talk) -> None:
        async with RawServer(lambda request: [CLOSE] if request.connection == 0 else [OK]) as server:
            user = here.user()
            given_up = asyncio.ensure_future(user.get(f"{server.url}/"))
            given_up.cancel()
            await server.until(lambda: server.connections == 1)
            await turns()
            assert not server.requests
            assert (await user.get(f"{server.url}/")).ok
            assert here.counts() == {"200": 1}

    talk(main)


def test_connections_that_a_scenario_gave_up_opening_make_room_for_others() -> None:
    async def main(here: Talk) -> None:
        wire = here.stack.connector = MemoryConnector(lambda _: [OK], stuck=6)
        user = here.user()
        stuck = [asyncio.ensure_future(user.get("http://a.test/")) for _ in range(6)]
        await turns()
        for future in stuck:
            future.cancel()
        assert (await user.get("http://a.test/")).ok
        assert wire.opened == 7
        assert here.counts() == {"200": 1}

    talk(main)


def test_a_connection_that_died_before_the_request_is_a_reset() -> None:
    async def main(here: Talk) -> None:
        here.stack.connector = MemoryConnector(lambda _: [OK], dead=True)
        assert_error(here, await here.user().get("http://a.test/"), ErrorKind.RESET, "before the request was sent")

    talk(main)


def test_the_timeout_of_a_request_counts_the_opening_of_its_connection() -> None:
    async def main(here: Talk) -> None:
        here.stack.connector = MemoryConnector(lambda _: [], opening=4.95)
        response = await here.user().get("http://a.test/", timeout=5.0)
        assert_error(here, response, ErrorKind.TIMEOUT, "within 5 s")
        assert 45 <= response.timings.duration < 1000

    talk(main)


# -- the end of a user


@both_loops
@pytest.mark.parametrize("answer", [[SILENCE], [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nfour", SILENCE]])
def test_a_user_closed_in_mid_request_leaves_nothing_and_cancels_who_waits(answer: Answer, new_loop: NewLoop) -> None:
    async def main(here: Talk) -> None:
        async with RawServer(answer) as server:
            user = here.user()
            waiting = [asyncio.ensure_future(user.get(f"{server.url}/")) for _ in range(9)]  # six sent, three queued
            await server.until(lambda: len(server.requests) == 6)
            user.close()
            await asyncio.wait(waiting)
            assert all(future.cancelled() for future in waiting)
            await server.until(lambda: server.open_connections == 0)
            assert here.counts() == {}
            assert not here.errors()

    talk(main, new_loop=new_loop)


@both_loops
def test_a_user_closed_while_it_connects_leaves_nothing(new_loop: NewLoop) -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:
            for pause in (False, True):
                user = here.user()
                waiting = asyncio.ensure_future(user.get(f"{server.url}/"))
                if pause:
                    await asyncio.sleep(0)
                user.close()
                await asyncio.wait([waiting])
                assert waiting.cancelled()
            await server.until(lambda: server.open_connections == 0)
            assert not server.requests

    talk(main, new_loop=new_loop)


def test_a_closed_user_may_send_again() -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:
            user = here.user()
            assert (await user.get(f"{server.url}/")).ok
            user.close()
            user.close()
            assert (await user.get(f"{server.url}/")).ok
            assert server.connections == 2

    talk(main)


def test_closing_one_user_does_not_disturb_another_that_opens_connections_meanwhile() -> None:
    """Requests are written past the transport, and a file descriptor's number is soon another connection's."""

    async def main(here: Talk) -> None:
        async with RawServer(lambda request: [reply(request.target.encode())]) as server:

            async def user(number: int) -> None:
                client = here.user()
                for turn in range(20):
                    response = await client.get(f"{server.url}/{number}-{turn}", name="any")
                    assert response.text == f"/{number}-{turn}", repr(response)
                    if turn % 3 == number % 3:
                        client.close()

            await asyncio.gather(*(user(number) for number in range(30)))
            assert here.counts() == {"200": 600}

    talk(main)


def test_a_user_is_freed_with_its_connections() -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:
            user: HttpClient | None = here.stack.client({})
            assert user is not None
            response: Response | None = await user.get(f"{server.url}/")
            assert response is not None and response.ok
            user.close()
            await server.until(lambda: server.open_connections == 0)
            await turns()
            gc.collect()
            held = sys.getrefcount(user) - 1
            assert held == 1, gc.get_referrers(user)

    talk(main)
