"""What can go wrong with a session: always a reply with `error` set, one sample, one counted error, no hang and no crash."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter

import pytest
import uvloop

from loadgate.clients.base import ErrorKind
from loadgate.clients.websocket import wire
from tests.support.ws_talk import Peer, RawWs, WsTalk, frame, ws_talk

Serve = Callable[[Peer], Awaitable[None]]
LOOPS = [uvloop.new_event_loop, asyncio.new_event_loop]
PROTOCOL, CUT, RESET, TIMEOUT, OVERSIZE = (
    ErrorKind.PROTOCOL,
    ErrorKind.CUT,
    ErrorKind.RESET,
    ErrorKind.TIMEOUT,
    ErrorKind.OVERSIZE,
)


def with_peer(main: Callable[[WsTalk, RawWs], Awaitable[None]], serve: Serve) -> RawWs:
    async def run(here: WsTalk) -> RawWs:
        async with RawWs(serve) as server:
            await main(here, server)
            return server

    return ws_talk(run)


def answering(*pieces: bytes | str) -> Serve:
    """Accepts, and says `pieces` after the first message; the words "close" and "reset" are done."""

    async def serve(peer: Peer) -> None:
        await peer.say(peer.reply())
        await peer.frame()
        for piece in pieces:
            if isinstance(piece, bytes):
                await peer.say(piece)
            elif piece == "close":
                peer.close()
            else:
                peer.reset()
        await peer.to_the_end()

    return serve


@pytest.mark.parametrize("new_loop", LOOPS)
@pytest.mark.parametrize(
    ("data", "kind", "code", "words"),
    [
        (b"\x81\x85abcdefghi", PROTOCOL, 1002, "masked frame"),
        (b"\xa1\x01x", PROTOCOL, 1002, "reserved bit"),
        (b"\xc1\x01x", PROTOCOL, 1002, "reserved bit"),
        (b"\x83\x01x", PROTOCOL, 1002, "unknown kind"),
        (b"\x80\x01x", PROTOCOL, 1002, "not begun"),
        (b"\x81\x02\xc3\x28", PROTOCOL, 1007, "UTF-8"),
        (b"\x88\x01\x03", PROTOCOL, 1002, "half a code"),
        (b"\x88\x02\x03\xed", PROTOCOL, 1002, "1005"),
        (b"\x88\x03\x03\xe8\xff", PROTOCOL, 1007, "UTF-8"),
        (b"\x82\x7f" + (1 << 40).to_bytes(8, "big"), OVERSIZE, 1009, "16,777,216"),
    ],
)
def test_a_server_that_breaks_the_protocol_is_told_and_counted(
    data: bytes, kind: ErrorKind, code: int, words: str, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def main(here: WsTalk) -> None:
        async with RawWs(answering(data)) as server:
            async with here.user().connect(server.url) as ws:
                reply = await ws.ask("hello", timeout=5)
                assert reply.error is kind and words in reply.error_text, reply
                assert ws.error is kind and not ws.is_open
            async with asyncio.timeout(5):
                while not server.peers[0].codes:
                    await asyncio.sleep(0.002)
            assert server.peers[0].codes == [code]
        assert here.counts() == {kind.value: 1}
        assert here.errors() == {kind.value: (1, reply.error_text)}

    ws_talk(main, new_loop=new_loop)


@pytest.mark.parametrize(
    ("pieces", "kind", "words"),
    [
        (("close",), RESET, "without a close frame"),
        (("reset",), RESET, "reset by peer"),
        ((b"\x81", "close"), CUT, "cut short"),
        ((b"\x81\x05hel", "close"), CUT, "cut short"),
        ((b"\x01\x05hello", "close"), CUT, "cut short"),
        ((b"\x01\x05hello", "reset"), CUT, "reset by peer"),
        ((b"\x88\x02\x03\xf3", "close"), RESET, "closed 1011"),
        ((b"\x88\x00", "close"), RESET, "closed 1005"),
    ],
)
def test_a_connection_that_ends_before_the_answer(pieces: tuple[bytes | str, ...], kind: ErrorKind, words: str) -> None:
    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url) as ws:
            replies = await asyncio.gather(ws.ask("a"), ws.ask({"id": 1}, match="id"))
            assert {reply.error for reply in replies} == {kind}
            assert all(words in reply.error_text for reply in replies)
        assert here.counts() == {kind.value: 2}
        assert here.samples("ws_session_duration") == 1

    with_peer(main, answering(*pieces))


def test_a_session_that_breaks_while_nobody_asks_is_one_failure() -> None:
    async def serve(peer: Peer) -> None:
        await peer.say(peer.reply())
        await peer.frame()
        await peer.say(frame(1, b"ok"))
        peer.reset()

    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url) as ws:
            assert (await ws.ask("?")).text == "ok"
            assert not (await ws.receive(timeout=5)).ok
        assert here.counts() == {"101": 1, "reset": 1}

    with_peer(main, serve)


WRONG_HEADS: list[tuple[Callable[[Peer], bytes], ErrorKind, str]] = [
    (lambda peer: peer.reply(key="bm90IHRoZSBzYW1lIGtleQ=="), PROTOCOL, "does not belong to the key"),
    (lambda peer: peer.reply().replace(b"Upgrade: websocket", b"Upgrade: h2c"), PROTOCOL, "Upgrade is not websocket"),
    (lambda peer: peer.reply().replace(b"Connection: Upgrade", b"Connection: close"), PROTOCOL, "Connection"),
    (lambda peer: peer.reply("Sec-WebSocket-Protocol: chat"), PROTOCOL, "not offered"),
    (lambda peer: peer.reply("Sec-WebSocket-Extensions: permessage-deflate"), PROTOCOL, "none were offered"),
    (lambda peer: peer.reply(status="200 OK"), PROTOCOL, "refused: 200"),
    (lambda peer: b"SSH-2.0-OpenSSH_9.6\r\n", PROTOCOL, "not HTTP/1"),
    (lambda peer: b"HTTP/1.1 101 Switching\r\nbroken head\r\n\r\n", PROTOCOL, "no header field"),
    (lambda peer: b"HTTP/1.1 101 Switching\r\n" + b"x: " + b"y" * 70_000, PROTOCOL, "65,536 bytes"),
]


@pytest.mark.parametrize(("head", "kind", "words"), WRONG_HEADS)
def test_a_handshake_that_is_not_as_it_must_be(head: Callable[[Peer], bytes], kind: ErrorKind, words: str) -> None:
    async def serve(peer: Peer) -> None:
        await peer.say(head(peer))
        await peer.to_the_end()

    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url, timeout=5) as ws:
            assert ws.error is kind and words in ws.error_text, ws.error_text
        assert here.counts() == {kind.value: 1}
        assert here.total("ws_sessions") == 0

    with_peer(main, serve)


@pytest.mark.parametrize(
    ("said", "end", "kind", "words"),
    [
        (b"", "close", RESET, "before the reply"),
        (b"", "reset", RESET, "before the reply"),
        (b"HTTP/1.1 101 Swi", "close", CUT, "within the reply"),
        (b"", "", TIMEOUT, "no byte"),
        (b"HTTP/1.1 101 Swi", "", TIMEOUT, "after 16 bytes"),
    ],
)
def test_half_a_handshake(said: bytes, end: str, kind: ErrorKind, words: str) -> None:
    async def serve(peer: Peer) -> None:
        if said:
            await peer.say(said)
        if end == "close":
            peer.close()
        elif end:
            peer.reset()
        await peer.to_the_end()

    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url, timeout=0.1 if kind is TIMEOUT else 5) as ws:
            assert ws.error is kind and words in ws.error_text, ws.error_text
        assert here.counts() == {kind.value: 1}

    with_peer(main, serve)


def test_a_handshake_that_never_comes_is_told_within_the_connect_timeout() -> None:
    """Long before the end of the run, where it would be a question without an answer."""

    async def run(here: WsTalk) -> None:
        async with RawWs(Peer.to_the_end) as server, here.user().connect(server.url, timeout=60) as ws:
            assert ws.error is TIMEOUT
            assert ws.error_text == "no whole reply to the handshake within 0.1 s, with no byte of it"
        assert here.counts() == {"timeout": 1}

    ws_talk(run, connect_timeout=0.1)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (frame(2, bytes(9 << 20), fin=False) + frame(0, bytes(8 << 20)), OVERSIZE),
        (b"\x01\x05hello" + b"\x81\x05world", PROTOCOL),
        (b"\x81\x02\xc3\x28", PROTOCOL),
        (b"\x82\x7f" + (1 << 40).to_bytes(8, "big"), OVERSIZE),
    ],
    ids=["oversized fragments", "within fragments", "not UTF-8", "oversized"],
)
def test_bytes_of_what_is_refused_were_received_too(data: bytes, kind: ErrorKind) -> None:
    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url) as ws:
            opened = here.total("data_received")
            assert (await ws.ask("hello")).error is kind
        assert here.total("data_received") - opened == len(data)

    with_peer(main, answering(data))


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_server_that_pings_on_and_on_and_reads_nothing_is_left(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """The answers would fill the memory."""

    async def serve(peer: Peer) -> None:
        await peer.say(peer.reply())
        while True:
            await peer.say(frame(9, bytes(125)) * 1000)

    async def main(here: WsTalk) -> None:
        async with RawWs(serve) as server, here.user().connect(server.url) as ws:
            reply = await ws.ask("hello", timeout=15)
            assert (reply.error, reply.error_text) == (
                PROTOCOL,
                "more and more pings, by a server that reads no answer",
            )

    ws_talk(main, new_loop=new_loop)


def test_bytes_of_what_was_whole_are_counted_once() -> None:
    data = frame(1, bytes(200)) + frame(1, b"ab", fin=False) + frame(9) + frame(0, b"c") + frame(8, b"\x03\xe8")

    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url) as ws:
            opened = here.total("data_received")
            assert (await ws.ask("hello")).ok
            assert (await ws.receive()).text == "abc"
        assert here.total("data_received") - opened == len(data)

    with_peer(main, answering(data))


def test_bytes_of_a_message_that_is_cut_short_were_received_too() -> None:
    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url) as ws:
            opened = here.total("data_received")
            assert (await ws.ask("hello")).error is CUT
        assert here.total("data_received") - opened == 12

    with_peer(main, answering(b"\x01\x05hello" + b"\x80\x05wor", "close"))


def test_a_slow_handshake_in_single_bytes_with_messages_right_behind_it() -> None:
    async def serve(peer: Peer) -> None:
        data = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + peer.reply() + frame(1, b"first") + frame(2, b"next")
        for at in range(len(data)):
            await peer.say(data[at : at + 1])
        await peer.to_the_end()

    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url, timeout=5) as ws:
            assert (await ws.receive()).text == "first"
            assert (await ws.receive()).data == b"next"

    with_peer(main, serve)

    async def at_once(peer: Peer) -> None:
        await peer.say(peer.reply() + frame(1, b"first") + frame(2, b"next"))
        await peer.to_the_end()

    with_peer(main, at_once)


def test_answers_split_at_every_byte() -> None:
    data = frame(1, "grüße".encode()) + frame(9, b"?") + frame(2, bytes(range(200))) + frame(1, b"a", fin=False)
    data += frame(10) + frame(0, b"b")

    async def serve(peer: Peer) -> None:
        await peer.say(peer.reply())
        for cut in range(len(data) + 1):
            for _ in range(3):
                await peer.frame()
            for piece in (data[:cut], data[cut:]):
                if piece:
                    await peer.say(piece)
            assert await peer.frame() == (0x8A, b"?")
        await peer.to_the_end()

    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url) as ws:
            for _ in range(len(data) + 1):
                replies = await asyncio.gather(*(ws.ask(f"{n}", timeout=5) for n in range(3)))
                assert [reply.content for reply in replies] == ["grüße", bytes(range(200)), "ab"]
        assert here.counts() == {"101": 3 * (len(data) + 1)}

    with_peer(main, serve)


def test_the_end_of_a_message_that_looks_like_a_whole_one_is_none() -> None:
    body = frame(1, b"hi")
    data = frame(2, b"-" + body) + frame(2, b"a", fin=False) + frame(0, body)

    async def serve(peer: Peer) -> None:
        await peer.say(peer.reply())
        for _ in range(2):
            await peer.frame()
        cut = data.index(body) + len(body)
        for piece in (data[: cut - len(body)], body, data[cut : -len(body)], body):
            await peer.say(piece)
        await peer.to_the_end()

    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url) as ws:
            replies = await asyncio.gather(ws.ask("1", timeout=5), ws.ask("2", timeout=5))
            assert [reply.content for reply in replies] == [b"-" + body, b"a" + body]
        assert here.counts() == {"101": 2}

    with_peer(main, serve)


@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xf3broken", b"\x0b\xb8"])
def test_a_close_frame_is_answered_with_its_code(payload: bytes) -> None:
    async def serve(peer: Peer) -> None:
        await peer.say(peer.reply() + frame(8, payload) + frame(1, b"behind it"))
        assert await peer.frame() == (0x88, payload[:2])

    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url) as ws:
            assert not (await ws.receive()).ok
        async with asyncio.timeout(5):
            while not server.finished:
                await asyncio.sleep(0.002)
        assert here.total("ws_msgs_received") == 0, "nothing counts behind a close frame"

    with_peer(main, serve)


@pytest.mark.parametrize("at_once", [True, False])
def test_an_answer_that_comes_too_late_is_not_taken_for_the_next(at_once: bool) -> None:
    released = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.say(peer.reply())
        _, first = await peer.frame()
        await released.wait()
        _, second = await peer.frame()
        for piece in (frame(1, first) + frame(1, second),) if at_once else (frame(1, first), frame(1, second)):
            await peer.say(piece)
        _, third = await peer.frame()
        await peer.say(frame(1, third))
        await peer.to_the_end()

    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url) as ws:
            began = perf_counter()
            reply = await ws.ask("first", timeout=0.1)
            assert reply.error is TIMEOUT and "0.1 s" in reply.error_text
            assert 0.09 < perf_counter() - began < 2.0
            released.set()
            assert (await ws.ask("second", timeout=5)).text == "second"
            assert (await ws.ask("third", timeout=5)).text == "third"
        assert here.counts() == {"101": 2, "timeout": 1}
        assert here.total("ws_msgs_received") == 3

    with_peer(main, serve)


def test_answers_by_field_that_never_come_fail_each_at_its_own_time() -> None:
    async def serve(peer: Peer) -> None:
        await peer.say(peer.reply())
        frames = [await peer.frame() for _ in range(3)]
        await peer.say(frame(1, frames[2][1]))
        await peer.to_the_end()

    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url) as ws:
            late = [ws.ask({"id": n}, match="id", timeout=0.05 * (n + 1)) for n in range(2)]
            answered = await ws.ask({"id": 2}, match="id", timeout=5)
            replies = [await reply for reply in late]
            assert answered.json() == {"id": 2}
            assert [reply.error for reply in replies] == [TIMEOUT, TIMEOUT]
            assert replies[0].duration < replies[1].duration
            again = ws.ask({"id": 0}, match="id", timeout=0.05)  # its value may be used again
            assert (await again).error is TIMEOUT
        assert here.counts() == {"101": 1, "timeout": 3}

    with_peer(main, serve)


def test_a_pong_that_never_comes() -> None:
    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url) as ws:
            assert await ws.ping(timeout=0.05) is None
        assert here.counts() == {"timeout": 1}
        assert here.samples("ws_ping") == 0

    with_peer(main, answering())


def test_a_server_that_never_answers_the_close_frame_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "CLOSE_WAIT", 0.1)

    async def serve(peer: Peer) -> None:
        await peer.say(peer.reply())
        await peer.to_the_end(answer=False)

    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url) as ws:
            pass
        assert ws.close_code == 1006
        assert here.counts() == {}  # no message was lost by it
        count, text = here.errors()["timeout"]
        assert count == 1 and "did not answer the close frame" in text

    with_peer(main, serve)


def test_what_the_scenario_leaves_without_an_answer_is_counted() -> None:
    async def main(here: WsTalk, server: RawWs) -> None:
        user = here.user()
        async with user.connect(server.url) as ws:
            asked = ws.ask("1")
        assert (await asked).error is ErrorKind.UNANSWERED
        assert here.counts() == {"unanswered": 1}

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), user.connect(server.url) as ws:
                await ws.ask("2")
        assert here.counts() == {"unanswered": 1}
        async with user.connect(server.url):  # it goes on, so it was the scenario that gave up, not the run
            pass
        assert here.counts() == {"unanswered": 1, "timeout": 1}

    async def serve(peer: Peer) -> None:
        await peer.say(peer.reply())
        await peer.to_the_end()

    with_peer(main, serve)


@pytest.mark.parametrize(("patience", "counted"), [(0.0, {"unanswered": 2}), (60.0, {})])
@pytest.mark.parametrize("interrupted", [True, False])
def test_the_end_of_a_load(patience: float, counted: dict[str, int], interrupted: bool) -> None:
    """With and without the iteration being cancelled first: what waited for long counts, what did not is no sample."""

    async def main(here: WsTalk, server: RawWs) -> None:
        user = here.user()
        asked: list[Awaitable[object]] = []

        async def iteration() -> None:
            async with user.connect(server.url) as ws:
                asked.append(ws.ask({"id": 1}, match="id"))
                asked.append(ws.ask("hello"))
                await asked[1]

        task = asyncio.create_task(iteration())
        async with asyncio.timeout(5):
            while len(asked) < 2:
                await asyncio.sleep(0.002)
        if interrupted:
            task.cancel()
            await asyncio.wait([task])
        user.cut_off(patience)
        user.close()
        task.cancel()
        await asyncio.wait([task])
        assert here.counts() == counted

    with_peer(main, answering())


def test_a_user_that_is_dropped_while_it_connects() -> None:
    async def serve(peer: Peer) -> None:
        await peer.to_the_end()

    async def main(here: WsTalk, server: RawWs) -> None:
        user = here.user()
        task = asyncio.create_task(user.connect(server.url).open())
        async with asyncio.timeout(5):
            while not server.peers:
                await asyncio.sleep(0.002)
        user.close()
        await asyncio.wait([task])
        assert task.cancelled()
        assert here.counts() == {}

    with_peer(main, serve)


@pytest.mark.slow
def test_a_server_that_reads_slowly_gets_frames_whole_and_in_order() -> None:
    async def serve(peer: Peer) -> None:
        await peer.say(peer.reply())
        await asyncio.sleep(0.1)
        got = [(await peer.frame())[1] for _ in range(12)]
        assert [payload[:1] for payload in got] == [bytes((65 + n,)) for n in range(12)]
        assert all(payload == payload[:1] * 1_000_000 for payload in got[::2])
        await peer.say(frame(1, b"all"))
        await peer.to_the_end()

    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url, timeout=20) as ws:
            asked = [ws.ask(bytes((65 + n,)) * (1 if n % 2 else 1_000_000)) for n in range(11)]
            assert await ws.send("L")
            assert (await asked[0]).text == "all"
            for rest in asked[1:]:
                rest.cancel()  # type: ignore[attr-defined]
        assert here.counts() == {"101": 1, "unanswered": 10}

    with_peer(main, serve)


def test_a_server_that_takes_nothing_is_a_timeout_for_who_sends() -> None:
    release = asyncio.Event()

    async def serve(peer: Peer) -> None:
        peer._reader._transport.pause_reading()  # type: ignore[attr-defined]
        await peer.say(peer.reply())
        await release.wait()

    async def main(here: WsTalk, server: RawWs) -> None:
        async with here.user().connect(server.url, timeout=0.3) as ws:
            for _ in range(50):
                if not await ws.send(bytes(1_000_000)):
                    break
            assert ws.error is TIMEOUT and "took nothing" in ws.error_text
        release.set()
        assert here.counts() == {"timeout": 1}

    with_peer(main, serve)
