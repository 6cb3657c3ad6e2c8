"""Bodies: kept within limits or dropped as they come, unpacked when they are asked for, and only so far."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import process_time, sleep

import brotli
import pytest
import zstandard

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.http import reader as reader_module
from loadgate.clients.http.coding import DECODED_LIMIT, decode_body
from loadgate.clients.http.reader import KEPT_LIMIT
from loadgate.clients.http.response import BodyError
from tests.support.command import LOADGATE, environment
from tests.support.http_talk import Talk, assert_error, talk
from tests.support.raw_server import CLOSE, OK, SILENCE, Action, Answer, RawServer, chunked, in_turn, reply

MIB = 1024 * 1024
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
TO_THE_END = b"HTTP/1.1 200 OK\r\n\r\n"


def coded(body: bytes, coding: str) -> bytes:
    return reply(body, "200 OK", f"content-encoding: {coding}")


# -- unpacking


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b"this is not gzip"),
        ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03cut"),
        ("gzip", gzip.compress(b"whole") + b"and more"),
        ("gzip", gzip.compress(b"checked")[:-8] + b"checksum"),
        ("deflate", b"\x78\x9cbroken"),
        ("deflate", zlib.compress(b"whole")[:-5]),
        ("br", b"\xff\xff\xff not brotli"),
        ("br", brotli.compress(b"whole")[:-1]),
        ("br", brotli.compress(b"whole") + b"and more"),
        ("zstd", b"(\xb5/\xfd broken"),
        ("zstd", b"not zstd at all"),
        ("zstd", zstandard.ZstdCompressor().compress(b"whole" * 99)[:-1]),
        ("snappy", b"unknown"),
        ("gzip, br", b"not either"),
        ("gzip, gzip, gzip, gzip, gzip, gzip", b"too many"),
    ],
)
def test_a_body_that_is_not_what_its_coding_says_is_an_error_for_who_reads_it(coding: str, body: bytes) -> None:
    async def main(here: Talk) -> None:
        async with RawServer([coded(body, coding)]) as server:
            user = here.user()
            response = await user.get(f"{server.url}/")
            assert response.status == 200
            assert not here.errors()  # nobody has read it yet
            for read in (lambda: response.body, lambda: response.text, response.json):
                with pytest.raises(
                    BodyError, match=coding.split(", ")[-1] if "too" not in body.decode("latin-1") else "6"
                ):
                    read()
            count, text = here.errors()["protocol"]
            assert count == 1
            assert text.isprintable()
            assert (await user.get(f"{server.url}/")).status == 200
            assert server.connections == 1  # its framing was right

    talk(main)


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: gzip.compress(bytes(DECODED_LIMIT + 1), 1),
    "deflate": lambda: zlib.compress(bytes(DECODED_LIMIT + 1), 1),
    "br": lambda: brotli.compress(bytes(DECODED_LIMIT + 1), quality=1),
    "zstd": lambda: zstandard.ZstdCompressor().compress(bytes(4 * DECODED_LIMIT)),
    "gzip, gzip": lambda: gzip.compress(gzip.compress(bytes(DECODED_LIMIT + 1), 1)),
}


@pytest.mark.slow
@pytest.mark.parametrize("coding", BOMBS)
def test_a_body_that_unpacks_to_too_much_is_given_up_and_counted(coding: str) -> None:
    bomb = BOMBS[coding]()

    async def main(here: Talk) -> None:
        async with RawServer([coded(bomb, coding)]) as server:
            response = await here.user().get(f"{server.url}/")
            for _ in range(2):
                begun = process_time()
                with pytest.raises(BodyError, match=f"over {DECODED_LIMIT:,} bytes"):
                    response.body  # noqa: B018
            assert process_time() - begun < 0.01  # the second time it is known
            assert here.errors()["oversize"][0] == 1

    talk(main)


@pytest.mark.slow
def test_unpacking_holds_little_more_than_the_limit() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(16 * DECODED_LIMIT))
    tracemalloc.start()
    try:
        with pytest.raises(ExchangeError) as caught:
            decode_body(bomb, "zstd")
        assert tracemalloc.get_traced_memory()[1] < 3 * DECODED_LIMIT
    finally:
        tracemalloc.stop()
    assert caught.value.kind is ErrorKind.OVERSIZE


def test_a_body_as_large_as_may_be_is_unpacked() -> None:
    body = bytes(DECODED_LIMIT)
    assert decode_body(gzip.compress(body, 1), "gzip") == body
    assert decode_body(zstandard.ZstdCompressor().compress(body), "zstd") == body


@pytest.mark.parametrize(
    ("coding", "unit"),
    [("gzip", gzip.compress(b"")), ("gzip", gzip.compress(b"") + b"\0"), ("zstd", b"(\xb5/\xfd \0\1\0\0")],
)
def test_empty_members_without_end_do_not_hold_the_loop(coding: str, unit: bytes) -> None:
    assert decode_body(unit * 1000, coding) == b""
    begun = process_time()
    with pytest.raises(ExchangeError, match="parts"):
        decode_body(unit * 1_000_000, coding)
    assert process_time() - begun < 5.0


def test_gzip_of_many_members_over_many_pieces_is_whole() -> None:
    parts = [os.urandom(size) for size in (1, 70_000, 0, 300_000, 5)]
    assert decode_body(b"".join(map(gzip.compress, parts)) + b"\0" * 100_000, "gzip") == b"".join(parts)


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "undefined", "hex", "none-such", "\0"])
def test_what_is_no_charset_is_read_as_utf_8_and_at_once(charset: str) -> None:
    body = b"abc-" + b"zz9" * 100_000

    async def main(here: Talk) -> None:
        async with RawServer([reply(body, "200 OK", f"content-type: text/plain; charset={charset}")]) as server:
            begun = process_time()
            response = await here.user().get(f"{server.url}/")
            if response.error is None:
                assert response.text == body.decode()
            assert process_time() - begun < 1.0

    talk(main)


def test_json_nested_without_end_is_no_json() -> None:
    async def main(here: Talk) -> None:
        async with RawServer([reply(b"[" * 1_000_000)]) as server:
            with pytest.raises(ValueError, match="nested"):
                (await here.user().get(f"{server.url}/")).json()

    talk(main)


# -- keeping


def test_a_body_said_to_be_too_large_to_keep_is_given_up_at_its_head() -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {KEPT_LIMIT + 1}\r\n\r\n".encode()

    async def main(here: Talk) -> None:
        async with RawServer(in_turn([head, SILENCE], [OK])) as server:
            user = here.user()
            assert_error(here, await user.get(f"{server.url}/"), ErrorKind.OVERSIZE, f"{KEPT_LIMIT + 1:,}")
            assert (await user.get(f"{server.url}/")).ok
        async with RawServer([head]) as server:  # a reply to HEAD only speaks of it
            assert (await here.user().head(f"{server.url}/")).ok

    talk(main)


def endless(head: bytes, piece: bytes) -> Iterator[Action]:
    yield head
    while True:
        yield piece


@pytest.mark.parametrize(
    ("head", "piece"),
    [(CHUNKED, b"8000\r\n" + b"x" * 0x8000 + b"\r\n"), (CHUNKED, b"2\r\nxx\r\n" * 5000), (TO_THE_END, b"x" * 0x8000)],
    ids=["chunks", "chunks of two bytes", "close-delimited"],
)
class TestAnEndlessBody:
    def test_is_given_up_where_it_is_kept_and_grows_too_large(
        self, head: bytes, piece: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reader_module, "KEPT_LIMIT", MIB // 4)

        async def main(here: Talk) -> None:
            async with RawServer(lambda request: endless(head, piece) if request.number == 0 else [OK]) as server:
                user = here.user()
                tracemalloc.start()
                try:
                    response = await user.get(f"{server.url}/", timeout=10.0)
                    assert tracemalloc.get_traced_memory()[1] < 3 * MIB
                finally:
                    tracemalloc.stop()
                assert_error(here, response, ErrorKind.OVERSIZE, f"{MIB // 4:,} bytes")
                assert (await user.get(f"{server.url}/")).ok

        talk(main)

    def test_ends_with_the_timeout_where_it_is_dropped_and_takes_no_memory(
        self, head: bytes, piece: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reader_module, "KEPT_LIMIT", 1024)  # which does not hold here

        async def main(here: Talk) -> None:
            async with RawServer(lambda _: endless(head, piece)) as server:
                user = here.user()
                request = user.prepare("GET", f"{server.url}/", timeout=0.5, keeps_body=False)
                tracemalloc.start()
                try:
                    response = await user.send(request)
                    assert tracemalloc.get_traced_memory()[1] < 4 * MIB
                finally:
                    tracemalloc.stop()
                assert_error(here, response, ErrorKind.TIMEOUT, "bytes of the reply")
                assert here.total("data_received") > MIB / 10

        talk(main)


BODY = os.urandom(3_000)


@pytest.mark.parametrize(
    "answer",
    [
        [reply(BODY)[:70], reply(BODY)[70:]],
        [chunked(BODY, size=100)],
        [chunked(gzip.compress(BODY), "content-encoding: gzip")],
        [reply(b"not gzip", "200 OK", "content-encoding: gzip")],
        [TO_THE_END + BODY, CLOSE],
        [reply(BODY, "200 OK", "set-cookie: a=b")],
    ],
)
def test_a_dropped_body_counts_like_one_that_is_kept(answer: Answer) -> None:
    async def main(here: Talk) -> None:
        async with RawServer(answer) as server:
            user = here.user()
            response = await user.send(user.prepare("GET", f"{server.url}/", keeps_body=False))
            assert (response.status, response.body) == (200, b"")
            assert here.counts() == {"200": 1}
            assert here.total("data_received") == sum(len(piece) for piece in answer if isinstance(piece, bytes))
            assert not here.errors()

    talk(main)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ([reply(BODY)[:-1], CLOSE], ErrorKind.CUT, "2,999 of 3,000 bytes"),
        ([chunked(BODY)[:-5], CLOSE], ErrorKind.CUT, "after 3,000 bytes"),
        ([CHUNKED + b"3\r\nabcd\r\n"], ErrorKind.PROTOCOL, "chunk"),
    ],
)
def test_a_dropped_body_must_be_whole_all_the_same(answer: Answer, kind: ErrorKind, words: str) -> None:
    async def main(here: Talk) -> None:
        async with RawServer(answer) as server:
            user = here.user()
            response = await user.send(user.prepare("GET", f"{server.url}/", keeps_body=False))
            assert_error(here, response, kind, words)

    talk(main)


def test_a_redirect_does_not_bring_a_dropped_body_back() -> None:
    async def main(here: Talk) -> None:
        async with RawServer(in_turn([reply(b"", "302 Found", "location: /next")], [chunked(BODY)])) as server:
            user = here.user()
            response = await user.send(user.prepare("GET", f"{server.url}/", keeps_body=False))
            assert response.url.endswith("/next")
            assert response.body == b""

    talk(main)


# -- the whole command


class Fountain(threading.Thread):
    """Answers every request with a body over what is kept of one."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.start()

    def run(self) -> None:
        piece = bytes(MIB)
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {KEPT_LIMIT + MIB}\r\n\r\n".encode()
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                try:
                    while peer.recv(65_536):
                        peer.sendall(head)
                        for _ in range(KEPT_LIMIT // MIB + 1):
                            peer.sendall(piece)
                except OSError:
                    continue


def most_memory(process: subprocess.Popen[str]) -> int:
    """Bytes the process has had in memory at most, until now; 0 when it is gone."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    return 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_bodies_that_nobody_reads_are_not_in_memory(tmp_path: Path) -> None:
    fountain = Fountain()
    with fountain.listener:
        command = [*LOADGATE, "run", "--url", f"http://127.0.0.1:{fountain.port}/", "--iterations", "2"]
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        most = 0
        while process.poll() is None:
            most = max(most, most_memory(process))
            sleep(0.01)
        out, _ = process.communicate()
        fountain.listener.shutdown(socket.SHUT_RDWR)
        fountain.join()
    assert process.returncode in (0, 3), out  # 3 where others keep the cores so busy that the run is not to be trusted
    assert "2 completed" in out
    assert "oversize" not in out
    assert 0 < most < KEPT_LIMIT / 2
