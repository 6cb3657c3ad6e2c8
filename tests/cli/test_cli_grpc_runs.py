"""Runs of gRPC alone from the command line: how they are named, judged and summarised, over TLS, and with servers that go."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
import trustme

from loadgate.http2 import Setting, frames
from loadgate.measure.tally import CounterTally
from loadgate.record.file import read_run
from loadgate.record.run import Run
from tests.support.command import LOADGATE, Done, environment, loadgate, read_json
from tests.support.grpc_server import GREETER, PROTOS, SERVICE, GrpcServer, serving
from tests.support.h2_server import Action, Asked, H2Server, whole

HELLO = f"{SERVICE}/SayHello"
LIMITED = f"""
target: {{grpc: "GRPC"}}
scenarios:
  greet:
    steps:
      - {{grpc: {HELLO}, name: fast, message: {{name: a}}}}
      - {{grpc: {HELLO}, name: slow, message: {{delay_ms: 5}}}}
      - {{grpc: {HELLO}, name: lost, message: {{code: 5}}, expect: {{status: NOT_FOUND}}}}
profiles:
  quick:
    vus: 4
    iterations: 400
    thresholds:
      "grpc_req_duration{{name:slow,status:OK}}": ["min>=5", "p(95)<20s"]
      "grpc_req_duration{{method:SayHello,service:{SERVICE}}}": ["p(99)<20s"]
      "grpc_reqs{{status:NOT_FOUND}}": ["count==400"]
      grpc_req_failed: ["rate==0"]
budgets:
  grpc: {{p50_latency_ms: 20000, p95_latency_ms: 20000, p99_latency_ms: 20000, max_error_rate: 0}}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[GrpcServer]:
    with serving("--reflection") as found:
        yield found


def record(folder: Path) -> Run:
    return read_run(folder / "out" / "run.json")


def calls(found: Run) -> int:
    totals = [series.total for series in found.series if series.metric.name == "grpc_reqs"]
    return sum(int(total.total) for total in totals if isinstance(total, CounterTally))


@pytest.mark.slow
def test_a_url_alone_makes_calls(tmp_path: Path, server: GrpcServer) -> None:
    url = f"{server.url}/{HELLO}"
    told = ("--threshold", "grpc_req_duration: p(95)<20s", "--threshold", "checks: rate==1", "--summary", "sum.json")
    load = ("--body", '{"name": "${you}"}', "-H", "x-team: red", "--iterations", "30", "--vus", "2", "--out", "out")
    done = loadgate("run", "--url", url, *load, *told, cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    assert f"-> {server.url}\n" in done.out
    assert f"-> {server.url} " in done.err  # the live view
    summary = read_json(tmp_path / "sum.json")
    assert summary["run"]["target"] == server.url
    assert summary["metrics"]["grpc_reqs"] == 30
    assert not [name for name in summary["metrics"] if name.startswith("http_")]
    assert summary["steps"][HELLO]["grpc_reqs"] == 30
    measured = {"grpc_reqs", "grpc_req_duration", "grpc_req_latency", "grpc_req_failed"}
    assert set(summary["steps"][HELLO]) == {"protocol", *measured}
    assert summary["steps"][HELLO]["protocol"] == "grpc"
    assert (calls(record(tmp_path)), summary["verdict"], summary["reasons"]) == (30, "pass", [])


def test_a_call_that_the_server_does_not_know_is_told_in_the_url(tmp_path: Path, server: GrpcServer) -> None:
    done = loadgate("run", "--url", f"{server.url}/{HELLO}s", "--iterations", "1", cwd=tmp_path)
    assert done.code == 2, done.out + done.err
    assert "has no method `SayHellos`" in done.err
    assert f"--url:1:{len(server.url) + 2}" in done.err
    assert "did you mean `SayHello`?" in done.err


@pytest.mark.slow
def test_limits_hold_for_the_steps_and_statuses_of_a_run(tmp_path: Path, server: GrpcServer) -> None:
    limits = LIMITED.replace("GRPC", server.url)
    (tmp_path / "loadgate.yml").write_text(limits)
    done = loadgate("run", "--out", "out", cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    found = record(tmp_path)
    assert [(one.passed, one.observed is not None) for one in found.thresholds] == [(True, True)] * 5
    assert sorted((one.key, one.word) for one in found.budgets) == [
        (key, "pass") for key in ("max_error_rate", "p50_latency_ms", "p95_latency_ms", "p99_latency_ms")
    ]
    broken = limits.replace("p99_latency_ms: 20000", "p99_latency_ms: 4")
    (tmp_path / "loadgate.yml").write_text(broken.replace(", expect: {status: NOT_FOUND}", ""))
    done = loadgate("run", "--out", "out", cwd=tmp_path)
    assert done.code == 1, done.out + done.err
    found = record(tmp_path)
    assert {one.key for one in found.budgets if one.word == "fail"} == {"max_error_rate", "p99_latency_ms"}
    assert [one.key for one in found.thresholds if not one.passed] == ["grpc_req_failed"]


@pytest.mark.slow
def test_tls_is_as_the_target_says(tmp_path: Path) -> None:
    """Also when the server is asked for its methods, which comes before the load."""
    authority = trustme.CA()
    own, client = authority.issue_cert("localhost"), authority.issue_cert("client@example.org")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name, cert in (("own", own), ("client", client)):
        cert.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
        cert.private_key_pem.write_to_path(tmp_path / f"{name}-key.pem")
    files = [str(tmp_path / name) for name in ("own.pem", "own-key.pem", "ca.pem")]
    with serving("--reflection", "--tls", *files) as server:

        def run(host: str, tls: str) -> Done:
            (tmp_path / "loadgate.yml").write_text(
                f'target: {{grpc: "grpcs://{host}:{server.port}", tls: {{{tls}}}}}\n'
                f"scenarios: {{greet: {{steps: [{{grpc: {HELLO}, message: {{name: a}}}}]}}}}\n"
            )
            return loadgate("run", "--iterations", "5", "--out", "out", "--quiet", cwd=tmp_path)

        proof = "cert: client.pem, key: client-key.pem"
        for host, tls in (("localhost", f"ca: ca.pem, {proof}"), ("127.0.0.1", f"verify: false, {proof}")):
            done = run(host, tls)
            assert done.code == 0, done.out + done.err
            assert calls(record(tmp_path)) == 5
        for host, tls, words in (
            ("localhost", proof, "certificate refused"),
            ("127.0.0.1", f"ca: ca.pem, {proof}", "certificate refused"),
            ("localhost", "ca: ca.pem", "cannot ask the gRPC server"),
        ):
            done = run(host, tls)
            assert done.code == 2, done.out + done.err
            assert words in done.err, done.err
            assert "loadgate.yml:1:17" in done.err
            assert "check its host and port, and `tls` of the target" in done.err


@contextmanager
def dumb(said: bytes) -> Iterator[int]:
    """The port of a server that says `said` to whoever connects, and then nothing."""
    kept: list[socket.socket] = []

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                peer, _ = listener.accept()
                kept.append(peer)
                peer.sendall(said)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for peer in kept:
                peer.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "no HTTP/2 settings within 0.2 s"),
        (b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n", "does not speak HTTP/2"),
    ],
)
def test_a_server_that_cannot_be_asked_is_told_with_its_place(tmp_path: Path, said: bytes, words: str) -> None:
    with dumb(said) as port:
        (tmp_path / "loadgate.yml").write_text(
            f"target: {{connect_timeout: 200ms, grpc: '127.0.0.1:{port}'}}\n"
            f"scenarios: {{greet: {{steps: [{{grpc: {HELLO}}}]}}}}\n"
        )
        done = loadgate("run", "--iterations", "1", cwd=tmp_path)
    assert done.code == 2, done.out + done.err
    assert f"cannot ask the gRPC server at grpc://127.0.0.1:{port}" in done.err
    assert words in done.err
    assert "loadgate.yml:1:41" in done.err
    assert "check its host and port" in done.err


def test_no_summary_goes_over_a_proto_file(tmp_path: Path) -> None:
    for source in PROTOS.glob("*.proto"):
        (tmp_path / source.name).write_text(source.read_text())
    (tmp_path / "loadgate.yml").write_text(
        f"target: {{grpc: {{url: '127.0.0.1:1', proto: {GREETER.name}}}}}\n"
        f"scenarios: {{greet: {{steps: [{{grpc: {HELLO}}}]}}}}\n"
    )
    done = loadgate("run", "--iterations", "1", "--summary", "parts.proto", cwd=tmp_path)
    assert done.code == 2, done.out + done.err
    assert "--summary parts.proto would overwrite a file that says what to run" in done.err


@pytest.mark.slow
def test_a_server_that_goes_away_again_and_again_loses_no_call(tmp_path: Path) -> None:
    """Each connection looks at 25 calls, and says so with GOAWAY 10 ms after the next: what came by then is sent once more."""
    last = 2 * 24 + 1
    looked_at = 0

    def answer(asked: Asked) -> list[Action]:
        nonlocal looked_at
        if asked.stream > last:
            return [0.01, frames.goaway(last, 0)] if asked.stream == last + 2 else []
        looked_at += 1
        return [0.004, whole(asked.stream, b"")]

    async def main() -> tuple[int, str]:
        async with H2Server(answer, greeting=frames.settings({Setting.MAX_CONCURRENT_STREAMS: 10})) as server:
            (tmp_path / "loadgate.yml").write_text(
                f"target: {{grpc: {{url: '{server.url}', shared: true, proto: {GREETER}, proto_path: {PROTOS}}}}}\n"
                f"scenarios: {{greet: {{steps: [{{grpc: {HELLO}, expect: {{status: OK}}}}]}}}}\n"
            )
            command = [*LOADGATE, "run", "--rate", "600/s", "--duration", "2s", "--out", "out"]
            pipe = asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec(
                *command, cwd=tmp_path, env=environment(), stdout=pipe, stderr=pipe
            )
            try:
                out, err = await asyncio.wait_for(process.communicate(), 30)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            assert server.connections > 20
            return process.returncode or 0, (out + err).decode()

    code, said = asyncio.run(main())
    assert code == 0, said
    found = record(tmp_path)
    (load,) = found.loads
    assert (load.started, load.completed, load.interrupted, load.dropped) == (1200, 1200, 0, 0)
    assert calls(found) == looked_at == 1200
    assert found.errors == ()
    (note,) = [note for note in found.notes if "gRPC calls were sent once more" in note]
    assert int(note.partition(" ")[0].replace(",", "")) >= 1200 // 25 - 1
    assert note in " ".join(said.split())


@pytest.mark.slow
def test_a_target_that_speaks_grpc_alone_is_started_and_stopped(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = f"{sys.executable} -m loadgate serve --http-port 0 --grpc-port {port}"
    url = f"grpc://127.0.0.1:{port}/mockforge.greeter.Greeter/SayHello"
    flags = ("--start", program, "--iterations", "20", "--out", "out")
    done = loadgate("run", "--url", url, *flags, "--body", '{"name": "you"}', cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    assert calls(record(tmp_path)) == 20
    assert record(tmp_path).subject is not None
    refused = loadgate("run", "--url", url, *flags, "--ready", "/health", cwd=tmp_path)
    assert (refused.code, "`ready` asks over HTTP" in refused.err) == (2, True), refused.err
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)
