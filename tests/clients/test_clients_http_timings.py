"""Where the time of an exchange went: the phases of one response, and what the recorder makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

import pytest
import uvloop

from loadgate.clients.base import ErrorKind, Timings
from tests.support.http_talk import Talk, talk
from tests.support.raw_server import OK, RESET, RawServer, in_turn, reply

NewLoop = Callable[[], asyncio.AbstractEventLoop]
both_loops = pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.SelectorEventLoop])


def assert_sums_up(times: Timings) -> None:
    assert times.sending + times.waiting + times.receiving == pytest.approx(times.duration, abs=1e-6)
    assert times.latency >= times.duration - 1e-6
    assert min(times.blocked, times.connecting, times.tls_handshaking, times.sending, times.waiting) >= 0


@both_loops
def test_the_first_request_bears_the_connecting_and_the_second_does_not(new_loop: NewLoop) -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:
            user = here.user()
            begun = perf_counter()
            first, second = await user.get(f"{server.url}/"), await user.get(f"{server.url}/")
            total = (perf_counter() - begun) * 1e3
            for times in (first.timings, second.timings):
                assert_sums_up(times)
            one, two = first.timings, second.timings
            assert 0 < one.connecting <= one.latency - one.duration + 1e-6
            assert one.latency >= one.blocked + one.connecting + one.duration - 1e-6
            assert two.blocked == two.connecting == two.tls_handshaking == 0
            assert two.latency == pytest.approx(two.duration, abs=0.5)
            assert one.latency + two.latency <= total
            assert here.trend("http_req_connecting").count == 2
            assert here.trend("http_req_connecting").maximum == pytest.approx(one.connecting)
            assert here.trend("http_req_connecting").minimum == 0

    talk(main, new_loop=new_loop)


def test_waiting_ends_with_the_first_byte_and_receiving_with_the_last() -> None:
    async def main(here: Talk) -> None:
        async with RawServer([0.04, b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", 0.06, b"done"]) as server:
            times = (await here.user().get(f"{server.url}/")).timings
            assert_sums_up(times)
            assert 38 <= times.waiting < 80
            assert 58 <= times.receiving < 100
            assert here.trend("http_req_waiting").maximum == pytest.approx(times.waiting, rel=0.01)
            assert here.trend("http_req_receiving").maximum == pytest.approx(times.receiving, rel=0.01)
            assert here.trend("http_req_duration").maximum == pytest.approx(times.duration, rel=0.01)

    talk(main)


def test_an_interim_reply_is_not_the_first_byte() -> None:
    async def main(here: Talk) -> None:
        hints = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
        async with RawServer([hints, 0.05, OK]) as server:
            times = (await here.user().get(f"{server.url}/")).timings
            assert_sums_up(times)
            assert times.waiting >= 48
            assert times.receiving < 20

    talk(main)


def test_latency_counts_from_the_planned_start() -> None:
    async def main(here: Talk) -> None:
        async with RawServer([0.02, OK]) as server:
            user = here.user()
            await user.get(f"{server.url}/")
            user.planned = perf_counter() - 0.5
            late = (await user.get(f"{server.url}/")).timings
            assert 18 <= late.duration < 80
            assert late.latency == pytest.approx(late.duration + 500, abs=20)
            following = (await user.get(f"{server.url}/")).timings
            assert following.latency == pytest.approx(following.duration, abs=1), "a plan is for one request"
            assert here.trend("http_req_latency").maximum == pytest.approx(late.latency, rel=0.01)

    talk(main)


def test_a_failure_has_its_times_too() -> None:
    async def main(here: Talk) -> None:
        async with RawServer([0.03, RESET]) as server:
            response = await here.user().get(f"{server.url}/")
            assert response.error is ErrorKind.RESET
            assert_sums_up(response.timings)
            assert response.timings.connecting > 0
            assert response.timings.waiting >= 28
            assert here.trend("http_req_duration").maximum == pytest.approx(response.timings.duration, rel=0.01)

    talk(main)


def test_the_bytes_of_both_directions_are_counted_as_they_were_on_the_wire() -> None:
    answers = [OK, reply(b"x" * 1000), b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"HTTP/1.1 204 No Content\r\n\r\n"]

    async def main(here: Talk) -> None:
        async with RawServer(in_turn(*([answer] for answer in answers))) as server:
            user = here.user()
            for number in range(4):
                await user.post(f"{server.url}/", data=b"y" * number * 100)
            assert here.total("data_received") == sum(map(len, answers))
            assert here.total("data_sent") == sum(len(asked.head) + len(asked.body) for asked in server.requests)

    talk(main)


def test_the_samples_of_a_request_carry_its_tags_and_its_step() -> None:
    async def main(here: Talk) -> None:
        async with RawServer(in_turn([OK], [reply(b"", "404 Not Found")])) as server:
            user = here.user(scenario="browse")
            await user.get(f"{server.url}/users/1", name="user", tags={"kind": "read"})
            await user.get(f"{server.url}/users/2?x=1")
            here.counts()
            keys = [here.recorder.describe(series) for series in here.recorder.totals()]
            tags = [dict(key.tags) for key in keys if key.metric.name == "http_reqs"]
            common = {"scenario": "browse", "method": "GET", "proto": "HTTP/1.1"}
            assert {**common, "name": "user", "kind": "read", "status": "200", "expected_response": "true"} in tags
            assert {**common, "name": "GET /users/2", "status": "404", "expected_response": "false"} in tags
            assert len(tags) == 2

    talk(main)
