"""What can go wrong with an exchange: always one reply with `error` set, one sample, one counted error, and no crash."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from time import perf_counter

import pytest
import uvloop

from loadgate.clients.base import ErrorKind
from loadgate.clients.http import Response
from tests.support.http_talk import Talk, assert_error, talk
from tests.support.raw_server import CLOSE, HALF_CLOSE, OK, RESET, SILENCE, Answer, RawServer, in_turn

CUT, PROTOCOL, RESET_KIND, TIMEOUT = ErrorKind.CUT, ErrorKind.PROTOCOL, ErrorKind.RESET, ErrorKind.TIMEOUT
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LOOPS = [uvloop.new_event_loop, asyncio.SelectorEventLoop]


def fails(
    answer: Answer,
    kind: ErrorKind,
    *words: str,
    method: str = "GET",
    timeout: float = 5.0,
    new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
) -> None:
    """A request answered so fails as `kind`, and the user's next request is served on a new connection."""

    async def main(here: Talk) -> None:
        async with RawServer(in_turn(answer, [OK])) as server:
            user = here.user()
            response = await user.request(method, f"{server.url}/thing", timeout=timeout)
            assert_error(here, response, kind, *words)
            again = await user.get(f"{server.url}/thing")
            assert again.status == 200, repr(again)
            assert server.connections == 2

    talk(main, new_loop=new_loop)


@pytest.mark.parametrize("new_loop", LOOPS)
@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ([RESET], RESET_KIND, "reset"),
        ([CLOSE], RESET_KIND, "closed before the reply"),
        ([b"HTTP/1.1 200 OK\r\ncontent-le", RESET], CUT, "within its head"),
        ([b"HTTP/1.1 200 OK\r\ncontent-le", CLOSE], CUT, "within its head"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfour", RESET], CUT, "4 of 10 bytes"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfour", CLOSE], CUT, "4 of 10 bytes"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n", CLOSE], CUT, "0 of 10 bytes"),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n", CLOSE], CUT, "last chunk"),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n", RESET], CUT, "last chunk"),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n", CLOSE], CUT, "last chunk"),
        ([b"HTTP/1.1 200 OK\r\n\r\nfour", RESET], CUT, "no stated end"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", CLOSE], CUT, "interim"),
    ],
)
def test_a_reply_cut_short_is_counted_with_what_came_of_it(
    answer: Answer, kind: ErrorKind, words: str, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    fails(answer, kind, words, new_loop=new_loop)


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        ([SILENCE], "no byte"),
        ([b"HTTP/1.1 200 OK\r\nx: ", SILENCE], "20 bytes"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfour", SILENCE], "43 bytes"),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n", SILENCE], "56 bytes"),
        ([b"HTTP/1.1 200 OK\r\n\r\nendless", SILENCE], "26 bytes"),
        ([b"HTTP/1.1 103 Early Hints\r\n\r\n", SILENCE], "28 bytes"),
    ],
)
def test_a_reply_that_does_not_end_in_time_is_a_timeout(answer: Answer, got: str) -> None:
    fails(answer, TIMEOUT, "0.05 s", got, timeout=0.05)


def test_the_timeout_is_kept_to_within_a_few_milliseconds() -> None:
    async def main(here: Talk) -> None:
        async with RawServer([SILENCE]) as server:
            begun = perf_counter()
            response = await here.user().get(f"{server.url}/", timeout=0.1)
            took = perf_counter() - begun
            assert response.error is TIMEOUT
            assert 0.099 <= took < 0.25
            assert 95 <= response.timings.duration < 250

    talk(main)


def test_a_shorter_timeout_after_a_longer_one_is_kept() -> None:
    async def main(here: Talk) -> None:
        async with RawServer(in_turn([OK], [SILENCE])) as server:
            user = here.user()
            assert (await user.get(f"{server.url}/", timeout=60.0)).ok
            begun = perf_counter()
            assert (await user.get(f"{server.url}/", timeout=0.05)).error is TIMEOUT
            assert perf_counter() - begun < 1.0

    talk(main)


def test_the_timer_of_a_request_that_was_answered_does_not_end_the_next_one() -> None:
    async def main(here: Talk) -> None:
        async with RawServer(in_turn([OK], [0.08, OK])) as server:
            user = here.user()
            assert (await user.get(f"{server.url}/", timeout=0.05)).ok
            assert (await user.get(f"{server.url}/", timeout=5.0)).ok  # the first one's timer fires meanwhile

    talk(main)


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"HTTP/2 200 OK\r\n\r\n", "not HTTP/1"),
        (b"ICY 200 OK\r\ncontent-length: 0\r\n\r\n", "not HTTP/1"),
        (b"220 mail.test ESMTP\r\n\r\n", "not HTTP/1"),
        (b"<html>\n\n</html>", "not HTTP/1"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "not HTTP/1"),
        (b"HTTP/1.1 200 OK\ncontent-length: 0\n\n", "line feed"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "status line"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "status line"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "status line"),
        (b"HTTP/1.1 099 OK\r\n\r\n", "status line"),
        (b"HTTP/1.1  200 OK\r\n\r\n", "status line"),
        (b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", "line 2"),
        (b"HTTP/1.1 200 OK\r\nx: 1\r\n: empty name\r\n\r\n", "line 3"),
        (b"HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n", "line 2"),
        (b"HTTP/1.1 200 OK\r\nname : x\r\n\r\n", "line 2"),
        (b"HTTP/1.1 200 OK\r\nx: nul\0byte\r\n\r\n", "line 2"),
        (b"HTTP/1.1 200 OK\r\nx: bare\rreturn\r\n\r\n", "line 2"),
        (b"HTTP/1.1 200 OK\r\nx: bare\nfeed\r\n\r\n", "line 2"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "content-length"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1e3\r\n\r\n", "content-length"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n", "content-length"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0x10\r\n\r\n", "content-length"),
        (b"HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n", "content-length"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n", "content-length"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc", "content-length"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nabc", "content-length"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "transfer-encoding"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "transfer-encoding"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", "switched protocols"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", "chunked body"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n", "chunked body"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfourX\r\n", "chunked body"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "chunked body"),
        (CHUNKED + b"+4\r\nfour\r\n0\r\n\r\n", "chunked body"),
        (CHUNKED + b"0x4\r\nfour\r\n0\r\n\r\n", "chunked body"),
        (CHUNKED + b"4 \r\nfour\r\n0\r\n\r\n", "chunked body"),
        (CHUNKED + b"\r\nfour\r\n0\r\n\r\n", "chunked body"),
        (CHUNKED + b"4\nfour\n0\n\n", "chunked body"),
        (CHUNKED + b"4;a=\0\r\nfour\r\n0\r\n\r\n", "chunked body"),
        (CHUNKED + b"4;a\nfour\r\n0\r\n\r\n", "chunked body"),
        (CHUNKED + b"4\r\nfour\r\n0\r\nno colon\r\n\r\n", "chunked body"),
        (CHUNKED + b"4\r\nfour\r\n0\r\nx: a\0b\r\n\r\n", "chunked body"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n", "transfer-encoding"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: \x0b0\r\n\r\n", "content-length"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1 2\r\n\r\n", "content-length"),
        (b"HTTP/1.1 200 OK\r\nx: folded\r\n value\r\ncontent-length: 0\r\n\r\n", "line 3"),
        (b"HTTP/1.1 103 X\r\ncontent-length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n", "not HTTP/1"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000 + b"\r\ncontent-length: 0\r\n\r\n", "65,536 bytes"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, "65,536 bytes"),
    ],
)
def test_a_malformed_reply_is_a_protocol_error_that_says_where(head: bytes, words: str) -> None:
    fails([head, SILENCE], PROTOCOL, words)


@pytest.mark.parametrize("piece", [1, 1000])
def test_a_head_that_never_ends_is_given_up_at_64_kb(piece: int) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 66_000
    rest = [head[at : at + piece] for at in range(64_000, len(head), piece)]
    fails([head[:64_000], *rest, SILENCE], PROTOCOL, "65,536 bytes")


def test_a_flood_of_interim_replies_is_given_up() -> None:
    fails([b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100_000, SILENCE], PROTOCOL, "65,536 bytes of interim")
    fails([b"HTTP/1.1 100 Continue\r\n\r\n"] * 3_000 + [SILENCE], PROTOCOL, "65,536 bytes of interim")


@pytest.mark.parametrize("new_loop", LOOPS)
@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ([HALF_CLOSE], RESET_KIND, "closed before the reply"),
        ([b"HTTP/1.1 200 OK\r\nx: y", HALF_CLOSE], CUT, "within its head"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfour", HALF_CLOSE], CUT, "4 of 10 bytes"),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfour\r\n", HALF_CLOSE], CUT, "last chunk"),
    ],
)
def test_a_server_that_only_stops_speaking_has_ended_its_reply(
    answer: Answer, kind: ErrorKind, words: str, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    fails(answer, kind, words, new_loop=new_loop)


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_refused_connection_names_the_address(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: refused, and nobody else gets the port
        port = closed.getsockname()[1]

        async def main(here: Talk) -> None:
            response = await here.user().get(f"http://127.0.0.1:{port}/")
            assert_error(here, response, ErrorKind.CONNECT, f"127.0.0.1:{port}", "refused")

        talk(main, new_loop=new_loop)


def test_a_server_that_speaks_before_it_is_asked_is_an_error_and_no_reply() -> None:
    async def main(here: Talk) -> None:
        async with RawServer(greeting=[b"220 mail.test ESMTP\r\n"]) as server:
            response = await here.user().get(f"{server.url}/")
            assert response.error in (PROTOCOL, RESET_KIND)
            assert_error(here, response, response.error)

    talk(main)


@pytest.mark.parametrize("end", [RESET, CLOSE])
def test_a_server_that_hangs_up_on_accepting_is_a_reset(end: Answer) -> None:
    async def main(here: Talk) -> None:
        async with RawServer(greeting=[end]) as server:  # type: ignore[list-item]
            response = await here.user().get(f"{server.url}/")
            assert_error(here, response, RESET_KIND)

    talk(main)


def test_errors_of_a_thousand_requests_are_counted_one_by_one() -> None:
    async def main(here: Talk) -> None:
        async with RawServer([CLOSE]) as server:

            async def one() -> None:
                user = here.user()
                for _ in range(10):
                    assert (await user.post(f"{server.url}/")).error is RESET_KIND

            await asyncio.gather(*(one() for _ in range(100)))
            assert here.counts() == {"reset": 1000}
            assert here.failed() == (1000, 1000)
            assert here.errors()["reset"][0] == 1000
            assert server.connections == 1000

    talk(main)


def test_a_user_goes_on_after_every_kind_of_failure() -> None:
    answers: list[Answer] = [
        [RESET],
        [b"junk\r\n\r\n"],
        [SILENCE],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", CLOSE],
    ]

    async def main(here: Talk) -> None:
        async with RawServer(lambda request: answers[request.number] if request.number < 4 else [OK]) as server:
            user = here.user()
            seen: list[Response] = [await user.post(f"{server.url}/", timeout=0.1) for _ in range(6)]
            assert [response.error for response in seen] == [RESET_KIND, PROTOCOL, TIMEOUT, CUT, None, None]
            assert here.counts() == {"reset": 1, "protocol": 1, "timeout": 1, "cut": 1, "200": 2}
            assert server.connections == 5

    talk(main)


def test_an_error_shown_to_the_user_holds_no_password_of_the_url() -> None:
    async def main(here: Talk) -> None:
        async with RawServer([RESET]) as server:
            url = server.url.replace("http://", "http://jane:hunter2@")
            response = await here.user().post(f"{url}/private?x=1")
            assert "hunter2" not in f"{response!r} {response.error_text} {response.url} {response.request.step.name}"
            assert "hunter2" not in str(list(here.recorder.errors))

    talk(main)
