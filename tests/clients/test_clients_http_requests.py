"""What is put on the wire: URLs, headers, credentials, bodies of every kind, and what is refused before it is sent."""

from __future__ import annotations

import asyncio
import base64
import email.parser
import email.policy
import json
import os
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgate.clients.base import ErrorKind
from loadgate.clients.http import HttpStack, RequestDefaults
from loadgate.clients.http.content import multipart_body
from loadgate.clients.http.request import encode_body, header_line
from loadgate.measure.recorder import Recorder
from tests.support.http_talk import Talk, talk
from tests.support.raw_server import CLOSE, OK, READ_BODY, SILENCE, Answer, RawServer, Received, reply


def received(method: str, path: str = "/", *, base: bool = False, **options: Any) -> Received:
    """What a server gets of one request."""

    async def main(here: Talk) -> Received:
        async with RawServer() as server:
            url = path if base else f"{server.url}{path}"
            stack = HttpStack(here.recorder, RequestDefaults(base=f"{server.url}/v1/")) if base else here.stack
            user = stack.client({})
            response = await user.request(method, url, **options)
            assert response.ok, repr(response)
            user.close()
            (request,) = server.requests
            return request

    return talk(main)


# -- the request line and the head


@pytest.mark.parametrize(
    ("path", "options", "target"),
    [
        ("/", {}, "/"),
        ("", {}, "/"),
        ("/a?x=1", {"params": {"y": "2 3", "z": ["a", "b"]}}, "/a?x=1&y=2+3&z=a&z=b"),
        ("/a", {"params": {"q": "ü&="}}, "/a?q=%C3%BC%26%3D"),
        ("/ü ber/{id}", {}, "/%C3%BC%20ber/%7Bid%7D"),
        ("/already%20there", {}, "/already%20there"),
        ("/a#fragment", {}, "/a"),
        ("/a\r\nevil: 1", {}, "/aevil:%201"),
    ],
)
def test_a_target_holds_only_what_may_stand_in_one(path: str, options: dict[str, Any], target: str) -> None:
    request = received("GET", path, **options)
    assert request.target == target
    assert "evil" not in request.headers


def test_a_path_is_appended_to_the_path_of_the_target() -> None:
    assert received("GET", "/users?x=1", base=True).target == "/v1/users?x=1"


def test_a_plain_request_says_who_asks_and_no_more() -> None:
    head = received("GET", "/x").head
    assert re.fullmatch(
        rb"GET /x HTTP/1.1\r\nhost: 127.0.0.1:\d+\r\nuser-agent: loadgate\r\naccept: \*/\*\r\n\r\n", head
    )


def test_a_header_of_the_request_beats_the_users_and_that_the_targets() -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:
            stack = HttpStack(
                here.recorder, RequestDefaults(base=server.url, headers={"X-A": "target", "X-B": "target"})
            )
            user = stack.client({})
            user.headers["x-c"] = "user"
            user.headers["X-D"] = "user"
            await user.get("/", headers={"X-B": "request", "X-D": "request", "Host": "virtual.test"})
            user.close()
            headers = server.requests[0].headers
            assert [headers[f"x-{name}"] for name in "abcd"] == ["target", "request", "user", "request"]
            assert headers["host"] == "virtual.test"
            assert len(re.findall(rb"(?i)^x-d:", server.requests[0].head, re.MULTILINE)) == 1

    talk(main)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_method_that_has_a_body_states_its_length_though_it_is_empty(method: str) -> None:
    assert received(method).headers["content-length"] == "0"


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ("abc.def", "Bearer abc.def"),
        (("jane", "p:w"), "Basic " + base64.b64encode(b"jane:p:w").decode()),
        (("jürgen", "päß"), "Basic " + base64.b64encode("jürgen:päß".encode()).decode()),
    ],
)
def test_credentials_become_an_authorization_header(auth: Any, expected: str) -> None:
    assert received("GET", auth=auth).headers["authorization"] == expected


def test_credentials_in_a_url_are_sent_as_basic_and_taken_out_of_it() -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:
            response = await here.user().get(server.url.replace("//", "//jane:p%40ss@") + "/x")
            assert server.requests[0].headers["authorization"] == "Basic " + base64.b64encode(b"jane:p@ss").decode()
            assert "@" not in server.requests[0].head.decode()
            assert "p%40ss" not in response.url

    talk(main)


def test_requests_without_options_are_made_once_and_shared_by_users() -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:
            one, two = here.user(), here.user()
            first = await one.get(f"{server.url}/")
            second = await two.get(f"{server.url}/")
            assert first.request is second.request

    talk(main)


# -- bodies


def test_json_is_sent_as_json() -> None:
    request = received("POST", json={"name": "Jürgen", "n": [1, 2.5, None, True]})
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {"name": "Jürgen", "n": [1, 2.5, None, True]}


def test_a_mapping_is_sent_as_form_fields() -> None:
    request = received("POST", data={"a": "1 2", "b": ["x", "y"], "ü": "&="})
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.body == b"a=1+2&b=x&b=y&%C3%BC=%26%3D"


@pytest.mark.parametrize(("data", "body"), [("tëxt", "tëxt".encode()), (b"\x00\xff", b"\x00\xff"), ("", b"")])
def test_text_and_bytes_are_sent_as_they_are(data: Any, body: bytes) -> None:
    request = received("POST", data=data)
    assert request.body == body
    assert "content-type" not in request.headers


def test_a_content_type_of_ones_own_is_kept() -> None:
    request = received("POST", json=[], headers={"Content-Type": "application/vnd.test+json"})
    assert request.headers["content-type"] == "application/vnd.test+json"


def parts(request_body: bytes, content_type: str) -> list[tuple[dict[str, Any], str, bytes]]:
    """Disposition, content type and content of each part, as the standard library's mail parser reads them."""
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + request_body)
    found = []
    for part in message.iter_parts():
        disposition = dict(part.get_params(header="content-disposition") or [])
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found.append((disposition, part.get_content_type(), content))
    return found


def test_files_and_fields_are_sent_as_multipart(tmp_path: Path) -> None:
    picture = tmp_path / "pic.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    request = received(
        "POST",
        data={"title": "hello", "n": 3},
        files={
            "one": picture,
            "two": ("a.txt", b"text"),
            "three": b"raw",
            "four": ("x", b"{}", "application/json"),
            "five": str(picture),
        },
    )
    read = parts(request.body, request.headers["content-type"])
    assert [disposition["name"] for disposition, _, _ in read] == ["title", "n", "one", "two", "three", "four", "five"]
    assert [disposition.get("filename") for disposition, _, _ in read] == [
        None, None, "pic.png", "a.txt", "three", "x", "pic.png",
    ]  # fmt: skip
    assert [kind for _, kind, _ in read[2:]] == [
        "image/png", "text/plain", "application/octet-stream", "application/json", "image/png",
    ]  # fmt: skip
    assert [content for _, _, content in read] == [
        b"hello", b"3", picture.read_bytes(), b"text", b"raw", b"{}", picture.read_bytes(),
    ]  # fmt: skip


def test_a_name_cannot_break_out_of_its_multipart_header() -> None:
    body, _ = multipart_body({'a"; evil="1\r\nX: y': "v"}, {"f": ('n"\r\n.txt', b"")})
    assert b'name="a%22; evil=%221%0D%0AX: y"' in body
    assert b'filename="n%22%0D%0A.txt"' in body
    with pytest.raises(ValueError, match="line break"):
        multipart_body({}, {"f": ("n", b"", "text/plain\r\nX: y")})


def test_a_file_that_is_missing_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        encode_body(files={"f": tmp_path / "gone.bin"})


# -- large bodies


def test_a_large_upload_to_a_slow_reader_arrives_whole_and_its_time_is_called_sending() -> None:
    body = os.urandom(5_000_000)

    async def main(here: Talk) -> None:
        def answer(request: Received) -> Answer:
            return [0.1, READ_BODY, 0.05, OK]

        async with RawServer(answer, read_bodies=False, receive_buffer=16_384) as server:
            response = await here.user().post(f"{server.url}/", data=body)
            assert response.ok, repr(response)
            assert server.bodies == [body]
            times = response.timings
            assert times.sending > 5
            assert times.waiting >= 45
            assert times.sending + times.waiting + times.receiving == pytest.approx(times.duration)
            assert here.total("data_sent") > len(body)
            assert here.trend("http_req_sending").maximum == pytest.approx(times.sending, rel=0.01)

    talk(main, timeout=15.0)


def test_the_connection_is_kept_after_a_large_upload() -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:
            user = here.user()
            for size in (200_000, 10, 64 * 1024 + 1, 0, 1_000_000):
                assert (await user.post(f"{server.url}/", data=b"x" * size)).ok
                assert len(server.requests[-1].body) == size
            assert server.connections == 1

    talk(main)


def test_an_answer_before_the_whole_upload_was_taken_is_the_reply_and_ends_the_connection() -> None:
    def answer(request: Received) -> Answer:
        return [reply(b"too large", "413 Content Too Large"), SILENCE] if request.number == 0 else [OK]

    async def main(here: Talk) -> None:
        async with RawServer(answer, read_bodies=False, receive_buffer=16_384) as server:
            user = here.user()
            response = await user.post(f"{server.url}/", data=b"x" * 20_000_000)
            assert (response.status, response.body) == (413, b"too large"), repr(response)
            assert response.timings.sending == pytest.approx(response.timings.duration, abs=1.0)
            assert (await user.get(f"{server.url}/")).ok
            assert server.connections == 2

    talk(main)


def hang_up_on_uploads(listener: socket.socket) -> None:
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        with peer:
            peer.recv(1024)
            peer.sendall(reply(b"no", "413 Content Too Large", "connection: close"))


@pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.SelectorEventLoop])
@pytest.mark.parametrize("size", [30_000, 70_000, 20_000_000])
def test_an_answer_of_a_server_that_hangs_up_on_the_upload_is_the_reply(
    size: int, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """Its kernel breaks the connection, since not all was read: what came before that is not lost."""

    async def main(here: Talk) -> None:
        user = here.user()
        for _ in range(20):
            response = await user.post(f"http://127.0.0.1:{port}/", data=bytes(size))
            assert (response.status, response.body) == (413, b"no"), repr(response)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = threading.Thread(target=hang_up_on_uploads, args=(listener,), daemon=True)
        server.start()
        talk(main, new_loop=new_loop)
        listener.shutdown(socket.SHUT_RDWR)
        server.join()


@pytest.mark.parametrize("size", [30_000, 60_000])
def test_a_request_never_overtakes_the_rest_of_the_one_before_it(size: int) -> None:
    """Small ones are written past the transport; where the kernel takes only a part, the transport has the rest."""

    def answer(request: Received) -> Answer:
        return [reply(b"", "401 Unauthorized"), SILENCE] if request.method == "POST" else [OK]

    async def main(here: Talk) -> None:
        async with RawServer(answer, read_bodies=False, receive_buffer=2048) as server:
            user = here.user()
            for turn in range(3):
                assert (await user.get(f"{server.url}/")).status == 200
                assert user._first is not None and user._first._transport is not None
                narrow = user._first._transport.get_extra_info("socket")
                narrow.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
                response = await user.post(f"{server.url}/", data=b"x" * size)
                assert response.status == 401
                assert response.timings.sending == pytest.approx(response.timings.duration, abs=1.0)
                assert server.connections == turn + 1
            assert here.counts() == {"401": 3, "200": 3}

    talk(main)


def test_the_rest_of_a_request_follows_as_the_server_takes_it() -> None:
    body = os.urandom(60_000)

    async def main(here: Talk) -> None:
        def answer(request: Received) -> Answer:
            return [0.03, READ_BODY, OK] if request.method == "POST" else [OK]

        async with RawServer(answer, read_bodies=False, receive_buffer=8192) as server:
            user = here.user()
            for _ in range(2):
                assert (await user.get(f"{server.url}/")).ok
                assert user._first is not None and user._first._transport is not None
                narrow = user._first._transport.get_extra_info("socket")
                narrow.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
                response = await user.post(f"{server.url}/", data=body)
                assert response.ok
                assert response.timings.sending >= 25
            assert server.bodies == [body] * 2
            assert server.connections == 1

    talk(main)


def test_an_upload_nobody_reads_is_a_timeout() -> None:
    async def main(here: Talk) -> None:
        async with RawServer([SILENCE], read_bodies=False, receive_buffer=16_384) as server:
            response = await here.user().post(f"{server.url}/", data=b"x" * 20_000_000, timeout=0.1)
            assert response.error is ErrorKind.TIMEOUT
            assert response.timings.sending == pytest.approx(response.timings.duration)
            assert here.counts() == {"timeout": 1}

    talk(main)


def test_an_upload_cut_off_by_the_server_is_an_error() -> None:
    async def main(here: Talk) -> None:
        async with RawServer([0.01, CLOSE], read_bodies=False, receive_buffer=16_384) as server:
            response = await here.user().post(f"{server.url}/", data=b"x" * 20_000_000)
            assert response.error is ErrorKind.RESET, repr(response)
            assert here.counts() == {"reset": 1}

    talk(main)


# -- Expect: 100-continue

CONTINUE = {"Expect": "100-continue"}


def expecting(answer: Answer, body: bytes = b"the body") -> tuple[Any, RawServer, Talk]:
    async def main(here: Talk) -> tuple[Any, RawServer, Talk]:
        async with RawServer(answer) as server:
            user = here.user()
            response = await user.put(f"{server.url}/", data=body, headers=CONTINUE)
            assert server.requests[0].headers["expect"] == "100-continue"
            again = await user.get(f"{server.url}/")
            return (response, again), server, here

    return talk(main)


def test_a_body_is_held_back_until_the_server_says_continue() -> None:
    def answer(request: Received) -> Answer:
        return [0.03, b"HTTP/1.1 100 Continue\r\n\r\n", READ_BODY, 0.02, OK] if request.method == "PUT" else [OK]

    (response, again), server, here = expecting(answer)  # type: ignore[arg-type]
    assert response.ok and again.ok
    assert server.bodies == [b"the body"]
    assert server.connections == 1
    times = response.timings
    assert times.sending >= 28, "the wait for the server's word is part of sending"
    assert times.waiting >= 18
    assert times.receiving < 15
    assert here.counts() == {"200": 2}


@pytest.mark.slow
def test_a_body_is_sent_after_a_while_where_the_server_says_nothing() -> None:
    def answer(request: Received) -> Answer:
        return [READ_BODY, OK] if request.method == "PUT" else [OK]

    begun = perf_counter()
    (response, again), server, _ = expecting(answer)  # type: ignore[arg-type]
    assert response.ok and again.ok
    assert server.bodies == [b"the body"]
    assert 0.9 < perf_counter() - begun < 3.0


@pytest.mark.parametrize("status", ["417 Expectation Failed", "401 Unauthorized", "200 OK"])
def test_a_body_the_server_does_not_want_is_not_sent_and_the_connection_not_kept(status: str) -> None:
    def answer(request: Received) -> Answer:
        return [reply(b"no", status)] if request.method == "PUT" else [OK]

    (response, again), server, _ = expecting(answer)  # type: ignore[arg-type]
    assert (response.status, response.body) == (int(status[:3]), b"no")
    assert again.ok
    assert server.connections == 2
    assert server.bodies == []


def test_a_server_that_hangs_up_instead_of_continuing_is_counted_once() -> None:
    async def main(here: Talk) -> None:
        async with RawServer([b"HTTP/1.1 100 Continue\r\n\r\n", READ_BODY, CLOSE]) as server:
            response = await here.user().post(f"{server.url}/", data=b"body", headers=CONTINUE)
            assert response.error is ErrorKind.CUT
            assert here.counts() == {"cut": 1}

    talk(main)


def test_no_body_means_nothing_to_wait_for() -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:
            begun = perf_counter()
            assert (await here.user().post(f"{server.url}/", headers=CONTINUE)).ok
            assert perf_counter() - begun < 0.5

    talk(main)


# -- what is refused


@pytest.mark.parametrize(
    ("method", "url", "options", "words"),
    [
        ("GET", "relative", {}, "neither a path"),
        ("GET", "/path", {}, "no target URL"),
        ("GET", "ftp://a.test/", {}, "not an http"),
        ("GET", "//a.test/", {}, "neither a path"),
        ("G T", "http://a.test/", {}, "not a method"),
        ("GET\r\n", "http://a.test/", {}, "not a method"),
        ("GET", "http://a.test/", {"headers": {"bad name": "x"}}, "not a header name"),
        ("GET", "http://a.test/", {"headers": {"x": "a\r\nb: c"}}, "line break"),
        ("GET", "http://a.test/", {"auth": "tok\nen"}, "line break"),
        ("GET", "http://a.test/", {"auth": ("a:b", "c")}, "colon"),
        ("GET", "http://a.test/", {"timeout": 0}, "timeout"),
        ("GET", "http://a.test/", {"timeout": -1}, "timeout"),
        ("GET", "http://a.test/", {"timeout": float("inf")}, "timeout"),
        ("GET", "http://a.test/", {"timeout": float("nan")}, "timeout"),
        ("POST", "http://a.test/", {"json": {}, "data": "x"}, "one body"),
        ("POST", "http://a.test/", {"files": {}, "data": "x"}, "mapping"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(method: str, url: str, options: dict[str, Any], words: str) -> None:
    async def main(here: Talk) -> None:
        with pytest.raises(ValueError, match=words):
            here.user().request(method, url, **options)
        assert here.counts() == {}

    talk(main)


SECRET = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        f"jane:{SECRET}@a.test/path",
        f"ftp://jane:{SECRET}@a.test/",
        f"http://jane:{SECRET}@/",
        f"http://jane:{SECRET}@a.test:port/",
        f"http://jane:{SECRET}/x@a.test/",
        f"http://jane:{SECRET}@[::1/",
        f"http://jane:{SECRET}@a\u2100b/",
        f"http://jane:{SECRET}@a b/",
        f"/path?token={SECRET}",
    ],
)
def test_a_refused_url_is_shown_without_its_secrets(url: str) -> None:
    async def main(here: Talk) -> None:
        with pytest.raises(ValueError) as caught:
            here.user().get(url)
        chained: BaseException | None = caught.value
        while chained is not None:
            assert SECRET not in str(chained)
            chained = None if chained.__suppress_context__ else chained.__context__

    talk(main)


def test_no_repr_shows_credentials() -> None:
    async def main(here: Talk) -> None:
        defaults = RequestDefaults(
            base=f"http://jane:{SECRET}@127.0.0.1:1", headers={"X-Api-Key": SECRET}, auth=("jane", SECRET)
        )
        stack = HttpStack(Recorder(start=perf_counter()), defaults)
        user = stack.client({})
        response = await user.get("/", auth=SECRET)
        assert response.error is ErrorKind.CONNECT
        everything = [defaults, stack, user, response, response.request, response.request.origin, response.url]
        assert all(SECRET not in repr(thing) for thing in everything)
        assert SECRET not in response.error_text

    talk(main)


@given(st.text(), st.text())
@settings(deadline=None)
def test_a_header_is_one_line_or_refused(name: str, value: str) -> None:
    try:
        line = header_line(name, value)
    except ValueError:
        return
    assert line.endswith(b"\r\n")
    assert line.count(b"\n") == line.count(b"\r") == 1
    assert line.partition(b":")[0] == name.encode("ascii")


def test_many_different_urls_do_not_pile_up() -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:
            user = here.user()
            for number in range(4200):
                user.context.prepared[f"GET{number}", "x"] = user.context.prepared.get(("GET", "x"))  # type: ignore[assignment]
            await user.get(f"{server.url}/")
            assert len(user.context.prepared) == 1
            await asyncio.sleep(0)

    talk(main)
