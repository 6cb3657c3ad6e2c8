"""`loadgate serve` and `python -m loadgate.target` as processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadgate.cli.embedded import EmbeddedTarget
from tests.target.raw import ask, connect


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--latency", "fixed:20"], "error: in `fixed:20`: `20` is a duration without a unit\n"),
        (["--fault", "reset:2"], "error: faults.reset.probability: expected `float` <= 1.0\n"),
        (["--latency", "/user=fixed:20ms"], "error: routes./user: no route begins so\n"),
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
