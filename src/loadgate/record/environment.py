"""On what machine and what code a run was made: what must be equal before two runs may be compared."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadgate._version import __version__
from loadgate.record.cores import usable_cores

_PATIENCE: Final = 2.0
"""Seconds a question to another program may take."""

_CI: Final = (
    ("github", "GITHUB_ACTIONS"),
    ("gitlab", "GITLAB_CI"),
    ("jenkins", "JENKINS_URL"),
    ("azure", "TF_BUILD"),
    ("circleci", "CIRCLECI"),
    ("buildkite", "BUILDKITE"),
)
_COMMITS: Final = (
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "GIT_COMMIT",
    "BUILD_SOURCEVERSION",
    "CIRCLE_SHA1",
    "BUILDKITE_COMMIT",
)
_BRANCHES: Final = (
    "GITHUB_HEAD_REF",  # of a pull request; GITHUB_REF_NAME is then "12/merge"
    "GITHUB_REF_NAME",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    "CI_COMMIT_REF_NAME",
    "GIT_BRANCH",
    "BUILD_SOURCEBRANCHNAME",
    "CIRCLE_BRANCH",
    "BUILDKITE_BRANCH",
)
_GIT_OWN: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""Set inside git hooks; they would point git at another repository than the folder's."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine's fingerprint. What could not be found out is "" (or 0)."""

    cpu: str
    cores: float
    """Cores this process may use, to a hundredth: a container's CPU quota may leave it 1.5."""
    kernel: str
    image: str
    python: str
    loadgate: str
    ci: str
    """Which CI system ran it."""

    @property
    def machine(self) -> str:
        """The machine in a few words: "linux 6.1.0 x86_64, 4 cpus, AMD EPYC 7763"."""
        cpus = f"{self.cores:g} cpu{'' if self.cores == 1 else 's'}" if self.cores else ""
        return ", ".join(part for part in (self.kernel, cpus, self.cpu) if part)


@dataclass(frozen=True, slots=True)
class Code:
    """The commit that was tested, as far as git or the CI system knows; "" where they do not."""

    commit: str = ""
    branch: str = ""
    dirty: bool | None = None
    """Whether tracked files differed from the commit; None: not known."""


def read_environment(env: Mapping[str, str]) -> Environment:
    """The environment of this process, without its code: that takes git, which may take long."""
    return Environment(
        cpu=_cpu(env),
        cores=usable_cores(),
        kernel=f"{platform.system().lower()} {platform.release()} {platform.machine()}",
        image=_image(env),
        python=platform.python_version(),
        loadgate=__version__,
        ci=_ci(env),
    )


def read_code(folder: Path, env: Mapping[str, str]) -> Code:
    """What git says of `folder`, at most seconds later, else what the CI system says in `env`.

    CI systems check out a commit without its branch, whose name is then taken from `env`. Untracked files do not count.
    """
    git = {name: value for name, value in env.items() if name not in _GIT_OWN} | {"GIT_OPTIONAL_LOCKS": "0"}
    ask = ("git", "-C", str(folder))
    if _answer([*ask, "rev-parse", "--is-inside-work-tree"], git) != "true":
        # no git, no repository, or one that git does not trust (another owner, as in containers)
        commit = _first(env, _COMMITS)
        return Code(commit, _first(env, _BRANCHES), None) if commit else Code()
    commit = _answer([*ask, "rev-parse", "--verify", "--quiet", "HEAD"], git) or ""
    branch = _answer([*ask, "symbolic-ref", "--short", "--quiet", "HEAD"], git) or _first(env, _BRANCHES)
    changes = _answer([*ask, "status", "--porcelain", "--untracked-files=no"], git)
    return Code(commit, branch, None if changes is None else bool(changes))


def _cpu(env: Mapping[str, str]) -> str:
    """The CPU's model. ARM's /proc/cpuinfo has no names: there it is the numbers of implementer and part."""
    if sys.platform == "darwin":
        return _answer(["sysctl", "-n", "machdep.cpu.brand_string"], env) or platform.processor()
    try:
        return _cpu_of(Path("/proc/cpuinfo").read_text("utf-8", "replace")) or platform.processor()
    except OSError:
        return platform.processor()


def _cpu_of(cpuinfo: str) -> str:
    pairs = [line.partition(":") for line in cpuinfo.splitlines()]
    found = {name.strip(): value.strip() for name, _, value in reversed(pairs)}
    for name in ("model name", "Hardware", "cpu model"):
        if found.get(name):
            return found[name]
    if "CPU part" in found:
        return f"implementer {found.get('CPU implementer', '?')} part {found['CPU part']}"
    return ""


def _image(env: Mapping[str, str]) -> str:
    """The system's name; on GitHub's machines that of the image, which is changed every week."""
    if env.get("ImageOS"):
        return f"{env['ImageOS']} {env.get('ImageVersion', '')}".strip()
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return platform.platform()


def _ci(env: Mapping[str, str]) -> str:
    for name, variable in _CI:
        if env.get(variable):
            return name
    return "ci" if env.get("CI") else ""


def _first(env: Mapping[str, str], names: Sequence[str]) -> str:
    return next((env[name] for name in names if env.get(name)), "")


def _answer(command: Sequence[str], env: Mapping[str, str]) -> str | None:
    """What a program prints; None where there is no such program, or it fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=True,
            env=env,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
