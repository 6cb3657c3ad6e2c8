from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from bench import machine
from bench.machine import BenchError
from bench.process import Others, cpu_seconds, run, tree

CORE = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else -1

pytestmark = pytest.mark.skipif(
    CORE < 0 or sys.platform != "linux", reason="processes are pinned and watched as on Linux"
)


@pytest.mark.slow
def test_the_program_runs_on_its_core_and_its_output_and_exit_code_are_kept() -> None:
    usage = run(
        [sys.executable, "-S", "-c", "import os, sys; print(os.sched_getaffinity(0), os.environ['WORD']); sys.exit(7)"],
        core=CORE,
        patience=20.0,
        window=(0.0, 60.0),
        environment={"WORD": "hello"},
    )
    assert usage.output == f"{{{CORE}}} hello\n"
    assert usage.status == 7


BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
"""Uses 0.3 s of CPU time."""


@pytest.mark.slow
def test_cpu_is_that_of_the_program_and_its_children() -> None:
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-S', '-c', {BURN!r}], check=True)\n{BURN}"
    usage = run([sys.executable, "-S", "-c", code], core=CORE, patience=20.0, window=(0.0, 60.0))
    assert usage.status == 0, usage.output
    assert 0.6 <= usage.cpu < 1.0


@pytest.mark.slow
def test_memory_is_the_most_the_program_itself_ever_held() -> None:
    code = "import time; held = bytearray(80_000_000); time.sleep(0.3); del held; time.sleep(0.3)"
    usage = run([sys.executable, "-S", "-c", code], core=CORE, patience=20.0, window=(0.0, 60.0))
    assert 80e6 < usage.peak < 110e6


@pytest.mark.slow
def test_the_memory_of_whoever_starts_the_program_is_not_the_programs() -> None:
    held = bytearray(120_000_000)
    usage = run(
        [sys.executable, "-S", "-c", "import time; time.sleep(0.3)"], core=CORE, patience=20.0, window=(0.0, 60.0)
    )
    assert 0 < usage.peak < 60e6 < len(held)


@pytest.mark.slow
def test_a_program_that_does_not_end_is_ended_and_said_so() -> None:
    start = time.monotonic()
    with pytest.raises(BenchError, match=r"is not done after 0\.3 s"):
        run([sys.executable, "-S", "-c", "import time; time.sleep(60)"], core=CORE, patience=0.3, window=(0.0, 60.0))
    assert time.monotonic() - start < 10.0


@pytest.mark.slow
def test_the_share_of_a_core_is_that_of_the_window_only() -> None:
    code = f"{BURN}time.sleep(2.5)"
    usage = run([sys.executable, "-S", "-c", code], core=CORE, patience=20.0, window=(2.0, 60.0))
    assert usage.steady_share < 0.1
    assert usage.cpu >= 0.3


@pytest.mark.slow
def test_the_machine_is_named_with_its_cores_kernel_and_python() -> None:
    said = machine.description()
    assert f"{os.cpu_count()} cores" in said
    assert os.uname().release in said
    assert f"Python {sys.version_info.major}.{sys.version_info.minor}" in said


@pytest.mark.slow
def test_others_are_all_programs_that_do_not_descend_from_this_one(tmp_path: Path) -> None:
    others, start = Others(), time.monotonic()
    done = tmp_path / "done"
    # its parent ends at once, so that it is nobody's child here
    orphan = f"import os, sys\nif os.fork(): os._exit(0)\n{BURN}open(sys.argv[1], 'w').close(); time.sleep(1)"
    subprocess.run([sys.executable, "-S", "-c", orphan, str(done)], check=True, stdout=subprocess.DEVNULL)
    while not done.exists():
        assert time.monotonic() - start < 20.0
        time.sleep(0.01)
    assert others.share() * (time.monotonic() - start) >= 0.25


@pytest.mark.slow
def test_what_a_child_used_stays_in_its_parents_account_when_it_has_ended() -> None:
    def account() -> tuple[float, float]:
        return cpu_seconds(os.getpid()), cpu_seconds(os.getpid(), children=True)

    own, family = account()
    subprocess.run([sys.executable, "-S", "-c", BURN], check=True)
    own_after, family_after = account()
    assert own_after - own < 0.25 <= family_after - family


@pytest.mark.slow
def test_children_and_theirs_are_of_the_tree() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', 'print(1, flush=True); input()'])"
    child = subprocess.Popen([sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        assert {os.getpid(), child.pid} < set(tree(os.getpid()))
        assert len(tree(child.pid)) == 2
    finally:
        child.communicate(b"\n", timeout=20)


@pytest.mark.slow
def test_of_two_benchmarks_on_one_machine_the_second_waits_for_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a folder of its own, because a benchmark may be running while this is
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    code = "from bench.machine import alone\nwith alone(): print('its turn')"
    with machine.alone():
        second = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert second.stdout is not None
        try:
            assert "waiting" in second.stdout.readline()
            assert second.poll() is None
        except BaseException:
            second.kill()
            raise
    rest, _ = second.communicate(timeout=20)
    assert rest == "its turn\n"
