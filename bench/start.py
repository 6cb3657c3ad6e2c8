"""How long the embedded target takes to start, and what it weighs then: `python -m bench.start [--write]`.

A start counts from just before the process is made until a real request was answered on every port: HTTP alone, and all four
protocols. Memory is what is resident then. Starts are made one after the other with the bytecode of the first, which is left
out: a test starts a target again and again, and so does CI with what `pip` compiled. The process is made on its core, not sent
there by a `preexec_fn`: Python would then copy this process, which is 2 to 8 ms that are not the target's.

Exit code 0: all bars are met; 1: one is missed; 2: it could not be run.
"""

from __future__ import annotations

import argparse
import base64
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Final
from urllib.parse import urlsplit

from bench import machine, results
from bench.figures import MB, Bar, exit_code
from bench.machine import BenchError
from bench.process import high_water
from loadgate.http2 import PREFACE, encode_headers, frames
from loadgate.http2.grpc import prefixed

PATIENCE: Final = 10.0
_ALL: Final = ("--all", "--http-port", "0", "--ws-port", "0", "--graphql-port", "0", "--grpc-port", "0")


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to start the target. `seconds` and `bytes` are the bars."""

    name: str
    options: tuple[str, ...]
    ports: int
    seconds: float
    bytes: float


KINDS: Final = (
    Kind("HTTP alone", ("--http-port", "0"), 1, 0.100, 50 * MB),
    Kind("HTTP, WebSocket, GraphQL and gRPC", _ALL, 4, 0.500, 80 * MB),
)


@dataclass(frozen=True, slots=True)
class Start:
    """One start: seconds until all answered, CPU seconds it took, and bytes that were resident then."""

    seconds: float
    cpu: float
    resident: int


# -- a request of each protocol


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode()


def _ask_http(peer: socket.socket) -> None:
    peer.sendall(_get("/users/1"))
    _read_until(peer, b'"id":1')


def _ask_websocket(peer: socket.socket) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    fields = (
        f"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
    )
    peer.sendall(_get("/ws").removesuffix(b"\r\n") + fields.encode())
    _read_until(peer, b"\r\n\r\n")
    peer.sendall(b"\x81\x83\0\0\0\0abc")  # a mask of zeros masks nothing
    _read_until(peer, b"echo: abc")


def _ask_graphql(peer: socket.socket) -> None:
    body = b'{"query": "{ user(id: 1) { id } }"}'
    peer.sendall(b"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    _read_until(peer, b'"user":{"id":"1"}')


def _ask_grpc(peer: socket.socket) -> None:
    block = encode_headers(
        (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", b"/mockforge.greeter.Greeter/SayHello"),
            (b":authority", b"a"),
            (b"te", b"trailers"),
            (b"content-type", b"application/grpc"),
        )
    )
    call = frames.headers(1, block, end=False) + frames.data(1, prefixed(b"\x0a\x03you"), end=True)
    peer.sendall(PREFACE + frames.settings({}) + call)
    _read_until(peer, b"Hello you!")


_QUESTIONS: Final[dict[str, Callable[[socket.socket], None]]] = {
    "": _ask_http,
    "/ws": _ask_websocket,
    "/graphql": _ask_graphql,
}
"""By the path of the URL; the port of gRPC is known by its scheme."""


def _read_until(peer: socket.socket, mark: bytes) -> None:
    received = b""
    while mark not in received:
        more = peer.recv(65_536)
        if not more:
            raise BenchError(f"the target ended the connection after {received[:200]!r}")
        received += more


def _ask(url: str) -> None:
    parts = urlsplit(url)
    ask = _ask_grpc if parts.scheme == "grpc" else _QUESTIONS[parts.path]
    with socket.create_connection((parts.hostname, parts.port), PATIENCE) as peer:
        ask(peer)


# -- measuring


@contextmanager
def _on(core: int) -> Iterator[None]:
    """Run on `core`, and so do the processes that are made meanwhile, for as long as they live."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(kind: Kind, core: int, bytecode: Path) -> Start:
    """Start a target, ask it once on every port, and end it. Raises BenchError."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with _on(core):
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "loadgate", "serve", *kind.options],
            env={**environment, "PYTHONPYCACHEPREFIX": str(bytecode)},
            stdout=subprocess.PIPE,
            text=True,
        )
    assert process.stdout is not None
    try:
        for _ in range(kind.ports):
            line = process.stdout.readline()
            if not line:
                raise BenchError(f"`loadgate serve {' '.join(kind.options)}` did not start: see above")
            _ask(line.split()[-1])
        seconds = time.perf_counter() - begun
        resident = high_water(process.pid)
        process.terminate()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return Start(seconds, usage.ru_utime + usage.ru_stime, resident)
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()
        process.stdout.close()


def measure(core: int, count: int) -> dict[Kind, list[Start]]:
    """`count` starts of each kind, in turns."""
    found: dict[Kind, list[Start]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory(prefix="loadgate-bench-") as folder:
        for n in range(count + 1):
            for kind in KINDS:
                one = start(kind, core, Path(folder))
                if n:
                    found[kind].append(one)
    return found


def table(found: dict[Kind, list[Start]]) -> str:
    head = ["", "starts", "ms until all answer", "least", "90 %", "CPU ms", "MB resident"]
    rows = [
        [
            kind.name,
            str(len(starts)),
            f"{median(one.seconds for one in starts) * 1e3:.0f}",
            f"{min(one.seconds for one in starts) * 1e3:.0f}",
            f"{quantiles([one.seconds for one in starts], n=10)[8] * 1e3:.0f}",
            f"{median(one.cpu for one in starts) * 1e3:.0f}",
            f"{max(one.resident for one in starts) / MB:.1f}",
        ]
        for kind, starts in found.items()
    ]
    return results.table(head, rows)


def bars(found: dict[Kind, list[Start]]) -> list[Bar]:
    made = []
    for kind, starts in found.items():
        made.append(
            Bar(f"{kind.name}: median start", median(one.seconds for one in starts) * 1e3, kind.seconds * 1e3, " ms")
        )
        made.append(Bar(f"{kind.name}: memory", max(one.resident for one in starts) / MB, kind.bytes / MB, " MB"))
    return made


def _verdicts(checked: Sequence[Bar]) -> str:
    return results.table(["bar", "measured", "promised", ""], [bar.row() for bar in checked])


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.start", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--starts", type=int, default=20, help="starts of each kind (default 20)")
    parser.add_argument("--write", action="store_true", help="write the table to bench/RESULTS.md")
    options = parser.parse_args()
    if options.starts < 2:
        parser.error("--starts: at least 2")
    try:
        client, core = machine.two_cores()
        with machine.alone(), _on(client):
            found = measure(core, options.starts)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    checked = bars(found)
    body = f"{table(found)}\n\n{_verdicts(checked)}"
    print(f"\n{body}")
    if options.write:
        setting = (
            "`loadgate serve` from just before the process is made until a real request was answered on every port; memory is\n"
            "the most that was resident until then. Bytecode is there, as after `pip install`."
        )
        about = f"Machine: {machine.description()}; commit {machine.commit()}.\nCommand: `scripts/bench start`."
        results.write(f"Start of the embedded target, {machine.cpu()}", f"{setting}\n\n{body}\n\n{about}")
    return exit_code(checked)


if __name__ == "__main__":
    sys.exit(main())
