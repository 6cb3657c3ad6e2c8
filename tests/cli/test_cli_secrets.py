"""Secrets through the whole command: whatever the user, the script or the server says, no outlet shows one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgate.record.file import read_run
from loadgate.record.verdict import Word
from tests.support.command import PATIENCE, Done, loadgate, read_json, start
from tests.support.target import running_target

QUICK = ("--iterations", "2", "--vus", "1", "--summary", "s.json")

SCRIPT = """
from loadgate import scenario, setup, teardown

SAID = "{said}"

@setup
def before():
    if {in_setup}:
        raise RuntimeError(SAID)

@scenario
async def look(user):
    await user.http.get("/users?sid=s1ds1d", name="GET /users?sig=s1gs1g")
    if user.iteration:
        raise ValueError(SAID)

@teardown
def after():
    raise RuntimeError(SAID)
"""
SAID = "sent Bearer b3arer-Token, got {'jwt': 'jw7jw7'} of http://h/?key=k3yk3y and http://ada:hunter2@h/"
SECRETS = ("b3arer", "jw7jw7", "k3yk3y", "hunter2", "s1ds1d", "s1gs1g")


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    with running_target(process=True) as url:
        yield url


def outlets(done: Done, folder: Path) -> dict[str, str]:
    """Everything that was left behind, by where."""
    files = [path for path in (folder / "loadgate-out/run.json", folder / "s.json") if path.exists()]
    return {"stdout": done.out, "stderr": done.err, **{path.name: path.read_text() for path in files}}


def assert_hidden(done: Done, folder: Path, secrets: tuple[str, ...]) -> None:
    for where, text in outlets(done, folder).items():
        shown = "".join(text.split())  # a terminal breaks long words
        assert not [secret for secret in secrets if secret in shown], f"{where}: {text}"


@pytest.mark.slow
@pytest.mark.parametrize("body", ["s3cr3tBody", '{"pet": "s3cr3tBody"}'])
def test_a_body_is_recorded_by_its_size_alone(tmp_path: Path, target: str, body: str) -> None:
    done = loadgate("run", "--url", f"{target}/users", "-X", "POST", "--body", body, *QUICK, cwd=tmp_path)
    assert_hidden(done, tmp_path, ("s3cr3tBody",))
    assert f"--body '<{len(body)} bytes>'" in read_run(tmp_path / "loadgate-out").definition.command


@pytest.mark.slow
def test_query_values_that_carry_a_secret_are_shown_nowhere(tmp_path: Path, target: str) -> None:
    names = ("key", "sig", "code", "jwt", "session", "sid", "signature", "X-Amz-Credential")
    query = "&".join(f"{name}=s3cr3t{place}" for place, name in enumerate(names))
    done = loadgate("run", "--url", f"{target}/users?keyword=readable&{query}", *QUICK, cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    assert_hidden(done, tmp_path, ("s3cr3t",))
    assert "keyword=readable&key=***&" in (tmp_path / "loadgate-out/run.json").read_text()


@pytest.mark.slow
def test_what_a_script_says_at_the_end_and_in_between_is_shown_without_its_secrets(tmp_path: Path, target: str) -> None:
    (tmp_path / "look.py").write_text(SCRIPT.format(said=SAID, in_setup=False))
    done = loadgate("run", "look.py", "--url", target, *QUICK, cwd=tmp_path)
    run = read_run(tmp_path / "loadgate-out")
    assert run.verdict.word is not Word.PASS
    assert "teardown of look.py failed: RuntimeError: sent Bearer ***" in " ".join(done.out.split())
    assert any("Bearer ***" in error.sample for error in run.errors)
    assert_hidden(done, tmp_path, SECRETS)


@pytest.mark.slow
def test_an_old_record_with_secrets_in_it_is_shown_without_them(tmp_path: Path, target: str) -> None:
    assert loadgate("run", "--url", f"{target}/users", *QUICK, cwd=tmp_path).code == 0
    record = tmp_path / "loadgate-out/run.json"
    record.write_text(json.dumps(read_json(record) | {"notes": ["sent Bearer b3arer-Token"]}))
    done = loadgate("report", "--summary", "s.json", cwd=tmp_path)
    assert "sent Bearer ***" in done.out
    assert "b3arer" not in done.out + (tmp_path / "s.json").read_text()


@pytest.mark.slow
def test_an_error_in_setup_is_shown_without_its_secrets(tmp_path: Path, target: str) -> None:
    (tmp_path / "look.py").write_text(SCRIPT.format(said=SAID, in_setup=True))
    done = loadgate("run", "look.py", "--url", target, cwd=tmp_path)
    assert done.code == 2
    assert "setup of look.py failed: RuntimeError: sent Bearer ***" in done.err
    assert_hidden(done, tmp_path, SECRETS)


@pytest.mark.slow
def test_a_task_that_nobody_waits_for_is_logged_without_the_secrets_in_its_error(tmp_path: Path, target: str) -> None:
    script = SCRIPT.format(said=SAID, in_setup=False).replace("    if user.iteration:", "    if False:")
    lost = "    asyncio.get_running_loop().create_task(lose())\n    await asyncio.sleep(0)\n"
    losing = f"import asyncio\n\nasync def lose():\n    raise ValueError(SAID)\n{script}{lost}"
    (tmp_path / "look.py").write_text(
        losing.replace("def after():\n    raise RuntimeError(SAID)", "async def after():")
    )
    with start("run", "look.py", "--url", target, *QUICK, cwd=tmp_path) as process:
        out, err = process.communicate(timeout=PATIENCE)
    done = Done(process.returncode, out, err)
    assert "ValueError: sent Bearer ***" in err, out + err
    assert_hidden(done, tmp_path, SECRETS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["run", "one.py", "http://ada:hunter2@h/"],
        ["run", "--vus", "token=hunter2"],
        ["run", "--threshold", "http://ada:hunter2@h/"],
        ["run", "--url", "ada:hunter2@h:x"],
        ["report", "http://ada:hunter2@h/"],
    ],
)
def test_wrong_usage_is_answered_without_the_secret_in_it(tmp_path: Path, words: list[str]) -> None:
    done = loadgate(*words, cwd=tmp_path)
    assert done.code == 2
    assert "hunter2" not in done.err and "***" in done.err


@pytest.mark.slow
def test_a_long_command_line_takes_no_time(tmp_path: Path, target: str) -> None:
    """With a search that begins again at every character these would take many minutes, and `loadgate` is given 30 s."""
    words = ["--body", "a" * 100_000, "-X", "POST", "--threshold", f"http_reqs{{name:{'token' * 20_000}}}: count>=0"]
    done = loadgate("run", "--url", f"{target}/users", *words, *QUICK, cwd=tmp_path)
    assert done.code in (0, 1, 3), done.err
