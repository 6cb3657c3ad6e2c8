"""CPU per WebSocket echo, Loadgate beside k6: `python -m bench.websocket [--write]`.

Every tool opens 64 sessions of a thousand short text echoes each, again and again, one echo under way in each, against one
server on the other core (picows, in C). Loadgate times and checks every echo. k6 is measured with the same of it, a trend
and a check, in both of its APIs, and once more with neither. With them stand the `websockets` client, which measures
nothing, and a client that does not even read what comes back: what Python and the kernel cost before anything is done.

Exit code 0: all bars met; 1: one missed; 2: it could not be run; 3: none missed, but some not measured.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final, cast

import uvloop

from bench import machine, results, tools
from bench.compare import Bench, measure_cpu
from bench.figures import MB, Bar, Rounds, exit_code, ratio
from bench.machine import BenchError, pinned
from bench.nginx import Nginx
from bench.tools import SCENARIOS, Done, Job, Load, Tool

TEXT: Final = "hello world, and thirty bytes."
BAR: Final = 4.0
"""How many times ours the CPU per echo of k6 is to be at least."""
_HANDSHAKE: Final = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


# -- the server


async def serve(port: int) -> None:
    """Echo every message, until the process is ended."""
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

    class Echo(WSListener):
        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            if frame.msg_type == WSMsgType.CLOSE:
                transport.send_close(frame.get_close_code(), frame.get_close_message())
                transport.disconnect()
            else:
                transport.send(frame.msg_type, frame.get_payload_as_bytes())

    server = await ws_create_server(lambda request: Echo(), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Server:
    """Runs on a core while it is entered."""

    def __init__(self, core: int) -> None:
        self._core = core
        self.url = ""

    def __enter__(self) -> Server:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.websocket", "--serve", "0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            preexec_fn=pinned(self._core),
            start_new_session=True,  # Ctrl-C is for the benchmark, which ends it
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said:
            raise BenchError("the echo server did not start: is picows installed?")
        self.url = f"http://127.0.0.1:{int(said)}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


# -- the clients that are no tools


class Bare(asyncio.Protocol):
    """Sends one and the same frame, and takes whatever comes for its echo."""

    frame: Final = bytes((0x81, 0x80 | len(TEXT))) + bytes(4) + TEXT.encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.file = transport.get_extra_info("socket").fileno()
        self.waiter = asyncio.get_running_loop().create_future()
        self.transport.write(_HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        self.waiter.set_result(data)

    async def work(self, end: float) -> int:
        echoes = 0
        loop = asyncio.get_running_loop()
        await self.waiter
        while time.perf_counter() < end:
            self.waiter = loop.create_future()
            os.write(self.file, self.frame)
            await self.waiter
            echoes += 1
        self.transport.abort()
        return echoes


async def bare(port: int, users: int, end: float) -> int:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(Bare, "127.0.0.1", port) for _ in range(users)]
    return sum(await asyncio.gather(*(client.work(end) for _, client in made)))


async def library(port: int, users: int, end: float) -> int:
    from websockets.asyncio.client import connect

    async def work() -> int:
        echoes = 0
        async with connect(f"ws://127.0.0.1:{port}/ws", compression=None) as ws:
            while time.perf_counter() < end:
                await ws.send(TEXT)
                if await ws.recv() != TEXT:
                    raise BenchError("the echo is not what was sent")
                echoes += 1
        return echoes

    return sum(await asyncio.gather(*(work() for _ in range(users))))


CLIENTS: Final = {"bare": bare, "websockets": library}


# -- the tools


def _loadgate(program: str, load: Load, folder: Path) -> Job:
    summary = folder / "summary.json"
    command = [program, "run", str(SCENARIOS / "echo.py"), "--url", load.base, "--vus", str(load.users)]
    command += ["--duration", f"{load.seconds}s", "--quiet", "--store", "none"]
    command += ["--summary", str(summary), "--out", str(folder / "run")]
    # 3: a generator that fills its core is what is measured here, and what a run is rightly called invalid for
    return Job(command, lambda _: _read_loadgate(summary.read_text()), codes=frozenset({0, 3}))


def _read_loadgate(text: str) -> Done:
    metrics = json.loads(text)["metrics"]
    echoes = int(metrics["ws_messages"])
    return Done(echoes, round((metrics["ws_message_failed"] + 1 - metrics["checks"]) * echoes))


def _k6(script: str, measured: bool, program: str, load: Load, folder: Path) -> Job:
    summary = folder / "k6.json"
    command = [program, "run", "--quiet", "--no-usage-report", "--vus", str(load.users)]
    command += ["--duration", f"{load.seconds}s", "--summary-export", str(summary), "-e", f"URL={load.base}"]
    command += ["-e", f"MEASURED={int(measured)}", str(SCENARIOS / script)]
    return Job(command, lambda _: _read_k6(summary.read_text()))


def _read_k6(text: str) -> Done:
    metrics: dict[str, Any] = json.loads(text)["metrics"]
    return Done(metrics["ws_msgs_received"]["count"], metrics.get("checks", {"fails": 0})["fails"])


def _client(kind: str, program: str, load: Load, folder: Path) -> Job:
    port = load.base.rpartition(":")[2]
    command = [program, "-m", "bench.websocket", "--client", kind, port, str(load.users), str(load.seconds)]
    return Job(command, lambda text: Done(int(text), 0))


LOADGATE: Final = Tool("loadgate", "loadgate", tools.LOADGATE.version, _loadgate)
K6: Final = Tool("k6/experimental/websockets", "k6", tools.K6.version, partial(_k6, "echo.js", True))
K6_OLD: Final = Tool("k6/ws", "k6", tools.K6.version, partial(_k6, "echo_callbacks.js", True))
K6_BLIND: Final = Tool("k6/ws, nothing measured", "k6", tools.K6.version, partial(_k6, "echo_callbacks.js", False))
BARE: Final = Tool("bare client", sys.executable, lambda _: "", partial(_client, "bare"))
LIBRARY: Final = Tool("websockets client", sys.executable, lambda _: "", partial(_client, "websockets"))


def bars(rounds: Rounds) -> list[Bar]:
    found = []
    for peer in (K6, K6_OLD):
        value = ratio(rounds, peer.name, LOADGATE.name) if peer.name in rounds else None
        found.append(Bar(f"CPU per echo, {peer.name} / loadgate", value, BAR, least=True))
    return found


def _table(rounds: Rounds) -> str:
    head = ["client", "CPU us/echo", "least to most", "echoes", "peak MB", "others", "/ loadgate"]
    rows = []
    for name, figures in sorted(rounds.items(), key=lambda item: median(one.cost for one in item[1])):
        costs = [one.cost for one in figures]
        rows.append(
            [
                name,
                f"{median(costs):.2f}",
                f"{min(costs):.2f} to {max(costs):.2f}",
                f"{median(one.requests for one in figures):,.0f}",
                f"{median(one.peak for one in figures) / MB:.0f}",
                f"{median(one.others for one in figures):.0%}",
                f"{ratio(rounds, name, LOADGATE.name):.2f}",
            ]
        )
    return results.table(head, rows)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.websocket", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of all tools (default 3)")
    parser.add_argument("--seconds", type=int, default=8, help="length of each tool's load (default 8)")
    parser.add_argument("--sessions", type=int, default=64, help="sessions of each tool at once (default 64)")
    parser.add_argument("--write", action="store_true", help="write the table to bench/RESULTS.md")
    parser.add_argument("--serve", type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--client", nargs=4, metavar=("KIND", "PORT", "USERS", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        uvloop.run(serve(options.serve))
        return 0
    if options.client:
        kind, port, users, seconds = options.client
        print(uvloop.run(CLIENTS[kind](int(port), int(users), time.perf_counter() + float(seconds))))
        return 0
    return _measure(options)


def _measure(options: argparse.Namespace) -> int:
    core, server_core = machine.two_cores()
    chosen: Sequence[Tool] = [
        tool
        for tool in (LOADGATE, K6, K6_OLD, K6_BLIND, LIBRARY, BARE)
        if (tools.find(tool.program) or tool.program == sys.executable)
        and (tool is not LIBRARY or importlib.util.find_spec("websockets") is not None)
    ]
    if LOADGATE not in chosen:
        raise BenchError(
            "loadgate is not installed in this environment: start this with scripts/bench, which does that"
        )
    programs = {tool.program: tools.find(tool.program) or tool.program for tool in chosen}
    with (
        machine.alone(),
        tempfile.TemporaryDirectory(prefix="loadgate-bench-") as folder,
        Server(server_core) as server,
    ):
        bench = Bench(cast(Nginx, server), core, programs, Path(folder))  # calls never look at the server
        load = Load(server.url, options.sessions, options.seconds)
        rounds = measure_cpu(bench, chosen, load, options.rounds)
    found = bars(rounds)
    promises = results.table(["bar", "measured", "limit", ""], [bar.row() for bar in found])
    shown = _table(rounds)
    print(f"\n{shown}\n\n{promises}\n")
    if options.write:
        versions = sorted(
            {f"{tool.program} {tool.version(programs[tool.program])}" for tool in (LOADGATE, K6) if tool in chosen}
        )
        about = (
            f"Machine: {machine.description()}.\nVersions: {', '.join(versions)}; commit {machine.commit()}.\n"
            "Command: `python -m bench.websocket`."
        )
        setting = (
            f"Text of {len(TEXT)} bytes echoed over {options.sessions} sessions, one under way in each, a thousand to a "
            f"session, {options.seconds} s a tool, median of\n{options.rounds} rounds; ratios are taken within a round. Every "
            "echo is timed and checked, but for the clients that say otherwise in the\ndocumentation of `bench/websocket.py`."
        )
        results.write(f"CPU per WebSocket echo, {machine.cpu()}", f"{setting}\n\n{shown}\n\n{promises}\n\n{about}")
    return exit_code(found)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
