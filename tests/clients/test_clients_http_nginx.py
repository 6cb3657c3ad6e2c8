"""The client against a real server: nginx, with its own ideas on chunks, keep-alive, TLS and large bodies."""

from __future__ import annotations

import asyncio
import gzip
import os
import secrets
import socket
from collections.abc import Callable, Iterator

import pytest
import trustme
import uvloop

from loadgate.clients.base import ErrorKind
from loadgate.clients.transport import TlsOptions
from tests.support.http_talk import Talk, talk
from tests.support.nginx import Nginx, nginx

NewLoop = Callable[[], asyncio.AbstractEventLoop]
both_loops = pytest.mark.parametrize("new_loop", [uvloop.new_event_loop, asyncio.SelectorEventLoop])

TEXT = b"some text that packs well\n" * 2000

SERVERS = """
  server {
    listen 127.0.0.1:@plain@;
    listen unix:@folder@/nginx.sock;
    root @folder@/www;
    gzip on; gzip_min_length 100; gzip_types text/plain;
    client_max_body_size 8m;
    client_body_buffer_size 16k;
    keepalive_requests 1000;
    location = /moved { return 301 /a.txt; }
    location = /none { return 204; }
    location = /echo { client_body_buffer_size 8m; echo_read_request_body; echo_request_body; }
    location = /chunks { echo -n one; echo_flush; echo -n two; echo_flush; echo -n three; }
    location = /slow { echo_sleep 0.1; echo late; }
    location = /small { client_max_body_size 1k; echo_read_request_body; echo ok; }
    location = /hangup { return 444; }
    location = /login { add_header Set-Cookie "session=$arg_user; Path=/"; return 200 in; }
    location = /who { return 200 $cookie_session; }
    location = /private {
      auth_basic realm; auth_basic_user_file @folder@/users;
      try_files /a.txt =404;
    }
  }
  server {
    listen 127.0.0.1:@few@;
    root @folder@/www;
    keepalive_requests 3;
  }
  server {
    listen 127.0.0.1:@brief@;
    root @folder@/www;
    keepalive_timeout 50ms;
  }
  server {
    listen 127.0.0.1:@tls@ ssl;
    root @folder@/www;
    ssl_certificate @folder@/server.pem; ssl_certificate_key @folder@/server.key;
  }
  server {
    listen 127.0.0.1:@mutual@ ssl;
    root @folder@/www;
    ssl_certificate @folder@/server.pem; ssl_certificate_key @folder@/server.key;
    ssl_client_certificate @folder@/ca.pem; ssl_verify_client on;
  }
  @ipv6@
"""
IPV6 = "server { listen [::1]:@plain@; root @folder@/www; }"


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "www").mkdir()
    (folder / "www" / "a.txt").write_bytes(TEXT)
    (folder / "www" / "index.html").write_bytes(b"home")
    (folder / "users").write_text("jane:{PLAIN}hunter2\n")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    leaf.private_key_pem.write_to_path(str(folder / "server.key"))
    leaf.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    client = authority.issue_cert("client@loadgate.test")
    client.private_key_and_cert_chain_pem.write_to_path(str(folder / "client.pem"))
    servers = SERVERS.replace("@ipv6@", IPV6 if has_ipv6() else "")
    with nginx(folder, servers, "plain", "few", "brief", "tls", "mutual") as running:
        yield running


def base(server: Nginx, name: str = "plain") -> str:
    return f"{'https' if name in ('tls', 'mutual') else 'http'}://127.0.0.1:{server.ports[name]}"


@both_loops
def test_a_hundred_requests_go_over_one_connection(server: Nginx, new_loop: NewLoop) -> None:
    async def main(here: Talk) -> None:
        user = here.user()
        mark = f"?{secrets.token_hex(8)}"
        for _ in range(100):
            response = await user.get(f"{base(server)}/index.html{mark}")
            assert (response.status, response.text) == (200, "home"), repr(response)
        lines = await server.logged(mark, 100)
        assert len(lines) == 100
        assert len({line.split()[0] for line in lines}) == 1
        assert here.counts() == {"200": 100}

    talk(main, new_loop=new_loop)


@both_loops
@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/a.txt", 200, TEXT),
        ("/chunks", 200, b"onetwothree"),
        ("/moved", 200, TEXT),
        ("/none", 204, b""),
        ("/gone", 404, None),
    ],
)
def test_what_nginx_sends_is_what_a_user_gets(
    server: Nginx, path: str, status: int, body: bytes | None, new_loop: NewLoop
) -> None:
    async def main(here: Talk) -> None:
        user = here.user()
        for _ in range(3):
            response = await user.get(f"{base(server)}{path}")
            assert response.status == status, repr(response)
            assert body is None or response.body == body
            head = await user.head(f"{base(server)}{path}")
            assert (head.status, head.body) == (status, b"")
        assert not here.errors()

    talk(main, new_loop=new_loop)


def test_a_body_packed_on_the_fly_is_unpacked(server: Nginx) -> None:
    async def main(here: Talk) -> None:
        response = await here.user().get(f"{base(server)}/a.txt", headers={"Accept-Encoding": "gzip"})
        assert response.headers["content-encoding"] == "gzip"
        assert response.headers["transfer-encoding"] == "chunked"
        assert response.body == TEXT
        assert here.total("data_received") < len(gzip.compress(TEXT)) + 2000

    talk(main)


def test_five_megabytes_go_there_and_back(server: Nginx) -> None:
    body = os.urandom(5_000_000)

    async def main(here: Talk) -> None:
        user = here.user()
        for _ in range(2):
            response = await user.post(f"{base(server)}/echo", data=body)
            assert response.status == 200, repr(response)
            assert response.body == body
            assert here.total("data_sent") > len(body) < here.total("data_received")

    talk(main, timeout=15.0)


def test_a_body_is_sent_after_100_continue(server: Nginx) -> None:
    async def main(here: Talk) -> None:
        user = here.user()
        for size in (10, 200_000):
            body = b"y" * size
            response = await user.post(f"{base(server)}/echo", data=body, headers={"Expect": "100-continue"})
            assert response.body == body, repr(response)
            assert response.timings.duration < 900, "the server's word was waited for in vain"

    talk(main)


def test_a_body_that_is_too_large_is_answered_with_413(server: Nginx) -> None:
    async def main(here: Talk) -> None:
        user = here.user()
        for headers in ({}, {"Expect": "100-continue"}):
            response = await user.post(f"{base(server)}/small", data=b"x" * 5000, headers=headers)
            assert (response.status, response.error) == (413, None), repr(response)
            assert (await user.get(f"{base(server)}/index.html")).ok

    talk(main)


@pytest.mark.parametrize(("method", "rounds"), [("GET", 10), ("POST", 10)])
def test_a_server_that_ends_connections_after_a_few_requests_costs_no_error(
    server: Nginx, method: str, rounds: int
) -> None:
    async def main(here: Talk) -> None:
        user = here.user()
        for _ in range(rounds):
            assert (await user.request(method, f"{base(server, 'few')}/index.html")).error is None
        assert not here.errors()

    talk(main)


def test_a_connection_closed_for_idleness_is_replaced_unseen(server: Nginx) -> None:
    async def main(here: Talk) -> None:
        user = here.user()
        for _ in range(3):
            response = await user.post(f"{base(server, 'brief')}/index.html")
            assert response.status == 405, repr(response)
            async with asyncio.timeout(5):
                while user._first is not None:
                    await asyncio.sleep(0.005)
        assert here.counts() == {"405": 3}

    talk(main)


def test_a_server_that_hangs_up_is_a_reset_with_one_sample(server: Nginx) -> None:
    async def main(here: Talk) -> None:
        assert (await here.user().post(f"{base(server)}/hangup")).error is ErrorKind.RESET
        assert here.counts() == {"reset": 1}

    talk(main)


def test_a_reply_that_comes_too_late_is_a_timeout_and_the_next_one_is_not_mixed_up(server: Nginx) -> None:
    async def main(here: Talk) -> None:
        user = here.user()
        assert (await user.get(f"{base(server)}/slow", timeout=0.03)).error is ErrorKind.TIMEOUT
        assert (await user.get(f"{base(server)}/index.html")).text == "home"
        assert (await user.get(f"{base(server)}/slow")).text == "late\n"

    talk(main)


def test_users_log_in_as_themselves(server: Nginx) -> None:
    async def main(here: Talk) -> None:
        async def one(name: str) -> None:
            user = here.user()
            await user.get(f"{base(server)}/login?user={name}")
            assert (await user.get(f"{base(server)}/who")).text == name

        await asyncio.gather(*(one(f"user{number}") for number in range(20)))

    talk(main)


def test_basic_credentials_open_what_they_are_for(server: Nginx) -> None:
    async def main(here: Talk) -> None:
        user = here.user()
        assert (await user.get(f"{base(server)}/private")).status == 401
        assert (await user.get(f"{base(server)}/private", auth=("jane", "wrong"))).status == 401
        assert (await user.get(f"{base(server)}/private", auth=("jane", "hunter2"))).status == 200

    talk(main)


def test_a_unix_socket_is_spoken_to(server: Nginx) -> None:
    async def main(here: Talk) -> None:
        path = str(server.folder / "nginx.sock").replace("/", "%2F")
        user = here.user()
        for _ in range(3):
            assert (await user.get(f"http+unix://{path}/index.html")).text == "home"

    talk(main)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_ipv6_is_spoken(server: Nginx) -> None:
    async def main(here: Talk) -> None:
        assert (await here.user().get(f"http://[::1]:{server.ports['plain']}/index.html")).text == "home"

    talk(main)


@both_loops
def test_tls_is_verified_and_kept_alive(server: Nginx, new_loop: NewLoop) -> None:
    async def main(here: Talk) -> None:
        user = here.user()
        replies = [await user.get(f"{base(server, 'tls')}/a.txt") for _ in range(5)]
        assert all(response.body == TEXT for response in replies), replies[0]
        assert [response.timings.tls_handshaking > 0 for response in replies] == [True, False, False, False, False]

    talk(main, tls=TlsOptions(ca=server.folder / "ca.pem"), new_loop=new_loop)


def test_a_client_certificate_is_shown_to_a_server_that_demands_one(server: Nginx) -> None:
    async def main(here: Talk) -> None:
        assert (await here.user().get(f"{base(server, 'mutual')}/index.html")).text == "home"

    talk(main, tls=TlsOptions(ca=server.folder / "ca.pem", cert=server.folder / "client.pem"))


def test_nginx_says_so_where_a_client_certificate_is_missing(server: Nginx) -> None:
    async def main(here: Talk) -> None:
        response = await here.user().get(f"{base(server, 'mutual')}/index.html")
        assert response.status == 400
        assert "SSL certificate" in response.text

    talk(main, tls=TlsOptions(ca=server.folder / "ca.pem"))


def test_two_hundred_users_at_once_are_all_served(server: Nginx) -> None:
    mark = f"?{secrets.token_hex(8)}"

    async def main(here: Talk) -> None:
        async def one() -> None:
            user = here.user()
            for _ in range(10):
                assert (await user.get(f"{base(server)}/index.html{mark}")).ok

        await asyncio.gather(*(one() for _ in range(200)))
        assert here.counts() == {"200": 2000}
        assert len({line.split()[0] for line in await server.logged(mark, 2000)}) == 200

    talk(main)
