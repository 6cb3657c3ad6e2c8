"""A target that stops answering, and users with nothing more to do: no figure shows them, so the verdict must."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadgate.record.file import read_run
from tests.support.command import loadgate
from tests.support.target import running_target

REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@contextmanager
def falling_silent(seconds: float, *, dying: bool = False) -> Iterator[str]:
    """A server that answers for `seconds` after its first request, and never again; `dying`: it refuses connections then."""
    loop = asyncio.new_event_loop()
    ready: asyncio.Future[int] = loop.create_future()
    first = [0.0]
    servers: list[asyncio.Server] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                first[0] = first[0] or time.monotonic()
                if time.monotonic() - first[0] < seconds:
                    await asyncio.sleep(0.005)
                    writer.write(REPLY)
                elif dying:
                    servers[0].close()
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        ready.set_result(server.sockets[0].getsockname()[1])
        await over.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    over = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    try:
        while not ready.done():
            time.sleep(0.005)
        yield f"http://127.0.0.1:{ready.result()}/"
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@pytest.mark.slow
@pytest.mark.parametrize("load", [("--rate", "100/s"), ("--vus", "3")])
def test_a_target_that_dies_is_no_pass_though_refusals_are_fast(tmp_path: Path, load: tuple[str, str]) -> None:
    with falling_silent(0.8, dying=True) as url:
        limit = ("--threshold", "http_req_duration: p(95)<500ms")
        done = loadgate("run", "--url", url, *load, "--duration", "2s", *limit, cwd=tmp_path)
    assert done.code == 3, done.out
    assert "the target stopped answering: no reply came in the last" in done.out
    assert "requests failed in it" in done.out


@pytest.mark.slow
@pytest.mark.parametrize(
    "load",
    ["vus: 5, duration: 4s", "rate: 50/s, duration: 4s", 'stages: ["1s:5", "3s:5", "1s:0"], graceful_ramp_down: 1s'],
)
def test_a_target_that_falls_silent_is_no_pass(tmp_path: Path, load: str) -> None:
    with falling_silent(1.0) as url:
        (tmp_path / "loadgate.yml").write_text(
            f"target: {{url: '{url}'}}\nprofiles: {{p: {{{load}, graceful_stop: 1s}}}}\n"
        )
        done = loadgate("run", cwd=tmp_path)
    assert done.code == 3, done.out
    text = " ".join(done.out.split())
    assert "the target stopped answering: no reply came in the last" in text
    assert "unanswered" in text, "the requests that wait are counted as errors"


@pytest.mark.slow
def test_a_slow_service_cut_off_by_a_short_grace_is_still_measured(tmp_path: Path) -> None:
    with running_target({"latency": {"shape": "fixed", "ms": 100}}) as url:
        (tmp_path / "loadgate.yml").write_text(
            f"target: {{url: '{url}'}}\nprofiles: {{p: {{vus: 5, duration: 2s, graceful_stop: 0s}}}}\n"
        )
        done = loadgate("run", cwd=tmp_path)
    assert done.code == 0, done.out
    assert not read_run(tmp_path / "loadgate-out").errors


@pytest.mark.slow
def test_users_whose_data_is_used_up_do_not_keep_the_plan(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("name\na\nb\nc\n")
    with running_target() as url:
        (tmp_path / "loadgate.yml").write_text(
            f"target: {{url: '{url}'}}\n"
            "data: {people: {file: people.csv, order: unique}}\n"
            "scenarios: {s: {steps: [{get: '/users?q=${data.people.name}'}]}}\n"
            "profiles: {p: {rate: 10/s, duration: 1s}}\n"
        )
        done = loadgate("run", cwd=tmp_path)
    assert done.code == 3, done.out
    assert "users had nothing more to do after 3 iterations" in " ".join(done.out.split())
    [load] = read_run(tmp_path / "loadgate-out").loads
    assert (load.completed, load.stopped) == (3, 7)
