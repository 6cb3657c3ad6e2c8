"""What is watched: a process with all below it, or a cgroup; and how the words of a user become one of them (Linux).

A container is found by its id in the /proc/PID/cgroup of all processes, so that no client of any engine is needed; only a
name is asked of `docker` or `podman`. A systemd unit is asked of `systemctl`, or else looked for below the cgroup mount.

`subprocess` and `shutil` are imported where another program is asked: the keeper, which only meets PIDs and folders, would
be a quarter larger for them.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from loadgate.errors import LoadgateError
from loadgate.probe import cgroup, procfs
from loadgate.probe.cgroup import Cgroup
from loadgate.probe.members import Members
from loadgate.probe.tree import Tree
from loadgate.probe.usage import Usage

_ID: Final = re.compile(r"[0-9a-f]{12,64}")
_UNIT_KINDS: Final = (".service", ".scope", ".slice")
_CLIENTS: Final = ("docker", "podman")
_PATIENCE: Final = 10.0

Kind = Literal["pid", "container", "unit", "cgroup"]


@dataclass(frozen=True, slots=True)
class SubjectSpec:
    """What a user wants watched: a PID, a container (id or name), a systemd unit, or a cgroup's path."""

    kind: Kind
    value: str


class _Reader(Protocol):
    @property
    def unread(self) -> dict[str, str]: ...

    def read(self, *, pss: bool = False) -> Usage: ...


class Subject:
    """Something that can be read again and again. Its counters begin at whatever they were before it was watched."""

    def __init__(self, spec: SubjectSpec, reader: _Reader, words: str) -> None:
        self.spec = spec
        """The same thing as a plain PID or an absolute cgroup folder, which `resolve` takes without asking anybody."""
        self.words = words
        """What it is, for a person: "process 123 and all below it"."""
        self._reader = reader

    def read(self, pss: bool = False) -> Usage:
        """One reading, with PSS (dear) on request; RSS is then exact too, else right to some pages a CPU on old kernels."""
        return self._reader.read(pss=pss)

    @property
    def unread(self) -> tuple[str, ...]:
        """Why fields of the last reading are None."""
        return tuple(self._reader.unread.values())


class ProcessTree:
    """Reads a process and all below it, or only what is below it."""

    def __init__(self, root: int, *, without_root: bool = False) -> None:
        self._tree = Tree(root, without_root=without_root)
        self.members = Members()

    @property
    def unread(self) -> dict[str, str]:
        return self.members.unread

    def read(self, *, pss: bool = False) -> Usage:
        return self.members.read(self._tree.find(), pss=pss)


def check_platform() -> None:
    """Raise where there is no /proc to read."""
    if not sys.platform.startswith("linux"):
        raise LoadgateError("watching a program needs Linux", "without a `watch` the load itself can be measured here")


def resolve(spec: SubjectSpec) -> Subject:
    """What `spec` names, as it is now. May ask a program and take seconds for a container's name or a unit.

    Raises LoadgateError where there is no such thing, where it is not in cgroup v2, or may not be looked at.
    """
    check_platform()
    if spec.kind == "pid":
        return _process(spec.value)
    if spec.kind == "container":
        return _container(spec.value)
    if spec.kind == "unit":
        return _unit(spec.value)
    return _folder(spec.value)


def _process(value: str) -> Subject:
    if not value.isascii() or not value.isdigit() or not int(value):
        raise LoadgateError(f"`{value}` is not a process id", "give a number, as `ps` shows it")
    pid = int(value)
    try:
        over = procfs.stat(pid).over
    except OSError as error:
        raise LoadgateError(
            f"there is no process {pid} to watch", "it may have ended: `ps` shows those there are"
        ) from error
    if over:
        raise LoadgateError(f"process {pid} has ended already", "watch one that runs")
    return Subject(SubjectSpec("pid", str(pid)), ProcessTree(pid), f"process {pid} and all below it")


def _container(value: str) -> Subject:
    found = _ID.fullmatch(value) is not None and _with_id(value)
    if found:
        return found
    name = _asked(value)
    found = _with_id(name)
    if found:
        return found
    raise LoadgateError(
        f"container `{value}` runs no process that can be seen", "start it, or give the PID of its program"
    )


def _with_id(name: str) -> Subject | None:
    """The cgroup of container `name` (an id, or its beginning), through the processes in it."""
    in_old: int | None = None
    for pid in procfs.pids():
        try:
            lines = procfs.contents(f"/proc/{pid}/cgroup").decode("utf-8", "replace").splitlines()
        except OSError:
            continue
        for line in lines:
            number, _, path = line.split(":", 2)
            parts = path.split("/")
            depth = next((depth for depth, part in enumerate(parts) if name in part), None)
            if depth is None:
                continue
            if number != "0":
                in_old = pid if in_old is None else in_old
                continue
            return _folder("/".join(parts[: depth + 1]), f"container {name[:12]}")
    if in_old is not None:
        raise LoadgateError(
            f"container {name[:12]} is in cgroup v1, and only v2 is read", f"watch its processes instead: PID {in_old}"
        )
    return None


def _asked(value: str) -> str:
    """The id of the container named `value`."""
    from shutil import which

    clients = [client for client in _CLIENTS if which(client)]
    if not clients:
        raise LoadgateError(
            f"no process of a container `{value}` was found", "give its id: names need `docker` or `podman` on the PATH"
        )
    said = ""
    for client in clients:
        code, answer = _run([client, "container", "inspect", "--format", "{{.Id}}", "--", value])
        if code == 0 and _ID.fullmatch(answer):
            return answer
        said = said or f"{client}: {answer.splitlines()[-1]}" if answer else said
    raise LoadgateError(f"there is no container `{value}`", said or "give the name or id of one that runs")


def _unit(value: str) -> Subject:
    name = value if value.endswith(_UNIT_KINDS) else f"{value}.service"
    from shutil import which

    if which("systemctl"):
        code, answer = _run(["systemctl", "show", "--property=ControlGroup", "--value", "--", name])
        if code == 0 and answer.startswith("/"):
            return _folder(answer, f"unit {name}")
    root = cgroup.mount()
    if root is not None:
        for folder, below, _ in os.walk(root):
            if name in below:
                return _folder(str(Path(folder, name)), f"unit {name}")
    raise LoadgateError(f"systemd unit `{name}` does not run here", "`systemctl list-units` shows those that do")


def _folder(value: str, words: str | None = None) -> Subject:
    """The cgroup at `value`: an absolute path of the file system, or one that begins at the mount, as /proc shows it."""
    root = cgroup.mount()
    folder = Path(value)
    if not folder.is_absolute() or not folder.is_dir():
        if root is None:
            raise LoadgateError("this machine has no cgroup v2 mounted", "watch a process by its PID instead")
        folder = root / value.lstrip("/")
    if not folder.is_dir():
        raise LoadgateError(
            f"there is no cgroup `{value}`", f"paths begin at {root}, for example system.slice/nginx.service"
        )
    if not (folder / "cgroup.controllers").exists():
        raise LoadgateError(
            f"`{folder}` is not a cgroup v2 folder", "it has no file cgroup.controllers; v1 is not read"
        )
    if not os.access(folder / "cgroup.procs", os.R_OK):
        raise LoadgateError(f"`{folder}` may not be read", "run as a user who may, or watch a process by its PID")
    return Subject(SubjectSpec("cgroup", str(folder)), Cgroup(folder), words or f"cgroup {folder}")


def _run(command: list[str]) -> tuple[int, str]:
    """Exit code, and what it printed."""
    import subprocess

    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, f"no answer: {error}"
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()
