"""Ctrl-C where nothing gives way: a scenario that never awaits, a teardown that does not end."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgate.record.file import read_run
from loadgate.record.run import RunState
from loadgate.session import PATIENCE
from tests.support.command import start, until
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


def test_a_scenario_that_never_awaits_is_thrown_out_of_its_line(target: str, tmp_path: Path) -> None:
    began = time.monotonic()
    code, out = interrupted(tmp_path, target, STUCK, times=2)
    assert code == 130
    assert re.search(r"load.py:1[01], which let nothing else run", " ".join(out.split()))
    assert read_run(tmp_path / "loadgate-out").state is RunState.INTERRUPTED
    assert time.monotonic() - began < 20.0


def test_a_teardown_can_be_interrupted(target: str, tmp_path: Path) -> None:
    code, out = interrupted(tmp_path, target, LASTING, times=1)
    assert code == 130
    assert out.rstrip().splitlines()[-1].startswith("INVALID")
    assert read_run(tmp_path / "loadgate-out").state is RunState.INTERRUPTED
