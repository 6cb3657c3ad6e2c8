"""What is read of a process tree is what the kernel accounts for it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from loadgate.probe import procfs
from loadgate.probe.members import SHARED_NETWORK
from loadgate.probe.subject import SubjectSpec, resolve
from loadgate.probe.tree import Tree, descendants
from loadgate.probe.usage import Usage
from tests.probe.programs import open_keeper, printed, python, until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

SPIN = """
import time
def spin(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
"""
BUSY = f"""{SPIN}
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", '''{SPIN}
spin(0.5)
'''])
spin(0.7)
child.wait()
print(sum(os.times()[:4]), flush=True)
time.sleep(60)
"""


def cpu(usage: Usage) -> float:
    assert usage.cpu is not None
    return usage.cpu


@pytest.mark.slow
def test_cpu_is_what_the_kernel_accounts_with_a_child_that_was_waited_for() -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            readings: list[Usage] = []
            await keeper.watch(None, 0.05, readings.append)
            await keeper.start(python(BUSY))
            accounted = float((await printed(keeper))[0])
            usage = await keeper.read(pss=False)
            assert cpu(usage) == pytest.approx(accounted, rel=0.03)
            assert readings, "nothing was read"
            sums = [cpu(reading) for reading in readings]
            assert sums == sorted(sums)
            await keeper.stop()
            after = cpu(await keeper.read())
            assert cpu(usage) <= after <= 1.05 * accounted

    asyncio.run(main())


LOST = f"""{SPIN}
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
child = os.fork()
if child == 0:
    spin(0.5)
    os._exit(0)
while True:
    try:
        os.kill(child, 0)
    except ProcessLookupError:
        break
    time.sleep(0.01)
spin(0.5)
print("spun", flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_cpu_of_a_child_nobody_waited_for_is_kept() -> None:
    """The kernel credits it to nobody where SIGCHLD is ignored: the parent's own time comes on top of it."""

    async def main() -> None:
        async with open_keeper() as keeper:
            readings: list[Usage] = []
            await keeper.watch(None, 0.02, readings.append)
            started = await keeper.start(python(LOST))
            await printed(keeper)
            assert procfs.stat(started.pid).child_user == 0.0, "the kernel credits it after all"
            assert cpu(await keeper.read(pss=False)) > 0.9
            sums = [cpu(reading) for reading in readings]
            assert sums == sorted(sums)

    asyncio.run(main())


ORPHAN = f"""{SPIN}
import os
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        spin(0.3)
        print("spun", flush=True)
        time.sleep(60)
    os._exit(0)
os.wait()
if __import__("sys").argv[1] == "leave":
    while not os.path.exists(__import__("sys").argv[2]):
        time.sleep(0.01)
    os._exit(0)
time.sleep(60)
"""


def test_a_process_that_left_its_parent_is_still_counted(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            await keeper.start(python(ORPHAN, "stay"))
            await printed(keeper)
            usage = await keeper.read(pss=False)
            assert usage.processes == 2
            assert cpu(usage) > 0.3

    asyncio.run(main())


def test_what_ended_between_two_readings_is_counted_exactly(tmp_path: Path) -> None:
    """The keeper waits for the orphan itself: no reading has to catch it."""

    async def main() -> None:
        async with open_keeper() as keeper:
            await keeper.start(python(ORPHAN, "leave", tmp_path / "go"))
            await printed(keeper)
            (tmp_path / "go").touch()
            await keeper.ended
            await keeper.stop()
            usage = await keeper.read()
            assert 0.3 < cpu(usage) < 0.6
            assert (usage.processes, usage.rss) == (0, None)
            assert "resident memory: there is no process any more" in keeper.unread

    asyncio.run(main())


LARGE = """
import subprocess, sys, time
held = bytearray(60_000_000)
below = "import time; held = b'x' * 30_000_000; print('child', flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", below])
brief = bytearray(50_000_000)
del brief
print(child.pid, flush=True)
time.sleep(60)
"""


def status_bytes(pid: int, field: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition(f"{field}:")[2].split()[0]) * 1024


def test_memory_is_that_of_proc_with_the_child() -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            started = await keeper.start(python(LARGE))
            lines = await printed(keeper, 2)
            pids = [started.pid, *(int(line) for line in lines if line != "child")]
            usage = await keeper.read()
            quick = await keeper.read(pss=False)
            expected = sum(status_bytes(pid, "VmRSS") for pid in pids)
            assert usage.rss == pytest.approx(expected, rel=0.03)
            assert quick.rss == pytest.approx(expected, rel=0.03)
            assert usage.pss is not None and usage.rss is not None and usage.peak is not None
            assert 90_000_000 < usage.pss < usage.rss
            assert usage.peak == pytest.approx(sum(status_bytes(pid, "VmHWM") for pid in pids), rel=0.03)
            assert usage.peak > usage.rss + 40_000_000
            assert quick.pss is None

    asyncio.run(main())


STEPS = """
import os, sys, threading, time
files, threads, held = [], [], []
def wait_often():
    for _ in range(50):
        time.sleep(0.01)
    time.sleep(60)
def work(step):
    if step == 1:
        files.extend(open(os.devnull) for _ in range(50))
    elif step == 2:
        for _ in range(5):
            threads.append(threading.Thread(target=wait_often, daemon=True))
            threads[-1].start()
        time.sleep(0.7)
    elif step == 3:
        held.append(bytearray(20_000_000))
    elif step == 4:
        with open(sys.argv[2], "wb") as file:
            file.write(b"x" * 5_000_000)
            file.flush()
            os.fsync(file.fileno())
for step in range(1, 5):
    while not os.path.exists(sys.argv[1] + str(step)):
        time.sleep(0.01)
    work(step)
    print("done", step, flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_files_threads_switches_faults_and_disk_bytes_move_as_they_should(tmp_path: Path) -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            started = await keeper.start(python(STEPS, tmp_path / "step", tmp_path / "written"))
            await until(lambda: b"python" in Path(f"/proc/{started.pid}/cmdline").read_bytes())
            readings = [await keeper.read(pss=False)]
            for step in range(1, 5):
                (tmp_path / f"step{step}").touch()
                await printed(keeper, step)
                readings.append(await keeper.read(pss=False))
            start, opened, threaded, grown, written = readings
            assert opened.files is not None and start.files is not None
            assert opened.files == len(os.listdir(f"/proc/{started.pid}/fd")) >= 50
            assert (opened.threads, threaded.threads) == (1, 6)
            assert threaded.switches is not None and opened.switches is not None
            assert threaded.switches - opened.switches >= 5 * 45
            assert grown.faults is not None and threaded.faults is not None
            assert grown.faults > threaded.faults
            io = dict(line.split(": ") for line in Path(f"/proc/{started.pid}/io").read_text().splitlines())
            assert written.disk_written == int(io["write_bytes"])
            assert written.disk_read == int(io["read_bytes"])

    asyncio.run(main())


def test_the_network_is_told_apart_only_where_it_is_its_own() -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            await keeper.start(python("print('here', flush=True); import time; time.sleep(60)"))
            usage = await keeper.read()
            assert (usage.net_received, usage.net_sent) == (None, None)
            assert SHARED_NETWORK in keeper.unread

    asyncio.run(main())


def test_the_network_of_a_namespace_is_read() -> None:
    apart = "import ctypes, time; print(ctypes.CDLL(None).unshare(0x40000000), flush=True); time.sleep(60)"

    async def main() -> None:
        async with open_keeper() as keeper:
            await keeper.start(python(apart))
            if (await printed(keeper))[0] != "0":
                pytest.skip("may not make a network namespace here")
            usage = await keeper.read()
            assert (usage.net_received, usage.net_sent) == (0, 0)
            assert SHARED_NETWORK not in keeper.unread

    asyncio.run(main())


def test_what_only_the_owner_may_read_is_said_and_not_zero() -> None:
    if os.getuid() != 0:
        pytest.skip("needs root to become somebody else")
    code = f"""
import os
from loadgate.probe.subject import SubjectSpec, resolve
os.setgroups([]); os.setgid(65534); os.setuid(65534)
subject = resolve(SubjectSpec("pid", "{os.getpid()}"))
usage = subject.read(True)
assert usage.rss and usage.cpu and usage.threads and usage.switches, usage
assert (usage.files, usage.disk_read, usage.disk_written, usage.pss, usage.net_sent) == (None,) * 5, usage
print(*subject.unread, sep="\\n")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    for what in ("open files", "disk bytes", "PSS", "network bytes"):
        assert f"{what}: process " in done.stdout
    assert "only its owner and root may read it" in done.stdout


def test_a_process_that_vanishes_leaves_what_it_used() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", f"{SPIN}\nspin(0.2)\nprint(1, flush=True)\ntime.sleep(60)"], stdout=-1
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        subject = resolve(SubjectSpec("pid", str(child.pid)))
        before = subject.read()
    finally:
        child.kill()
        child.communicate()
    after = subject.read(True)
    assert cpu(after) == cpu(before) > 0.2
    assert (after.processes, after.rss, after.pss, after.files) == (0, None, None, None)
    assert "PSS: there is no process any more" in subject.unread


def test_a_tree_found_again_is_the_tree_found_anew() -> None:
    """Processes that were not in it are not looked at again: those that come later are."""
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    tree = Tree(os.getpid())
    begun: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(3):
            begun.append(subprocess.Popen([sys.executable, "-c", code], stdout=-1))
            stdout = begun[-1].stdout
            assert stdout is not None
            below = int(stdout.readline())
            found = tree.find()
            assert {begun[-1].pid, below} <= set(found)
            assert found.index(begun[-1].pid) < found.index(below)
            assert set(found) == {os.getpid(), *descendants(os.getpid())}
    finally:
        for process in begun:
            for pid in descendants(process.pid):
                os.kill(pid, 9)
            process.kill()
            process.communicate()


@pytest.mark.slow
def test_watching_costs_less_than_a_hundredth_of_a_core() -> None:
    """Three processes, a reading a second, ten seconds."""
    code = "import subprocess, sys, time\nfor _ in range(2): subprocess.Popen(['sleep', '60'])\ntime.sleep(60)"

    async def main() -> float:
        async with open_keeper() as keeper:
            await keeper.start(python(code))
            readings: list[Usage] = []
            await keeper.watch(None, 1.0, readings.append)
            await until(lambda: len(readings) >= 11)
            assert readings[-1].processes == 3
            gaps = [after.at - before.at for before, after in pairwise(readings)]
            assert sum(gaps) / len(gaps) == pytest.approx(1.0, abs=0.1)
            return keeper.cpu_share

    assert 0.0 < asyncio.run(main()) < 0.01


def test_the_watched_need_not_be_ours() -> None:
    async def main() -> None:
        async with open_keeper() as keeper:
            readings: list[Usage] = []
            await keeper.watch(SubjectSpec("pid", str(os.getpid())), 0.02, readings.append)
            assert keeper.words == f"process {os.getpid()} and all below it"
            await until(lambda: len(readings) > 3)
            usage = await keeper.read()
            assert usage.rss == pytest.approx(status_bytes(os.getpid(), "VmRSS") + (keeper.resident or 0), rel=0.1)

    asyncio.run(main())
