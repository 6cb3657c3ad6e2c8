"""`loadgate ab` with real services: what it finds, and one clear end whatever an arm does."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.support.command import Done, loadgate, read_json, start, until
from tests.support.processes import with_word

SERVICE = Path(__file__).parent.parent / "support" / "service.py"
SHORT = ("--pairs", "8", "--length", "300ms", "--warmup", "100ms", "--rate", "300")


def arm(mark: Path, options: str = "") -> str:
    return f"{sys.executable} -S -E {SERVICE} {{port}} --note-password {mark} {options}"


def ab(folder: Path, head: str, *more: str) -> Done:
    done = loadgate("ab", "--base", arm(folder), "--head", arm(folder, head), *SHORT, *more, cwd=folder)
    assert not with_word(str(folder)), "a program is left"
    return done


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("--child none", "head: the target ended before it was ready: exit code 2"),
        ("--die-after 40", "the last it printed: fatal: out of cheese"),
    ],
)
def test_a_head_that_crashes(tmp_path: Path, head: str, said: str) -> None:
    done = ab(tmp_path, head)
    assert done.code == 3, done.out + done.err
    assert said in done.err


@pytest.mark.slow
def test_a_head_that_fails_every_request_is_worse(tmp_path: Path) -> None:
    done = ab(tmp_path, "--refuse", "--request", "/x", "--format", "json")
    assert done.code == 1, done.out + done.err
    assert '"fail"' in done.out
    record = read_json(tmp_path / "loadgate-out" / "ab.json")
    assert (record["state"], record["verdict"], len(record["pairs"])) == ("complete", "fail", 8 + record["confirming"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "state"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGKILL, -9, "running")]
)
def test_an_end_in_mid_test_keeps_the_pairs_and_leaves_nothing(
    tmp_path: Path, number: signal.Signals, code: int, state: str
) -> None:
    process = start("ab", "--base", arm(tmp_path), "--head", arm(tmp_path), *SHORT, cwd=tmp_path)
    record = tmp_path / "loadgate-out" / "ab.json"
    try:
        until(record.exists)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code, out + err
    assert read_json(record)["state"] == state
    until(lambda: not with_word(f"--note-password {tmp_path}".split()[1]))


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = ab(tmp_path, "", "--out", "file/out")
    assert done.code == 2
    assert "cannot write to" in done.err
