"""`loadgate calibrate` with real services: what it leaves, what a later `ab` says of it, and what is refused."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.test_cli_ab import SHORT, ab, arm
from tests.support.command import loadgate, read_json, start, until
from tests.support.processes import with_word


@pytest.mark.slow
def test_what_is_found_is_kept_and_each_later_test_of_the_same_says_so(tmp_path: Path) -> None:
    options = (*SHORT, "--jobs", "2", "--seed", "7")
    done = loadgate("calibrate", "--base", arm(tmp_path), *options, cwd=tmp_path, timeout=120)
    assert done.code == 0, done.out + done.err
    assert done.err.startswith("2 jobs of up to 8 pairs, each 0.1 s warm-up and 0.3 s at 300/s, 00:")
    assert "job 2 of 2: " in done.err
    assert done.last.endswith("of one build (95 %: at most 84.2 %)") or "1 false alarm in 2 jobs" in done.last
    record = read_json(tmp_path / "loadgate-out" / "calibration.json")
    assert (record["state"], record["counted"], record["seed"]) == ("complete", 2, 7)
    seeds = [
        read_json(tmp_path / "loadgate-out" / f"job-0{job['number']}" / "ab.json")["seed"] for job in record["jobs"]
    ]
    assert seeds == [job["seed"] for job in record["jobs"]]
    assert len(set(seeds)) == 2
    assert not with_word(str(tmp_path)), "a program is left"

    later = ab(tmp_path, "", "--store", ".loadgate/history.db")
    assert f"on this machine: {record['alarms']} false alarm" in later.out, later.out + later.err
    known = read_json(tmp_path / "loadgate-out" / "ab.json")["calibration"]
    assert (known["jobs"], known["same_definition"], known["when"]) == (2, True, record["started"])


@pytest.mark.slow
def test_ctrl_c_keeps_the_jobs_that_are_finished(tmp_path: Path) -> None:
    options = (*SHORT, "--jobs", "9", "--store", "none")
    process = start("calibrate", "--base", arm(tmp_path), *options, cwd=tmp_path)
    record = tmp_path / "loadgate-out" / "calibration.json"
    try:
        until(record.exists)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, out + err
    found = read_json(record)
    assert (found["state"], found["planned"]) == ("interrupted", 9)
    assert 1 <= len(found["jobs"]) < 9
    assert f"it ended after {len(found['jobs'])} of 9 jobs" in out
    assert not (tmp_path / ".loadgate").exists()
    until(lambda: not with_word(f"--note-password {tmp_path}".split()[1]))


@pytest.mark.slow
def test_ctrl_c_before_a_job_is_finished_leaves_nothing(tmp_path: Path) -> None:
    process = start("calibrate", "--base", arm(tmp_path), *SHORT, "--store", "none", cwd=tmp_path)
    try:
        until((tmp_path / "loadgate-out" / "job-01").exists)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, out + err
    assert "interrupted before a" in err
    assert not (tmp_path / "loadgate-out" / "calibration.json").exists()
    until(lambda: not with_word(str(tmp_path)))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--base", "http://127.0.0.1:1"), "--base is a URL, and `calibrate` starts the build again and again"),
        (("--base", "touch started"), "--base: there is no {port} in the command"),
        (("--base", "touch started {port}", "--jobs", "0"), "--jobs"),
        (("--base", "touch started {port}", "--time", "soon"), "--time: `soon` is not a duration"),
        (("--base", "touch started {port}", "--store", "."), "is a folder, not a store"),
        (("--base", "touch started {port}", "--out", "file/out"), "cannot write to"),
        ((), "--base"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_started(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    (tmp_path / "file").write_text("")
    done = loadgate("calibrate", *options, cwd=tmp_path)
    assert done.code == 2, done.out + done.err
    assert said in done.err
    assert not (tmp_path / "started").exists()


@pytest.mark.slow
def test_a_build_that_does_not_start_is_said(tmp_path: Path) -> None:
    done = loadgate("calibrate", "--base", arm(tmp_path, "--child none"), *SHORT, cwd=tmp_path)
    assert done.code == 3, done.out + done.err
    assert "the target ended before it was ready: exit code 2" in done.err


@pytest.mark.slow
def test_a_history_that_cannot_be_read_costs_a_line_and_not_the_test(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no database" * 100)
    broken = arm(tmp_path, "--child none")
    done = loadgate("ab", "--base", broken, "--head", broken, *SHORT, "--store", "notes.txt", cwd=tmp_path)
    assert "no calibration is known: notes.txt is not a store" in done.err
    assert "base: the target ended before it was ready" in done.err, "it went on"
