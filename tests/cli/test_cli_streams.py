"""Whatever becomes of standard output and standard error, the exit code is the command's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgate.record.file import read_run
from loadgate.record.verdict import Word
from tests.support.command import LOADGATE, environment, loadgate
from tests.support.target import running_target

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    with running_target(process=True) as url:
        yield url


def without_reader(cwd: Path, *arguments: str, errors_too: bool) -> int:
    """The exit code of `loadgate ARGUMENTS` whose output nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*LOADGATE, *arguments],
            cwd=cwd,
            env=environment(),
            stdout=writer,
            stderr=writer if errors_too else subprocess.PIPE,
            timeout=30,
            check=False,
        )
    finally:
        os.close(writer)
    assert errors_too or b"Error" not in done.stderr, done.stderr
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize("errors_too", [False, True])
@pytest.mark.parametrize(
    ("path", "limit", "code"),
    [("/users", "rate<0.5", 0), ("/users", "rate>0.5", 1), ("/status/500", "rate<0.5", 3)],
)
def test_a_reader_that_has_gone_changes_no_verdict(
    tmp_path: Path, target: str, path: str, limit: str, code: int, errors_too: bool
) -> None:
    arguments = ("--url", target + path, "--iterations", "5", "--threshold", f"http_req_failed: {limit}")
    assert without_reader(tmp_path, "run", *arguments, errors_too=errors_too) == code
    assert read_run(tmp_path / "loadgate-out").verdict.exit_code == code


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("report",), ("check",)])
def test_a_reader_that_has_gone_is_no_failure_of_a_command(recorded: Path, arguments: tuple[str, ...]) -> None:
    assert without_reader(recorded, *arguments, errors_too=False) == 0


@pytest.fixture
def recorded(tmp_path: Path, target: str) -> Path:
    """A folder with a project file and a record."""
    (tmp_path / "loadgate.yml").write_text(
        f"target: {{url: '{target}'}}\nscenarios: {{s: {{steps: [get: /users]}}}}\nprofiles: {{p: {{vus: 1, iterations: 3}}}}"
    )
    assert loadgate("run", cwd=tmp_path).code == 0
    return tmp_path


@pytest.mark.slow
@needs_full
@pytest.mark.parametrize("arguments", [("--help",), ("run", "-q"), ("run",), ("report",), ("check",)])
def test_a_full_disk_under_standard_output_is_one_line_and_the_code_stands(
    recorded: Path, arguments: tuple[str, ...]
) -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [*LOADGATE, *arguments],
            cwd=recorded,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 0
    said = [line for line in done.stderr.splitlines() if "iterations" not in line]
    assert said == ["warning: cannot write to standard output: No space left on device"]
    assert read_run(recorded / "loadgate-out").verdict.word is Word.PASS


@needs_full
def test_a_full_disk_does_not_keep_the_target_from_serving(tmp_path: Path) -> None:
    with FULL.open("wb") as full:
        command = [*LOADGATE, "serve", "--http-port", "0", "--until-eof"]
        done = subprocess.run(
            command, env=environment(), stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, timeout=30, check=False
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        0,
        b"warning: cannot write to standard output: No space left on device\n",
    )


def test_a_target_whose_starter_has_gone_ends_without_a_word() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "loadgate.target", "{}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE, timeout=30, check=False
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["²", "0", "-3", "", "many", "9" * 5000])
def test_columns_that_are_no_number_of_columns_are_passed_over(recorded: Path, columns: str) -> None:
    done = loadgate("report", cwd=recorded, env={"COLUMNS": columns})
    assert done.code == 0, done.err
    assert done.last.startswith("PASS  no threshold was set") and done.last.endswith("exit 0")


@pytest.mark.slow
@pytest.mark.parametrize("columns", [1, 8, 20, 26, 27, 31, 40])
def test_the_last_line_is_whole_however_narrow_the_screen(tmp_path: Path, target: str, columns: int) -> None:
    arguments = ("--url", f"{target}/status/500", "--iterations", "3", "--quiet")
    done = loadgate("run", *arguments, cwd=tmp_path, env={"COLUMNS": str(columns)})
    assert done.code == 3
    assert done.last.startswith("INVALID  ") and done.last.endswith("  exit 3")
    assert all(len(line) <= max(columns, 20) for line in done.out.splitlines())
    assert "notonerequestsucceeded" in "".join(done.out.replace("-", "").split()), "the reason is not lost"


@pytest.mark.slow
def test_a_pass_on_a_narrow_screen_says_what_it_rests_on(recorded: Path) -> None:
    done = loadgate("report", cwd=recorded, env={"COLUMNS": "20"})
    assert "no threshold was set; 3 requests" in " ".join(done.out.split())


@pytest.mark.slow
def test_what_nobody_foresaw_is_no_verdict(tmp_path: Path) -> None:
    for error in ("OverflowError('too large')", "BrokenPipeError(32, 'Broken pipe')", "EOFError()", "SystemExit(0)"):
        code = (
            "import sys, loadgate.plan, loadgate.cli.app as app\n"
            f"def fail(*arguments): raise {error}\n"
            "loadgate.plan.make_plan = fail\n"
            "sys.argv = ['loadgate', 'run']\n"
            "sys.exit(app.start())"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 3, error
        first, second, empty, trace, *_ = done.stderr.splitlines()
        assert first.startswith(f"error: this is a defect of Loadgate: {error.partition('(')[0]}")
        assert (second, empty) == ("  = please report it with the lines below", "")
        assert trace == "Traceback (most recent call last):"
        assert "in fail" in done.stderr
