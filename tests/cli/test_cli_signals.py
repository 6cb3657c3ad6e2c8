"""Ctrl-C where nothing gives way: a scenario that never awaits, a teardown that does not end."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgate.interruption import PATIENCE
from loadgate.record.file import read_run
from loadgate.record.run import RunState
from tests.support.command import loadgate, start, until
from tests.support.target import running_target

STUCK = """
from pathlib import Path
from loadgate import scenario

options = {"vus": 2, "duration": "60s"}

@scenario
async def spin(user):
    Path("begun").touch()
    while True:
        pass
"""

DEAF = """
from pathlib import Path
from loadgate import scenario, teardown

options = {"vus": 2, "duration": "DURATION", "graceful_stop": "1s"}

@scenario
async def poll(user):
    Path("begun").touch()
    while True:
        try:
            await WAITS
        except:
            pass

@teardown
async def last(user):
    assert (await user.http.get("/users")).ok
    Path("torn_down").touch()
"""

LASTING = """
import asyncio
from pathlib import Path
from loadgate import scenario, teardown

options = {"vus": 1, "iterations": 3}

@scenario
async def visit(user):
    await user.http.get("/users")

@teardown
async def last(user):
    Path("begun").touch()
    await asyncio.sleep(60)
"""


BESIDE = """
import asyncio
from loadgate import scenario

options = {"vus": 2, "iterations": 4}

@scenario
async def shop(user):
    await user.http.get("/users")
    if user.iteration == 0:
        asyncio.ensure_future(beside())

async def beside():
    while True:
        try:
            await asyncio.sleep(60)
        except:
            pass
"""


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    with running_target(process=True) as url:
        yield url


def interrupted(folder: Path, target: str, script: str, *, times: int) -> tuple[int, str]:
    """Exit code and output of a run of `script` that is interrupted once it has made the file `begun`."""
    (folder / "load.py").write_text(script)
    with start("run", "load.py", "--url", target, cwd=folder) as process:
        try:
            until(lambda: (folder / "begun").exists() or process.poll() is not None)
            for _ in range(times):
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(PATIENCE + 0.5)
                except subprocess.TimeoutExpired:
                    continue
                break
            out, err = process.communicate(timeout=20)
        except BaseException:
            process.kill()
            raise
    assert "Traceback" not in err
    return process.returncode, out


@pytest.mark.slow
def test_a_scenario_that_never_awaits_is_thrown_out_of_its_line(target: str, tmp_path: Path) -> None:
    began = time.monotonic()
    code, out = interrupted(tmp_path, target, STUCK, times=2)
    assert code == 130
    assert re.search(r"load.py:1[01], which let nothing else run", " ".join(out.split()))
    assert read_run(tmp_path / "loadgate-out").state is RunState.INTERRUPTED
    assert time.monotonic() - began < 20.0


@pytest.mark.slow
@pytest.mark.parametrize("waits", ["user.http.get('/users')", "user.sleep(60)"], ids=["request", "sleep"])
def test_a_scenario_that_cannot_be_cancelled_does_not_keep_the_run_from_ending(
    target: str, tmp_path: Path, waits: str
) -> None:
    (tmp_path / "load.py").write_text(DEAF.replace("DURATION", "1s").replace("WAITS", waits))
    done = loadgate("run", "load.py", "--url", target, cwd=tmp_path, timeout=20.0)
    recorded = read_run(tmp_path / "loadgate-out")
    (load,) = recorded.loads
    assert (load.started, load.completed, load.interrupted) == (2, 0, 2)
    assert done.code == recorded.verdict.exit_code == 3
    (error,) = recorded.errors
    assert (error.kind, error.step, error.count) == ("script", "poll", 2)
    assert "`poll` did not end though it was cancelled 5 times" in error.sample
    assert "did not end though it was cancelled" in " ".join(done.out.split())
    assert (tmp_path / "torn_down").exists()
    (warning,) = [line for line in done.err.splitlines() if line.startswith("warning: ")]
    assert warning == "warning: ended with 2 tasks of the script still running, which ignore that they are cancelled"


@pytest.mark.slow
def test_a_scenario_that_cannot_be_cancelled_can_be_interrupted(target: str, tmp_path: Path) -> None:
    script = DEAF.replace("DURATION", "60s").replace("WAITS", "user.http.get('/users')")
    code, _ = interrupted(tmp_path, target, script, times=2)
    assert code == 130
    assert read_run(tmp_path / "loadgate-out").state is RunState.INTERRUPTED


@pytest.mark.slow
def test_a_task_that_cannot_be_cancelled_does_not_outlive_the_verdict(target: str, tmp_path: Path) -> None:
    (tmp_path / "load.py").write_text(BESIDE)
    done = loadgate("run", "load.py", "--url", target, cwd=tmp_path, timeout=20.0)
    assert done.last.startswith("PASS")
    assert done.code == 0
    assert "tasks of the script still running" in done.err


def test_a_teardown_can_be_interrupted(target: str, tmp_path: Path) -> None:
    code, out = interrupted(tmp_path, target, LASTING, times=1)
    assert code == 130
    assert out.rstrip().splitlines()[-1].startswith("INVALID")
    recorded = read_run(tmp_path / "loadgate-out")
    assert recorded.state is RunState.INTERRUPTED
    (reason,) = recorded.verdict.reasons
    assert reason.endswith("while its teardown was running: all figures are whole")
