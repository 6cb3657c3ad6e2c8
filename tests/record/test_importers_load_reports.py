"""Summaries and reports of bombardier, h2load, ab, autocannon, Artillery, vegeta, ghz and Gatling, as in their texts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.record.load_tool_samples import DATA, number, only, values


def test_bombardier() -> None:
    raw = json.loads((DATA / "bombardier/bombardier.json").read_text())["result"]
    for path in (DATA / "bombardier/bombardier.json", DATA / "bombardier/bombardier.txt"):
        found = values(path)
        assert found["http_req_duration avg"] == pytest.approx(raw["latency"]["mean"] / 1000, abs=0.01)
        assert found["http_req_duration p95"] == pytest.approx(raw["latency"]["percentiles"]["95"] / 1000, abs=0.01)
        assert found["http_req_failed share"] == 8 / 300  # 7 of status 500, and a timeout
        assert found["http_reqs rate"] == pytest.approx(300 / raw["timeTakenSeconds"], rel=1e-3)
    assert only(DATA / "bombardier/bombardier.json").name == "GET /users"


def test_h2load_with_and_without_percentiles(tmp_path: Path) -> None:
    found = values(DATA / "h2load/h2load.txt")
    assert found == {
        "http_reqs rate": 363.16,
        "http_req_failed share": 5 / 400,
        "http_req_duration avg": pytest.approx(10.64),
    }
    text = (DATA / "h2load/h2load.txt").read_text()
    newer = re.sub(
        r"^ +min .*$",
        "               min       max    median       p95       p99      mean        sd   +/- sd",
        text,
        flags=re.M,
    )
    newer = re.sub(
        r"^time for request:.*$",
        "request     :  301us   18.2ms    8.01ms    1.2s     16.9ms    8.31ms   4.78ms   72.50%",
        newer,
        flags=re.M,
    )
    path = tmp_path / "newer.txt"
    path.write_text(newer)
    newest = values(path)
    assert newest["http_req_duration p50"] == pytest.approx(8.01)
    assert newest["http_req_duration p95"] == pytest.approx(1200.0)
    assert newest["http_req_duration avg"] == pytest.approx(8.31)


# -- ab, autocannon, artillery


def test_ab() -> None:
    found = values(DATA / "ab/ab.txt")
    assert found["http_reqs rate"] == 284.53
    assert found["http_req_duration avg"] == 14.058
    assert found["http_req_duration p95"] == 22.0
    assert found["http_req_failed share"] == 14 / 500  # those of another length are not counted once more
    finer = values(DATA / "ab/ab-percentiles.csv")
    assert finer == {
        f"http_req_duration p{p}": number((DATA / "ab/ab-percentiles.csv").read_text(), rf"^{p},([\d.]+)")
        for p in (50, 90, 95, 99)
    }


def test_ab_whose_pages_only_differ_in_length(tmp_path: Path) -> None:
    text = (DATA / "ab/ab.txt").read_text().replace("Non-2xx responses:      14\n", "")
    path = tmp_path / "ab.txt"
    path.write_text(text)
    assert values(path)["http_req_failed share"] == 0.0
    path.write_text(text.replace("(Connect: 0, Receive: 0, Length: 14,", "(Connect: 2, Receive: 1, Length: 11,"))
    assert values(path)["http_req_failed share"] == 3 / 500


def test_autocannon() -> None:
    raw = json.loads((DATA / "autocannon/autocannon.json").read_text())
    result = only(DATA / "autocannon/autocannon.json")
    found = values(DATA / "autocannon/autocannon.json")
    assert found["http_reqs rate"] == raw["requests"]["total"] / raw["duration"]
    assert found["http_req_failed share"] == 13 / 505
    assert found["http_req_duration p99"] == raw["latency"]["p99"]
    assert found["http_req_duration avg"] == raw["latency"]["average"]
    assert result.name == "/users"
    assert result.started == pytest.approx(1795826328.841)


def test_artillery() -> None:
    raw = json.loads((DATA / "artillery/artillery.json").read_text())["aggregate"]
    found = values(DATA / "artillery/artillery.json")
    summary = raw["summaries"]["http.response_time"]
    assert found["http_req_duration p95"] == summary["p95"]
    assert found["http_req_duration avg"] == summary["mean"]
    assert found["http_req_failed share"] == 2 / 120
    assert found["http_reqs rate"] == pytest.approx(120 / 5.935, rel=1e-3)
    posts = raw["summaries"]["plugins.metrics-by-endpoint.response_time./posts/1"]
    assert found["/posts/1: http_req_duration p99"] == posts["p99"]
    assert found["/posts/1: http_req_failed share"] == 2 / 60
    assert found["/users (users): http_req_failed share"] == 0.0


def test_artillery_of_version_1(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    latency = {"min": 1, "max": 9, "median": 2.5, "p95": 7, "p99": 8.5}
    aggregate = {
        "requestsCompleted": 98,
        "latency": latency,
        "rps": {"count": 98, "mean": 9.8},
        "codes": {"200": 90, "503": 8},
    }
    path.write_text(json.dumps({"aggregate": {**aggregate, "errors": {"ETIMEDOUT": 2}}, "intermediate": []}))
    assert values(path) == {
        "http_reqs rate": 9.8,
        "http_req_failed share": 0.1,
        "http_req_duration p50": 2.5,
        "http_req_duration p95": 7.0,
        "http_req_duration p99": 8.5,
    }


# -- vegeta, ghz, Gatling


def test_vegeta_reports() -> None:
    raw = json.loads((DATA / "vegeta/report.json").read_text())
    for path in (DATA / "vegeta/report.json", DATA / "vegeta/report.txt"):
        found = values(path)
        for statistic, key in (("avg", "mean"), ("p50", "50th"), ("p90", "90th"), ("p95", "95th"), ("p99", "99th")):
            assert found[f"http_req_duration {statistic}"] == pytest.approx(raw["latencies"][key] / 1e6)
        assert found["http_req_failed share"] == 7 / 300
        assert found["http_reqs rate"] == pytest.approx(raw["rate"], abs=0.01)


def test_vegeta_report_of_an_older_version(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_text(
        "Requests      [total, rate]            1200, 120.00\n"
        "Duration      [total, attack, wait]    10.094965987s, 9.949883921s, 145.082066ms\n"
        "Latencies     [mean, 50, 95, 99, max]  113.172398ms, 108.272568ms, 1m1.5s, 247.625µs, 264.815246ms\n"
        "Bytes In      [total, mean]            3714690, 3095.57\n"
        "Bytes Out     [total, mean]            0, 0.00\n"
        "Success       [ratio]                  55.42%\n"
    )
    found = values(path)
    assert found["http_req_duration avg"] == pytest.approx(113.172398)
    assert found["http_req_duration p95"] == pytest.approx(61_500.0)
    assert found["http_req_duration p99"] == pytest.approx(0.247625)
    assert found["http_req_failed share"] == pytest.approx(0.4458, abs=1e-3)
    assert "http_req_duration p90" not in found


def test_ghz_summaries() -> None:
    raw = json.loads((DATA / "ghz/without-details.json").read_text())
    latencies = {each["percentage"]: each["latency"] / 1e6 for each in raw["latencyDistribution"]}
    for path in (DATA / "ghz/without-details.json", DATA / "ghz/ghz.txt"):
        found = values(path)
        assert found["grpc_reqs rate"] == pytest.approx(raw["rps"], abs=0.01)
        assert found["grpc_req_failed share"] == 7 / 300
        assert found["grpc_req_duration avg"] == pytest.approx(raw["average"] / 1e6, abs=0.01)
        for p in (50, 90, 95, 99):
            assert found[f"grpc_req_duration p{p}"] == pytest.approx(latencies[p], abs=0.01)
    assert only(DATA / "ghz/ghz.json").name == "helloworld.Greeter.SayHello"
    assert only(DATA / "ghz/ghz.txt").name == "greeter"


def test_gatling_statistics() -> None:
    raw = json.loads((DATA / "gatling/stats.json").read_text())
    found = values(DATA / "gatling/stats.json")
    assert found["http_req_duration p95"] == float(raw["stats"]["percentiles3"]["total"])
    assert found["http_req_duration p50"] == float(raw["stats"]["percentiles1"]["total"])
    post = raw["contents"]["group_browse-1"]["contents"]["req_post-2"]["stats"]
    assert found["browse / post: http_req_duration p99"] == float(post["percentiles4"]["total"])
    assert found["users: http_req_failed share"] == 5 / 150
    assert not any(name.startswith("browse:") for name in found)  # a group's are those of its requests
    whole = {name: value for name, value in found.items() if ":" not in name}
    assert values(DATA / "gatling/global_stats.json") == whole
