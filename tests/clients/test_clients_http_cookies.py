"""Cookies: RFC 6265 as far as a user's own jar goes, and one jar a user."""

from __future__ import annotations

import pytest

from loadgate.clients.http.cookies import CookieJar, parse_cookie
from tests.support.http_talk import Talk, talk
from tests.support.raw_server import OK, RawServer, in_turn, reply

NOW = 1_000_000.0


def sent(
    line: str, *, by: str = "a.test", at: str = "/", to: str = "a.test", path: str = "/", tls: bool = False
) -> str:
    jar = CookieJar()
    jar.store(line, by, at, NOW)
    return jar.header(to, path, tls=tls, now=NOW + 10)


@pytest.mark.parametrize(
    ("line", "options", "expected"),
    [
        ("a=1", {}, "a=1"),
        ("a=1", {"to": "b.test"}, ""),
        ("a=1", {"to": "sub.a.test"}, ""),
        ("a=1; Domain=a.test", {"to": "sub.a.test"}, "a=1"),
        ("a=1; Domain=.a.test", {"to": "sub.a.test"}, "a=1"),
        ("a=1; Domain=a.test", {"to": "nota.test"}, ""),
        ("a=1; Domain=b.test", {"to": "b.test"}, ""),
        ("a=1; Domain=test", {"to": "a.test"}, ""),
        ("a=1; Domain=sub.a.test", {"to": "sub.a.test"}, ""),
        ("a=1; Domain=0.0.1", {"by": "127.0.0.1", "to": "127.0.0.1"}, ""),
        ("a=1; Domain=127.0.0.1", {"by": "127.0.0.1", "to": "127.0.0.1"}, "a=1"),
        ("a=1; Path=/x", {"path": "/x"}, "a=1"),
        ("a=1; Path=/x", {"path": "/x/y?z"}, "a=1"),
        ("a=1; Path=/x", {"path": "/xy"}, ""),
        ("a=1; Path=/x/", {"path": "/x"}, ""),
        ("a=1; Path=relative", {"at": "/p/q", "path": "/p/r"}, "a=1"),
        ("a=1", {"at": "/p/q", "path": "/p/r"}, "a=1"),
        ("a=1", {"at": "/p/q", "path": "/other"}, ""),
        ("a=1; Secure", {}, ""),
        ("a=1; Secure", {"tls": True}, "a=1"),
        ("a=1; HttpOnly; SameSite=Lax", {}, "a=1"),
        ("a=1; Max-Age=9", {}, ""),
        ("a=1; Max-Age=11", {}, "a=1"),
        ("a=1; Max-Age=0", {}, ""),
        ("a=1; Max-Age=-5", {}, ""),
        ("a=1; Max-Age=soon", {}, "a=1"),
        ("a=1; Max-Age=99999999999999999999", {}, "a=1"),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", {}, ""),
        ("a=1; Expires=Thu, 01-Jan-2099 00:00:00 GMT", {}, "a=1"),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", {}, "a=1"),
        ("a=1; Expires=never", {}, "a=1"),
        ('a="quoted"', {}, 'a="quoted"'),
        ("a=", {}, "a="),
        ("a=b=c", {}, "a=b=c"),
        ("=1", {}, ""),
        ("novalue", {}, ""),
        ("", {}, ""),
        (" a = 1 ; x", {}, "a=1"),
    ],
)
def test_a_cookie_goes_where_its_attributes_say(line: str, options: dict[str, str], expected: str) -> None:
    assert sent(line, **options) == expected  # type: ignore[arg-type]


def test_a_cookie_may_be_replaced_and_deleted_by_the_server() -> None:
    jar = CookieJar()
    jar.store("a=1; Path=/", "a.test", "/", NOW)
    jar.store("a=2; Path=/", "a.test", "/", NOW)
    assert jar.header("a.test", "/", tls=False, now=NOW) == "a=2"
    jar.store("a=; Path=/; Max-Age=0", "a.test", "/", NOW)
    assert jar.header("a.test", "/", tls=False, now=NOW) == ""
    assert not jar


def test_the_longest_path_comes_first() -> None:
    jar = CookieJar()
    jar.store("a=short; Path=/", "a.test", "/", NOW)
    jar.store("a=long; Path=/x/y", "a.test", "/", NOW)
    assert jar.header("a.test", "/x/y/z", tls=False, now=NOW) == "a=long; a=short"


def test_a_jar_is_a_mapping_for_scenarios() -> None:
    jar = CookieJar()
    jar["session"] = "mine"
    jar.store("other=2", "a.test", "/", NOW)
    assert dict(jar) == {"session": "mine", "other": "2"}
    assert jar.header("any.test", "/deep", tls=False, now=NOW) == "session=mine"
    assert jar.header("any.test", "/deep", tls=False, now=NOW, foreign=True) == ""
    jar.store("session=servers; Path=/", "a.test", "/", NOW)
    assert jar["session"] == "servers"
    assert jar.header("any.test", "/", tls=False, now=NOW) == ""
    del jar["session"]
    assert list(jar) == ["other"]
    with pytest.raises(KeyError):
        del jar["session"]


def test_a_date_that_no_calendar_has_is_no_date() -> None:
    for date in ("Thu, 99 Jan 2099 00:00:00 GMT", "Thu, 01 Jan 99999 00:00:00 GMT", "1", "Thu", "01 Jan 2099 99:99:99"):
        cookie = parse_cookie(f"a=1; Expires={date}", "a.test", "/", NOW)
        assert cookie is not None
        assert cookie.expires is None or cookie.expires > NOW


def test_every_user_has_cookies_of_its_own() -> None:
    def answer_with(number: int) -> list[bytes]:
        return [reply(b"", "200 OK", f"set-cookie: id={number}; Path=/", "set-cookie: second=x; Path=/only")]

    async def main(here: Talk) -> None:
        async with RawServer(lambda request: answer_with(request.connection)) as server:
            users = [here.user() for _ in range(3)]
            for _ in range(2):
                for user in users:
                    response = await user.get(f"{server.url}/")
                    assert response.cookies["id"] == user.cookies["id"]
            assert [user.cookies["id"] for user in users] == ["0", "1", "2"]
            assert all("cookie" not in request.headers for request in server.requests[:3])
            assert [request.headers["cookie"] for request in server.requests[3:]] == ["id=0", "id=1", "id=2"]

    talk(main)


def test_a_request_with_a_cookie_header_of_its_own_sends_that_one_only() -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:
            user = here.user()
            user.cookies["jar"] = "1"
            await user.get(f"{server.url}/", headers={"Cookie": "own=2"})
            await user.get(f"{server.url}/")
            assert [request.headers["cookie"] for request in server.requests] == ["own=2", "jar=1"]

    talk(main)


def test_a_cookie_in_eight_bit_letters_comes_back_as_it_was() -> None:
    async def main(here: Talk) -> None:
        line = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nset-cookie: a=b\u00fc\r\n\r\n"
        async with RawServer(in_turn([line.encode()], [OK])) as server:
            user = here.user()
            await user.get(f"{server.url}/")
            await user.get(f"{server.url}/")
            assert "cookie: a=bü\r\n".encode() in server.requests[1].head

    talk(main)


def test_a_cookie_that_would_break_out_of_its_line_is_refused_where_it_is_sent() -> None:
    async def main(here: Talk) -> None:
        user = here.user()
        user.cookies["a"] = "x\r\nevil: 1"
        with pytest.raises(ValueError, match="line break"):
            user.get("http://127.0.0.1:1/")
        assert here.counts() == {}

    talk(main)
