"""What cannot be meant, or cannot be done, is said with exit code 2 before anything is sent."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgate.record.file import read_run
from loadgate.record.run import RunState
from loadgate.record.verdict import Word
from tests.support.command import LOADGATE, Done, environment, loadgate, start, until
from tests.support.listener import counting_listener
from tests.support.target import running_target


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    with running_target(process=True) as url:
        yield url


def refused(cwd: Path, *arguments: str | bytes) -> str:
    """What is said of arguments for which nothing may be sent."""
    with counting_listener() as (url, connections):
        done = given(cwd, "run", "--url", url, *arguments)
    assert (done.code, connections()) == (2, 0), done.err
    assert "Traceback" not in done.err
    assert done.err.startswith("error: ")
    assert done.out == ""
    return done.err


def given(cwd: Path, *arguments: str | bytes) -> Done:
    """As `loadgate`, for arguments that are no text."""
    done = subprocess.run(
        [*LOADGATE, *arguments], cwd=cwd, env=environment(), capture_output=True, timeout=30, check=False
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-X", "G ET"), "`G ET` is not a method"),
        (("-X", "GET\r\nx: y"), "is not a method"),
        (("-H", "ä: b"), "`ä` is not a header name"),
        (("-H", "x y: b"), "`x y` is not a header name"),
        (("-H", "x: a\r\nb: c"), "the value of header `x` has a line break in it"),
        (("-H", "no colon"), "--header must be `Name: value`"),
        (("-H", "Content-Length: 5"), "--header `Content-Length` cannot be set"),
        (("-H", "transfer-encoding: chunked"), "--header `transfer-encoding` cannot be set"),
        (("-H", b"x: \xff"), "--header holds bytes that are no UTF-8"),
        (("-X", b"G\xff"), "--method holds bytes that are no UTF-8"),
        (("--iterations", f"{10**22}"), "--iterations must be at most 1,000,000,000,000"),
        (("--seed", f"{10**22}"), "is not in the range"),
        (("--summary", ""), "it is a folder"),
        (("--summary", "/"), "cannot write /: it is a folder"),
        (("--summary", "gone/s.json"), "there is no folder gone"),
        (("--summary", "run.json", "--out", "."), "--summary run.json is where the record goes"),
    ],
)
def test_a_wrong_argument(tmp_path: Path, arguments: tuple[str | bytes, ...], says: str) -> None:
    assert says in refused(tmp_path, *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("summary", "arguments", "what"),
    [
        ("load.py", ("load.py",), "a file that says what to run"),
        ("link.json", ("load.py",), "a file that says what to run"),
        ("hard.json", ("load.py",), "a file that says what to run"),
        ("sub/../loadgate.yml", ("load.py",), "a file that says what to run"),
        ("loadgate.yml", ("p",), "a file that says what to run"),
        ("other.yml", ("p", "--config", "other.yml"), "a file that says what to run"),
        ("people.csv", ("p",), "a file that says what to run"),
        ("runs.db", ("p", "--store", "runs.db"), "the history"),
        ("main.json", ("p", "--baseline", "main.json"), "the baseline"),
        ("kept/run.json", ("p", "--baseline", "kept"), "the baseline"),
    ],
)
def test_a_summary_does_not_go_over_what_the_run_was_given(
    tmp_path: Path, summary: str, arguments: tuple[str, ...], what: str
) -> None:
    project = "data: {people: {file: people.csv}}\nprofiles: {p: {vus: 1, iterations: 1}}\n"
    texts = {
        "load.py": "import os\nfrom loadgate import scenario\nos.chdir('/')\n@scenario\nasync def a(user):\n    pass\n",
        "loadgate.yml": project,
        "other.yml": project,
        "people.csv": "name\nAda\n",
        "main.json": "{}",
        "kept/run.json": "{}",
    }
    for folder in ("kept", "sub"):
        (tmp_path / folder).mkdir()
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "link.json").symlink_to("load.py")
    (tmp_path / "hard.json").hardlink_to(tmp_path / "load.py")
    assert f"--summary {summary} would overwrite {what}" in refused(tmp_path, *arguments, "--summary", summary)
    assert {name: (tmp_path / name).read_text() for name in texts} == texts
    assert not (tmp_path / "runs.db").exists()


def test_a_header_that_files_requests_would_carry_is_looked_at_too(tmp_path: Path) -> None:
    with counting_listener() as (url, connections):
        (tmp_path / "loadgate.yml").write_text(f"target: {{url: '{url}'}}\nprofiles: {{p: {{vus: 1, duration: 1s}}}}\n")
        done = loadgate("run", "p", "-H", "x: a\nb: c", cwd=tmp_path)
    assert (done.code, connections()) == (2, 0)
    assert "has a line break in it" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("where", ["target", "step"])
@pytest.mark.parametrize("said", ["Content-Length: 5", "x: '${env.BROKEN}'"])
def test_a_header_in_a_file_that_cannot_be_sent(tmp_path: Path, where: str, said: str) -> None:
    headers = {"target": "{}", "step": "{}", where: f"{{{said}}}"}
    with counting_listener() as (url, connections):
        (tmp_path / "loadgate.yml").write_text(
            f"target: {{url: '{url}', headers: {headers['target']}}}\n"
            f"scenarios: {{s: {{steps: [{{get: /, headers: {headers['step']}}}]}}}}\n"
            "profiles: {p: {vus: 1, duration: 1s}}\n"
        )
        done = loadgate("run", cwd=tmp_path, env={"BROKEN": "secret\nline"})
        checked = loadgate("check", cwd=tmp_path, env={"BROKEN": "secret\nline"})
    assert (done.code, checked.code, connections()) == (2, 2, 0)
    assert ("cannot be set" if "Length" in said else "line break") in done.err
    assert "secret" not in done.err


def test_too_many_iterations_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "loadgate.yml").write_text(
        f"target: {{url: 'http://127.0.0.1:9'}}\nprofiles: {{p: {{vus: 1, iterations: {10**12 + 1}}}}}\n"
    )
    done = loadgate("check", cwd=tmp_path)
    assert done.code == 2
    assert "too large: 1,000,000,000,000 at most" in done.err


def test_bytes_that_are_no_text_in_a_url(tmp_path: Path) -> None:
    done = given(tmp_path, "run", "--url", b"http://127.0.0.1:9/\xff")
    assert done.code == 2
    assert "--url holds bytes that are no UTF-8\n  = in a URL, write such bytes as %FF" in done.err


def test_a_body_is_sent_as_the_bytes_that_were_given(tmp_path: Path, target: str) -> None:
    url = f"{target}/echo"
    sent = given(tmp_path, "run", "--url", url, "-X", "POST", "--body", b"\xff\xfe{", "--iterations", "2")
    assert sent.code == 0, sent.out + sent.err


def test_a_folder_whose_name_is_no_text_can_be_written_to(tmp_path: Path, target: str) -> None:
    done = given(tmp_path, "run", "--url", f"{target}/users", "--iterations", "2", "--out", b"o\xff")
    assert done.code == 0, done.err
    assert read_run(tmp_path / os.fsdecode(b"o\xff")).verdict.word is Word.PASS


def test_a_working_folder_that_is_gone(tmp_path: Path, target: str) -> None:
    command = f'mkdir gone && cd gone && rmdir ../gone && exec "$@" run --url {target}/users --iterations 2'
    done = subprocess.run(
        ["sh", "-c", command, "sh", *LOADGATE], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=30
    )  # fmt: skip
    assert done.returncode == 2
    assert "error: cannot tell the working folder: No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_pipe_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.yml")
    for arguments in (("check", "p.yml"), ("run", "--config", "p.yml")):
        done = loadgate(*arguments, cwd=tmp_path, timeout=15)
        assert done.code == 2
        assert "p.yml is not a file but a pipe" in done.err


def test_a_file_that_a_shell_makes_up_is_checked(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"target: {url: 'http://127.0.0.1:9'}\n")
    os.close(writer)
    command = [*LOADGATE, "check", f"/dev/fd/{reader}"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), pass_fds=(reader,), capture_output=True, timeout=30)
    os.close(reader)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("option", [("--out", "out"), ("--summary", "s.json")])
def test_a_disk_without_room_for_a_byte(tmp_path: Path, option: tuple[str, ...]) -> None:
    """As on a full disk, where nobody can mount one: the system refuses the first byte."""
    limited = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # noqa: E731
    with counting_listener() as (url, connections):
        done = subprocess.run(
            [*LOADGATE, "run", "--url", url, *option], cwd=tmp_path, env=environment(), preexec_fn=limited,
            capture_output=True, text=True, timeout=30,
        )  # fmt: skip
    assert (done.returncode, connections()) == (2, 0), done.stderr
    assert "cannot write" in done.stderr and "File too large" in done.stderr
    assert not (tmp_path / "s.json").exists()


@pytest.mark.slow
def test_two_runs_into_one_folder(tmp_path: Path, target: str) -> None:
    record = tmp_path / "loadgate-out" / "run.json"
    with start("run", "--url", f"{target}/users", "--vus", "1", "--duration", "60s", cwd=tmp_path) as first:
        try:
            until(lambda: record.exists() or first.poll() is not None)
            said = refused(tmp_path)
            assert "another run is writing its record to " in said and "loadgate-out" in said
            assert "give another --out" in said
            assert given(tmp_path, "run", "--url", f"{target}/users", "--iterations", "2", "--out", "other").code == 0
        finally:
            first.kill()
            first.communicate()
    assert read_run(tmp_path / "loadgate-out").state is RunState.RUNNING
    after = loadgate("run", "--url", f"{target}/users", "--iterations", "2", cwd=tmp_path)
    assert after.code == 0, "the lock has gone with the process that was killed"


def test_a_script_that_changes_the_folder_loses_nothing(tmp_path: Path, target: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "move.py").write_text(
        "import os\nfrom loadgate import scenario, setup\n\nos.chdir('elsewhere')\noptions = {'vus': 1, 'iterations': 2}\n\n"
        "@setup\ndef before():\n    os.chdir('/')\n\n"
        "@scenario\nasync def s(user):\n    await user.http.get('/users')\n"
    )
    done = loadgate("run", "move.py", "--url", target, "--out", "out", "--summary", "s.json", cwd=tmp_path)
    assert done.code == 0, done.err
    assert read_run(tmp_path / "out").verdict.word is Word.PASS
    assert (tmp_path / "s.json").exists()
    assert "out/run.json" in done.out and str(tmp_path) not in done.out, "shown as given"


def test_a_script_of_a_project_that_changes_the_folder_loses_nothing(tmp_path: Path, target: str) -> None:
    (tmp_path / "move.py").write_text(
        "import os\nfrom loadgate import scenario\n\nos.chdir('/')\n\n"
        "@scenario\nasync def s(user):\n    await user.http.get('/users')\n"
    )
    (tmp_path / "loadgate.yml").write_text(
        f"target: {{url: '{target}'}}\nscenarios: {{s: {{python: 'move.py:s'}}}}\nprofiles: {{p: {{vus: 1, iterations: 2}}}}\n"
    )
    done = loadgate("run", cwd=tmp_path)
    assert done.code == 0, done.err
    assert read_run(tmp_path / "loadgate-out").verdict.word is Word.PASS
