"""What a user may name to be watched, and what is said where there is no such thing."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgate.errors import LoadgateError
from loadgate.probe import cgroup
from loadgate.probe.cgroup import HIDDEN, Cgroup
from loadgate.probe.subject import Kind, SubjectSpec, check_platform, resolve

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and cgroups")

SPIN = """
import time
end = time.process_time() + 0.3
while time.process_time() < end:
    pass
print("spun", flush=True)
time.sleep(60)
"""


def made_up(folder: Path, pids: list[int] | None = None, **files: str) -> Path:
    """A cgroup v2 folder; `cpu_stat` is the file cpu.stat."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "cgroup_controllers": "cpu memory io pids",
        "cgroup_procs": "".join(f"{pid}\n" for pid in pids or []),
        "cpu_stat": "usage_usec 3500000\nuser_usec 2000000\nsystem_usec 1500000\nthrottled_usec 250000\n",
        "memory_stat": "anon 40000000\nfile 90000000\nfile_mapped 5000000\npgfault 1200\npgmajfault 7\n",
        "memory_peak": "123000000\n",
        "io_stat": "8:0 rbytes=1000 wbytes=300 rios=1 wios=2\n259:1 rbytes=20 wbytes=4 rios=1 wios=2\n",
        "pids_current": "9\n",
        **files,
    }
    for name, text in texts.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


@pytest.fixture
def real_cgroup() -> Iterator[Path]:
    """A folder of its own in the kernel's cgroup v2 tree."""
    root = cgroup.mount()
    if root is None:
        pytest.skip("no cgroup v2 here")
    folder = root / f"loadgate-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"may not make a cgroup here: {error.strerror}")
    try:
        yield folder
    finally:
        end = time.monotonic() + 10.0
        while folder.exists():
            for pid in (folder / "cgroup.procs").read_text().split():
                os.kill(int(pid), 9)
            try:
                folder.rmdir()
            except OSError:
                assert time.monotonic() < end, "the cgroup does not empty"
                time.sleep(0.01)


def test_a_cgroups_files_are_read(tmp_path: Path) -> None:
    folder = made_up(tmp_path / "web", [os.getpid()])
    subject = resolve(SubjectSpec("cgroup", str(folder)))
    assert subject.words == f"cgroup {folder}"
    usage = subject.read()
    assert (usage.user, usage.system, usage.throttled) == (2.0, 1.5, 0.25)
    assert (usage.disk_read, usage.disk_written) == (1020, 304)
    assert (usage.faults, usage.major_faults) == (1200, 7)
    assert (usage.threads, usage.processes) == (9, 1)
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert usage.rss == pytest.approx(resident, rel=0.03)
    assert usage.files == pytest.approx(len(os.listdir("/proc/self/fd")), abs=2)
    assert usage.pss is None
    assert subject.read(True).pss


def test_processes_of_cgroups_below_count(tmp_path: Path) -> None:
    folder = made_up(tmp_path / "web")
    made_up(folder / "worker", [os.getpid()])
    usage = resolve(SubjectSpec("cgroup", str(folder))).read()
    assert usage.processes == 1 and usage.rss


def test_without_a_controller_the_processes_tell(tmp_path: Path) -> None:
    folder = made_up(tmp_path / "web", [os.getpid()])
    for name in ("io.stat", "pids.current", "memory.stat", "memory.peak", "cpu.stat"):
        (folder / name).unlink()
    usage = resolve(SubjectSpec("cgroup", str(folder))).read()
    assert usage.cpu and usage.threads and usage.faults and usage.peak
    assert usage.disk_read is not None
    assert usage.throttled is None


def test_processes_that_cannot_be_seen_leave_the_folders_own_files(tmp_path: Path) -> None:
    """From within another PID namespace they show as 0."""
    folder = made_up(tmp_path / "web", [0, 0])
    subject = resolve(SubjectSpec("cgroup", str(folder)))
    usage = subject.read(True)
    assert (usage.rss, usage.peak) == (45_000_000, 123_000_000)
    assert (usage.cpu, usage.disk_read, usage.threads) == (3.5, 1020, 9)
    assert (usage.processes, usage.files, usage.switches, usage.pss, usage.net_sent) == (None,) * 5
    assert subject.unread == (HIDDEN,)


def test_a_cgroup_that_goes_away_says_so(tmp_path: Path) -> None:
    folder = made_up(tmp_path / "web")
    subject = resolve(SubjectSpec("cgroup", str(folder)))
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    usage = subject.read()
    assert (usage.rss, usage.threads, usage.files) == (None, None, None)
    assert "resident memory: there is no process any more" in subject.unread


def test_the_kernels_cgroup_accounts_for_a_process_that_ended(real_cgroup: Path) -> None:
    subject = resolve(SubjectSpec("cgroup", real_cgroup.name))
    assert subject.spec == SubjectSpec("cgroup", str(real_cgroup))
    move = f"open('{real_cgroup}/cgroup.procs', 'w').write('0')\n"
    child = subprocess.Popen([sys.executable, "-c", move + SPIN], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        usage = subject.read(True)
        assert usage.cpu is not None and usage.rss is not None and usage.pss is not None
        assert (usage.processes, usage.threads) == (1, 1)
        # What it used before it came is another cgroup's.
        assert 0.28 < usage.cpu < 0.45
        assert usage.pss <= usage.rss
    finally:
        child.kill()
        child.communicate()
    after = subject.read()
    assert after.cpu is not None and after.cpu >= usage.cpu
    assert (after.processes, after.rss) == (0, None)


def test_a_container_is_found_by_its_id_in_proc(real_cgroup: Path) -> None:
    """As an engine under systemd places it: `docker-ID.scope`, with the program in a folder below."""
    name = f"c0ffee{os.getpid():06x}" + "0" * 52
    folder = real_cgroup / f"docker-{name}.scope"
    (folder / "init").mkdir(parents=True)
    move = f"open('{folder}/init/cgroup.procs', 'w').write('0')\n"
    child = subprocess.Popen([sys.executable, "-c", move + SPIN], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        for given in (name, name[:12]):
            subject = resolve(SubjectSpec("container", given))
            assert subject.spec == SubjectSpec("cgroup", str(folder))
            assert subject.words == f"container {name[:12]}"
        assert subject.read().processes == 1
    finally:
        child.kill()
        child.communicate()
        end = time.monotonic() + 10.0
        for below in (folder / "init", folder):
            while below.exists():
                try:
                    below.rmdir()
                except OSError:
                    assert time.monotonic() < end
                    time.sleep(0.01)


def client(folder: Path, name: str, text: str) -> None:
    """A program that stands in for an engine's client or systemctl: they need daemons that a test machine lacks."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_containers_name_is_asked_of_the_engine(
    real_cgroup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "beef" * 16
    folder = real_cgroup / name
    folder.mkdir()
    client(tmp_path, "podman", f'[ "$6" = shop ] && echo {name} || {{ echo "no container $6"; exit 125; }}')
    monkeypatch.setenv("PATH", f"{tmp_path}")
    child = subprocess.Popen(
        [sys.executable, "-c", f"open('{folder}/cgroup.procs', 'w').write('0')\n{SPIN}"], stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        assert resolve(SubjectSpec("container", "shop")).spec.value == str(folder)
        with pytest.raises(LoadgateError, match="there is no container `ship`\n  = podman: no container ship"):
            resolve(SubjectSpec("container", "ship"))
    finally:
        child.kill()
        child.communicate()
        folder.rmdir()


def test_a_unit_is_asked_of_systemctl_or_looked_for(
    real_cgroup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = real_cgroup / "shop.service"
    unit.mkdir()
    try:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert resolve(SubjectSpec("unit", "shop")).spec.value == str(unit)
        client(tmp_path, "systemctl", f'[ "$5" = front.service ] && echo "/{real_cgroup.name}/shop.service"')
        subject = resolve(SubjectSpec("unit", "front.service"))
        assert (subject.spec.value, subject.words) == (str(unit), "unit front.service")
        with pytest.raises(LoadgateError, match=r"systemd unit `back\.service` does not run here"):
            resolve(SubjectSpec("unit", "back"))
    finally:
        unit.rmdir()


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("pid", "nginx", "`nginx` is not a process id"),
        ("pid", "0", "`0` is not a process id"),
        ("pid", "4194399", "there is no process 4194399 to watch"),
        ("cgroup", "no/such.slice", "there is no cgroup `no/such.slice`"),
        ("cgroup", "/tmp", "`/tmp` is not a cgroup v2 folder"),
        ("container", "nothing-of-that-name", "nothing-of-that-name"),
        ("container", "abcdef012345abcdef", "abcdef012345abcdef"),
    ],
)
def test_what_is_not_there_is_said(kind: Kind, value: str, message: str) -> None:
    with pytest.raises(LoadgateError) as error:
        resolve(SubjectSpec(kind, value))
    assert message in error.value.message
    assert error.value.hint


def test_a_process_that_has_ended_is_not_watched() -> None:
    child = subprocess.Popen(["true"])
    end = time.monotonic() + 10.0
    while "\nState:\tZ" not in Path(f"/proc/{child.pid}/status").read_text():
        assert time.monotonic() < end
        time.sleep(0.01)
    with pytest.raises(LoadgateError, match="has ended already"):
        resolve(SubjectSpec("pid", str(child.pid)))
    child.wait()


def test_elsewhere_than_on_linux_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(LoadgateError, match="watching a program needs Linux"):
        check_platform()


def test_the_mount_is_a_v2_one() -> None:
    root = cgroup.mount()
    if root is None:
        pytest.skip("no cgroup v2 here")
    assert (root / "cgroup.controllers").exists()
    assert Cgroup(root).pids()
