"""On what machine and what code a run was made: what must be equal before two runs may be compared."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loadgate._version import __version__

_GIT_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine's fingerprint. What could not be found out is "" (or 0)."""

    cpu: str
    cores: int
    """Cores this process may use."""
    kernel: str
    image: str
    python: str
    loadgate: str
    ci: str
    """Which CI system ran it."""

    @property
    def machine(self) -> str:
        """The machine in a few words: "linux 6.1.0 x86_64, 4 cpus, AMD EPYC 7763"."""
        return ", ".join(part for part in (self.kernel, f"{self.cores} cpus", self.cpu) if part)


@dataclass(frozen=True, slots=True)
class Code:
    """The commit that was tested, as far as git knows."""

    commit: str = ""
    branch: str = ""
    dirty: bool = False
    """Whether tracked files differed from the commit."""


def read_environment(env: Mapping[str, str]) -> Environment:
    """The environment of this process, without its code: that takes git, which may take long."""
    return Environment(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        kernel=f"{platform.system().lower()} {platform.release()} {platform.machine()}",
        image=_image(),
        python=platform.python_version(),
        loadgate=__version__,
        ci=_ci(env),
    )


def read_code(folder: Path, env: Mapping[str, str]) -> Code:
    """What git says of `folder`; CI systems check out without a branch but give its name in `env`."""
    found = _ask_git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    if found is None:
        return Code()
    heads = dict(line[2:].split(" ", 1) for line in found if line.startswith("# branch."))
    commit = heads.get("branch.oid", "")
    branch = heads.get("branch.head", "")
    if branch in ("", "(detached)"):
        branch = env.get("GITHUB_HEAD_REF") or env.get("GITHUB_REF_NAME") or env.get("CI_COMMIT_REF_NAME") or ""
    return Code("" if commit == "(initial)" else commit, branch, any(not line.startswith("#") for line in found))


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Hardware", "cpu model"):
                return value.strip()
    except OSError:
        pass
    return platform.processor()


def _image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return platform.platform()


def _ci(env: Mapping[str, str]) -> str:
    for name, variable in (("github", "GITHUB_ACTIONS"), ("gitlab", "GITLAB_CI"), ("jenkins", "JENKINS_URL")):
        if env.get(variable):
            return name
    return "ci" if env.get("CI") else ""


def _ask_git(folder: Path, *arguments: str) -> list[str] | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_PATIENCE,
            check=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None  # no git, no repository, or one too large to look at in time
    return done.stdout.splitlines()
