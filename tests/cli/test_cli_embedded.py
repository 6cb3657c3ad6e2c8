"""The embedded target that dies, and the run that is ended while it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from loadgate.record.file import read_run
from loadgate.record.verdict import Word
from tests.support.command import start, until

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are looked up in /proc")


def children(process: subprocess.Popen[str]) -> list[int]:
    try:
        return [int(number) for number in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    except OSError:
        return []


def alive(process: int) -> bool:
    """Whether it has not ended; one that nobody waits for stays in the table."""
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize(("number", "name"), [(signal.SIGKILL, "signal 9, SIGKILL"), (signal.SIGTERM, "exit code 0")])
def test_a_target_that_dies_in_mid_run_is_no_failure_of_a_service(tmp_path: Path, number: int, name: str) -> None:
    record = tmp_path / "loadgate-out" / "run.json"
    with start("run", "--vus", "2", "--duration", "4s", cwd=tmp_path) as process:
        try:
            until(lambda: record.exists() or process.poll() is not None)
            [child] = children(process)
            os.kill(child, number)
            out, err = process.communicate(timeout=30)
        except BaseException:
            process.kill()
            raise
    assert process.returncode == 3, out + err
    assert out.rstrip().splitlines()[-1].startswith("INVALID  the embedded target ended before the run did")
    verdict = read_run(tmp_path / "loadgate-out").verdict
    assert verdict.word is Word.INVALID
    assert name in verdict.reasons[0]


@pytest.mark.slow
@pytest.mark.parametrize("moment", [0.0, 0.1, 0.2, 0.4, 0.8])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_end_while_the_target_starts_is_quiet(tmp_path: Path, moment: float, number: int) -> None:
    """`moment` counts from when the child is there."""
    # an import that is interrupted leaves files open, which only a test would hear of
    with start("run", "--vus", "2", "--duration", "60s", cwd=tmp_path, env={"PYTHONWARNINGS": ""}) as process:
        try:
            until(lambda: bool(children(process)) or process.poll() is not None)
            [child] = children(process)
            time.sleep(moment)
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        except BaseException:
            process.kill()
            raise
    assert process.returncode == 130, out + err
    assert "Traceback" not in err and "Error" not in err, err
    assert "interrupted" in out + err
    until(lambda: not alive(child))
