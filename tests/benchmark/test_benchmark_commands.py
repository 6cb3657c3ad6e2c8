"""Commands as benchmarks: real processes, and nothing of them left."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop

from loadgate.bench.commands import CommandResult, run_command
from loadgate.errors import LoadgateError
from tests.support.command import until

T = TypeVar("T")
PYTHON = sys.executable
LIMIT = 30.0


@pytest.fixture(params=["asyncio", "uvloop"], autouse=True)
def loop_of(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(loop_of: str) -> Any:
    """Runs a coroutine on either loop: commands must not depend on which."""

    def runner(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(work) if loop_of == "asyncio" else uvloop.run(work)

    return runner


def command(*argv: str, **options: Any) -> Coroutine[Any, Any, CommandResult]:
    return run_command(argv, **{"limit": LIMIT, **options})


def shell(script: str, **options: Any) -> Coroutine[Any, Any, CommandResult]:
    return command("/bin/sh", "-c", script, **options)


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and is not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def noted(path: Path) -> Iterator[Path]:
    """A file that a command writes the pid of something to, which is ended if the test fails."""
    try:
        yield path
    finally:
        with suppress(OSError, ValueError):
            os.kill(int(path.read_text()), signal.SIGKILL)


def pid_in(path: Path) -> int:
    until(lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())


def test_wall_time_is_from_start_to_end(run: Any) -> None:
    found = run(command("sleep", "0.2"))
    assert 0.2 <= found.wall < 2.0
    assert found.cpu < 0.1


def test_cpu_and_memory_are_those_of_the_command(run: Any) -> None:
    found = run(command(PYTHON, "-I", "-S", "-c", "kept = b'x' * 80_000_000\nsum(range(3_000_000))"))
    assert 80_000_000 < found.peak < 110_000_000
    assert found.user > 0.02
    assert found.system > 0.0
    assert found.cpu == found.user + found.system
    assert found.wall >= 0.8 * found.cpu


def test_children_it_waits_for_count(run: Any) -> None:
    found = run(shell(f"{PYTHON} -I -S -c \"kept = b'x' * 80_000_000\"; true"))
    assert 80_000_000 < found.peak < 110_000_000


def test_a_small_command_is_not_given_the_memory_of_who_starts_it(run: Any) -> None:
    ballast = b"x" * 50_000_000
    assert run(command("true")).peak is None
    assert len(ballast) == 50_000_000


def test_it_runs_in_its_folder_with_its_environment_and_no_input(run: Any, tmp_path: Path) -> None:
    run(shell('echo "$COLOUR" > colour; cat > input', folder=tmp_path, env={"COLOUR": "blue", "PATH": os.defpath}))
    assert (tmp_path / "colour").read_text() == "blue\n"
    assert (tmp_path / "input").read_text() == ""


def test_output_is_thrown_away_however_much(run: Any, capfd: pytest.CaptureFixture[str]) -> None:
    run(shell("head -c 20000000 /dev/zero; head -c 20000000 /dev/zero >&2"))
    assert capfd.readouterr() == ("", "")


def test_a_failure_shows_the_last_lines(run: Any) -> None:
    with pytest.raises(LoadgateError) as caught:
        run(shell("for n in 1 2 3 4 5 6; do echo line $n; done; printf 'bad \\033[31mthing\\n' >&2; exit 3"))
    head, *lines = str(caught.value).splitlines()
    assert head.startswith("`/bin/sh -c ") and head.endswith("` ended with code 3")
    assert lines == ["  | line 3", "  | line 4", "  | line 5", "  | line 6", "  | bad �[31mthing", "  = 0 was expected"]


def test_other_codes_may_be_no_failure(run: Any) -> None:
    assert run(shell("exit 3", codes={0, 3})).wall > 0.0
    with pytest.raises(LoadgateError, match=r"ended with code 0[\s\S]*3 or 4 was expected"):
        run(shell("exit 0", codes={4, 3}))


def test_an_end_by_a_signal_is_named(run: Any) -> None:
    with pytest.raises(LoadgateError, match="was ended by SIGSEGV"):
        run(shell("kill -SEGV $$"))


@pytest.mark.parametrize(
    ("argv", "why"), [("no-such-command", "No such file"), ("./file", "Permission denied"), ("./none", "No such file")]
)
def test_what_cannot_be_started_says_why(run: Any, tmp_path: Path, argv: str, why: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LoadgateError, match=f"`{argv}` cannot be started: {why}"):
        run(command(argv, folder=tmp_path))


def test_a_folder_that_is_not_there_is_named(run: Any, tmp_path: Path) -> None:
    with pytest.raises(LoadgateError, match=r"cannot be started in .*nowhere"):
        run(command("true", folder=tmp_path / "nowhere"))


@pytest.mark.slow
def test_at_its_limit_it_is_killed_with_all_its_group(run: Any, tmp_path: Path) -> None:
    with noted(tmp_path / "pid") as pid:
        begun = time.monotonic()
        with pytest.raises(LoadgateError, match=r"did not end within 1 s and was killed\n  \| waiting"):
            run(shell(f"echo waiting; trap '' TERM INT HUP; sleep 300 & echo $! > {pid}; wait", limit=1.0))
        assert time.monotonic() - begun < 10.0
        until(lambda: not alive(pid_in(pid)))


def test_what_it_leaves_running_is_ended(run: Any, tmp_path: Path) -> None:
    with noted(tmp_path / "pid") as pid:
        found = run(shell(f"sleep 300 & echo $! > {pid}"))
        assert found.wall < 10.0
        until(lambda: not alive(pid_in(pid)))


def test_one_that_leaves_its_group_holds_nobody_up(run: Any, tmp_path: Path) -> None:
    with noted(tmp_path / "pid") as pid:
        begun = time.monotonic()
        run(command(PYTHON, "-c", LEAVES, str(pid)))
        assert time.monotonic() - begun < 10.0
        assert alive(pid_in(pid))


LEAVES = """
import os, sys, time
if not os.fork():
    os.setsid()
    with open(sys.argv[1], "w") as file:
        print(os.getpid(), file=file)
    time.sleep(300)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
"""


def test_who_is_cancelled_leaves_nothing(run: Any, tmp_path: Path) -> None:
    with noted(tmp_path / "pid") as pid:

        async def cancelled() -> None:
            task = asyncio.create_task(shell(f"echo $$ > {pid}; exec sleep 300"))
            await asyncio.to_thread(pid_in, pid)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        run(cancelled())
        until(lambda: not alive(pid_in(pid)))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with the one that started it")
def test_who_is_killed_leaves_nothing(loop_of: str, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"""
        import asyncio, uvloop
        from loadgate.bench.commands import run_command
        {loop_of}.run(run_command(["/bin/sh", "-c", "echo $$ > {pid}; exec sleep 300"], limit=300))
    """
    with noted(pid), subprocess.Popen([PYTHON, "-c", textwrap.dedent(code)]) as parent:
        try:
            command = pid_in(pid)
        finally:
            parent.kill()
        until(lambda: not alive(command))
