"""gRPC of the embedded target as its users meet it: `loadgate serve` and `loadgate run`, with reflection between them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from loadgate.measure.tally import CounterTally
from loadgate.record.file import read_run
from tests.support.command import environment, loadgate, start

PROJECT = """
target: {grpc: "URL"}
scenarios:
  greet:
    steps:
      - grpc: mockforge.greeter.Greeter/SayHello
        name: hello
        message: {name: "you ${vu}"}
        expect:
          status: OK
          json: {$.message: "Hello you ${vu}! This is a mock response from MockForge"}
          header: {x-loadgate-delay-ms: "1.000"}
      - grpc: mockforge.greeter.Greeter/SayHelloStream
        name: stream
        message: {name: a}
        expect: {json: {"$.length()": 5}}
      - grpc: mockforge.greeter.Greeter/SayHelloClientStream
        name: collect
        message: [{name: a}, {name: b}]
        expect: {status: RESOURCE_EXHAUSTED}
      - grpc: mockforge.greeter.Greeter/Chat
        name: chat
        message: [{name: a}, {name: b}]
        expect: {json: {"$[1].message": "Chat response 2: Hello b! from MockForge"}}
profiles:
  quick: {vus: 2, iterations: 4, thresholds: {checks: ["rate==1"], grpc_req_failed: ["rate==0"]}}
"""


@pytest.mark.slow
def test_a_run_of_declared_steps_against_serve(tmp_path: Path) -> None:
    faults = ("--latency", "grpc=fixed:1ms", "--fault", "/mockforge.greeter.Greeter/SayHelloClientStream=status=8:1")
    server = start("serve", "--http-port", "0", "--grpc-port", "0", *faults, cwd=tmp_path)
    try:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(2)]
        url = lines[1].split()[-1]
        assert url.startswith("grpc://127.0.0.1:"), lines
        (tmp_path / "loadgate.yml").write_text(PROJECT.replace("URL", url))
        done = loadgate("run", "--out", "out", cwd=tmp_path)
        assert done.code == 0, done.out + done.err
    finally:
        _stop(server)
    (path,) = (tmp_path / "out").rglob("run.json*")
    found = {
        (series.tags["name"], series.tags["status"]): series.total.total
        for series in read_run(path).series
        if series.metric.name == "grpc_reqs" and isinstance(series.total, CounterTally)
    }
    assert found == {("hello", "OK"): 4, ("stream", "OK"): 4, ("collect", "RESOURCE_EXHAUSTED"): 4, ("chat", "OK"): 4}


@pytest.mark.parametrize(
    ("protocols", "never"),
    [((), "loadgate.http2 loadgate.target.grpc grpc google graphql zlib"), (("grpc",), "grpc google graphql numpy")],
)
def test_a_target_imports_what_it_speaks(protocols: tuple[str, ...], never: str) -> None:
    code = (
        "import sys\n"
        "from loadgate.target.http.server import HttpTarget\n"
        f"HttpTarget(protocols={protocols!r})\n"
        f"print(*(name for name in {never.split()!r} if name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("\n", "")


def _stop(server: subprocess.Popen[str]) -> None:
    server.terminate()
    try:
        server.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.communicate()
