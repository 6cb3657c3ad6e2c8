"""`loadgate run` with a target it starts: whatever the program does, there is one clear end and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from loadgate.measure.tally import CounterTally
from loadgate.record.file import read_run
from loadgate.record.run import Run
from tests.support.command import Done, loadgate, start, until
from tests.support.processes import parent_of, with_word

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found in /proc")

SERVICE = Path(__file__).parent.parent / "support" / "service.py"


@pytest.fixture
def port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
    return number


class Started:
    """A project in a folder whose target is the service with `options`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.mark = f"--account={folder / 'account.json'}"

    def write(self, *options: str, more: str = "", within: str = "20s", stop: str = "5s", profile: str = "") -> None:
        words = [sys.executable, "-S", "-E", str(SERVICE), str(self.port), self.mark, *options]
        profile = profile or "vus: 2, duration: 1s"
        self.folder.joinpath("loadgate.yml").write_text(
            f"target:\n  url: http://127.0.0.1:{self.port}\n  start: {json.dumps(words)}\n"
            f"  ready: {{within: {within}}}\n  stop: {stop}\n"
            f"scenarios: {{a: {{steps: [{{get: /}}]}}}}\nprofiles: {{p: {{{profile}}}}}\n{more}"
        )

    def run(self, *arguments: str) -> Done:
        return loadgate("run", "--store", "none", *arguments, cwd=self.folder)

    @property
    def record(self) -> Run:
        return read_run(self.folder / "loadgate-out")

    @property
    def account(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "account.json").read_text())
        return found

    def nothing_is_left(self) -> bool:
        return not with_word(self.mark)


@pytest.fixture
def target(tmp_path: Path, port: int) -> Started:
    return Started(tmp_path, port)


def once(run: Run, metric: str) -> float:
    [found] = [each for each in run.repeated if each.series.metric == metric]
    return found.spread.median


def test_it_is_started_watched_and_stopped(target: Started) -> None:
    target.write()
    done = target.run()
    assert (done.code, done.last.split()[0]) == (0, "PASS"), done.out + done.err
    run = target.record
    assert 0.0 < once(run, "target_port_open") <= once(run, "target_startup_time") < 5_000.0
    assert once(run, "target_startup_memory") > 1e6
    assert run.subject is not None
    assert "service.py" in run.subject.what
    assert {"target_cpu", "target_memory", "target_threads"} <= {each.metric.name for each in run.series}
    assert target.nothing_is_left()


@pytest.mark.slow
def test_a_program_that_is_never_ready(target: Started) -> None:
    target.write("--never", within="1s")
    done = target.run()
    assert done.code == 3
    assert "the target was not ready within 1 s of its start: GET http://127.0.0.1:" in done.err
    assert "refused" in done.err
    assert target.nothing_is_left()


@pytest.mark.slow
def test_a_program_that_is_up_but_never_well(target: Started) -> None:
    target.write()
    path = target.folder / "loadgate.yml"
    path.write_text(path.read_text().replace("ready: {within: 20s}", "ready: {path: /, status: 503, within: 1s}"))
    done = target.run()
    assert done.code == 3
    assert "it answered 200" in done.err
    assert target.nothing_is_left()


def test_a_program_that_ends_at_once_is_shown_with_what_it_said(target: Started) -> None:
    target.write("--child", "no number")
    done = target.run()
    assert done.code == 3
    assert "the target ended before it was ready: exit code 2, and it printed:" in done.err
    assert "invalid float value: 'no number'" in done.err
    assert target.nothing_is_left()


def test_a_program_that_cannot_be_executed(target: Started) -> None:
    target.folder.joinpath("loadgate.yml").write_text(
        f"target: {{url: 'http://127.0.0.1:{target.port}', start: ./nothing-here}}\n"
    )
    done = target.run()
    assert done.code == 2
    assert "nothing-here" in done.err


@pytest.mark.slow
def test_a_program_that_ignores_sigterm_is_killed(target: Started) -> None:
    target.write("--deaf", stop="500ms")
    done = target.run()
    assert done.code == 0
    assert "the target did not end within 0.5 s of SIGTERM and was killed" in " ".join(done.out.split())
    assert target.nothing_is_left()


@pytest.mark.slow
def test_what_a_program_leaves_behind_is_killed(target: Started) -> None:
    target.write("--leave")
    done = target.run()
    assert done.code == 0
    assert "the target left 1 process behind, which was killed" in " ".join(done.out.split())
    assert target.nothing_is_left()


@pytest.mark.slow
def test_a_program_that_prints_100_megabytes(target: Started) -> None:
    target.write("--print", "100000000")
    done = target.run()
    assert done.code == 0, done.out + done.err
    assert target.nothing_is_left()


@pytest.mark.slow
def test_a_program_that_dies_under_load(target: Started) -> None:
    target.write("--die-after", "200", profile="vus: 2, duration: 30s")
    done = target.run()
    assert done.code == 3
    assert "the target ended before the run did (exit code 7)" in " ".join(done.out.split())
    assert "fatal: out of cheese" in done.out
    assert target.record.duration < 10.0
    assert target.nothing_is_left()


@pytest.mark.slow
def test_something_else_listens_there_already(target: Started) -> None:
    target.write()
    with closing(socket.create_server(("127.0.0.1", target.port))):
        done = target.run()
    assert done.code == 3
    assert "already, before the target was started" in done.err
    assert not (target.folder / "account.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--never", "--leave"), ("--leave",)], ids=["waiting", "loading"])
def test_ctrl_c_stops_it_too(target: Started, options: tuple[str, ...]) -> None:
    target.write(*options, profile="vus: 2, duration: 60s")
    process = start("run", "--store", "none", cwd=target.folder)
    try:
        record = target.folder / "loadgate-out" / "run.json"
        until(record.exists if "--never" not in options else lambda: len(with_word(target.mark)) > 1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 130, out + err
    finally:
        process.kill()
        process.wait()
    assert target.nothing_is_left()


@pytest.mark.slow
def test_nothing_outlives_a_load_generator_that_is_killed(target: Started) -> None:
    target.write("--leave", profile="vus: 2, duration: 60s")
    process = start("run", "--store", "none", cwd=target.folder)
    try:
        until((target.folder / "loadgate-out" / "run.json").exists)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    until(target.nothing_is_left)


@pytest.mark.slow
def test_a_run_that_can_be_watched_no_more_is_no_pass(target: Started) -> None:
    target.write(profile="vus: 2, duration: 60s")
    process = start("run", "--store", "none", cwd=target.folder)
    try:
        until((target.folder / "loadgate-out" / "run.json").exists)
        [keeper] = [pid for pid in with_word("loadgate.probe.keeper") if parent_of(pid) == process.pid]
        os.kill(keeper, signal.SIGKILL)
        out, _ = process.communicate(timeout=20)
        assert process.returncode == 3
        assert "INVALID  the target can be watched no more" in out
    finally:
        process.kill()
        process.wait()
    until(target.nothing_is_left)


@pytest.mark.slow
def test_cpu_per_request_is_what_the_kernel_accounts(target: Started) -> None:
    target.write("--work", "0.0005", profile="vus: 2, duration: 8s")
    assert target.run().code == 0
    cpu, requests = target.record.total("target_cpu"), target.record.total("http_reqs")
    assert isinstance(cpu, CounterTally) and isinstance(requests, CounterTally)
    account = target.account
    accounted = (account["cpu"] - account["cpu_before"]) / account["requests"]
    assert cpu.total / requests.total == pytest.approx(accounted, rel=0.03)


@pytest.fixture
def running(target: Started) -> Iterator[subprocess.Popen[bytes]]:
    """The service, started by somebody else."""
    words = [sys.executable, "-S", "-E", str(SERVICE), str(target.port), target.mark]
    with subprocess.Popen(words) as process:
        try:
            until((target.folder / "account.json").exists)
            yield process
        finally:
            process.kill()


def watching(target: Started, pid: int, *more: str, seconds: int = 1) -> Done:
    url = f"http://127.0.0.1:{target.port}/"
    return target.run("--url", url, "--vus", "2", "--duration", f"{seconds}s", "--watch", f"pid:{pid}", *more)


@pytest.mark.slow
def test_what_runs_already_is_watched_and_left_alone(target: Started, running: subprocess.Popen[bytes]) -> None:
    target.folder.joinpath("b.yml").write_text("budgets: {resources: {max_memory_mb: 500, cpu_us_per_request: 99999}}")
    done = watching(target, running.pid, "--budgets", "b.yml")
    assert (done.code, done.last.split()[0]) == (0, "PASS"), done.out + done.err
    assert running.poll() is None
    target.folder.joinpath("b.yml").write_text("budgets: {resources: {max_memory_mb: 0.001}}")
    assert watching(target, running.pid, "--budgets", "b.yml").code == 1


@pytest.mark.slow
def test_what_is_watched_and_ends_is_no_pass(target: Started, running: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen(["sleep", "3"]) as other:  # not the service: all requests succeed
        done = watching(target, other.pid, seconds=20)
    assert done.code == 3
    assert "what is watched of the target ended before the run did" in " ".join(done.out.split())


def test_an_interruption_as_soon_as_there_is_a_program(target: Started) -> None:
    target.write("--never", within="60s")
    process = start("run", "--store", "none", cwd=target.folder)
    try:
        until(lambda: any(parent_of(pid) == process.pid for pid in with_word("loadgate.probe.keeper")))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, "Traceback" in err) == (130, False), out + err
    finally:
        process.kill()
        process.wait()
    assert target.nothing_is_left()


@pytest.mark.slow
def test_secrets_of_a_command_are_masked(target: Started) -> None:
    command = f"{sys.executable} -S -E {SERVICE} {target.port} --note-password S3CR3T"
    url = f"http://127.0.0.1:{target.port}/"
    done = target.run("--start", command, "--url", url, "--vus", "1", "--duration", "500ms")
    assert done.code == 0, done.out + done.err
    assert "S3CR3T" not in done.out + done.err
    assert "S3CR3T" not in (target.folder / "loadgate-out" / "run.json").read_text()
