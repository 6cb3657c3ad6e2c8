"""When a program is ready: asked for real, of servers that say exactly what a test tells them to, and of real programs."""

from __future__ import annotations

import asyncio
import json
import math
import socket
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from loadgate.clients.http import HttpStack
from loadgate.clients.http.stack import stack_for
from loadgate.clock import Clock, SystemClock
from loadgate.config.start import ReadySpec
from loadgate.config.target import TargetSpec, target_from_url
from loadgate.errors import InvalidRun
from loadgate.load import ready
from loadgate.load.ready import Readiness, answers, await_ready, ready_url
from loadgate.measure.recorder import Recorder
from loadgate.probe.kept import Command, Keeper
from tests.support.raw_server import CLOSE, OK, RESET, SILENCE, RawServer, in_turn, reply

SERVICE = Path(__file__).parent.parent / "support" / "service.py"
BUSY = reply(b"", "503 Service Unavailable")


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


def stack(url: str, clock: Clock) -> HttpStack:
    return stack_for(TargetSpec(url=url), Recorder(start=clock.now()), "loadgate")


async def ask(
    url: str, spec: ReadySpec, ended: Callable[[], bool] = lambda: False
) -> tuple[float, Readiness | None, float]:
    """When it was begun, what came of it, and when that was."""
    with closing(SystemClock()) as clock:
        since = clock.now()
        found = await await_ready(stack(url, clock), url, spec, clock, since=since, ended=ended)
        return since, found, clock.now()


def test_the_first_good_reply_is_it() -> None:
    async def go() -> tuple[float, Readiness | None, float]:
        async with RawServer(in_turn([BUSY], [BUSY], [0.05, OK])) as server:
            return await ask(server.url + "/health", ReadySpec("/health"))

    since, found, now = asyncio.run(go())
    assert found is not None
    assert found.questions == 3
    assert since <= found.port_open < found.port_open + 0.05 <= found.answered <= now


@pytest.mark.parametrize("broken", [CLOSE, RESET, b"nonsense\r\n\r\n"], ids=["closed", "reset", "nonsense"])
def test_a_port_that_takes_connections_is_open_whatever_it_does_with_them(broken: object) -> None:
    async def go() -> tuple[float, Readiness | None, float]:
        async with RawServer(in_turn([broken], [0.1, OK])) as server:  # type: ignore[list-item]
            return await ask(server.url, ReadySpec())

    since, found, _ = asyncio.run(go())
    assert found is not None
    assert math.isfinite(found.port_open)
    assert since <= found.port_open <= found.answered - 0.1


def test_a_reply_that_never_comes_is_not_waited_for_longer_than_the_patience() -> None:
    async def go() -> None:
        async with RawServer([SILENCE]) as server:
            await ask(server.url, ReadySpec(within=0.3))

    with pytest.raises(
        InvalidRun, match=r"was not ready within 0.3 s of its start: GET http://127.0.0.1:\d+"
    ) as caught:
        asyncio.run(go())
    assert caught.value.hint == "check what `ready` asks for"


def test_a_port_was_open_when_it_took_what_it_never_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "ANSWER", 0.4)

    async def go() -> tuple[float, Readiness | None, float]:
        async with RawServer(in_turn([SILENCE], [OK])) as server:
            return await ask(server.url, ReadySpec())

    since, found, _ = asyncio.run(go())
    assert found is not None
    assert found.questions == 2
    assert found.answered - since >= 0.4
    assert found.port_open - since < 0.3


def test_where_nothing_listens_it_says_so_when_time_is_up() -> None:
    url = f"http://127.0.0.1:{free_port()}/?token=hidden"
    with pytest.raises(InvalidRun, match="refused") as caught:
        asyncio.run(ask(url, ReadySpec(within=0.2)))
    assert caught.value.hint == "check that it listens there, or raise `within` under `ready`"
    assert "hidden" not in str(caught.value)


def test_what_it_said_last_is_told() -> None:
    async def go() -> None:
        async with RawServer([BUSY]) as server:
            await ask(server.url + "/health", ReadySpec("/health", within=0.2))

    with pytest.raises(InvalidRun, match=r"it answered 503 \([\d,]+ tries\)"):
        asyncio.run(go())


def test_what_it_said_before_tells_more_than_a_question_that_had_no_time() -> None:
    async def go() -> None:
        async with RawServer(in_turn([BUSY], [SILENCE])) as server:
            await ask(server.url + "/health", ReadySpec("/health", within=0.2))

    with pytest.raises(InvalidRun, match=r"it answered 503 \(2 tries\)"):
        asyncio.run(go())


def test_a_port_that_refuses_is_not_open() -> None:
    async def go() -> tuple[float, Readiness | None]:
        port, over = free_port(), asyncio.Event()

        async def reply_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            writer.close()
            await writer.wait_closed()
            over.set()

        asked = asyncio.create_task(ask(f"http://127.0.0.1:{port}", ReadySpec()))
        await asyncio.sleep(0.2)
        async with await asyncio.start_server(reply_once, "127.0.0.1", port):
            since, found, _ = await asked
            await over.wait()
        return since, found

    since, found = asyncio.run(go())
    assert found is not None and found.questions > 10
    assert since + 0.19 <= found.port_open <= found.answered


def test_a_program_that_has_ended_is_not_asked_any_more() -> None:
    calls = []

    def ended() -> bool:
        calls.append(1)
        return len(calls) > 3

    _, found, _ = asyncio.run(ask(f"http://127.0.0.1:{free_port()}", ReadySpec(within=20.0), ended))
    assert (found, len(calls)) == (None, 4)


@pytest.mark.parametrize(
    ("url", "path", "asked"),
    [
        ("http://h:1/api?a=b", "", "http://h:1/api?a=b"),
        ("http://h:1/api", "/health?deep=1", "http://h:1/health?deep=1"),
        ("https://h", "/", "https://h/"),
    ],
)
def test_a_path_is_at_the_root_of_the_server(url: str, path: str, asked: str) -> None:
    assert ready_url(TargetSpec(url=url, ready=ReadySpec(path))) == asked


@pytest.mark.parametrize(
    ("spec", "good", "bad"),
    [
        (ReadySpec(), (200, 302, 404), (0, 500, 503)),
        (ReadySpec("/health"), (200, 204, 302), (0, 404, 503)),
        (ReadySpec("/health", (404,)), (404,), (0, 200, 503)),
    ],
)
def test_what_a_good_reply_is(spec: ReadySpec, good: tuple[int, ...], bad: tuple[int, ...]) -> None:
    assert [spec.accepts(status) for status in (*good, *bad)] == [True] * len(good) + [False] * len(bad)


def test_whether_anything_listens() -> None:
    async def go() -> list[bool]:
        url = f"http://127.0.0.1:{free_port()}"
        with closing(SystemClock()) as clock:
            found = [await answers(stack(url, clock), url)]
            async with RawServer([RESET]) as server:
                found.append(await answers(stack(server.url, clock), server.url))
        return found

    assert asyncio.run(go()) == [False, True]


async def opened_and_seen(account: Path, number: int) -> list[tuple[float, float, float]]:
    """Of so many starts: seconds from the start until its port was open by its own account, by ours, and to the reply."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    words = (sys.executable, "-S", "-E", str(SERVICE), str(port), "--open-after", "0.25", "--account", str(account))
    found = []
    keeper = await Keeper.open()
    try:
        with closing(SystemClock()) as clock:
            for _ in range(number):
                http = stack_for(target_from_url(url), Recorder(start=clock.now()), "loadgate")
                started = await keeper.start(Command(words))
                seen = await await_ready(
                    http, url, ReadySpec(), clock, since=started.at, ended=lambda: keeper.ended_now() is not None
                )
                assert seen is not None
                opened = json.loads(account.read_text())["opened"]
                found.append((opened - started.at, seen.port_open - started.at, seen.answered - started.at))
                await keeper.stop()
    finally:
        await keeper.close()
    return found


@pytest.mark.slow
def test_a_port_that_opens_after_250_ms_is_seen_within_5_ms(tmp_path: Path) -> None:
    found = asyncio.run(opened_and_seen(tmp_path / "account.json", 10))
    late = sorted(seen - opened for opened, seen, _ in found)
    assert all(opened >= 0.25 for opened, _, _ in found)
    assert late[0] > -0.005
    assert late[len(late) * 8 // 10] < 0.005, (
        late
    )  # a scheduler that gives the other core away may have any one of them
    assert all(seen <= answered for _, seen, answered in found)
