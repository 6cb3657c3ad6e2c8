"""`loadgate serve` and `python -m loadgate.target` as processes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_websocket
from websockets.typing import Subprotocol

from loadgate.cli.embedded import EmbeddedTarget
from loadgate.errors import LoadgateError
from loadgate.target.command import wanted_ports
from loadgate.target.http.server import HttpTarget
from tests.target.raw import ask, connect
from tests.target.serving import serving


@contextmanager
def started(*arguments: str, module: str = "loadgate") -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        try:
            yield child
        finally:
            if child.poll() is None:
                child.kill()


def address(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line.startswith("loadgate target on http://"), line
    return line.split()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_serves_and_ends_on_a_signal(number: signal.Signals) -> None:
    with started("serve", "--http-port", "0") as child:
        url = address(child)
        with connect(url) as raw:
            assert raw.ask("GET /users/1").status == 200
            raw.send(b"GET /delay/60000 HTTP/1.1\r\nhost: a\r\n\r\n")
            child.send_signal(number)
            assert child.wait(5) == 0
        assert child.stderr is not None and child.stderr.read() == ""


def test_it_ends_with_its_standard_input() -> None:
    with started("serve", "--http-port", "0", "--until-eof") as child:
        address(child)
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(5) == 0


def test_options_reach_the_target() -> None:
    with started(
        "serve", "--http-port", "0", "--seed", "4", "--latency", "fixed:20ms,probability=0.5", "--latency", "/users=fixed:3ms",
        "--fault", "/posts=status=503:1", "--stall", "1ms/1h",
    ) as child:  # fmt: skip
        url = address(child)
        config = ask(url, "GET /api/chaos/config").json
        assert config["seed"] == 4 and config["stall"] == {"every_ms": 3_600_000, "for_ms": 1}
        assert config["latency"]["ms"] == 20 and config["latency"]["probability"] == 0.5
        assert ask(url, "GET /users").headers["x-loadgate-delay-ms"] == "3.000"
        assert ask(url, "GET /posts").status == 503


def addresses(child: subprocess.Popen[str], count: int) -> list[str]:
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(count)]
    assert all(line.startswith("loadgate target on ") for line in lines), lines
    return [line.split()[-1] for line in lines]


def test_each_port_is_announced_by_the_address_clients_use_and_http_comes_first() -> None:
    with started("serve", "--grpc-port", "0", "--graphql-port", "0", "--ws-port", "0", "--http-port", "0") as child:
        http, websocket, graphql, grpc = addresses(child, 4)
        assert re.fullmatch(r"grpc://127\.0\.0\.1:\d+", grpc)
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", http)
        assert re.fullmatch(r"ws://127\.0\.0\.1:\d+/ws", websocket)
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/graphql", graphql)
        with connect_websocket(websocket, proxy=None) as socket:
            socket.send("a")
            assert socket.recv(5) == "echo: a"
        assert ask(graphql, "POST /graphql", b'{"query": "{ user(id: 1) { id } }"}').json["data"]["user"]["id"] == "1"
        paths = ask(http, "GET /").json["routes"]
        assert {"/ws", "/graphql", "/graphql/ws"} <= {*paths}


def test_http_alone_serves_and_knows_nothing_else() -> None:
    with started("serve", "--http-port", "0") as child:
        url = address(child)
        assert ask(url, "GET /ws").status == ask(url, "POST /graphql", b"{}").status == 404
        got = ask(url, "PATCH /api/chaos/config", b'{"protocols": {"websocket": {}}}')
        assert got.status == 400 and "websocket is not served" in got.json["error"]


def test_all_serves_every_protocol_on_the_ports_it_is_given() -> None:
    with started(
        "serve", "--all", "--http-port", "0", "--ws-port", "0", "--graphql-port", "0", "--grpc-port", "0"
    ) as child:
        assert len(addresses(child, 4)) == 4
        child.send_signal(signal.SIGTERM)
        assert child.wait(5) == 0
        assert child.stdout is not None and child.stdout.read() == ""


def test_all_means_the_usual_ports_unless_told_otherwise() -> None:
    given = {"http": 3000, "websocket": None, "graphql": 4001}
    assert wanted_ports(given, True) == {"http": 3000, "websocket": 3001, "graphql": 4001, "grpc": 50051}
    assert wanted_ports(given, False) == {"http": 3000, "graphql": 4001}


def test_one_port_that_is_taken_opens_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started("serve", "--http-port", "0", "--graphql-port", str(port)) as child:
            assert child.wait(10) == 2
            assert child.stdout is not None and child.stderr is not None
            assert child.stdout.read() == ""
            assert child.stderr.read().startswith(f"error: port {port} on 127.0.0.1 is taken by another program\n")


def test_a_start_that_fails_leaves_nothing_open() -> None:
    async def scene(port: int) -> None:
        target = HttpTarget(protocols=("websocket", "graphql"))
        with pytest.raises(LoadgateError):
            await target.start(ports={"graphql": port})
        for url in (target.urls["http"], target.urls["websocket"]):
            with pytest.raises(ConnectionRefusedError):
                ask(url, "GET /health")

    with socket.create_server(("127.0.0.1", 0)) as taken:
        asyncio.run(scene(taken.getsockname()[1]))


def test_requests_on_all_ports_are_counted_together() -> None:
    with serving() as urls:
        for url in (urls["http"], urls["websocket"], urls["graphql"]):
            assert ask(url, "GET /health").status == 200
        lines = ask(urls["http"], "GET /metrics").body.decode().splitlines()
    found = [line for line in lines if line.startswith('loadgate_target_requests_total{method="GET",route="/health",')]
    assert found == ['loadgate_target_requests_total{method="GET",route="/health",status="200"} 3']


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_open_sessions_are_told_of_the_end_and_do_not_hold_it_up(number: signal.Signals) -> None:
    with started("serve", "--http-port", "0", "--ws-port", "0", "--graphql-port", "0") as child:
        _, websocket, graphql = addresses(child, 3)
        with (
            connect_websocket(f"{websocket}?push=1ms", proxy=None) as pushed,
            connect_websocket(
                graphql.replace("http", "ws", 1), subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None
            ) as subscribed,
        ):
            subscribed.send('{"type": "connection_init"}')
            query = "subscription { ticks(count: 1000000, everyMs: 0) { number } }"
            subscribed.send(json.dumps({"type": "subscribe", "id": "a", "payload": {"query": query}}))
            for _ in range(10):
                pushed.recv(5), subscribed.recv(5)
            child.send_signal(number)
            for socket in (pushed, subscribed):
                with pytest.raises(ConnectionClosed) as caught:
                    while True:
                        socket.recv(5)
                assert caught.value.rcvd is not None and caught.value.rcvd.code == 1001
        assert child.wait(5) == 0
        assert child.stderr is not None and child.stderr.read() == ""


@pytest.mark.slow
def test_a_client_that_never_answers_is_not_waited_for() -> None:
    with started("serve", "--http-port", "0", "--ws-port", "0") as child:
        _, websocket = addresses(child, 2)
        with connect(websocket) as raw:
            raw.send(
                b"GET /ws?push=1ms HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
                b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert raw.until(b"push: 1")
            child.terminate()
            assert child.wait(5) == 0


def test_graphql_without_its_package_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "graphql.py").write_text("raise ModuleNotFoundError(name='graphql')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "loadgate", "serve", "--http-port", "0", "--graphql-port", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == (
        "error: GraphQL needs the package graphql-core, which is not installed\n  = pip install 'loadgate[graphql]'\n"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_it_listens_where_it_is_told(host: str) -> None:
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    with started("serve", "--http-port", "0", "--host", host) as child:
        assert ask(address(child), "GET /health").status == 200


def test_a_port_that_is_taken_is_one_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with started("serve", "--http-port", str(port)) as child:
            assert child.wait(10) == 2
            assert child.stderr is not None and child.stdout is not None
            assert child.stderr.read() == (
                f"error: port {port} on 127.0.0.1 is taken by another program\n  = choose another, or 0 for a free one\n"
            )
            assert child.stdout.read() == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--latency", "fixed:20"], "error: in `fixed:20`: `20` is a duration without a unit\n"),
        (["--fault", "reset:2"], "error: faults.reset.probability: expected `float` <= 1.0\n"),
        (["--latency", "/user=fixed:20ms"], "error: routes./user: no route begins so\n"),
        (["--fault", "websocket=close:1"], "error: protocols.websocket: websocket is not served\n"),
        (
            ["--ws-port", "0", "--fault", "websocket=errors:1"],
            "error: protocols.websocket.faults.errors: websocket has no ",
        ),
        (["--ws-port", "0", "--fault", "close=999:1"], "error: faults.close.codes[0]: expected `int` >= 1000\n"),
        (["--ws-port", "0", "--fault", "close=1005:1"], "error: faults.close: 1005 is no close code that may be sent"),
        (["--graphql-port", "x"], "error: Invalid value for '--graphql-port'"),
        (["--host", "nowhere.invalid"], "error: cannot listen on nowhere.invalid: "),
        (["--host", "192.0.2.1"], "error: cannot listen on 192.0.2.1:0: "),
    ],
)
def test_a_wrong_option_is_one_clear_error(arguments: list[str], message: str) -> None:
    with started("serve", "--http-port", "0", *arguments) as child:
        assert child.wait(10) == 2
        assert child.stderr is not None
        assert child.stderr.read().startswith(message)


def test_the_light_start_takes_a_configuration() -> None:
    with started('{"latency": {"shape": "fixed", "ms": 3}}', module="loadgate.target") as child:
        assert ask(address(child), "GET /users").headers["x-loadgate-delay-ms"] == "3.000"
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(5) == 0
    with started("{", module="loadgate.target") as child:
        assert child.wait(5) == 2
        assert child.stderr is not None and child.stderr.read().startswith("error: this is not JSON: ")


def test_the_light_start_takes_protocols() -> None:
    with started("{}", "websocket", "graphql", module="loadgate.target") as child:
        assert [url.split(":")[0] for url in addresses(child, 3)] == ["http", "ws", "http"]
    with started("{}", "websockets", module="loadgate.target") as child:
        assert child.wait(5) == 2
        assert child.stderr is not None
        assert child.stderr.read().startswith("error: unknown protocol `websockets`, did you mean `websocket`?\n")


def test_the_embedded_target_dies_with_its_parent() -> None:
    program = (
        "import os\nfrom loadgate.cli.embedded import EmbeddedTarget\n"
        "target = EmbeddedTarget()\nprint(target.url(), target._process.pid, flush=True)\nos.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20)
    _, pid = done.stdout.split()
    deadline = time.monotonic() + 5
    while _alive(int(pid)):
        assert time.monotonic() < deadline, "the target outlived its parent"
        time.sleep(0.01)


def test_the_embedded_target_serves_until_it_is_left() -> None:
    with EmbeddedTarget() as target:
        url = target.url()
        assert ask(url, "GET /health").status == 200
    with pytest.raises(ConnectionRefusedError):
        ask(url, "GET /health")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_is_small_and_starts_without_the_heavy_libraries() -> None:
    with started(module="loadgate.target") as child:
        ask(address(child), "GET /users")
        status = Path(f"/proc/{child.pid}/status").read_text()
        memory = int(status.split("VmRSS:")[1].split()[0])
        assert memory < 50_000
        maps = Path(f"/proc/{child.pid}/maps").read_text()
        assert "numpy" not in maps and "pydantic" not in maps


def test_http_alone_imports_no_other_protocol_and_nothing_slow_that_it_has_no_need_of() -> None:
    program = (
        "import sys\nfrom loadgate.target.http.server import HttpTarget\n"
        "from loadgate.target.listener import bound_socket\nHttpTarget()\nbound_socket('127.0.0.1', 0).close()\n"
        "wrong = [name for name in sys.modules if name.startswith(('graphql', 'picows', 'loadgate.target.websocket',"
        " 'loadgate.target.graphql', 'click', 'dataclasses', 'encodings.idna'))]\nprint(wrong)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_takes_all_open_files_it_may_have() -> None:
    command = ["sh", "-c", f"ulimit -S -n 100; exec {sys.executable} -m loadgate.target"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        address(child)
        limits = Path(f"/proc/{child.pid}/limits").read_text()
        soft, hard = next(line for line in limits.splitlines() if line.startswith("Max open files")).split()[3:5]
        assert child.stdin is not None
        child.stdin.close()
    assert soft == hard != "100"


def _alive(pid: int) -> bool:
    """Whether a process that is not ours to wait for still runs; one that ended and was not waited for does not."""
    try:
        os.kill(pid, 0)
        return not sys.platform.startswith("linux") or ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
