"""gRPC over TLS against a grpcio server: trust, client certificates, and servers that want no HTTP/2."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from loadgate.clients.base import ErrorKind
from loadgate.clients.grpc import GrpcReply
from loadgate.clients.grpc.protos import compile_protos
from loadgate.clients.transport import TlsOptions
from tests.support.grpc_server import GREETER, SERVICE, GrpcServer, serving
from tests.support.grpc_talk import GrpcTalk, assert_error, grpc_talk

HELLO = f"{SERVICE}/SayHello"


class Files:
    """A certificate authority, and certificates of a server and a client."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        own, client = (
            self.authority.issue_cert("localhost", "127.0.0.1"),
            self.authority.issue_cert("client@example.org"),
        )
        self.ca, self.cert, self.key = folder / "ca.pem", folder / "cert.pem", folder / "key.pem"
        self.client_cert, self.client_key = folder / "client.pem", folder / "client-key.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        own.cert_chain_pems[0].write_to_path(self.cert)
        own.private_key_pem.write_to_path(self.key)
        client.cert_chain_pems[0].write_to_path(self.client_cert)
        client.private_key_pem.write_to_path(self.client_key)
        self.own = own


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(files: Files) -> Iterator[GrpcServer]:
    with serving("--tls", str(files.cert), str(files.key)) as found:
        yield found


def test_calls_and_streams_over_tls(server: GrpcServer, files: Files) -> None:
    async def main(here: GrpcTalk) -> None:
        user = here.user()
        first = await user.unary(HELLO, {"name": "you"})
        assert first.ok, first.details
        assert first.timings.tls_handshaking > 0
        assert (await user.unary(HELLO, {"reply_size": 300_000})).ok
        async with user.stream(f"{SERVICE}/Count", {"count": 20, "reply_size": 50_000}) as stream:
            assert len([one async for one in stream]) == 20
        assert here.counts() == {"OK": 3}

    url = f"grpcs://localhost:{server.port}"
    grpc_talk(main, url, tls=TlsOptions(ca=files.ca), schema=compile_protos([GREETER]))


def test_a_certificate_that_is_not_trusted_is_refused(server: GrpcServer) -> None:
    async def main(here: GrpcTalk) -> None:
        reply = await here.user().unary(HELLO, b"")
        assert_error(here, reply, ErrorKind.TLS, "UNAVAILABLE", "certificate refused")

    grpc_talk(main, f"grpcs://localhost:{server.port}")


def test_without_verification_any_certificate_will_do(server: GrpcServer) -> None:
    async def main(here: GrpcTalk) -> GrpcReply:
        return await here.user().unary(HELLO, b"")

    assert grpc_talk(main, f"grpcs://localhost:{server.port}", tls=TlsOptions(verify=False)).ok


def test_a_server_that_demands_a_certificate(files: Files) -> None:
    async def main(here: GrpcTalk) -> GrpcReply:
        return await here.user().unary(HELLO, b"")

    with serving("--tls", str(files.cert), str(files.key), str(files.ca)) as server:
        url = f"grpcs://localhost:{server.port}"
        refused = grpc_talk(main, url, tls=TlsOptions(ca=files.ca))
        assert refused.error in (ErrorKind.TLS, ErrorKind.RESET), repr(refused)
        assert grpc_talk(main, url, tls=TlsOptions(ca=files.ca, cert=files.client_cert, key=files.client_key)).ok


def test_a_server_without_http2_is_named(files: Files) -> None:
    async def main(here: GrpcTalk) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        files.own.configure_cert(context)
        listener = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        port = listener.sockets[0].getsockname()[1]
        here.stack.origin = here.stack.origin.__class__("https", "127.0.0.1", port)
        try:
            reply = await here.user().unary(HELLO, b"")
        finally:
            listener.close()
        assert_error(here, reply, ErrorKind.TLS, "UNAVAILABLE", "did not agree to HTTP/2")

    grpc_talk(main, tls=TlsOptions(ca=files.ca))


def test_plain_text_to_a_tls_server_and_tls_to_a_plain_one(server: GrpcServer, files: Files) -> None:
    async def main(here: GrpcTalk) -> GrpcReply:
        return await here.user().unary(HELLO, b"", timeout=3.0)

    assert grpc_talk(main, server.url).error in (ErrorKind.RESET, ErrorKind.PROTOCOL, ErrorKind.CONNECT)
    with serving() as plain:
        url = f"grpcs://localhost:{plain.port}"
        assert grpc_talk(main, url, tls=TlsOptions(ca=files.ca), connect_timeout=1.0).error is ErrorKind.TLS
