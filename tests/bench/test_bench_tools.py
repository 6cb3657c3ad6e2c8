"""What the tools print is taken from real runs of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import tools
from bench.machine import BenchError
from bench.tools import Done, Load

WRK = """Running 1s test @ http://127.0.0.1:18190/nothing
  1 threads and 4 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    56.53us   49.70us   1.78ms   97.59%
    Req/Sec    62.86k     4.22k   68.62k    81.82%
  68580 requests in 1.10s, 20.14MB read
"""
HEY = """
Status code distribution:
  [200]\t108627 responses
  [404]\t12 responses

Error distribution:
  [73]\tGet "http://127.0.0.1:1/nothing": dial tcp 127.0.0.1:1: connect: connection refused
"""


def test_wrk_says_how_many_requests_it_did() -> None:
    assert tools.read_wrk(WRK) == Done(68580, 0)


def test_wrk_says_refusals_and_broken_sockets_in_lines_of_their_own() -> None:
    broken = "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 500\n"
    assert tools.read_wrk(WRK + broken) == Done(68580, 510)


def test_output_without_a_number_of_requests_is_an_error_that_shows_it() -> None:
    with pytest.raises(BenchError, match="unable to connect"):
        tools.read_wrk("unable to connect to 127.0.0.1:1 Connection refused")


def test_hey_lists_what_came_back_by_status_and_errors_apart() -> None:
    assert tools.read_hey(HEY) == Done(108639, 85)
    assert tools.read_hey("\nStatus code distribution:\n\nError distribution:\n  [7]\tno\n") == Done(0, 7)


def test_k6_says_in_its_summary_how_many_checks_failed() -> None:
    summary = {"metrics": {"http_reqs": {"count": 45636, "rate": 1.0}, "checks": {"passes": 45630, "fails": 6}}}
    assert tools.read_k6(json.dumps(summary)) == Done(45636, 6)


def test_locust_says_it_for_each_name() -> None:
    entries = [{"num_requests": 10, "num_failures": 1}, {"num_requests": 5, "num_failures": 2}]
    assert tools.read_locust(json.dumps(entries)) == Done(15, 3)


@pytest.mark.parametrize(("failed", "checks", "expected"), [(0.0, 1.0, 0), (0.25, 1.0, 50), (0.0, 0.9, 20)])
def test_loadgate_counts_failed_requests_and_failed_checks(failed: float, checks: float, expected: int) -> None:
    metrics = {"http_reqs": 200, "http_req_failed": failed, "checks": checks}
    assert tools.read_loadgate(json.dumps({"metrics": metrics})) == Done(200, expected)


def test_a_summary_without_checks_is_not_taken_for_one_in_which_all_passed() -> None:
    with pytest.raises(KeyError, match="checks"):
        tools.read_loadgate(json.dumps({"metrics": {"http_reqs": 1, "http_req_failed": 0.0}}))


@pytest.mark.parametrize("tool", tools.ALL, ids=lambda tool: tool.name)
def test_every_tool_is_told_the_same_load(tool: tools.Tool, tmp_path: Path) -> None:
    job = tool.job("program", Load("http://127.0.0.1:81", 17, 23), tmp_path)
    words = " ".join(job.command)
    assert job.command[0] == "program"
    assert "17" in words and "23" in words and "http://127.0.0.1:81" in words


@pytest.mark.parametrize("tool", [tool for tool in tools.ALL if tool.waits], ids=lambda tool: tool.name)
def test_the_scenarios_named_in_commands_are_there(tool: tools.Tool, tmp_path: Path) -> None:
    for waiting in (False, True):
        job = tool.job("program", Load("http://127.0.0.1:81", 17, 23, waiting), tmp_path)
        files = [Path(word) for word in job.command if "/scenarios/" in word]
        assert files and all(path.is_file() for path in files)
