"""Sampling profilers that look at a running program from outside: py-spy where it is Python, else perf (Linux).

https://github.com/benfred/py-spy and perf-record(1), perf-script(1).

Rules:
* Neither needs anything of the program. What may be missing is the tool itself, or the permission to look into a process.
* py-spy looks at a process and all below it at fixed times, and counts threads that are not idle. perf counts CPU time. Both so
  often a second that a sample stands for `interval`.
* A profiler runs in a session of its own, and is ended with all below it whatever happens here.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from loadgate.errors import LoadgateError
from loadgate.masks import redact_text
from loadgate.probe import procfs
from loadgate.probe.tree import descendants
from loadgate.record.stacks import Stacks, read_collapsed, read_perf_script

NEAR: Final = os.path.dirname(sys.executable)
"""Where py-spy is if it was installed beside Loadgate."""
_PATIENCE: Final = 30.0
"""Seconds a profiler may take beyond what it samples: it reads symbols first, and writes its file at the end."""
_EARLY: Final = 0.9
"""Of the time to sample: with less a profiler has lost its program."""
_PYTHON: Final = re.compile(r"(python|pypy)[\d.]*")
_LIBRARY: Final = b"/libpython"
_PARANOID: Final = "/proc/sys/kernel/perf_event_paranoid"
_PARANOID_MOST: Final = 2
"""From more on distributions allow perf to root alone."""
_PTRACE: Final = "/proc/sys/kernel/yama/ptrace_scope"


class Profiler(Protocol):
    """A tool. `interval`: seconds that a sample stands for; `counts`: which seconds, as in "0.8 ms of CPU time"."""

    @property
    def name(self) -> str: ...
    @property
    def interval(self) -> float: ...
    @property
    def counts(self) -> str: ...

    def argv(self, root: int, seconds: int, file: Path) -> list[str]:
        """The command that samples process `root` and all below it into `file`."""
        ...

    async def stacks(self, file: Path) -> Stacks:
        """What is in `file`. Raises LoadgateError."""
        ...

    def advice(self) -> str:
        """What to do where it may not look; "" where nothing is known to be forbidden."""
        ...


@dataclass(frozen=True, slots=True)
class PySpy:
    """py-spy at `path`.

    It does not stop the program for a look: stopped, it would seem to run where it waits, in twice as many samples as it does.
    """

    path: str
    name: str = "py-spy"
    interval: float = 1.0 / 400.0
    counts: str = "running or waiting for a core"

    def argv(self, root: int, seconds: int, file: Path) -> list[str]:
        rate = str(round(1.0 / self.interval))
        sampling = ["--pid", str(root), "--subprocesses", "--duration", str(seconds), "--rate", rate, "--nonblocking"]
        return [self.path, "record", *sampling, "--format", "raw", "--function", "--output", str(file)]

    async def stacks(self, file: Path) -> Stacks:
        try:
            return read_collapsed(file.read_text("utf-8", "replace"))
        except OSError as error:
            raise LoadgateError(f"py-spy left no samples: {error.strerror}") from None

    def advice(self) -> str:
        scope = _setting(_PTRACE)
        if not scope or os.geteuid() == 0:
            return ""
        return f"kernel.yama.ptrace_scope is {scope}: as root `sysctl kernel.yama.ptrace_scope=0` allows it"


@dataclass(frozen=True, slots=True)
class Perf:
    """perf at `path`."""

    path: str
    name: str = "perf"
    interval: float = 1.0 / 499.0
    counts: str = "of CPU time"

    def argv(self, root: int, seconds: int, file: Path) -> list[str]:
        pids = ",".join(map(str, (root, *descendants(root))))
        sampling = ["-F", str(round(1.0 / self.interval)), "-g", "-p", pids]
        return [self.path, "record", "-q", *sampling, "-o", str(file), "--", "sleep", str(seconds)]

    async def stacks(self, file: Path) -> Stacks:
        fields = "comm,tid,ip,sym,dso"
        return read_perf_script(await _output([self.path, "script", "--no-inline", "-F", fields, "-i", str(file)]))

    def advice(self) -> str:
        paranoid = _setting(_PARANOID)
        if paranoid <= _PARANOID_MOST or os.geteuid() == 0:
            return ""
        return f"kernel.perf_event_paranoid is {paranoid}: as root `sysctl kernel.perf_event_paranoid=2` allows it"


def choose_profiler(roots: Iterable[int], env: Mapping[str, str]) -> tuple[Profiler | None, tuple[str, ...]]:
    """What can look into the programs with these processes at their root, and what it cannot do or why there is none."""
    path = env.get("PATH", os.defpath)
    perf = found if (at := shutil.which("perf", path=path)) and not (found := Perf(at)).advice() else None
    no_perf = "perf is not installed" if at is None else f"perf is not permitted: {Perf(at).advice()}"
    if not all(_runs_python(root) for root in roots):
        if perf is not None:
            return perf, ()
        return None, (f"{no_perf}; it is what can look into programs that are not Python",)
    spy = shutil.which("py-spy", path=os.pathsep.join((path, NEAR)))
    if spy is not None:
        return PySpy(spy), ()
    no_spy = "py-spy is not installed: `pip install 'loadgate[explain]'`"
    if perf is not None:
        return perf, (f"these are functions of the interpreter, for {no_spy}",)
    return None, (no_spy,)


async def sample(profiler: Profiler, root: int, seconds: int, file: Path) -> None:
    """Look at process `root` and all below it for `seconds`. Raises LoadgateError where that fails or ends early."""
    loop = asyncio.get_running_loop()
    since = loop.time()
    await _output(profiler.argv(root, seconds, file), seconds + _PATIENCE, profiler.advice())
    took = loop.time() - since
    if took < _EARLY * seconds:
        raise LoadgateError(f"{profiler.name} ended after {took:.2g} s of {seconds}")


async def _output(argv: Sequence[str], patience: float = _PATIENCE, advice: str = "") -> str:
    """What a command printed. Raises LoadgateError where it fails, with the last it said, or takes over `patience` s."""
    name = os.path.basename(argv[0])
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise LoadgateError(f"{name} could not be started: {error.strerror}") from None
    try:
        out, said = await asyncio.wait_for(process.communicate(), patience)
    except TimeoutError:
        raise LoadgateError(f"{name} did not end in {patience:g} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode:
        words = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
        last = f": {redact_text(words[-1])}" if words else ""
        raise LoadgateError(f"{name} failed with exit code {process.returncode}{last}{advice and f'; {advice}'}")
    return out.decode("utf-8", "replace")


def _runs_python(root: int) -> bool:
    return any(_is_python(pid) for pid in (root, *descendants(root)))


def _is_python(pid: int) -> bool:
    """Whether it is an interpreter, or a program that has one in it."""
    try:
        if _PYTHON.fullmatch(os.path.basename(os.readlink(f"/proc/{pid}/exe"))):
            return True
        return _LIBRARY in procfs.contents(f"/proc/{pid}/maps")
    except OSError:  # gone, or not to be looked into
        return False


def _setting(path: str) -> int:
    """A number among the kernel's settings; 0 where there is none."""
    try:
        return int(procfs.contents(path))
    except (OSError, ValueError):
        return 0
