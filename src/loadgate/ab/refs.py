"""Two sides built from Git: what is asked for, and what it comes to. Pure; `worktrees.py` does it.

Base is where the ref and the head part (their merge base), not the ref's newest commit: what others have changed there since is
no work of the head, and would be judged as if it were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from loadgate.ab.order import ARMS, Arm
from loadgate.config.start import StartSpec
from loadgate.errors import LoadgateError

SHORT: Final = 10
"""Characters of a commit's name in texts."""


@dataclass(frozen=True, slots=True)
class RefsSpec:
    """Build `head` and its merge base with `base` by the command `build` (none: there is nothing to build).

    `home` is the user's folder in the repository, whose twins in the worktrees the command runs in.
    """

    base: str
    head: str
    home: Path
    build: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Commits:
    """What is compared, as full names of commits. `tip`: what the ref of the base names now."""

    refs: RefsSpec
    tip: str
    base: str
    head: str

    def __getitem__(self, arm: Arm) -> str:
        return self.base if arm is Arm.BASE else self.head

    @property
    def words(self) -> str:
        """One sentence for the page."""
        base, head = f"base is {self.base[:SHORT]}", f"head is {self.refs.head} at {self.head[:SHORT]}"
        if self.base == self.tip:
            return f"{base}, which {self.refs.base} is, and {head}"
        return f"{base}, where {self.refs.base} and {self.refs.head} part, and {head}"


def check_commits(commits: Commits) -> None:
    """Raise LoadgateError where there is nothing to compare."""
    if commits.base != commits.head:
        return
    what = f"base and head are the same commit, {commits.head[:SHORT]}"
    if commits.tip != commits.head:
        what += f": {commits.refs.base} has all that {commits.refs.head} has"
    raise LoadgateError(what, "there is nothing to compare; `loadgate calibrate` measures one build against itself")


def moved(start: StartSpec, folders: Mapping[Arm, Path], top: Path, home: Path) -> Mapping[Arm, StartSpec]:
    """`start` in each worktree of the repository at `top`, in the twin of its folder. Raises LoadgateError where there is none.

    `folders` are the worktrees, `home` is its folder where it has none.
    """
    return {arm: replace(start, folder=twin(start.folder or home, folders[arm], top, arm)) for arm in ARMS}


def twin(folder: Path, worktree: Path, top: Path, arm: Arm) -> Path:
    """What `folder` of the repository at `top` is in `worktree`. Raises LoadgateError where there is nothing of the kind."""
    folder = folder.resolve()
    if not folder.is_relative_to(top):
        raise LoadgateError(
            f"the target is started in {folder}, which is not in the repository {top}",
            "give it a `folder` in there: else both sides would be one and the same build",
        )
    within = folder.relative_to(top)
    found = worktree / within
    if not worktree.is_dir():
        raise LoadgateError(
            f"{arm}: the folder it was built in is gone: the build removed it",
            "let --build leave its own folder in place",
        )
    if not found.is_dir():
        raise LoadgateError(f"{arm}: there is no folder {within} in that commit", "choose another ref")
    return found
