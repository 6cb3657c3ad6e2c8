"""`loadgate ab` with builds from Git: what it says of them, and nothing left of them however it ends."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from loadgate.ab.worktrees import UNCOMMITTED
from tests.support.command import loadgate, read_json, start, until
from tests.support.git import Repo
from tests.support.processes import with_word

SERVICE = Path(__file__).parent.parent / "support" / "service.py"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """Of two commits, with a place for temporary folders beside it."""
    (tmp_path / "tmp").mkdir()
    repo = Repo(tmp_path / "repo")
    repo.commit({"options": ""})
    repo("branch", "base")
    repo.commit({"options": "--refuse"})
    return repo


def env(repo: Repo) -> dict[str, str]:
    return {"TMPDIR": str(repo.folder.parent / "tmp")}


def assert_nothing_is_left(repo: Repo) -> None:
    assert repo.worktrees == []
    assert os.listdir(repo.folder.parent / "tmp") == []


@pytest.mark.slow
def test_a_commit_that_makes_each_request_fail(repo: Repo) -> None:
    build = f"echo exec {sys.executable} -S -E {SERVICE} '\\\"$1\\\"' $(cat options) >app"
    repo.write(
        {
            "options": "uncommitted",
            "loadgate.yml": f"""
target: {{url: "http://127.0.0.1", start: "sh app {{port}}"}}
gate:
  ab:
    base_ref: base
    build: [sh, -c, "{build}"]
    request: /x
    pairs: 8
    length: 300ms
    warmup: 100ms
    rate: 300/s
""",
        }
    )
    done = loadgate("ab", cwd=repo.folder, env=env(repo))
    assert done.code == 1, done.out + done.err
    base, head = repo("rev-parse", "base"), repo("rev-parse", "HEAD")
    record = read_json(repo.folder / "loadgate-out" / "ab.json")
    assert (record["base_commit"], record["head_commit"]) == (base, head)
    page = " ".join(done.out.split())
    assert f"base is {base[:10]}, which base is, and head is HEAD at {head[:10]}" in page
    assert UNCOMMITTED in page
    assert f"head: building {head[:10]} with sh -c" in done.err
    assert_nothing_is_left(repo)


@pytest.mark.slow
def test_a_build_that_fails_is_invalid(repo: Repo) -> None:
    what = ("--base-ref", "base", "--start", "app {port}", "--build", "grep refuse options")
    done = loadgate("ab", *what, cwd=repo.folder, env=env(repo))
    assert done.code == 3
    assert "error: base: the build failed: exit code 1, and it printed nothing" in done.err
    assert_nothing_is_left(repo)


def test_nothing_to_compare(repo: Repo) -> None:
    done = loadgate("ab", cwd=repo.folder, env=env(repo))
    assert done.code == 2
    assert "nothing says what base and head are" in done.err
    assert "--base-ref" in done.err and "`base_ref`" in done.err
    assert not (repo.folder / "loadgate-out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_an_end_in_mid_build_leaves_no_process_and_no_worktree(repo: Repo, number: signal.Signals, code: int) -> None:
    mark = repo.folder.parent / "begun"
    wait = f"{sys.executable} -S -c 'import sys, time; open(sys.argv[1], \"w\"); time.sleep(600)' {mark}"
    what = ("ab", "--base-ref", "base", "--start", "app {port}", "--build")
    process = start(*what, wait, cwd=repo.folder, env=env(repo))
    try:
        until(mark.exists)
        assert len(repo.worktrees) == 2
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code, err
    until(lambda: not with_word(str(mark)))
    if number == signal.SIGKILL:
        assert len(repo.worktrees) == 2
        loadgate(*what, "false", cwd=repo.folder, env=env(repo))
    assert_nothing_is_left(repo)
