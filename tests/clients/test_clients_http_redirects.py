"""Redirects: which method and body go on, where to, how often, and which secrets stay behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadgate.clients.base import ErrorKind
from loadgate.clients.http.request import resolve
from tests.support.http_talk import Talk, talk
from tests.support.raw_server import OK, RESET, Answer, RawServer, Received, in_turn, reply


def to(location: str, status: int = 302, *lines: str) -> Answer:
    return [reply(b"moved", f"{status} Moved", f"location: {location}", *lines)]


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "GET", "GET"),
        (302, "GET", "GET"),
        (303, "GET", "GET"),
        (307, "GET", "GET"),
        (308, "GET", "GET"),
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (301, "PUT", "PUT"),
        (302, "PUT", "PUT"),
        (303, "PUT", "GET"),
        (303, "DELETE", "GET"),
        (301, "HEAD", "HEAD"),
        (303, "HEAD", "HEAD"),
    ],
)
def test_a_redirect_goes_on_with_the_method_its_status_asks_for(status: int, method: str, then: str) -> None:
    body = {"a": 1} if method in ("POST", "PUT") else None
    answers = in_turn(
        [reply(b"" if method == "HEAD" else b"moved", f"{status} Moved", "location: /new?x=1")],
        [reply(b"" if then == "HEAD" else b"there")],
    )

    async def main(here: Talk) -> None:
        async with RawServer(answers) as server:
            response = await here.user().request(method, f"{server.url}/old", json=body)
            assert (response.status, response.url) == (200, f"{server.url}/new?x=1"), repr(response)
            first, second = server.requests
            assert (second.method, second.target) == (then, "/new?x=1")
            kept = then == method and body is not None
            assert second.body == (first.body if kept else b"")
            assert ("content-type" in second.headers) == kept
            assert ("content-length" in second.headers) == kept
            assert server.connections == 1
            assert here.counts() == {str(status): 1, "200": 1}, "each hop is an exchange of its own"

    talk(main)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/abs", "/abs"),
        ("rel", "/a/b/rel"),
        ("../up?q=1", "/a/up?q=1"),
        ("?only=query", "/a/b/c?only=query"),
        ("#part", "/a/b/c"),
        ("", "/a/b/c"),
        ("/with#fragment", "/with"),
        ("/sp ace", "/sp%20ace"),
        ("/b\xfccher", "/b%C3%BCcher"),
    ],
)
def test_a_relative_location_is_resolved_against_the_url_that_gave_it(location: str, target: str) -> None:
    wire = f"HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: {location}\r\n\r\n".encode()

    async def main(here: Talk) -> None:
        async with RawServer(in_turn([wire], [OK])) as server:
            assert (await here.user().get(f"{server.url}/a/b/c")).ok
            assert server.requests[1].target == target

    talk(main)


@pytest.mark.parametrize(
    "location", ["ftp://a.test/x", "mailto:someone", "http://[::1", "http://a.test:99999/", "http://a b/"]
)
def test_a_location_that_cannot_be_followed_leaves_the_redirect_as_the_reply(location: str) -> None:
    async def main(here: Talk) -> None:
        async with RawServer(to(location)) as server:
            response = await here.user().get(f"{server.url}/")
            assert (response.status, response.ok, response.error) == (302, True, None)
            assert response.headers["location"] == location
            assert here.counts() == {"302": 1}

    talk(main)


@pytest.mark.parametrize("status", [300, 304, 305])
def test_other_statuses_are_not_followed(status: int) -> None:
    async def main(here: Talk) -> None:
        wire = f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nlocation: /next\r\n\r\n".encode()
        async with RawServer([wire]) as server:
            assert (await here.user().get(f"{server.url}/")).status == status
            assert len(server.requests) == 1

    talk(main)


@pytest.mark.parametrize(("redirects", "requests"), [(None, 11), (0, 1), (3, 4)])
def test_a_loop_ends_after_as_many_redirects_as_are_allowed(redirects: int | None, requests: int) -> None:
    async def main(here: Talk) -> None:
        async with RawServer(to("/again")) as server:
            response = await here.user().get(f"{server.url}/again", redirects=redirects)
            assert (response.status, response.error) == (302, None)
            assert len(server.requests) == requests
            assert server.connections == 1
            assert here.counts() == {"302": requests}

    talk(main)


def test_what_a_request_expects_is_said_of_the_last_reply_only() -> None:
    async def main(here: Talk) -> None:
        async with RawServer(in_turn(to("/new"), [reply(b"", "201 Created")], to("/new"))) as server:
            user = here.user()
            assert (await user.get(f"{server.url}/", expect=201)).ok
            assert here.failed() == (0, 2)
            last = await user.get(f"{server.url}/", expect=201, redirects=0)
            assert not last.ok
            assert here.failed() == (1, 3)

    talk(main)


def test_credentials_do_not_go_to_another_origin() -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as other, RawServer(lambda _: to(f"{other.url}/there", 307)) as server:
            user = here.user()
            user.headers["Authorization"] = "Bearer of-the-user"
            user.headers["X-Plain"] = "stays"
            user.cookies["mine"] = "secret"
            for options in (
                {"auth": "of-the-request"},
                {"headers": {"Authorization": "own", "Cookie": "own=1"}},
                {"auth": ("jane", "hunter2"), "data": b"body"},
                {},
            ):
                response = await user.request("POST", f"{server.url}/here", **options)
                assert response.ok, repr(response)
                first, second = server.requests[-1].headers, other.requests[-1].headers
                assert "authorization" in first and "cookie" in first
                assert "authorization" not in second and "cookie" not in second, second
                assert second["host"] == other.url.removeprefix("http://")
                assert second["x-plain"] == "stays"
            assert other.requests[2].body == b"body"

    talk(main)


def test_the_credentials_of_the_target_do_not_go_to_another_origin() -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as other, RawServer(lambda _: to(f"{other.url}/there")) as server:
            base = server.url.replace("http://", "http://jane:hunter2@")
            from loadgate.clients.http import HttpStack, RequestDefaults

            stack = HttpStack(here.recorder, RequestDefaults(base=base, headers={"Cookie": "a=b"}))
            user = stack.client({})
            for url in ("/here", f"{other.url}/direct"):
                assert (await user.get(url)).ok
            user.close()
            assert server.requests[0].headers["authorization"].startswith("Basic ")
            for request in other.requests:
                assert "authorization" not in request.headers
                assert "cookie" not in request.headers

    talk(main)


def test_credentials_do_not_come_back_with_a_redirect_from_another_origin() -> None:
    """Whoever can send a user away could send it back with the secrets still in the request."""

    async def main(here: Talk) -> None:
        async with RawServer(lambda _: to(f"{back[0]}/end")) as other:

            def answer(request: Received) -> Answer:
                return to(f"{other.url}/") if request.target == "/start" else [OK]

            async with RawServer(answer) as server:
                back.append(server.url)
                for own in (True, False):
                    user = here.user()
                    if own:
                        user.headers["Authorization"] = "Bearer token"
                        user.cookies["mine"] = "secret"
                    options = {} if own else {"auth": "token", "headers": {"Cookie": "mine=secret"}}
                    response = await user.get(f"{server.url}/start", **options)
                    assert response.ok
                    first, last = server.requests[-2].headers, server.requests[-1].headers
                    assert {"authorization", "cookie"} <= set(first)
                    assert not {"authorization", "cookie"} & set(last)

    back: list[str] = []
    talk(main)


def test_a_cookie_set_by_a_redirect_is_sent_to_where_it_leads() -> None:
    async def main(here: Talk) -> None:
        async with RawServer(in_turn(to("/home", 302, "set-cookie: session=1; Path=/"), [OK])) as server:
            assert (await here.user().post(f"{server.url}/login", data={"user": "jane"})).ok
            assert server.requests[1].headers["cookie"] == "session=1"

    talk(main)


def test_a_failure_on_the_way_is_the_failure_of_the_request() -> None:
    async def main(here: Talk) -> None:
        async with RawServer(in_turn(to("/next"), [b"HTTP/1.1 2", RESET])) as server:
            response = await here.user().get(f"{server.url}/")
            assert response.error is ErrorKind.CUT
            assert here.counts() == {"302": 1, "cut": 1}
            assert here.errors()["cut"][0] == 1

    talk(main)


@pytest.mark.parametrize(
    ("location", "resolved"),
    [
        ("/next", "http+unix://%2Frun%2Fa.sock/next"),
        ("next", "http+unix://%2Frun%2Fa.sock/v1/next"),
        ("http://localhost/next", "http+unix://%2Frun%2Fa.sock/next"),
        ("http://elsewhere.test/next", "http://elsewhere.test/next"),
    ],
)
def test_a_location_behind_a_unix_socket_stays_there_unless_it_names_another_host(location: str, resolved: str) -> None:
    assert resolve("http+unix://%2Frun%2Fa.sock/v1/old", location) == resolved


def test_a_redirect_over_a_unix_socket_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"

    async def main(here: Talk) -> None:
        async with RawServer(in_turn(to("http://localhost/next"), [OK]), path=str(path)) as server:
            response = await here.user().get(f"http+unix://{str(path).replace('/', '%2F')}/")
            assert response.ok, repr(response)
            assert server.requests[1].target == "/next"

    talk(main)
