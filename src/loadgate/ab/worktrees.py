"""Both arms of a plan, built from Git in two worktrees that are there as long as they are needed.

Rules:
* The user's own files, branches and worktrees are left as they are. What is checked out is in one temporary folder of ours, in
  two folders whose paths are equally long: where a program's memory lies depends on the length of its path.
* Whatever happens, both worktrees go. Who is killed cannot see to that: then the next one does, who knows them by the name of
  the folder and by a lock on it that nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from loadgate.ab.build import build
from loadgate.ab.git import Repository
from loadgate.ab.order import ARMS
from loadgate.ab.plan import AbPlan
from loadgate.ab.refs import Commits, RefsSpec, check_commits, twin
from loadgate.script.loop import run_loop

PREFIX: Final = "loadgate-ab-worktrees-"
UNCOMMITTED: Final = "the working tree has changes that are not committed: they are not measured"
_OURS: Final = re.compile(rf"{PREFIX}[a-z0-9_]{{8}}")


@contextmanager
def built(plan: AbPlan, *, out: Path, env: Mapping[str, str], say: Callable[[str], None]) -> Iterator[AbPlan]:
    """`plan` with arms that are built, as long as they are there; as it is where nothing is to be built.

    What a build prints goes to `out`/build-base.log or build-head.log. Raises LoadgateError where there are no two commits to
    build, InvalidRun where a build fails.
    """
    refs = plan.refs
    if refs is None:
        yield plan
        return
    repository = Repository.around(refs.home, env)
    sweep(repository)
    commits = _resolved(refs, repository)
    say(commits.words)
    if repository.changed() and commits.head == repository.commit("HEAD"):
        say(UNCOMMITTED)
        plan = replace(plan, notes=(*plan.notes, UNCOMMITTED))
    home = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    folders = {arm: home / arm.value for arm in ARMS}
    lock = _lock(home)
    try:
        for arm, folder in folders.items():
            repository.add_worktree(folder, commits[arm])
        if refs.build:
            places = {arm: twin(refs.home, folders[arm], repository.top, arm) for arm in ARMS}
            run_loop(build(refs.build, commits, places, logs=(home, out), say=say), "the build")
        yield plan.at(commits, folders, repository.top)
    finally:
        with _undisturbed():
            if not _remove(home, folders.values(), repository):
                say(f"{home} could not be removed")
            if lock is not None:
                os.close(lock)


def sweep(repository: Repository) -> None:
    """Remove worktrees of ours whose process was killed."""
    left: dict[Path, list[Path]] = {}
    for folder in repository.worktrees():
        if folder.name in ARMS and _OURS.fullmatch(folder.parent.name):
            left.setdefault(folder.parent, []).append(folder)
    for home, folders in left.items():
        lock = _lock(home)
        if lock is not None or not home.exists():
            _remove(home, folders, repository)
        if lock is not None:
            os.close(lock)


def _resolved(refs: RefsSpec, repository: Repository) -> Commits:
    head, tip = repository.commit(refs.head), repository.commit(refs.base)
    commits = Commits(refs, tip=tip, base=repository.merge_base(tip, head), head=head)
    check_commits(commits)
    return commits


def _lock(folder: Path) -> int | None:
    """A descriptor that holds `folder` for this process until it is closed; None where another holds it, or it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove(home: Path, worktrees: Iterable[Path], repository: Repository) -> bool:
    """Remove `home` and let Git forget the `worktrees` in it; whether it is gone."""
    shutil.rmtree(home, ignore_errors=True)
    for folder, _, _ in os.walk(home):  # a build may leave folders that nobody may write to
        with suppress(OSError):
            os.chmod(folder, 0o700)
    shutil.rmtree(home, ignore_errors=True)
    for worktree in worktrees:
        repository.forget_worktree(worktree)
    return not home.exists()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Within, nobody can ask for an end: it is near."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
