"""`loadgate run`, as a user has it: a subprocess, a real target, files on the disk."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgate.measure.tally import CounterTally, RateTally, TrendTally
from loadgate.record.file import read_run
from loadgate.record.run import RunState
from loadgate.record.verdict import Word
from tests.support.command import Done, loadgate, read_json, start, until
from tests.support.listener import counting_listener
from tests.support.target import running_target

PROJECT = """
target: {url: "URL"}
scenarios:
  browse:
    steps:
      - get: /users
        expect: {status: 200, json: {"$[0].id": 1}}
        think: 5ms
      - get: /posts
        expect: {status: 200}
profiles:
  quick:
    vus: 2
    iterations: 40
    thresholds: {http_req_duration: ["p(95)<5s"], http_req_failed: ["rate<1%"], checks: ["rate==1"]}
"""

SCRIPT = """
from loadgate import Counter, StopUser, Trend, list_data, scenario, setup, teardown

options = {"vus": 2, "iterations": 20, "thresholds": {"took": ["p(99)<60000"], "sold": ["count==20"]}}
took = Trend("took", time=True)
sold = Counter("sold", better="higher")

@setup
async def before(user):
    reply = await user.http.get("/users/1")
    return reply.json()["id"]

@scenario
async def buy(user):
    with user.group("shop"):
        reply = await user.http.get("/users", name="list users")
        user.check(reply, {"is a list": lambda reply: isinstance(reply.json(), list)})
    took.add(user, reply.timings.duration)
    sold.add(user, user.setup_data)

@teardown
def after():
    print("all sold")
"""


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    with running_target(process=True) as url:
        yield url


@pytest.fixture
def project(tmp_path: Path, target: str) -> Path:
    (tmp_path / "loadgate.yml").write_text(PROJECT.replace("URL", target))
    return tmp_path


def test_without_anything_it_loads_its_own_target_and_passes(tmp_path: Path) -> None:
    done = loadgate("run", "--iterations", "40", "--vus", "4", cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    assert done.last.startswith("PASS") and done.last.endswith("exit 0")
    run = read_run(tmp_path / "loadgate-out")
    assert (run.state, run.verdict.word, run.definition.profile) == (RunState.COMPLETE, Word.PASS, "standard")
    iterations = run.total("iterations")
    assert isinstance(iterations, CounterTally)
    assert iterations.total == 40


def test_a_profile_of_the_project_passes_and_everything_is_recorded(project: Path) -> None:
    done = loadgate("run", "quick", "--summary", "s.json", "--out", "out", "--seed", "7", cwd=project)
    assert done.code == 0, done.out + done.err
    summary = read_json(project / "s.json")
    assert summary["test_type"] == "quick_load"
    assert summary["metrics"]["http_reqs"] == 80
    assert summary["metrics"]["http_req_failed"] == 0
    assert summary["thresholds"]["passed"] is True
    assert (summary["verdict"], summary["generator"]["healthy"]) == ("pass", True)
    run = read_run(project / "out")
    assert (run.definition.seed, len(run.thresholds)) == (7, 3)
    checks = run.total("checks")
    assert isinstance(checks, RateTally)
    assert (checks.passes, checks.total) == (120, 120)
    duration = run.total("http_req_duration", {"name": "GET /users", "status": "200"})
    assert isinstance(duration, TrendTally)
    assert duration.histogram.count == 40
    counted = run.over_time(run.find("http_reqs"))
    merged = sum(tally.total for tally in counted if isinstance(tally, CounterTally))
    assert merged == 80


def test_a_script_with_setup_groups_and_metrics_of_its_own(tmp_path: Path, target: str) -> None:
    (tmp_path / "buy.py").write_text(SCRIPT)
    done = loadgate("run", "buy.py", "--url", target, cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    assert "all sold" in done.out
    run = read_run(tmp_path / "loadgate-out")
    reqs = run.total("http_reqs")
    assert isinstance(reqs, CounterTally)
    assert reqs.total == 20, "what setup requests is no load"
    assert run.find("group_duration", {"group": "::shop"})
    assert run.find("http_reqs", {"name": "list users", "group": "::shop"})


def test_a_url_alone(tmp_path: Path, target: str) -> None:
    done = loadgate("run", "--url", f"{target}/users?limit=2", "--vus", "2", "--iterations", "10", cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    assert "GET" in done.out and "10" in done.out


def test_a_post_with_a_body_and_a_header(tmp_path: Path, target: str) -> None:
    arguments = ("-X", "POST", "--body", '{"name": "Ada"}', "-H", "content-type: application/json", "--iterations", "3")
    done = loadgate("run", "--url", f"{target}/users", *arguments, cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    run = read_run(tmp_path / "loadgate-out")
    assert run.find("http_reqs", {"status": "201", "method": "POST"})


def test_a_broken_threshold_is_exit_1_and_named(project: Path) -> None:
    limit = "http_req_duration{name:GET /users}: p(95)<0.000001"
    done = loadgate("run", "quick", "--threshold", limit, cwd=project)
    assert done.code == 1
    assert done.last.startswith("FAIL") and done.last.endswith("exit 1")
    assert "http_req_duration{name:GET /users}" in done.out


def test_a_threshold_without_data_fails(project: Path) -> None:
    done = loadgate("run", "quick", "--threshold", "http_req_duration{name:GET /nowhere}: p(95)<1s", cwd=project)
    assert done.code == 1
    assert "no data" in done.out


@pytest.mark.slow
def test_a_threshold_that_aborts_ends_the_run_early(tmp_path: Path, target: str) -> None:
    limits = "{http_req_failed: [{threshold: 'rate<0.5', abortOnFail: true}]}"
    (tmp_path / "loadgate.yml").write_text(
        f"target: {{url: '{target}'}}\n"
        "scenarios: {s: {steps: [{get: /status/500, think: 10ms}, {get: /health, think: 10ms}, {get: /status/500}]}}\n"
        f"profiles: {{p: {{vus: 1, duration: 60s, thresholds: {limits}}}}}\n"
    )
    began = time.monotonic()
    done = loadgate("run", cwd=tmp_path)
    assert done.code == 1, done.out + done.err
    assert time.monotonic() - began < 20
    assert read_run(tmp_path / "loadgate-out").state is RunState.ABORTED


def test_a_service_that_answers_everything_with_errors_is_no_measurement(tmp_path: Path, target: str) -> None:
    done = loadgate("run", "--url", f"{target}/status/503", "--iterations", "5", cwd=tmp_path)
    assert done.code == 3
    assert "not one request succeeded" in done.out and "503" in done.out


@pytest.mark.slow
def test_a_target_that_is_down_is_exit_3_with_host_port_cause_and_tries(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        done = loadgate("run", "--url", f"http://127.0.0.1:{port}/", "--duration", "1s", cwd=tmp_path)
    assert done.code == 3
    assert f"127.0.0.1:{port}" in done.err
    assert "connection refused" in done.err and "tries" in done.err


@pytest.mark.slow
def test_vus_of_a_rate_on_a_fast_service_were_busy_though_they_are_free_at_the_end(tmp_path: Path, target: str) -> None:
    load = ("--rate", "20/s", "--duration", "1s", "--threshold", "vus: value>0")
    done = loadgate("run", "--url", f"{target}/users/1", *load, "--summary", "s.json", cwd=tmp_path)
    assert done.code == 0, done.out
    assert read_json(tmp_path / "s.json")["metrics"]["vus"] > 0
    assert "0 busy at most" not in done.out


@pytest.mark.slow
def test_a_rate_beyond_the_generator_is_exit_3_and_says_so(tmp_path: Path) -> None:
    done = loadgate("run", "--rate", "200000/s", "--duration", "2s", "--quiet", cwd=tmp_path)
    assert done.code == 3
    assert "the generator could not keep the plan" in " ".join(done.out.split())


@pytest.mark.slow
def test_a_target_slower_than_the_plan_is_exit_3_and_the_target_is_named(tmp_path: Path, target: str) -> None:
    load = ("--rate", "200/s", "--duration", "1s", "--max-vus", "2")
    done = loadgate("run", "--url", f"{target}/delay/100", *load, cwd=tmp_path)
    assert done.code == 3
    text = " ".join(done.out.split())
    assert "were dropped because every VU was waiting for the target" in text
    summary = read_run(tmp_path / "loadgate-out").total("dropped_iterations")
    assert isinstance(summary, CounterTally)
    assert summary.total > 100


@pytest.mark.slow
@pytest.mark.parametrize(
    ("find", "put", "place", "says"),
    [
        ("thresholds", "threshhold", "loadgate.yml:15:5", "did you mean `thresholds`?"),
        ("p(95)<5s", "p(950)<5s", "loadgate.yml:15:39", "must be a number from 0 to 100"),
        ("expect: {status: 200}", "expect: {statsu: 200}", "loadgate.yml:10:18", "did you mean `status`?"),
        ("get: /posts", "get: /posts/${id}", "loadgate.yml:9:", "id"),
    ],
)
def test_a_typing_error_is_exit_2_with_its_place_and_nothing_is_sent(
    tmp_path: Path, find: str, put: str, place: str, says: str
) -> None:
    with counting_listener() as (url, connections):
        (tmp_path / "loadgate.yml").write_text(PROJECT.replace("URL", url).replace(find, put))
        done = loadgate("run", "quick", cwd=tmp_path)
    assert done.code == 2
    assert place in done.err and "^" in done.err and says in done.err, done.err
    assert "nothing was run" in done.err
    assert connections() == 0
    assert not (tmp_path / "loadgate-out").exists()


def test_wrong_usage_is_exit_2(tmp_path: Path) -> None:
    for arguments in (("run", "--vuss", "3"), ("run", "--seed", "-1"), ("walk",), ("run", "a", "b")):
        assert loadgate(*arguments, cwd=tmp_path).code == 2


def test_one_ctrl_c_drains_records_and_reports(tmp_path: Path, target: str) -> None:
    done = interrupted(tmp_path, signal.SIGINT, "--url", f"{target}/delay/200", "--vus", "3", "--duration", "60s")
    assert done.code == 130, done.out + done.err
    assert "interrupted" in done.out
    run = read_run(tmp_path / "loadgate-out")
    assert run.state is RunState.INTERRUPTED
    assert sum(load.interrupted for load in run.loads) == 0, "what ran was let finish"
    failed = run.total("http_req_failed")
    assert isinstance(failed, RateTally)
    assert (failed.passes, failed.total) == (0, run.loads[0].completed)


@pytest.mark.slow
def test_a_second_ctrl_c_does_not_wait(tmp_path: Path, target: str) -> None:
    began = time.monotonic()
    arguments = ("--url", f"{target}/delay/30000", "--vus", "3", "--duration", "60s")
    done = interrupted(tmp_path, signal.SIGINT, *arguments, twice=True)
    assert done.code == 130, done.out + done.err
    assert time.monotonic() - began < 20
    assert read_run(tmp_path / "loadgate-out").loads[0].interrupted == 3


@pytest.mark.slow
def test_ctrl_c_after_the_planned_end_is_no_pass_either(tmp_path: Path, target: str) -> None:
    with start("run", "--url", f"{target}/delay/3000", "--vus", "2", "--duration", "1s", cwd=tmp_path) as process:
        try:
            assert process.stderr is not None
            while "finishing" not in (line := process.stderr.readline()):
                assert line, "it ended before it could be interrupted"
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=30)
        except BaseException:
            process.kill()
            raise
    assert process.returncode == 130
    last = out.rstrip().splitlines()[-1]
    assert last.startswith("INVALID  the run was interrupted") and last.endswith("exit 130"), out
    verdict = read_run(tmp_path / "loadgate-out").verdict
    assert verdict.word is Word.INVALID
    assert "while its last iterations were under way" in verdict.reasons[0]


@pytest.mark.slow
def test_a_termination_is_an_interruption(tmp_path: Path, target: str) -> None:
    done = interrupted(tmp_path, signal.SIGTERM, "--url", target, "--vus", "1", "--duration", "60s")
    assert done.code == 130
    assert read_run(tmp_path / "loadgate-out").state is RunState.INTERRUPTED


@pytest.mark.slow
def test_a_killed_process_leaves_a_record_of_what_it_had(tmp_path: Path, target: str) -> None:
    interrupted(tmp_path, signal.SIGKILL, "--url", f"{target}/users", "--vus", "2", "--duration", "60s")
    run = read_run(tmp_path / "loadgate-out")
    assert run.state is RunState.RUNNING
    reqs = run.total("http_reqs")
    assert isinstance(reqs, CounterTally)
    assert reqs.total > 0
    shown = loadgate("report", cwd=tmp_path)
    assert shown.code == 0
    assert "INVALID" in shown.last and "no end" in " ".join(shown.out.split())


def test_quiet_prints_the_verdict_alone(project: Path) -> None:
    done = loadgate("run", "quick", "--quiet", cwd=project)
    assert (done.code, done.err) == (0, "")
    assert len(done.out.splitlines()) == 1


def test_a_pipe_gets_plain_lines_without_escape_codes(project: Path) -> None:
    done = loadgate("run", "quick", cwd=project)
    assert "\x1b" not in done.out + done.err


def test_secrets_reach_neither_record_nor_output(tmp_path: Path, target: str) -> None:
    url = target.replace("http://", "http://ada:hunter2@")
    done = loadgate(
        "run", "--url", f"{url}/users?token=tok3n", "-H", "authorization: Bearer b3arer", "--iterations", "2",
        "--summary", "s.json", cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.out + done.err
    texts = [
        done.out,
        done.err,
        *(path.read_text() for path in (tmp_path / "loadgate-out/run.json", tmp_path / "s.json")),
    ]
    for secret in ("hunter2", "tok3n", "b3arer"):
        assert not any(secret in text for text in texts), secret


def test_an_error_in_setup_is_shown_at_its_line_and_nothing_runs(tmp_path: Path, target: str) -> None:
    (tmp_path / "buy.py").write_text(SCRIPT.replace('reply.json()["id"]', 'reply.json()["nme"]'))
    done = loadgate("run", "buy.py", "--url", target, cwd=tmp_path)
    assert done.code == 2
    assert "setup of buy.py failed: KeyError: 'nme'" in done.err and "buy.py:11" in done.err


def test_an_error_in_teardown_fails_a_run_that_is_recorded(tmp_path: Path, target: str) -> None:
    (tmp_path / "buy.py").write_text(SCRIPT.replace('print("all sold")', "1 / 0"))
    done = loadgate("run", "buy.py", "--url", target, cwd=tmp_path)
    assert done.code == 1
    assert "teardown of buy.py failed: ZeroDivisionError" in done.out
    assert read_run(tmp_path / "loadgate-out").verdict.word is Word.FAIL


def test_a_scenario_that_raises_is_counted_with_its_line(tmp_path: Path, target: str) -> None:
    script = SCRIPT.replace("    took.add", "    if user.iteration % 2:\n        raise ValueError('odd')\n    took.add")
    (tmp_path / "buy.py").write_text(script.replace('"sold": ["count==20"]', '"iterations_failed": ["rate<0.1"]'))
    done = loadgate("run", "buy.py", "--url", target, cwd=tmp_path)
    assert done.code == 1
    assert "ValueError: odd" in done.out and "buy.py:" in done.out


@pytest.mark.slow
def test_a_script_that_exits_does_not_end_the_run_without_a_verdict(tmp_path: Path, target: str) -> None:
    (tmp_path / "buy.py").write_text(SCRIPT.replace("    took.add", "    raise SystemExit(0)\n    took.add"))
    done = loadgate("run", "buy.py", "--url", target, cwd=tmp_path)
    assert done.code == 3
    assert "every iteration ended with an error" in " ".join(done.out.split())
    (tmp_path / "buy.py").write_text(SCRIPT.replace('return reply.json()["id"]', "raise SystemExit(0)"))
    assert loadgate("run", "buy.py", "--url", target, cwd=tmp_path).code == 2


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with counting_listener() as (url, connections):
        done = loadgate("run", "--url", url, "--out", "file", cwd=tmp_path)
        missing = loadgate("run", "--url", url, "--summary", "gone/s.json", cwd=tmp_path)
    assert (done.code, missing.code, connections()) == (2, 2, 0)
    assert "cannot" in done.err and "file" in done.err
    assert "there is no folder gone" in missing.err


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_process_without_standard_streams_runs_all_the_same(tmp_path: Path, target: str, closed: str) -> None:
    command = f'exec "{sys.executable}" -m loadgate run --url {target}/users --iterations 5 {closed}'
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, timeout=30, check=False)
    assert done.returncode == 0
    assert read_run(tmp_path / "loadgate-out").verdict.word is Word.PASS


def interrupted(cwd: Path, number: int, *arguments: str, twice: bool = False) -> Done:
    """Start a run, wait until it has recorded a window, send it the signal."""
    record = cwd / "loadgate-out" / "run.json"
    with start("run", *arguments, cwd=cwd) as process:
        try:
            until(lambda: record.exists() or process.poll() is not None)
            process.send_signal(number)
            if twice:
                time.sleep(0.3)  # signals that come at once are one signal
                process.send_signal(number)
            out, err = process.communicate(timeout=30)
        except BaseException:
            process.kill()
            raise
    assert "Traceback" not in err, err
    return Done(process.returncode, out, err)
