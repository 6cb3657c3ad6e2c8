"""The machine and the code, as a real machine and real repositories say them."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loadgate import __version__
from loadgate.record import environment
from loadgate.record.environment import Code, Environment, read_code, read_environment

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

ENV = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


def git(folder: Path, *arguments: str) -> str:
    person = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *person, *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, env={**ENV, "HOME": str(folder)}
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One commit on the branch `work`."""
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "checkout", "--quiet", "-b", "work")
    (tmp_path / "load.py").write_text("1\n")
    git(tmp_path, "add", "load.py")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    return tmp_path


# -- the machine


def test_this_machine_has_a_name_for_everything() -> None:
    found = read_environment(os.environ)
    assert found.loadgate == __version__
    assert found.python == platform.python_version()
    assert found.kernel.startswith(platform.system().lower())
    assert 0.0 < found.cores <= (os.cpu_count() or 1)
    assert found.cpu
    assert found.image
    assert found.machine.startswith(found.kernel)


def test_two_looks_at_one_machine_are_equal() -> None:
    assert read_environment(os.environ) == read_environment(os.environ)


@pytest.mark.parametrize(
    ("cores", "cpu", "said"),
    [
        (4.0, "AMD EPYC 7763", "linux 6.1.0 x86_64, 4 cpus, AMD EPYC 7763"),
        (1.5, "AMD EPYC 7763", "linux 6.1.0 x86_64, 1.5 cpus, AMD EPYC 7763"),
        (1.0, "", "linux 6.1.0 x86_64, 1 cpu"),
        (0.0, "", "linux 6.1.0 x86_64"),
    ],
)
def test_a_machine_is_said_in_a_few_words(cores: float, cpu: str, said: str) -> None:
    assert Environment(cpu, cores, "linux 6.1.0 x86_64", "", "3.11", "0.1", "").machine == said


@pytest.mark.parametrize(
    ("env", "ci"),
    [
        ({}, ""),
        ({"CI": "true"}, "ci"),
        ({"CI": "true", "GITHUB_ACTIONS": "true"}, "github"),
        ({"GITLAB_CI": "true"}, "gitlab"),
        ({"JENKINS_URL": "http://ci"}, "jenkins"),
        ({"TF_BUILD": "True"}, "azure"),
        ({"GITHUB_ACTIONS": ""}, ""),
    ],
)
def test_the_ci_system_is_known_by_its_variables(env: dict[str, str], ci: str) -> None:
    assert read_environment(env).ci == ci


def test_the_image_of_a_github_machine_is_named_with_its_version() -> None:
    assert read_environment({"ImageOS": "ubuntu24", "ImageVersion": "20260105.1"}).image == "ubuntu24 20260105.1"
    assert read_environment({"ImageOS": "ubuntu24"}).image == "ubuntu24"


@pytest.mark.parametrize(
    ("text", "cpu"),
    [
        (
            "processor : 0\nmodel name\t: Intel(R) Xeon(R): 2 GHz\n\nprocessor : 1\nmodel name : other\n",
            "Intel(R) Xeon(R): 2 GHz",
        ),
        ("processor : 0\nHardware : BCM2711\n", "BCM2711"),
        ("processor : 0\nCPU implementer : 0x41\nCPU part : 0xd0c\n", "implementer 0x41 part 0xd0c"),
        ("processor : 0\nmodel name :\n", ""),
        ("", ""),
    ],
)
def test_the_cpu_is_the_first_one_that_has_a_name(text: str, cpu: str) -> None:
    assert environment._cpu_of(text) == cpu


def test_on_macos_the_cpu_is_what_sysctl_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sysctl = tmp_path / "sysctl"
    sysctl.write_text('#!/bin/sh\n[ "$*" = "-n machdep.cpu.brand_string" ] && echo Apple M3 Pro\n')
    sysctl.chmod(0o755)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert environment._cpu({"PATH": f"{tmp_path}:{os.environ['PATH']}"}) == "Apple M3 Pro"


def test_on_macos_without_sysctl_the_cpu_is_what_python_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    assert environment._cpu({"PATH": str(tmp_path)}) == "arm"


# -- the code


@needs_git
def test_a_clean_checkout_is_its_commit_and_branch(repository: Path) -> None:
    assert read_code(repository, ENV) == Code(git(repository, "rev-parse", "HEAD"), "work", False)


@needs_git
def test_a_folder_below_the_repository_belongs_to_it(repository: Path) -> None:
    below = repository / "below"
    below.mkdir()
    assert read_code(below, ENV) == read_code(repository, ENV)


@needs_git
@pytest.mark.parametrize("staged", [True, False])
def test_a_changed_file_makes_the_code_dirty(repository: Path, staged: bool) -> None:
    (repository / "load.py").write_text("2\n")
    if staged:
        git(repository, "add", "load.py")
    assert read_code(repository, ENV).dirty is True


@needs_git
def test_a_file_that_is_not_tracked_does_not_make_it_dirty(repository: Path) -> None:
    (repository / "run.json").write_text("{}")
    assert read_code(repository, ENV).dirty is False


@needs_git
@pytest.mark.parametrize(
    ("env", "branch"),
    [
        ({}, ""),
        ({"GITHUB_HEAD_REF": "feature/x", "GITHUB_REF_NAME": "12/merge"}, "feature/x"),
        ({"GITHUB_HEAD_REF": "", "GITHUB_REF_NAME": "main"}, "main"),
        ({"CI_COMMIT_REF_NAME": "topic"}, "topic"),
    ],
)
def test_a_commit_without_a_branch_gets_the_name_the_ci_system_says(
    repository: Path, env: dict[str, str], branch: str
) -> None:
    git(repository, "checkout", "--quiet", "--detach")
    assert read_code(repository, {**ENV, **env}) == Code(git(repository, "rev-parse", "HEAD"), branch, False)


@needs_git
def test_the_branch_that_is_checked_out_goes_before_what_the_ci_system_says(repository: Path) -> None:
    assert read_code(repository, {**ENV, "GITHUB_HEAD_REF": "other"}).branch == "work"


@needs_git
def test_a_repository_without_a_commit_has_a_branch_and_no_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "checkout", "--quiet", "-b", "work")
    assert read_code(tmp_path, ENV) == Code("", "work", False)


@needs_git
def test_variables_of_a_git_hook_do_not_point_to_another_repository(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "--quiet")
    env = {**ENV, "GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other), "GIT_INDEX_FILE": "nowhere"}
    assert read_code(repository, env) == read_code(repository, ENV)


@needs_git
def test_a_folder_outside_of_any_repository_has_no_code(tmp_path: Path) -> None:
    assert read_code(tmp_path, {**ENV, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}) == Code()


@needs_git
def test_a_folder_that_is_not_there_has_no_code(tmp_path: Path) -> None:
    assert read_code(tmp_path / "nowhere", ENV) == Code()


def test_without_git_there_is_no_code(tmp_path: Path) -> None:
    assert read_code(tmp_path, {"PATH": str(tmp_path)}) == Code()


def test_without_git_the_ci_system_names_the_commit_and_nobody_knows_whether_it_is_clean(tmp_path: Path) -> None:
    env = {"PATH": str(tmp_path), "GITHUB_SHA": "abc123", "GITHUB_REF_NAME": "main"}
    assert read_code(tmp_path, env) == Code("abc123", "main", None)


def test_a_git_that_takes_too_long_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the look at the files is slow: the commit is known, whether it is clean is not."""
    fake = tmp_path / "git"
    fake.write_text(
        "#!/bin/sh\ncase $3 in\n"
        "rev-parse) [ $4 = --verify ] && echo abc123 || echo true ;;\n"
        "symbolic-ref) echo work ;;\n"
        "status) exec sleep 60 ;;\nesac\n"
    )
    fake.chmod(0o755)
    monkeypatch.setattr(environment, "_PATIENCE", 0.5)
    begun = time.monotonic()
    assert read_code(tmp_path, {"PATH": f"{tmp_path}:{os.environ['PATH']}"}) == Code("abc123", "work", None)
    assert time.monotonic() - begun < 10.0
