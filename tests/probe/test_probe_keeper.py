"""Programs started, watched and stopped by a keeper, as they come: none holds us up, none is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from loadgate.errors import LoadgateError
from loadgate.probe.kept import Command, Ended, Keeper
from loadgate.probe.tree import descendants
from loadgate.probe.usage import Usage
from tests.probe.programs import alive, open_keeper, printed, python, until

LINUX = sys.platform.startswith("linux")
SLEEP = "import time; print('here', flush=True); time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(60)"
Runner = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Runner:
    return asyncio.run if request.param == "asyncio" else uvloop.run


def test_a_program_runs_is_watched_and_stops(run: Runner) -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            readings: list[Usage] = []
            await keeper.watch(None, 0.05, readings.append)
            before = time.perf_counter()
            started = await keeper.start(python(SLEEP))
            assert before < started.at < time.perf_counter()
            assert os.getsid(started.pid) == started.pid
            assert await printed(keeper) == ("here",)
            assert keeper.ended_now() is None
            await until(lambda: len(readings) > 2)
            asked = time.perf_counter()
            stopped = await keeper.stop()
            assert (stopped.killed, stopped.leftovers) == (False, 0)
            assert 0.0 < stopped.seconds <= time.perf_counter() - asked
            assert asked < stopped.ended.at < time.perf_counter()
            assert stopped.ended.words == "killed by signal 15, SIGTERM"
            assert await keeper.ended == stopped.ended == keeper.ended_now()
            assert not alive(started.pid)
            begun = time.perf_counter()
            await keeper.close()
            assert time.perf_counter() - begun < 2.0
            await keeper.close()
            with pytest.raises(LoadgateError, match="the keeper process was closed"):
                await keeper.start(python(SLEEP))

    run(main())


def test_a_program_that_ends_at_once_says_how(run: Runner) -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            await keeper.start(python("import sys; print('out'); sys.exit('no such port \\x1b[31mred\\x1b[0m \\x07')"))
            ended = await keeper.ended
            assert (ended.code, ended.signal, ended.words) == (1, None, "exit code 1")
            assert set(ended.output) == {"out", "no such port red \ufffd"}
            stopped = await keeper.stop()
            assert (stopped.seconds, stopped.killed, stopped.leftovers, stopped.ended) == (0.0, False, 0, ended)

    run(main())


def test_the_start_is_the_moment_of_execution() -> None:
    """The program's own first look at the clock comes after it, by no more than an interpreter needs to start."""

    async def main() -> None:
        async with open_keeper() as keeper:
            gaps = []
            for _ in range(5):
                started = await keeper.start(Command(("cat", "/proc/uptime") if LINUX else ("true",)))
                ended = await keeper.ended
                gaps.append(ended.at - started.at)
            assert 0.0 < min(gaps) < 0.05

    asyncio.run(main())


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        (("pythn3", "-V"), "cannot start `pythn3`: No such file or directory", "did you mean `python3`?"),
        (("./serve",), "cannot start `./serve`: No such file or directory", "did you mean `./server`?"),
        (("./server",), "cannot start `./server`: Permission denied", "it may not be executed: chmod +x ./server"),
        (("./noformat",), "cannot start `./noformat`: Exec format error", "no program for this machine"),
        (("./nobody",), "cannot start `./nobody`: No such file or directory", "it is there, but the interpreter"),
        (("./folder",), "cannot start `./folder`: Permission denied", "it is a folder"),
        (("echo hello",), "cannot start `echo hello`", "give the arguments apart from it"),
        (("zzqqxxyyvv",), "cannot start `zzqqxxyyvv`", "no folder of the PATH holds a program of that name"),
        (("echo", "a\0b"), "cannot start `echo`: a null character", ""),
        ((), "the command to start is empty", "give a program"),
    ],
)
def test_what_cannot_be_executed_says_why(tmp_path: Path, argv: tuple[str, ...], message: str, hint: str) -> None:
    (tmp_path / "server").write_text("#!/bin/sh\n")
    (tmp_path / "folder").mkdir()
    for name, text in (("noformat", "neither\n"), ("nobody", "#!/no/such/interpreter\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    async def main() -> None:
        async with open_keeper() as keeper:
            with pytest.raises(LoadgateError) as error:
                await keeper.start(Command(argv, tmp_path))
            assert message in error.value.message
            assert hint in (error.value.hint or "")
            assert error.value.exit_code == 2
            await keeper.start(Command(("true",)))
            assert (await keeper.ended).code == 0

    asyncio.run(main())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            with pytest.raises(LoadgateError, match=r"cannot start `true` in the folder .*/missing`: No such file"):
                await keeper.start(Command(("true",), tmp_path / "missing"))

    asyncio.run(main())


def test_folder_and_environment_are_those_asked_for_and_stay_unseen(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            command = Command(("sh", "-c", "pwd; echo $WORD; cat; trap"), tmp_path, {"WORD": "hidden"})
            assert "hidden" not in repr(command)
            await keeper.start(command)
            assert (await keeper.ended).output == (str(tmp_path), "hidden")

    asyncio.run(main())


def test_signals_are_as_a_program_expects_them() -> None:
    """What the keeper ignores or handles is not handed on."""
    if not LINUX:
        pytest.skip("reads /proc")

    async def main() -> None:
        async with open_keeper() as keeper:
            await keeper.start(Command(("grep", "-E", "SigIgn|SigBlk", "/proc/self/status")))
            output = (await keeper.ended).output
            assert [line.split()[-1] for line in output] == ["0" * 16, "0" * 16]

    asyncio.run(main())


def test_a_program_that_ignores_sigterm_is_killed_after_the_patience(run: Runner) -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            started = await keeper.start(python(DEAF))
            await printed(keeper)
            stopped = await keeper.stop(0.3)
            assert stopped.killed
            assert 0.3 <= stopped.seconds < 2.0
            assert stopped.ended.words == "killed by signal 9, SIGKILL"
            assert not alive(started.pid)

    run(main())


def test_sigterm_goes_to_the_program_alone() -> None:
    """It ends its own processes; killing them first would look like a crash to it."""
    code = """
import signal, subprocess, sys, time
child = subprocess.Popen(["sleep", "60"])
def end(*_):
    time.sleep(0.3)
    print("child", child.poll(), flush=True)
    child.terminate()
    child.wait()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("here", flush=True)
while True:
    time.sleep(0.05)
"""

    async def main() -> None:
        async with open_keeper() as keeper:
            await keeper.start(python(code))
            await printed(keeper)
            stopped = await keeper.stop()
            assert stopped.ended.output == ("here", "child None")
            assert (stopped.ended.code, stopped.killed, stopped.leftovers) == (0, False, 0)

    asyncio.run(main())


def test_a_program_killed_by_somebody_else_is_noticed(run: Runner) -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            started = await keeper.start(python(SLEEP))
            await printed(keeper)
            os.kill(started.pid, signal.SIGKILL)
            at = time.perf_counter()
            ended = await keeper.ended
            assert ended.words == "killed by signal 9, SIGKILL"
            assert abs(ended.at - at) < 1.0
            assert ended.output == ("here",)

    run(main())


def test_100_mb_of_output_neither_hold_the_program_up_nor_grow_the_keeper() -> None:
    code = """
import os, sys
line = b"x" * 9_999 + b"\\n"
for _ in range(10_000):
    os.write(1, line)
os.write(2, b"the end")
"""

    async def main() -> None:
        async with open_keeper() as keeper:
            if LINUX:
                await keeper.watch(None, 0.2, lambda usage: None)
            await keeper.start(Command(("true",)))
            await keeper.ended
            if LINUX:
                await keeper.read(pss=False)
            before = keeper.resident
            await keeper.start(python(code))
            ended = await asyncio.wait_for(asyncio.shield(keeper.ended), 30.0)
            assert ended.code == 0
            assert ended.output[-1] == "the end"
            assert len(ended.output[0]) == 500
            if LINUX:
                await keeper.read(pss=False)
                assert before is not None and keeper.resident is not None
                assert keeper.resident - before < 2_000_000

    asyncio.run(main())


def test_a_program_starts_twenty_times_over_and_nothing_piles_up() -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            counts = []
            for turn in range(20):
                started = await keeper.start(python(SLEEP) if turn % 2 else Command(("sh", "-c", "echo here; exit 3")))
                await printed(keeper)
                if turn % 2 == 0:
                    await keeper.ended
                stopped = await keeper.stop()
                assert stopped.ended.code == (None if turn % 2 else 3)
                assert not Path(f"/proc/{started.pid}").exists()
                counts.append(len(os.listdir(f"/proc/{keeper_pid(keeper)}/fd")) if LINUX else 0)
            assert len(set(counts)) == 1
            assert descendants(keeper_pid(keeper)) == []

    asyncio.run(main())


def keeper_pid(keeper: Keeper) -> int:
    return keeper._process.pid


def test_two_programs_at_once_are_refused() -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            with pytest.raises(LoadgateError, match="no program was started"):
                await keeper.stop()
            await keeper.start(python(SLEEP))
            ended = keeper.ended
            with pytest.raises(LoadgateError, match="a program runs already"):
                await keeper.start(python(SLEEP))
            assert keeper.ended is ended and not ended.done()
            await keeper.stop()
            assert ended.done()

    asyncio.run(main())


def test_a_keeper_that_dies_takes_the_program_with_it_and_says_so(run: Runner) -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            started = await keeper.start(python(f"import subprocess\nsubprocess.Popen(['sleep', '60'])\n{SLEEP}"))
            await printed(keeper)
            below = descendants(started.pid)
            os.kill(keeper_pid(keeper), signal.SIGKILL)
            with pytest.raises(LoadgateError, match=r"ended unexpectedly \(killed by signal 9\)"):
                await asyncio.wait_for(asyncio.shield(keeper.ended), 10.0)
            with pytest.raises(LoadgateError, match="ended unexpectedly"):
                await keeper.read()
            with pytest.raises(LoadgateError, match="ended unexpectedly"):
                keeper.ended_now()
            await until(lambda: not alive(started.pid) and not any(map(alive, below)))
            assert below or not LINUX

    run(main())


def test_whoever_waits_for_a_keeper_that_dies_is_told() -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            await keeper.start(python(DEAF))
            await printed(keeper)
            stopping = asyncio.ensure_future(keeper.stop(60.0))
            await asyncio.sleep(0)
            os.kill(keeper_pid(keeper), signal.SIGKILL)
            with pytest.raises(LoadgateError, match="ended unexpectedly"):
                await asyncio.wait_for(stopping, 10.0)

    asyncio.run(main())


def test_close_stops_what_runs_also_when_it_is_cancelled(run: Runner) -> None:
    async def main() -> None:
        for cancel in (False, True):
            keeper = await Keeper.open()
            started = await keeper.start(python(f"import subprocess\nsubprocess.Popen(['sleep', '60'])\n{SLEEP}"))
            await printed(keeper)
            begun = time.perf_counter()
            closing = asyncio.ensure_future(keeper.close())
            await asyncio.sleep(0)
            if cancel:
                closing.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await closing
            await asyncio.wait([closing])
            assert time.perf_counter() - begun < 2.0
            assert not alive(started.pid)
            assert keeper._process.returncode == 0

    run(main())


def test_kill_now_needs_no_loop(run: Runner) -> None:
    kept: list[tuple[Keeper, int]] = []

    async def main() -> None:
        keeper = await Keeper.open()
        started = await keeper.start(python(SLEEP))
        kept.append((keeper, started.pid))

    run(main())
    ((keeper, pid),) = kept
    assert alive(pid)
    keeper.kill_now()
    assert not alive(pid)
    keeper.kill_now()


@pytest.mark.slow
def test_a_loop_that_stands_still_makes_no_time_late() -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            readings: list[Usage] = []
            if LINUX:
                await keeper.watch(None, 0.05, readings.append)
            started = await keeper.start(Command(("sleep", "0.3")))
            time.sleep(1.0)  # the loop, held up
            ended = await keeper.ended
            assert 0.3 <= ended.at - started.at < 0.8
            assert len(readings) >= 3 or not LINUX

    asyncio.run(main())


def test_words_of_an_end() -> None:
    assert Ended(3, None, 0.0).words == "exit code 3"
    assert Ended(None, 6, 0.0).words == "killed by signal 6, SIGABRT"
    assert Ended(None, 50, 0.0).words == "killed by signal 50"
