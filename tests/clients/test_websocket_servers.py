"""WebSocket against a real `websockets` server: what scenarios do, and what is counted of it."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import trustme
import uvloop
from websockets.asyncio.server import Server, ServerConnection, serve, unix_serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.client import connect as sync_connect
from websockets.sync.server import ServerConnection as SyncConnection
from websockets.sync.server import serve as sync_serve

from loadgate.clients.base import ErrorKind
from loadgate.clients.transport import TlsOptions
from tests.support.ws_talk import WsTalk, ws_talk

Handler = Callable[[ServerConnection], Awaitable[None]]
LOOPS = [uvloop.new_event_loop, asyncio.new_event_loop]


async def echo(peer: ServerConnection) -> None:
    async for message in peer:
        await peer.send(message)


def url(server: Server, scheme: str = "ws") -> str:
    host, port = next(iter(server.sockets)).getsockname()[:2]
    return f"{scheme}://[{host}]:{port}/ws" if ":" in host else f"{scheme}://{host}:{port}/ws"


def with_server(main: Callable[[WsTalk, str], Awaitable[None]], handler: Handler = echo, **options: Any) -> None:
    async def run(here: WsTalk) -> None:
        async with serve(handler, "127.0.0.1", 0, **options) as server:
            await main(here, url(server))

    ws_talk(run)


@pytest.mark.parametrize("new_loop", LOOPS)
def test_text_binary_and_json_are_asked_and_answered(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main(here: WsTalk) -> None:
        async with serve(echo, "127.0.0.1", 0, max_size=None) as server:
            user = here.user(scenario="s")
            async with user.connect(url(server), name="chat") as ws:
                assert ws.is_open and ws.error is None
                reply = await ws.ask("hellö")
                assert (reply.ok, reply.text, reply.is_text) == (True, "hellö", True)
                assert 0 < reply.duration <= reply.latency < 5000
                reply = await ws.ask(b"\x00\xff")
                assert (reply.data, reply.is_text) == (b"\x00\xff", False)
                for text in ("same", "same", "same", "same", "other", "other", "same", "", "", ""):
                    assert (await ws.ask(text)).text == text
                assert (await ws.ask({"a": [1]})).json() == {"a": [1]}
                for size in (0, 125, 126, 65_535, 65_536, 1_000_000):
                    assert (await ws.ask("x" * size)).text == "x" * size
                assert (await ws.ask(bytes(3_000_000))).data == bytes(3_000_000)
            assert (ws.close_code, ws.error, ws.is_open) == (1000, None, False)
        assert here.counts() == {"101": 20}
        assert here.total("ws_sessions") == 1
        assert here.total("ws_msgs_sent") == here.total("ws_msgs_received") == 20
        for metric in ("ws_message_duration", "ws_message_latency"):
            assert here.samples(metric) == 20
        assert here.samples("ws_connecting") == here.samples("ws_session_duration") == 1
        assert here.total("data_received") > 4_131_000
        assert here.total("data_sent") > 4_131_000
        assert not here.errors()

    ws_talk(main, new_loop=new_loop)


def test_every_sample_has_the_name_and_the_tags_that_hold_when_it_is_taken() -> None:
    async def main(here: WsTalk, at: str) -> None:
        user = here.user(scenario="s")
        async with user.connect(at) as ws:
            await ws.ask("1")
            user.http.group = "::in"
            await ws.ask("2")
            await ws.ask("3", name="third")
        tags = [tags for tags, _ in here.talk._tallies("ws_messages")]
        assert [(tag["name"], tag.get("group")) for tag in tags] == [
            ("WS /ws", None),
            ("WS /ws", "::in"),
            ("third", "::in"),
        ]
        assert {tag["scenario"] for tag in tags} == {"s"}
        assert {tag["proto"] for tag in tags} == {"websocket"}

    with_server(main)


def test_latency_counts_from_the_planned_start_and_that_of_one_exchange_only() -> None:
    async def main(here: WsTalk, at: str) -> None:
        user = here.user()
        user.planned = perf_counter() - 3.0
        async with user.connect(at) as ws:
            late, next_one = await ws.ask("a"), await ws.ask("b")
        assert late.latency > 3000 > late.duration
        assert next_one.latency == next_one.duration
        assert user.http.planned == 0.0

    with_server(main)


@pytest.mark.parametrize("compress", [False, True])
def test_a_thousand_under_way_at_once_find_their_answers_in_any_order(compress: bool) -> None:
    async def shuffled(peer: ServerConnection) -> None:
        chance, held = random.Random(5), []
        async for message in peer:
            held.append(message)
            if len(held) >= 100:
                chance.shuffle(held)
                for one in held:
                    await peer.send(one)
                held.clear()

    async def main(here: WsTalk, at: str) -> None:
        async with here.user().connect(at, compress=compress) as ws:
            asked = [ws.ask({"at": {"id": n}, "text": f"message {n}"}, match="at.id") for n in range(1000)]
            replies = await asyncio.gather(*asked)
        assert [reply.json()["text"] for reply in replies] == [f"message {n}" for n in range(1000)]
        assert here.counts() == {"101": 1000}

    with_server(main, shuffled)


def test_answers_by_field_and_by_order_are_told_apart() -> None:
    async def backwards(peer: ServerConnection) -> None:
        held = [await peer.recv() for _ in range(4)]
        for message in reversed(held):
            await peer.send(message)
        await peer.wait_closed()

    async def main(here: WsTalk, at: str) -> None:
        async with here.user().connect(at) as ws:
            by_id, by_order = ws.ask({"id": 1}, match="id"), ws.ask("plain")
            by_name, by_order_too = ws.ask({"name": "a"}, match="name"), ws.ask('{"id": 2}')
            assert ((await by_id).json(), (await by_name).json()) == ({"id": 1}, {"name": "a"})
            assert ((await by_order).text, (await by_order_too).text) == ('{"id": 2}', "plain")

    with_server(main, backwards)


def test_a_thousand_echoes_come_in_order() -> None:
    async def main(here: WsTalk, at: str) -> None:
        async with here.user().connect(at) as ws:
            replies = await asyncio.gather(*(ws.ask(f"{n}") for n in range(1000)))
        assert [reply.text for reply in replies] == [f"{n}" for n in range(1000)]
        assert here.counts() == {"101": 1000}

    with_server(main)


def test_what_the_server_sends_unasked_is_counted_and_kept_apart_from_answers() -> None:
    async def pushing(peer: ServerConnection) -> None:
        await peer.send("welcome")
        async for message in peer:
            await peer.send(json.dumps({"news": 1}))
            await peer.send(message)
            await peer.send(b"after")

    async def main(here: WsTalk, at: str) -> None:
        async with here.user().connect(at) as ws:
            first = await ws.receive(timeout=5)
            assert first.text == "welcome" and first.received_at > 0
            assert (await ws.ask({"id": 7}, match="id")).json() == {"id": 7}
            assert (await ws.receive()).json() == {"news": 1}
            assert (await ws.receive()).data == b"after"
            none = await ws.receive(timeout=0.02)
            assert (none.ok, none.error, none.text) == (False, ErrorKind.TIMEOUT, "")
            assert await ws.send("by itself")
            assert [(await ws.receive()).text for _ in range(3)] == ['{"news": 1}', "by itself", "after"]
        assert here.counts() == {"101": 1}
        assert (here.total("ws_msgs_sent"), here.total("ws_msgs_received")) == (2, 7)

    with_server(main, pushing)


def test_messages_that_nobody_receives_are_dropped_and_said() -> None:
    async def flood(peer: ServerConnection) -> None:
        for n in range(1100):
            await peer.send(f"{n}")
        await echo(peer)

    async def main(here: WsTalk, at: str) -> None:
        async with here.user().connect(at) as ws:
            async with asyncio.timeout(10):
                while here.total("ws_msgs_received") < 1100:
                    await asyncio.sleep(0.01)
            assert [(await ws.receive()).text for _ in range(1000)] == [f"{n}" for n in range(1000)]
            assert not (await ws.receive(timeout=0.01)).ok
            assert (await ws.ask("still there")).ok
        count, text = here.errors()["unread"]
        assert count == 100 and "1,000 messages" in text

    with_server(main, flood)


def test_pings_of_both_sides_are_answered() -> None:
    async def pinging(peer: ServerConnection) -> None:
        async for message in peer:
            await (await peer.ping(b"are you there"))
            await peer.send(message)

    async def main(here: WsTalk, at: str) -> None:
        async with here.user().connect(at) as ws:
            assert (await ws.ask("a")).ok  # the server had its pong
            took = await asyncio.gather(*(ws.ping() for _ in range(3)))
            assert all(one is not None and 0 < one < 5000 for one in took)
        assert here.samples("ws_ping") == 3
        assert here.counts() == {"101": 1}

    with_server(main, pinging)


def test_messages_in_fragments_are_joined() -> None:
    async def in_fragments(peer: ServerConnection) -> None:
        async for message in peer:
            assert isinstance(message, str)
            await peer.send([message[:2], "", message[2:], "ü"])

    async def main(here: WsTalk, at: str) -> None:
        async with here.user().connect(at) as ws:
            assert (await ws.ask("hello")).text == "helloü"
            assert (await ws.ask("again")).text == "againü"

    with_server(main, in_fragments)


@pytest.mark.parametrize("compress", [True, False])
def test_compression_is_what_both_sides_want(compress: bool) -> None:
    async def main(here: WsTalk, at: str) -> None:
        async with here.user().connect(at, compress=compress) as ws:
            for _ in range(20):
                assert (await ws.ask("spam and eggs " * 1000)).text == "spam and eggs " * 1000
            assert (await ws.ask("")).text == ""
        assert (here.total("data_received") < 20_000) is compress
        assert (here.total("data_sent") < 20_000) is compress

    with_server(main)


def test_a_server_without_compression_is_taken_as_it_is() -> None:
    async def main(here: WsTalk, at: str) -> None:
        async with here.user().connect(at, compress=True) as ws:
            assert (await ws.ask("hello")).text == "hello"

    with_server(main, compression=None)


def test_subprotocols_headers_cookies_and_credentials_reach_the_server() -> None:
    async def main(here: WsTalk) -> None:
        seen: list[Request] = []

        def look(peer: ServerConnection, request: Request) -> None:
            seen.append(request)

        def cookie(peer: ServerConnection, request: Request, response: Response) -> Response:
            response.headers["set-cookie"] = "session=42"
            return response

        async with serve(
            echo,
            "127.0.0.1",
            0,
            subprotocols=["chat", "other"],  # type: ignore[list-item]
            process_request=look,
            process_response=cookie,
        ) as server:
            at = url(server)
            user = here.user()
            user.http.headers["x-user"] = "7"
            async with user.connect(
                at, subprotocols=("none", "chat"), headers={"X-Own": "o"}, auth="token", params={"room": 1}
            ) as ws:
                assert ws.subprotocol == "chat"
            async with user.connect(at) as ws:
                assert ws.subprotocol is None
        first, second = seen
        assert first.path == "/ws?room=1"
        assert first.headers["x-own"] == "o" and first.headers["x-user"] == "7"
        assert first.headers["authorization"] == "Bearer token"
        assert first.headers["sec-websocket-key"] != second.headers["sec-websocket-key"]
        assert second.headers["cookie"] == "session=42"

    ws_talk(main)


def test_a_path_goes_to_the_target_with_its_headers(tmp_path: Path) -> None:
    async def main(here: WsTalk) -> None:
        async def headers(peer: ServerConnection) -> None:
            assert peer.request is not None
            async for _ in peer:
                await peer.send(peer.request.headers["x-target"] + peer.request.path)

        async with unix_serve(headers, str(tmp_path / "s")), here.user().connect("/ws?x=1") as ws:
            assert (await ws.ask("?")).text == "yes/api/ws?x=1"

    place = str(tmp_path / "s").replace("/", "%2F")
    ws_talk(main, base=f"http+unix://{place}/api/", headers={"x-target": "yes"})


def test_ipv6() -> None:
    async def main(here: WsTalk) -> None:
        async with serve(echo, "::1", 0) as server, here.user().connect(url(server)) as ws:
            assert (await ws.ask("hello")).text == "hello"

    ws_talk(main)


@pytest.mark.parametrize("new_loop", LOOPS)
def test_tls_is_verified_and_messages_of_all_sizes_pass(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    async def main(here: WsTalk) -> None:
        async with serve(echo, "127.0.0.1", 0, ssl=context) as server, here.user().connect(url(server, "wss")) as ws:
            if here.stack.connector.tls.ca is None:
                assert ws.error is ErrorKind.TLS
                assert here.counts() == {"tls": 1}
                return
            for size in (5, 1_000_000, 5):
                assert (await ws.ask("x" * size)).text == "x" * size
            assert await ws.ping() is not None

    ws_talk(main, tls=TlsOptions(ca=tmp_path / "ca.pem"), new_loop=new_loop)
    ws_talk(main, new_loop=new_loop)


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "moving"), (1011, "broken"), (4321, "our own")])
def test_a_server_that_closes_says_why(code: int, reason: str) -> None:
    async def closing(peer: ServerConnection) -> None:
        await peer.recv()
        await peer.close(code, reason)

    async def main(here: WsTalk, at: str) -> None:
        async with here.user().connect(at, name="step") as ws:
            reply = await ws.ask("hello")
            assert reply.error is ErrorKind.RESET
            assert f"closed {code}" in reply.error_text and reason in reply.error_text
            assert (ws.close_code, ws.close_reason, ws.is_open) == (code, reason, False)
            again = await ws.ask("anyone?")
            assert not again.ok and again.error_text == reply.error_text
        assert here.counts() == {"reset": 2}
        assert here.total("ws_sessions") == here.samples("ws_session_duration") == 1

    with_server(main, closing)


@pytest.mark.parametrize(("code", "counted"), [(1000, {}), (1001, {}), (1011, {"reset": 1})])
def test_a_session_that_the_server_ends_between_messages(code: int, counted: dict[str, int]) -> None:
    async def closing(peer: ServerConnection) -> None:
        await peer.close(code)

    async def main(here: WsTalk, at: str) -> None:
        async with here.user().connect(at) as ws:
            message = await ws.receive()
            assert not message.ok and f"closed {code}" in message.error_text
        assert here.counts() == counted

    with_server(main, closing)


def test_our_close_code_and_reason_reach_the_server() -> None:
    got: list[tuple[int | None, str | None]] = []

    async def listening(peer: ServerConnection) -> None:
        await peer.wait_closed()
        got.append((peer.close_code, peer.close_reason))

    async def main(here: WsTalk, at: str) -> None:
        user = here.user()
        async with user.connect(at) as ws:
            with pytest.raises(ValueError, match="1005"):
                await ws.close(1005)
            await ws.close(3001, "enough")
            await ws.close()
        async with user.connect(at):
            pass
        session = user.connect(at)
        assert await session.open()
        user.close()  # as the end of a load does
        with pytest.raises(RuntimeError):
            await session.open()
        async with asyncio.timeout(5):
            while len(got) < 3:
                await asyncio.sleep(0.005)

    with_server(main, listening)
    assert got == [(3001, "enough"), (1000, ""), (1001, "")]


@pytest.mark.parametrize("status", [403, 404, 302, 500])
def test_a_refused_handshake_is_a_failed_exchange_with_its_status(status: int) -> None:
    def refuse(peer: ServerConnection, request: Request) -> Response:
        return Response(status, "No", Headers({"location": "/there", "content-length": "2"}), b"no")

    async def main(here: WsTalk, at: str) -> None:
        async with here.user().connect(at, name="step") as ws:
            assert ws.error is ErrorKind.PROTOCOL and f"refused: {status}" in ws.error_text
            reply = await ws.ask("hello")
            assert (reply.error, reply.error_text) == (ws.error, ws.error_text)
            assert not await ws.send("hello")
            assert not (await ws.receive()).ok
            assert await ws.ping() is None
        statuses = {tags["status"]: tally.total for tags, tally in here.talk._tallies("ws_messages")}
        assert statuses == {str(status): 1, "0": 3}
        assert here.total("data_received") >= len("HTTP/1.1 403 No") and here.total("data_sent") > 0
        assert here.total("ws_sessions") == 0
        assert here.samples("ws_session_duration") == 0

    with_server(main, process_request=refuse)


def test_a_scenario_that_asks_a_dead_session_for_ever_does_not_hold_the_loop() -> None:
    async def main(here: WsTalk) -> None:
        async with here.user().connect("ws://127.0.0.1:1/ws") as ws:
            assert ws.error is ErrorKind.CONNECT
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    while True:
                        assert not (await ws.ask("?")).ok
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    while True:
                        assert not (await ws.receive()).ok

    ws_talk(main)


@pytest.mark.parametrize(
    "wrong",
    [
        {"subprotocols": "chat"},
        {"timeout": 0},
        {"headers": {"a b": "c"}},
        {"headers": {"Sec-WebSocket-Protocol": "chat"}},
    ],
)
def test_what_cannot_be_sent_raises(wrong: dict[str, Any]) -> None:
    async def main(here: WsTalk) -> None:
        with pytest.raises(ValueError, match=r"list|timeout|header name|client.s own"):
            here.user().connect("ws://127.0.0.1:1/ws", **wrong)
        with pytest.raises(ValueError, match="ftp"):
            here.user().connect("ftp://127.0.0.1/ws")

    ws_talk(main)


def test_a_field_that_tells_nothing_apart_raises() -> None:
    async def main(here: WsTalk, at: str) -> None:
        async with here.user().connect(at) as ws:
            for message in ({"x": 1}, {"id": None}, {"id": [1]}, {"id": True}, "no JSON", '"text"'):
                with pytest.raises(ValueError, match=r"match|nothing tells"):
                    ws.ask(message, match="id")
            for wrong in (0, -1, float("inf"), float("nan")):
                with pytest.raises(ValueError, match="timeout"):
                    ws.ask("x", timeout=wrong)
            first = ws.ask({"id": 1}, match="id")
            with pytest.raises(ValueError, match="waits for its answer already"):
                ws.ask('{"id": 1}', match="id")
            assert (await first).ok
            assert (await ws.ask('[{"id": "x"}]', match="0.id")).json() == [{"id": "x"}]
        assert here.counts() == {"101": 2}

    with_server(main)


def test_a_short_message_does_not_pass_what_is_left_of_a_large_one() -> None:
    def lengths(peer: SyncConnection) -> None:
        for message in peer:
            peer.send(str(len(message)))

    async def main(here: WsTalk) -> None:
        at = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws"
        async with here.user().connect(at) as ws:
            for _ in range(3):
                large = ws.ask(bytes(8_000_000), timeout=20)
                time.sleep(
                    0.05
                )  # the server, a thread, takes what the kernel has: the socket has room, the loop no turn
                short = ws.ask("short", timeout=20)
                assert ((await large).text, (await short).text) == ("8000000", "5")

    with sync_serve(lengths, "127.0.0.1", 0, max_size=None, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with sync_connect(f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws") as first:
                first.send("x")
                assert first.recv() == "1"  # so that what the thread has open is open before the talk
            ws_talk(main)
        finally:
            server.shutdown()
            thread.join()
