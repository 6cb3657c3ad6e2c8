"""Both sides built from Git: which commits, where, and that nothing is left of it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadgate.ab.order import ARMS, Arm
from loadgate.ab.plan import AbFlags, AbPlan, make_ab_plan
from loadgate.ab.worktrees import PREFIX, UNCOMMITTED, built
from loadgate.errors import LoadgateError
from tests.support.git import Repo

START = "app --port {port}"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def repo(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repo]:
    """main: one, then three; work, which is checked out: one, then two."""
    repo = Repo(tmp_path / "repo")
    repo.commit({"app/source": "one", ".gitignore": "built\n"})
    repo("checkout", "--quiet", "-b", "work")
    repo.commit({"app/source": "two"})
    repo("checkout", "--quiet", "main")
    repo.commit({"app/source": "three"})
    repo("checkout", "--quiet", "work")
    monkeypatch.chdir(repo.folder)
    yield repo
    assert not list(temporary.iterdir()), "a temporary folder is left"


class Home:
    """What a build said, and where."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.said: list[str] = []

    @contextmanager
    def built(self, base_ref: str | None = "main", **flags: str) -> Iterator[AbPlan]:
        plan = make_ab_plan(AbFlags(base_ref=base_ref, **{"start": START, **flags}), {})  # type: ignore[arg-type]
        with built(plan, out=self.out, env=os.environ, say=self.said.append) as plan:
            yield plan


@pytest.fixture
def home(tmp_path: Path) -> Home:
    out = tmp_path / "out"
    out.mkdir()
    return Home(out)


def folder(plan: AbPlan, arm: Arm) -> Path:
    start = plan.arms[arm].target.start
    assert start is not None and start.folder is not None
    return start.folder


def test_base_is_where_both_part_and_neither_is_the_users_own(repo: Repo, home: Home) -> None:
    before = repo("for-each-ref"), repo("status", "--porcelain")
    with home.built(build="sh -c 'cp app/source built; echo done'") as plan:
        built = {arm: (folder(plan, arm) / "built").read_text() for arm in ARMS}
        assert built == {Arm.BASE: "one", Arm.HEAD: "two"}
        assert len({len(str(folder(plan, arm))) for arm in ARMS}) == 1
    base, head = repo("merge-base", "main", "work"), repo("rev-parse", "work")
    words = f"base is {base[:10]}, where main and HEAD part, and head is HEAD at {head[:10]}"
    assert plan.notes == (words,)
    assert plan.commits is not None
    assert (plan.commits.base, plan.commits.head) == (base, head)
    assert home.said[0] == words
    assert (home.out / "build-head.log").read_text() == "done\n"
    assert (repo("for-each-ref"), repo("status", "--porcelain"), repo.worktrees) == (*before, [])
    assert not (repo.folder / "built").exists()


def test_a_ref_that_the_head_comes_from_is_the_base(repo: Repo, home: Home) -> None:
    with home.built("work~1", head_ref="work") as plan:
        pass
    tip, head = repo("rev-parse", "work~1"), repo("rev-parse", "work")
    assert plan.notes == (f"base is {tip[:10]}, which work~1 is, and head is work at {head[:10]}",)


def test_programs_and_builds_run_in_the_twin_of_the_projects_folder(repo: Repo, home: Home) -> None:
    (repo.folder / "app" / "loadgate.yml").write_text(
        "gate: {ab: {base_ref: main, start: 'app {port}', build: touch x}}\n"
    )
    with home.built(None, config=repo.folder / "app" / "loadgate.yml", start=None) as plan:  # type: ignore[arg-type]
        for arm in ARMS:
            assert (folder(plan, arm).name, folder(plan, arm).parent.name) == ("app", arm.value)
            assert (folder(plan, arm) / "x").exists()


def test_changes_that_are_not_committed_are_told(repo: Repo, home: Home) -> None:
    repo.write({"app/source": "unfinished"})
    with home.built() as plan:
        assert (folder(plan, Arm.HEAD) / "app" / "source").read_text() == "two"
    assert plan.notes[0] == UNCOMMITTED == home.said[1]


def test_of_another_commit_the_working_tree_says_nothing(repo: Repo, home: Home) -> None:
    repo.write({"app/source": "unfinished"})
    with home.built("work~1", head_ref="main") as plan:
        assert UNCOMMITTED not in plan.notes


def test_neither_hooks_nor_their_variables_count(repo: Repo, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = repo.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch hooked\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    with home.built(build="sh -c 'git rev-parse HEAD'") as plan:
        assert not (folder(plan, Arm.HEAD) / "hooked").exists()
        assert plan.commits is not None
        assert (home.out / "build-head.log").read_text().strip() == plan.commits.head
    monkeypatch.delenv("GIT_DIR")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"base_ref": "mian"}, "there is no commit `mian`\n  = did you mean `main`?"),
        ({"base_ref": "release"}, "did you mean `origin/release`?"),
        ({"head_ref": "0000000"}, "there is no commit `0000000`\n  = give a branch, a tag or a commit"),
        ({"base_ref": "HEAD"}, "base and head are the same commit"),
        ({"base_ref": "main", "head_ref": "work~1"}, ": main has all that work~1 has\n  = there is nothing to compare"),
        ({"base_ref": "alone"}, "base and head have no commit in common\n  = choose a ref of the same history"),
        ({"base_ref": "alone", "head_ref": "alone2", "build": "true"}, "base: there is no folder app in that commit"),
    ],
)
def test_commits_that_cannot_be_compared(
    repo: Repo, home: Home, flags: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo("update-ref", "refs/remotes/origin/release", "main")
    repo("checkout", "--quiet", "--orphan", "alone")
    repo("rm", "-r", "--quiet", "--cached", ".")
    repo("clean", "-fdq")
    repo.commit({"other": "x"})
    repo("checkout", "--quiet", "-b", "alone2")
    repo.commit({"other": "y"})
    repo("checkout", "--quiet", "work")
    monkeypatch.chdir(repo.folder / "app")
    with pytest.raises(LoadgateError) as caught, home.built(**flags):
        pytest.fail("it was built")
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_shallow_clone_says_how_to_get_the_rest(
    repo: Repo, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo("clone", "--quiet", "--depth", "1", "--no-single-branch", f"file://{repo.folder}", tmp_path / "clone")
    monkeypatch.chdir(tmp_path / "clone")
    for ref in ("origin/main", "0000000"):
        with pytest.raises(LoadgateError) as caught, home.built(ref):
            pytest.fail("it was built")
        assert "`fetch-depth: 0`" in str(caught.value)


def test_no_repository_and_no_git(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LoadgateError) as caught, home.built():
        pytest.fail("it was built")
    assert f"there is no Git repository to build from at {tmp_path}: not a git repository" in str(caught.value)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LoadgateError) as caught, home.built():
        pytest.fail("it was built")
    assert "git cannot be run: No such file or directory\n  = install Git" in str(caught.value)


def test_a_target_that_is_started_outside_of_the_repository(repo: Repo, home: Home, tmp_path: Path) -> None:
    repo.write(
        {"loadgate.yml": f"target: {{url: 'http://h', start: {{command: 'app {{port}}', folder: {tmp_path}}}}}\n"}
    )
    with pytest.raises(LoadgateError) as caught, home.built(request="/"):
        pytest.fail("it was built")
    assert f"the target is started in {tmp_path}, which is not in the repository" in str(caught.value)


def test_a_build_that_fails_shows_its_last_lines(repo: Repo, home: Home) -> None:
    script = "seq 100; echo password=hunter2; grep -q one app/source"
    with pytest.raises(LoadgateError) as caught, home.built(build=f"sh -c '{script}'"):
        pytest.fail("it was built")
    assert caught.value.exit_code == 3
    said = str(caught.value)
    assert "head: the build failed: exit code 1, and it printed:\n    90\n" in said
    assert f"what it printed is in {home.out / 'build-head.log'}" in said
    log = (home.out / "build-head.log").read_text()
    assert log.startswith("1\n2\n")
    assert "hunter2" not in said + log
    assert repo.worktrees == []


def test_of_much_that_a_build_prints_whole_lines_at_the_end_are_kept(
    repo: Repo, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadgate.ab.build._KEPT", 1600)
    script = "seq -s Z 500 599 | sed s/^/password=/; seq 400"  # the cut goes through the password
    with home.built(build=f"sh -c '{script}'"):
        log = (home.out / "build-base.log").read_text()
    assert log.startswith("... the first 409 of 1,901 bytes are left out\n1\n2\n")
    assert log.endswith("\n399\n400\n")


@pytest.mark.parametrize("command", ["no-such-program x", "sh -c 'kill -9 $$'"])
def test_a_build_that_cannot_run(repo: Repo, home: Home, command: str) -> None:
    with pytest.raises(LoadgateError) as caught, home.built(build=command):
        pytest.fail("it was built")
    assert "base: the build failed: " in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_build_that_removes_its_own_folder(repo: Repo, home: Home) -> None:
    with pytest.raises(LoadgateError) as caught, home.built(build="sh -c 'rm -r $PWD'"):
        pytest.fail("it was built")
    assert "base: the folder it was built in is gone: the build removed it\n" in str(caught.value)


def test_what_a_build_leaves_running_ends(repo: Repo, home: Home, tmp_path: Path) -> None:
    code = f'import time; open("{tmp_path}/mark", "w"); time.sleep(600)'
    script = f"{sys.executable} -c '{code}' & while ! test -e {tmp_path}/mark; do sleep 0.01; done; echo $! >>{tmp_path}/pids"
    with home.built(build=f'sh -c "{script.replace(chr(34), chr(92) + chr(34)).replace("$", chr(92) + "$")}"'):
        pids = (tmp_path / "pids").read_text().split()
        assert len(pids) == 2
        assert not [pid for pid in pids if Path("/proc", pid).exists()]


def test_all_goes_whatever_happens_and_whatever_a_build_leaves(repo: Repo, home: Home) -> None:
    with pytest.raises(ZeroDivisionError), home.built(build="sh -c 'mkdir x x/y; touch x/y/z; chmod 500 x/y x'"):
        raise ZeroDivisionError
    assert repo.worktrees == []


def test_what_a_killed_one_left_goes_and_what_is_in_use_or_the_users_stays(
    repo: Repo, home: Home, tmp_path: Path, temporary: Path
) -> None:
    own, gone = tmp_path / "own" / "base", tmp_path / "gone" / "base"
    left = temporary / f"{PREFIX}abcd1234" / "head"
    lost = tmp_path / "lost" / f"{PREFIX}abcd1234" / "base"
    for each in (own, gone, left, lost):
        repo("worktree", "add", "--quiet", "--detach", each)
    for each in (gone, lost):
        each.rename(tmp_path / f"moved-{each.parent.name}")
    lost.parent.rmdir()
    other = Home(home.out)
    with home.built() as first, other.built():
        assert set(repo.worktrees) >= {own, gone, folder(first, Arm.BASE), folder(first, Arm.HEAD)}
        assert len(repo.worktrees) == 6
        assert not left.parent.exists()
    assert set(repo.worktrees) == {own, gone}
    assert own.is_dir()
