"""Git, as far as building two commits takes it: refs to commits, and worktrees of our own.

Rules:
* It is asked by its command, in English, without a prompt and without hooks: what a hook of the user does on a checkout is not
  meant for ours.
* What a hook that started us has set of the repository (GIT_DIR and the like) counts nothing: the folder does.
* Each command has a session of its own, so that Ctrl-C in a terminal does not end the one that tidies up.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadgate.errors import LoadgateError, nearest

PLACES: Final = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
"""Variables that say which repository is meant (`git rev-parse --local-env-vars`, without configuration)."""
_DEEP: Final = (
    "this clone has the newest commits only: in CI, check out with `fetch-depth: 0`, else `git fetch --unshallow`"
)


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository whose files are in `top`, an absolute path without symbolic links."""

    top: Path
    env: Mapping[str, str]

    @classmethod
    def around(cls, folder: Path, env: Mapping[str, str]) -> Repository:
        """The one that `folder` is in. Raises LoadgateError."""
        done = _git(folder, env, "rev-parse", "--show-toplevel")
        if done.returncode or not done.stdout.strip():
            raise LoadgateError(f"there is no Git repository to build from at {folder}: {_said(done)}")
        return cls(Path(done.stdout.removesuffix("\n")).resolve(), env)

    def commit(self, ref: str) -> str:
        """The full name of the commit that `ref` names. Raises LoadgateError."""
        done = self._ask("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if done.returncode == 0:
            return done.stdout.strip()
        raise LoadgateError(f"there is no commit `{ref}`", self._advice(ref))

    def merge_base(self, base: str, head: str) -> str:
        """The commit where two commits part. Raises LoadgateError where they have nothing in common."""
        done = self._ask("merge-base", base, head)
        if done.returncode == 0:
            return done.stdout.splitlines()[0]
        what = "base and head have no commit in common"
        raise LoadgateError(what, _DEEP if self._shallow() else "choose a ref of the same history")

    def changed(self) -> bool:
        """Whether files that Git knows differ from the commit that is checked out."""
        return bool(self._ask("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty").stdout)

    def add_worktree(self, folder: Path, commit: str) -> None:
        """Check `commit` out into `folder`, which is not there yet. Raises LoadgateError."""
        done = self._ask("worktree", "add", "--quiet", "--detach", str(folder), commit)
        if done.returncode:
            raise LoadgateError(f"Git cannot check {commit[:10]} out: {_said(done)}")

    def worktrees(self) -> Iterator[Path]:
        """All that Git knows of, those that are gone from the disk too."""
        for line in self._ask("worktree", "list", "--porcelain").stdout.splitlines():
            key, _, value = line.partition(" ")
            if key == "worktree":
                yield Path(value)

    def forget_worktree(self, folder: Path) -> None:
        """Let Git know that the worktree in `folder` is gone. Twice --force: one whose making was broken off is locked."""
        self._ask("worktree", "remove", "--force", "--force", str(folder))

    def _advice(self, ref: str) -> str:
        refs = self._ask("for-each-ref", "--format=%(refname:short)").stdout.split()
        remote = next((each for each in refs if each.endswith(f"/{ref}")), None)
        likely = remote or nearest(ref, refs)
        if likely is not None:
            return f"did you mean `{likely}`?"
        return _DEEP if self._shallow() else "give a branch, a tag or a commit of this repository"

    def _shallow(self) -> bool:
        return self._ask("rev-parse", "--is-shallow-repository").stdout.strip() == "true"

    def _ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return _git(self.top, self.env, *arguments)


def _git(folder: Path, env: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in env.items() if name not in PLACES}
    try:
        return subprocess.run(
            ["git", "-C", str(folder), "-c", f"core.hooksPath={os.devnull}", *arguments],
            env={**clean, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            start_new_session=True,
        )
    except OSError as error:
        raise LoadgateError(
            f"git cannot be run: {error.strerror}",
            "install Git to build from refs, or give --base and --head of builds that are there",
        ) from None


def _said(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.encode("utf-8", "replace").decode().strip().splitlines()
    return lines[0].removeprefix("fatal: ") if lines else f"git left with {done.returncode}"
