"""Nothing outlives us: daemons, processes that respawn, our own death by SIGKILL, Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loadgate.probe.kept import Command
from tests.probe.programs import DAEMON, alive, open_keeper, python, until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="orphans are adopted on Linux only")

LEAVES = f"{DAEMON}\ndaemon(sys.argv[1])\n"
STAYS = f"{LEAVES}\ntime.sleep(60)\n"

PARENT = """
import asyncio, sys, time
from loadgate.probe.kept import Command, Keeper

async def main():
    keeper = await Keeper.open()
    started = await keeper.start(Command((sys.executable, "-c", sys.argv[1], sys.argv[2])))
    print(started.pid, keeper._process.pid, flush=True)
    await keeper.ended
    print("ended", flush=True)

asyncio.run(main())
"""


def end(*pids: int) -> None:
    for pid in pids:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


async def pid_in(path: Path) -> int:
    await until(path.exists)
    return int(path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("deaf", [False, True])
@pytest.mark.parametrize("text", [LEAVES, STAYS], ids=["left", "stays"])
def test_a_daemon_is_gone_after_stop(tmp_path: Path, text: str, deaf: bool) -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            await keeper.start(python(text, tmp_path / "pid", **({"DEAF": "1"} if deaf else {})))
            pid = await pid_in(tmp_path / "pid")
            try:
                assert os.getsid(pid) != os.getsid(0)
                if text is LEAVES:
                    assert (await keeper.ended).code == 0
                    assert alive(pid)
                    assert (await keeper.read()).processes == 1
                stopped = await keeper.stop(5.0)
                assert stopped.leftovers == 1
                assert not alive(pid)
            finally:
                end(pid)

    asyncio.run(main())


def test_the_next_start_ends_what_the_former_left(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            await keeper.start(python(LEAVES, tmp_path / "pid"))
            pid = await pid_in(tmp_path / "pid")
            try:
                await keeper.ended
                await keeper.start(Command(("true",)))
                assert not alive(pid)
                assert (await keeper.ended).code == 0
            finally:
                end(pid)

    asyncio.run(main())


@pytest.mark.slow
def test_processes_that_start_others_while_they_are_killed_are_all_gone(tmp_path: Path) -> None:
    """Each of four, on SIGTERM, leaves a process in another session and ends; those go on with that."""
    respawning = """
import os, signal, sys, time
def again(*_):
    if os.fork():
        os._exit(0)
    os.setsid()
    with open(sys.argv[1], "a") as file:
        file.write(f"{os.getpid()}\\n")
signal.signal(signal.SIGTERM, again)
root = os.getpid()
for _ in range(4):
    if os.fork() == 0:
        break
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
if os.getpid() == root:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
while True:
    time.sleep(0.01)
"""

    async def main() -> None:
        async with open_keeper() as keeper:
            await keeper.start(python(respawning, tmp_path / "pids"))
            await until(lambda: (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) == 5)
            await keeper.stop(5.0)
            pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
            assert len(pids) >= 5
            try:
                assert not any(map(alive, pids))
            finally:
                end(*pids)

    asyncio.run(main())


def parent(tmp_path: Path, text: str, **more: bool) -> tuple[subprocess.Popen[str], int, int]:
    """A process with a keeper and a program: the three of them."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, text, str(tmp_path / "pid")],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    pid, keeper = map(int, process.stdout.readline().split())
    return process, pid, keeper


@pytest.mark.parametrize("text", [LEAVES, STAYS], ids=["left", "stays"])
def test_when_we_are_killed_program_daemon_and_keeper_go_too(tmp_path: Path, text: str) -> None:
    async def main() -> None:
        process, program, keeper = parent(tmp_path, text)
        daemon = 0
        try:
            daemon = await pid_in(tmp_path / "pid")
            assert alive(daemon) and alive(keeper)
            process.kill()
            process.wait()
            await until(lambda: not any(map(alive, (program, daemon, keeper))), 8.0)
        finally:
            process.kill()
            process.communicate()
            end(program, keeper, *([daemon] if daemon else []))

    asyncio.run(main())


def test_a_program_dies_with_its_keeper_when_we_can_do_nothing(tmp_path: Path) -> None:
    """The kernel sees to it: we are stopped, and the keeper is killed."""

    async def main() -> None:
        process, program, keeper = parent(tmp_path, STAYS)
        daemon = 0
        try:
            daemon = await pid_in(tmp_path / "pid")
            process.send_signal(signal.SIGSTOP)
            os.kill(keeper, signal.SIGKILL)
            await until(lambda: not alive(program), 8.0)
        finally:
            process.kill()
            process.communicate()
            end(program, keeper, *([daemon] if daemon else []))

    asyncio.run(main())


def test_ctrl_c_reaches_neither_keeper_nor_program(tmp_path: Path) -> None:
    """A terminal sends SIGINT to a process group: ours ends, and the program learns it from the keeper, by SIGTERM."""
    tells = f"""
import signal, sys, time
def tell(number, frame):
    with open(sys.argv[1] + ".signal", "a") as file:
        file.write(signal.Signals(number).name + "\\n")
    if number == signal.SIGTERM:
        sys.exit(0)
signal.signal(signal.SIGINT, tell)
signal.signal(signal.SIGTERM, tell)
open(sys.argv[1], "w").write("{os.getpid()}")
while True:
    time.sleep(0.01)
"""

    async def main() -> None:
        process, program, keeper = parent(tmp_path, tells)
        try:
            await until((tmp_path / "pid").exists)
            group = os.getpgid(process.pid)
            assert group == process.pid
            assert os.getpgid(program) != group and os.getpgid(keeper) not in (group, os.getpgid(program))
            os.killpg(group, signal.SIGINT)
            await until(lambda: not any(map(alive, (process.pid, program, keeper))), 8.0)
            assert (tmp_path / "pid.signal").read_text().split() == ["SIGTERM"]
        finally:
            process.kill()
            process.communicate()
            end(program, keeper)

    asyncio.run(main())


def test_a_keeper_told_to_end_stops_the_program(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            started = await keeper.start(python(STAYS, tmp_path / "pid"))
            daemon = await pid_in(tmp_path / "pid")
            try:
                os.kill(keeper._process.pid, signal.SIGTERM)
                await until(lambda: not alive(daemon) and not alive(started.pid))
            finally:
                end(daemon)

    asyncio.run(main())
