"""Opening connections: TLS with every way it can be refused, names, Unix sockets, IPv6, timeouts."""

from __future__ import annotations

import asyncio
import datetime
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from time import perf_counter
from typing import Any

import pytest
import trustme
import uvloop

from loadgate.clients.base import ErrorKind
from loadgate.clients.transport import Connector, Origin, TlsOptions, parse_origin
from loadgate.errors import LoadgateError
from tests.support.http_talk import Talk, assert_error, talk
from tests.support.raw_server import CLOSE, OK, RESET, RawServer

NewLoop = Callable[[], asyncio.AbstractEventLoop]
LOOPS: list[NewLoop] = [uvloop.new_event_loop, asyncio.SelectorEventLoop]
both_loops = pytest.mark.parametrize("new_loop", LOOPS)


class Identity:
    """A CA of its own, and what it signed."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.ca))
        self.cert = folder / "client.pem"
        self.key = folder / "client.key"
        client = self.authority.issue_cert("client@loadgate.test")
        client.private_key_pem.write_to_path(str(self.key))
        for number, pem in enumerate(client.cert_chain_pems):
            pem.write_to_path(str(self.cert), append=number > 0)

    def server(self, *names: str, client: bool = False, **validity: Any) -> ssl.SSLContext:
        """A server's context with a certificate for `names`; with `client`, it demands one of the same CA."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(*(names or ("127.0.0.1", "localhost")), **validity).configure_cert(context)
        if client:
            context.verify_mode = ssl.CERT_REQUIRED
            self.authority.configure_trust(context)
        return context

    @property
    def trusted(self) -> TlsOptions:
        return TlsOptions(ca=self.ca)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(tmp_path_factory.mktemp("tls"))


# -- TLS


@both_loops
def test_a_certificate_of_the_given_ca_is_trusted_and_the_connection_kept(
    identity: Identity, new_loop: NewLoop
) -> None:
    async def main(here: Talk) -> None:
        async with RawServer(tls=identity.server()) as server:
            user = here.user()
            first, second = await user.get(f"{server.url}/"), await user.get(f"{server.url}/")
            assert (first.body, second.body) == (b"ok", b"ok"), repr(first)
            assert server.connections == 1
            assert first.timings.connecting > 0 < first.timings.tls_handshaking
            assert second.timings.connecting == second.timings.tls_handshaking == 0

    talk(main, tls=identity.trusted, new_loop=new_loop)


def refused_tls(
    server_tls: ssl.SSLContext, tls: TlsOptions, *words: str, host: str = "127.0.0.1", new_loop: NewLoop = LOOPS[0]
) -> None:
    async def main(here: Talk) -> None:
        async with RawServer(tls=server_tls) as server:
            url = server.url.replace("127.0.0.1", host)
            response = await here.user().get(f"{url}/")
            assert_error(here, response, ErrorKind.TLS, f"{host}:{server.port}", *words)
            assert not server.requests

    talk(main, tls=tls, new_loop=new_loop)


@both_loops
def test_a_certificate_of_an_unknown_ca_is_refused(identity: Identity, new_loop: NewLoop) -> None:
    refused_tls(identity.server(), TlsOptions(), "certificate", "unable to get local issuer", new_loop=new_loop)


def test_a_self_signed_certificate_is_refused(identity: Identity, tmp_path: Path) -> None:
    signer = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (tmp_path / "self.pem").write_bytes(signer.private_key_pem.bytes() + signer.cert_pem.bytes())
    context.load_cert_chain(tmp_path / "self.pem")
    refused_tls(context, identity.trusted, "self-signed certificate")


@both_loops
def test_a_certificate_for_another_host_is_refused(identity: Identity, new_loop: NewLoop) -> None:
    refused_tls(identity.server("other.test"), identity.trusted, "127.0.0.1", "not valid for", new_loop=new_loop)


def test_an_expired_certificate_is_refused(identity: Identity) -> None:
    past = datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC)
    context = identity.server(not_before=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), not_after=past)
    refused_tls(context, identity.trusted, "certificate has expired")


def test_no_certificate_is_refused_where_the_user_turned_verification_off(identity: Identity) -> None:
    async def main(here: Talk) -> None:
        async with RawServer(tls=identity.server("other.test")) as server:
            assert (await here.user().get(f"{server.url}/")).ok

    talk(main, tls=TlsOptions(verify=False))


@both_loops
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_is_shown_where_it_is_demanded(
    identity: Identity, version: ssl.TLSVersion, new_loop: NewLoop
) -> None:
    context = identity.server(client=True)
    context.minimum_version = context.maximum_version = version

    async def main(here: Talk) -> None:
        async with RawServer(tls=context) as server:
            assert (await here.user().get(f"{server.url}/")).ok

    talk(main, tls=TlsOptions(ca=identity.ca, cert=identity.cert, key=identity.key), new_loop=new_loop)


@both_loops
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_missing_client_certificate_is_an_error_that_names_it(
    identity: Identity, version: ssl.TLSVersion, new_loop: NewLoop
) -> None:
    context = identity.server(client=True)
    context.minimum_version = context.maximum_version = version

    async def main(here: Talk) -> None:
        for tried in range(1, 21):  # under TLS 1.3 the refusal races with the request
            response = await here.user().post(f"https://127.0.0.1:{port}/")
            assert response.error in (ErrorKind.TLS, ErrorKind.RESET), repr(response)
            assert "certificate" in response.error_text or "handshake failure" in response.error_text
            assert sum(here.counts().values()) == tried

    with blocking_tls(context) as port:
        talk(main, tls=identity.trusted, new_loop=new_loop)


@both_loops
def test_https_to_a_server_that_speaks_plain_http_is_a_tls_error_that_says_so(new_loop: NewLoop) -> None:
    async def main(here: Talk) -> None:
        async with RawServer([OK], greeting=[b"HTTP/1.1 400 Bad Request\r\n\r\n"]) as server:
            response = await here.user().get(f"https://127.0.0.1:{server.port}/")
            assert_error(here, response, ErrorKind.TLS, "does not speak TLS")

    talk(main, new_loop=new_loop)


def test_http_to_a_server_that_speaks_tls_is_counted(identity: Identity) -> None:
    async def main(here: Talk) -> None:
        async with RawServer(tls=identity.server()) as server:
            response = await here.user().get(f"http://127.0.0.1:{server.port}/")
            assert response.error in (ErrorKind.PROTOCOL, ErrorKind.RESET)
            assert_error(here, response, response.error)

    talk(main)


@both_loops
@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_a_server_that_hangs_up_in_the_handshake_is_a_tls_error(end: Any, new_loop: NewLoop) -> None:
    async def main(here: Talk) -> None:
        async with RawServer(greeting=[0.01, end]) as server:
            response = await here.user().get(f"https://127.0.0.1:{server.port}/")
            assert_error(here, response, ErrorKind.TLS, f"127.0.0.1:{server.port}")

    talk(main, new_loop=new_loop)


@both_loops
@pytest.mark.parametrize("end", [CLOSE, RESET])
def test_a_server_that_hangs_up_before_the_handshake_is_counted(end: Any, new_loop: NewLoop) -> None:
    async def main(here: Talk) -> None:
        async with RawServer(greeting=[end]) as server:
            response = await here.user().get(f"https://127.0.0.1:{server.port}/")
            assert response.error in (ErrorKind.TLS, ErrorKind.RESET, ErrorKind.CONNECT)
            assert_error(here, response, response.error)

    talk(main, new_loop=new_loop)


@both_loops
def test_a_handshake_that_does_not_end_is_given_up_after_the_connect_timeout(new_loop: NewLoop) -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:  # waits for a request line, which never comes
            begun = perf_counter()
            response = await here.user().get(f"https://127.0.0.1:{server.port}/")
            assert_error(here, response, ErrorKind.TLS, "TLS handshake", "0.1 s")
            assert perf_counter() - begun < 1.0

    talk(main, connect_timeout=0.1, new_loop=new_loop)


def test_a_close_delimited_reply_over_tls_is_whole(identity: Identity) -> None:
    async def main(here: Talk) -> None:
        async with RawServer([b"HTTP/1.1 200 OK\r\n\r\nall of it", CLOSE], tls=identity.server()) as server:
            response = await here.user().get(f"{server.url}/")
            assert response.body == b"all of it", repr(response)

    talk(main, tls=identity.trusted)


def test_a_large_upload_over_tls_arrives_whole(identity: Identity) -> None:
    body = os.urandom(2_000_000)

    async def main(here: Talk) -> None:
        async with RawServer(tls=identity.server()) as server:
            response = await here.user().post(f"{server.url}/", data=body)
            assert response.ok, repr(response)
            assert server.requests[0].body == body

    talk(main, tls=identity.trusted)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ca": "missing.pem"}, "cannot read the TLS ca file"),
        ({"ca": "junk.pem"}, "no usable CA certificate"),
        ({"cert": "junk.pem"}, "no usable pair"),
        ({"cert": "client.pem", "key": "junk.pem"}, "no usable pair"),
        ({"cert": "client.pem", "key": "missing.key"}, "cannot read the TLS key file"),
    ],
)
def test_tls_files_that_cannot_be_used_stop_the_run_before_it_begins(
    identity: Identity, options: dict[str, str], words: str
) -> None:
    folder = identity.ca.parent
    (folder / "junk.pem").write_text("not a certificate")
    with pytest.raises(LoadgateError, match=words):
        Connector(TlsOptions(**{name: folder / file for name, file in options.items()}))  # type: ignore[arg-type]


# -- names and addresses


@both_loops
def test_a_name_that_does_not_resolve_is_a_dns_error(new_loop: NewLoop) -> None:
    async def main(here: Talk) -> None:
        response = await here.user().get("http://no-such-host.invalid/")
        assert_error(here, response, ErrorKind.DNS, "no-such-host.invalid")

    talk(main, new_loop=new_loop)


def test_many_users_that_cannot_resolve_a_name_are_counted_one_by_one() -> None:
    async def main(here: Talk) -> None:
        replies = await asyncio.gather(*(here.user().get("http://no-such-host.invalid/") for _ in range(300)))
        assert {response.error for response in replies} == {ErrorKind.DNS}
        assert here.counts() == {"dns": 300}
        assert here.errors()["dns"][0] == 300

    talk(main)


def test_a_name_with_an_impossible_label_is_a_dns_error() -> None:
    async def main(here: Talk) -> None:
        response = await here.user().get(f"http://{'x' * 70}.test/")
        assert_error(here, response, ErrorKind.DNS, "host name")

    talk(main)


@both_loops
def test_a_name_is_looked_up_once_for_all_users(new_loop: NewLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    genuine = Connector._look_up

    async def counted(self: Connector, key: tuple[str, int]) -> Any:
        asked.append(key)
        return await genuine(self, key)

    monkeypatch.setattr(Connector, "_look_up", counted)

    async def main(here: Talk) -> None:
        async with RawServer() as server:
            url = server.url.replace("127.0.0.1", "localhost")
            replies = await asyncio.gather(*(here.user().get(f"{url}/") for _ in range(50)))
            assert all(response.ok for response in replies), replies[0]
            assert asked == [("localhost", server.port)]

    talk(main, new_loop=new_loop)


def test_a_lookup_that_takes_too_long_is_a_dns_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(self: Connector, key: tuple[str, int]) -> Any:
        await asyncio.sleep(0.3)
        return []

    monkeypatch.setattr(Connector, "_look_up", slow)

    async def main(here: Talk) -> None:
        response = await here.user().get("http://slow.test/")
        assert_error(here, response, ErrorKind.DNS, "slow.test", "0.05 s")
        await asyncio.sleep(0.3)  # the lookup is shared and goes on

    talk(main, connect_timeout=0.05)


@both_loops
def test_the_next_address_is_tried_where_one_refuses(new_loop: NewLoop) -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:
            with unused("127.0.0.2") as (_, port):
                found: Any = [
                    (socket.AF_INET, ("127.0.0.2", port)),
                    (socket.AF_INET, ("127.0.0.1", server.port)),
                ]
                here.stack.connector._names["two.test", 80] = (perf_counter() + 60, found)
                assert (await here.user().get("http://two.test/")).ok

    talk(main, new_loop=new_loop)


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:
            with full_backlog() as port:
                found: Any = [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET, ("127.0.0.1", server.port))]
                here.stack.connector._names["two.test", 80] = (perf_counter() + 60, found)
                response = await here.user().get("http://two.test/")
                assert response.ok, repr(response)

    talk(main, connect_timeout=0.2)


@both_loops
def test_ipv6_is_spoken(new_loop: NewLoop) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no ::1")

    async def main(here: Talk) -> None:
        async with RawServer(host="::1") as server:
            response = await here.user().get(f"{server.url}/")
            assert response.ok, repr(response)
            assert server.requests[0].headers["host"] == f"[::1]:{server.port}"

    talk(main, new_loop=new_loop)


def test_ipv6_certificates_are_checked_against_the_address(identity: Identity) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no ::1")

    async def main(here: Talk) -> None:
        async with RawServer(host="::1", tls=identity.server("::1")) as server:
            assert (await here.user().get(f"{server.url}/")).ok

    talk(main, tls=identity.trusted)


# -- Unix sockets


def unix_url(path: Path) -> str:
    return f"http+unix://{str(path).replace('/', '%2F')}"


@both_loops
def test_a_unix_socket_is_spoken_to_and_the_connection_kept(tmp_path: Path, new_loop: NewLoop) -> None:
    path = tmp_path / "app.sock"

    async def main(here: Talk) -> None:
        async with RawServer(path=str(path)) as server:
            user = here.user()
            for _ in range(3):
                response = await user.get(f"{unix_url(path)}/health?x=1")
                assert response.ok, repr(response)
            assert server.connections == 1
            assert server.requests[0].target == "/health?x=1"
            assert server.requests[0].headers["host"] == "localhost"

    talk(main, new_loop=new_loop)


@both_loops
@pytest.mark.parametrize(("exists", "words"), [(False, "no such file"), (True, "refused")])
def test_a_unix_socket_nobody_listens_on_is_refused(
    tmp_path: Path, exists: bool, words: str, new_loop: NewLoop
) -> None:
    path = tmp_path / "gone.sock"
    if exists:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))

    async def main(here: Talk) -> None:
        response = await here.user().get(f"{unix_url(path)}/")
        assert_error(here, response, ErrorKind.CONNECT, str(path), words)

    talk(main, new_loop=new_loop)


@both_loops
def test_a_unix_socket_with_a_full_backlog_is_waited_for(tmp_path: Path, new_loop: NewLoop) -> None:
    """Linux refuses at once (EAGAIN) where TCP would wait, but a busy server is not one that is down."""
    path = tmp_path / "busy.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        waiting = fill(listener)

        async def main(here: Talk) -> None:
            response = await here.user().get(f"{unix_url(path)}/")
            assert_error(here, response, ErrorKind.CONNECT, str(path), "0.1 s")

        try:
            talk(main, connect_timeout=0.1, new_loop=new_loop)
        finally:
            for peer in waiting:
                peer.close()


@both_loops
def test_a_unix_connect_goes_through_once_the_backlog_has_room(tmp_path: Path, new_loop: NewLoop) -> None:
    path = tmp_path / "busy.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        waiting = fill(listener)

        async def main(here: Talk) -> None:
            loop = asyncio.get_running_loop()
            reply = asyncio.ensure_future(here.user().get(f"{unix_url(path)}/"))
            await asyncio.sleep(0.02)
            assert not reply.done()
            listener.setblocking(False)
            accepted = [(await loop.sock_accept(listener))[0] for _ in waiting[:-1]]  # the last one found no room
            mine, _ = await loop.sock_accept(listener)
            assert b"GET / HTTP/1.1" in await loop.sock_recv(mine, 1000)
            await loop.sock_sendall(mine, OK)
            assert (await reply).ok
            for peer in (*accepted, mine):
                peer.close()

        try:
            talk(main, new_loop=new_loop)
        finally:
            for peer in waiting:
                peer.close()


# -- timeouts and the gate


@both_loops
def test_a_connect_that_nobody_accepts_is_given_up_after_the_connect_timeout(new_loop: NewLoop) -> None:
    with full_backlog() as port:

        async def main(here: Talk) -> None:
            begun = perf_counter()
            response = await here.user().get(f"http://127.0.0.1:{port}/")
            assert_error(here, response, ErrorKind.CONNECT, f"127.0.0.1:{port}", "0.1 s")
            assert 0.09 < perf_counter() - begun < 1.0
            assert response.timings.latency >= 90

        talk(main, connect_timeout=0.1, new_loop=new_loop)


def test_the_request_timeout_ends_a_connect_that_takes_longer() -> None:
    with full_backlog() as port:

        async def main(here: Talk) -> None:
            begun = perf_counter()
            response = await here.user().get(f"http://127.0.0.1:{port}/", timeout=0.05)
            assert_error(here, response, ErrorKind.CONNECT, "0.05 s")
            assert perf_counter() - begun < 1.0

        talk(main, connect_timeout=10.0)


@pytest.mark.slow
def test_a_request_that_finds_no_place_to_connect_is_a_timeout_that_says_why() -> None:
    with full_backlog() as port:

        async def main(here: Talk) -> None:
            users = [here.user() for _ in range(100)]
            stuck = [asyncio.ensure_future(user.get(f"http://127.0.0.1:{port}/")) for user in users]
            await asyncio.sleep(0.02)
            response = await here.user().get(f"http://127.0.0.1:{port}/", timeout=0.05)
            assert response.error is ErrorKind.TIMEOUT
            assert "100 other connections were being opened" in response.error_text
            await asyncio.gather(*stuck)
            assert here.counts() == {"timeout": 1, "connect": 100}

        talk(main, connect_timeout=0.3)


def test_a_thousand_users_that_start_at_once_are_all_served_without_a_lost_connect() -> None:
    async def main(here: Talk) -> None:
        async with RawServer() as server:
            replies = await asyncio.gather(*(here.user().get(f"{server.url}/") for _ in range(1000)))
            assert all(response.ok for response in replies)
            assert server.connections == 1000
            assert here.trend("http_req_connecting").maximum < 900, "a lost SYN is sent again after one second"

    talk(main)


# -- URLs


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("http://a.test", Origin("http", "a.test", 80), "/"),
        ("https://a.test/x?y=1", Origin("https", "a.test", 443), "/x?y=1"),
        ("http://A.Test:8080/x", Origin("http", "a.test", 8080), "/x"),
        ("http://[::1]:1/", Origin("http", "::1", 1), "/"),
        ("http://bücher.test/", Origin("http", "xn--bcher-kva.test", 80), "/"),
        ("http+unix://%2Frun%2Fapp.sock/x", Origin("http", "localhost", 0, "/run/app.sock"), "/x"),
    ],
)
def test_a_url_is_split_into_origin_and_target(url: str, origin: Origin, target: str) -> None:
    assert parse_origin(url) == (origin, target)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://user:hunter2@a.test/",
        "http://",
        "http:///path",
        "http://a.test:port/",
        "http://a.test:99999/",
        "http://user:hunter2/x@a.test/",
        "http://[::1/",
        "http://a b.test/",
        "http://a\u2100b:hunter2@x.test/",
        "http+unix:///x",
        "nonsense",
    ],
)
def test_a_url_that_cannot_be_used_is_a_value_error_without_its_password(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_origin(url)
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) > 10


@pytest.mark.parametrize(
    ("origin", "authority"),
    [
        (Origin("http", "a.test", 80), "a.test"),
        (Origin("https", "a.test", 443), "a.test"),
        (Origin("https", "a.test", 80), "a.test:80"),
        (Origin("http", "::1", 8080), "[::1]:8080"),
    ],
)
def test_the_host_header_names_a_port_only_where_it_is_not_the_schemes_own(origin: Origin, authority: str) -> None:
    assert origin.authority == authority


# -- helpers


@contextmanager
def blocking_tls(context: ssl.SSLContext) -> Iterator[int]:
    """The port of a server on OpenSSL's own sockets, which send their alerts: asyncio's servers forget to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:  # shut down
                    return
                with peer, suppress(OSError), context.wrap_socket(peer, server_side=True) as secure:
                    secure.recv(10_000)
                    secure.sendall(OK)

        thread = Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@contextmanager
def unused(host: str) -> Iterator[tuple[str, int]]:
    """An address that refuses: bound, so that nobody else gets it, and not listening."""
    with socket.socket() as bound:
        bound.bind((host, 0))
        yield bound.getsockname()


@contextmanager
def full_backlog() -> Iterator[int]:
    """The port of a listener whose backlog is full: further connects get no answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = fill(listener)
        try:
            yield listener.getsockname()[1]
        finally:
            for peer in waiting:
                peer.close()


def fill(listener: socket.socket) -> list[socket.socket]:
    """Connect to `listener` until it takes no more."""
    waiting = []
    for _ in range(8):
        peer = socket.socket(listener.family)
        waiting.append(peer)
        peer.settimeout(0.2)
        try:
            peer.connect(listener.getsockname())
        except (TimeoutError, BlockingIOError):
            return waiting
    raise AssertionError("the backlog does not fill up")
