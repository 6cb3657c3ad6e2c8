"""Files with every request: figures are those NumPy finds in the raw text, with errors; what is wrong is said with its line."""

from __future__ import annotations

import csv
import json
import re
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from loadgate.errors import LoadgateError
from loadgate.record.importers import read_results
from tests.record.load_tool_samples import DATA, by_name, only, values

Rows = list[tuple[float, float, bool]]
"""The end (s), the length (ms) and whether it failed, of each request."""


def _k6_json(metric: str, step: str | None = None) -> list[tuple[float, float]]:
    lines = [json.loads(line) for line in (DATA / "k6/samples.ndjson").read_text().splitlines()]
    return [
        (datetime.fromisoformat(line["data"]["time"]).timestamp(), line["data"]["value"])
        for line in lines
        if line["type"] == "Point" and line["metric"] == metric and step in (None, line["data"]["tags"].get("name"))
    ]


def _csv(path: str, delimiter: str = ",") -> list[dict[str, str]]:
    lines = (DATA / path).read_text().strip().splitlines()
    return list(csv.DictReader(lines, delimiter=delimiter))


def _hey() -> Rows:
    rows = _csv("hey/hey.csv")
    return [
        (
            float(row["offset"]) + float(row["response-time"]),
            1000 * float(row["response-time"]),
            row["status-code"] != "200",
        )
        for row in rows
    ]


def _oha() -> Rows:
    rows = _csv("oha/oha.csv")
    return [
        (
            float(r["request-start"]) + float(r["request-duration"]),
            1000 * float(r["request-duration"]),
            r["status"] != "200",
        )
        for r in rows
    ]


def _vegeta_json() -> Rows:
    lines = [json.loads(line) for line in (DATA / "vegeta/results.json").read_text().splitlines()]
    return [
        (
            datetime.fromisoformat(hit["timestamp"]).timestamp() + hit["latency"] / 1e9,
            hit["latency"] / 1e6,
            hit["code"] != 200,
        )
        for hit in lines
    ]


def _vegeta_csv() -> Rows:
    rows = [line.split(",") for line in (DATA / "vegeta/results.csv").read_text().splitlines()]
    return [((int(row[0]) + int(row[2])) / 1e9, int(row[2]) / 1e6, row[1] != "200") for row in rows]


def _h2load() -> Rows:
    rows = [line.split("\t") for line in (DATA / "h2load/log.tsv").read_text().splitlines()]
    return [((int(row[0]) + int(row[2])) / 1e6, int(row[2]) / 1e3, row[1] != "200") for row in rows]


def _gatling() -> Rows:
    rows = [line.split("\t") for line in (DATA / "gatling/simulation-3.9.log").read_text().splitlines()]
    return [
        (int(row[4]) / 1e3, float(int(row[4]) - int(row[3])), row[5] == "KO") for row in rows if row[0] == "REQUEST"
    ]


def _jmeter() -> Rows:
    rows = _csv("jmeter/csv.jtl")
    return [
        ((int(row["timeStamp"]) + int(row["elapsed"])) / 1e3, float(row["elapsed"]), row["success"] == "false")
        for row in rows
    ]


def _jmeter_xml() -> Rows:
    found = re.findall(r'<httpSample t="(\d+)" lt="\d+" ts="(\d+)" s="(\w+)"', (DATA / "jmeter/xml.jtl").read_text())
    return [((int(ts) + int(t)) / 1e3, float(t), s == "false") for t, ts, s in found]


def _ghz() -> Rows:
    calls = json.loads((DATA / "ghz/ghz.json").read_text())["details"]
    return [
        (
            datetime.fromisoformat(c["timestamp"]).timestamp() + c["latency"] / 1e9,
            c["latency"] / 1e6,
            c["status"] != "OK",
        )
        for c in calls
    ]


@pytest.mark.parametrize(
    ("sample", "rows", "grain"),
    [
        ("hey/hey.csv", _hey(), 0.1),
        ("oha/oha.csv", _oha(), 0.0),
        ("vegeta/results.json", _vegeta_json(), 0.0),
        ("vegeta/results.csv", _vegeta_csv(), 0.0),
        ("h2load/log.tsv", _h2load(), 0.0),
        ("gatling/simulation-3.9.log", _gatling(), 1.0),
        ("gatling/simulation-3.0.log", _gatling(), 1.0),
        ("gatling/simulation-2.3.log", _gatling(), 1.0),
        ("jmeter/csv.jtl", _jmeter(), 1.0),
        ("jmeter/xml.jtl", _jmeter_xml(), 1.0),
        ("ghz/ghz.json", _ghz(), 0.0),
    ],
)
def test_figures_are_those_of_the_requests(sample: str, rows: Rows, grain: float) -> None:
    found = by_name(only(DATA / sample))
    kind = "grpc_req" if sample.startswith("ghz") else "http_req"
    times = np.array([ms for _, ms, _ in rows])
    median, mean = found[f"{kind}_duration p50"].estimate, found[f"{kind}_duration avg"].estimate
    assert median.value == pytest.approx(float(np.median(times)), rel=0.005, abs=grain)
    assert mean.value == pytest.approx(times.mean(), rel=0.002)
    assert mean.count == median.count == len(rows)
    for p in (95, 99):
        assert (f"{kind}_duration p{p}" in found) is (len(rows) * (1 - p / 100) >= 20)
    failed = sum(1 for row in rows if row[2])
    assert found[f"{kind}_failed share"].estimate.value == pytest.approx(failed / len(rows))
    length = max(end for end, _, _ in rows) - min(end - ms / 1e3 for end, ms, _ in rows)
    rate = found[f"{kind}s rate"].estimate
    assert rate.value == pytest.approx(len(rows) / length, rel=1e-4)
    for estimate in (median, mean, rate):
        assert estimate.error is not None
        assert 0.0 < estimate.error < 0.5
        assert estimate.freedom >= 13


# -- k6


def test_k6_json_lines() -> None:
    found = by_name(only(DATA / "k6/samples.ndjson"))
    for step in (None, "users", "post"):
        prefix = f"{step}: " if step else ""
        durations = np.array([ms for _, ms in _k6_json("http_req_duration", step)])
        assert found[f"{prefix}http_req_duration p50"].estimate.value == pytest.approx(np.median(durations), rel=0.005)
        assert found[f"{prefix}http_req_duration avg"].estimate.value == pytest.approx(durations.mean())
        failed = [value for _, value in _k6_json("http_req_failed", step)]
        assert found[f"{prefix}http_req_failed share"].estimate.value == pytest.approx(np.mean(failed))
    checks = [value for _, value in _k6_json("checks")]
    assert found["checks share"].estimate.value == pytest.approx(np.mean(checks))
    assert found["checks share"].direction == "higher"
    assert "users: checks share" not in found
    assert found["body_size avg"].estimate.value == pytest.approx(np.mean([v for _, v in _k6_json("body_size")]))
    assert found["body_size avg"].unit == ""
    ends = [end - ms / 1e3 for end, ms in _k6_json("http_req_duration")]
    assert only(DATA / "k6/samples.ndjson").started == pytest.approx(min(ends))


def test_k6_csv_whose_times_are_whole_seconds() -> None:
    rows = _csv("k6/samples.csv")
    durations = [float(row["metric_value"]) for row in rows if row["metric_name"] == "http_req_duration"]
    found = values(DATA / "k6/samples.csv")
    assert found["http_req_duration p50"] == pytest.approx(np.median(durations), rel=0.005)
    assert found["http_req_duration avg"] == pytest.approx(np.mean(durations))
    seconds = [int(row["timestamp"]) for row in rows]
    assert found["http_reqs rate"] == pytest.approx(len(durations) / (max(seconds) - min(seconds)), rel=0.02)
    assert not any("body_size" in name for name in found)


@pytest.mark.parametrize(
    "sample", ["k6/samples.ndjson", "k6/samples.csv", "jmeter/csv.jtl", "hey/hey.csv", "gatling/simulation-3.9.log"]
)
def test_runs_one_after_the_other_are_told_apart(sample: str, tmp_path: Path) -> None:
    path = tmp_path / "both"
    path.write_bytes((DATA / sample).read_bytes() * 2)
    results = read_results(path)
    assert len({result.id for result in results}) == len(results) == 2
    alone = by_name(only(DATA / sample))
    for result in results:
        assert by_name(result).keys() == alone.keys()
        for name, figure in by_name(result).items():
            assert figure.estimate == alone[name].estimate


def test_k6_gauges_and_bytes_of_a_script(tmp_path: Path) -> None:
    path = tmp_path / "k6.json"
    lines = [
        {"type": "Metric", "metric": "depth", "data": {"name": "depth", "type": "gauge", "contains": "default"}},
        {"type": "Metric", "metric": "vus", "data": {"name": "vus", "type": "gauge", "contains": "default"}},
        {"type": "Metric", "metric": "sent", "data": {"name": "sent", "type": "counter", "contains": "data"}},
        {"type": "Metric", "metric": "wait", "data": {"name": "wait", "type": "trend", "contains": "time"}},
    ]
    for at in range(200):
        for metric, value in (("depth", at % 7), ("vus", 5), ("sent", 100), ("wait", 3.5)):
            time = f"2026-11-28T10:00:{at / 10:06.3f}+01:00"
            lines.append({"type": "Point", "metric": metric, "data": {"time": time, "value": value, "tags": None}})
    path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    found = by_name(only(path))
    assert found["depth"].estimate.value == 199 % 7
    assert found["wait p50"].unit == "ms"
    assert found["sent rate"].unit == "bytes/s"
    assert found["sent rate"].estimate.value == pytest.approx(1000, rel=0.02)
    assert "vus" not in found
    assert only(path).started == pytest.approx(datetime.fromisoformat("2026-11-28T09:00:00Z").timestamp(), abs=0.01)


# -- JMeter


_NEWER = (
    "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,bytes,sentBytes,"
    "grpThreads,allThreads,URL,Latency,IdleTime,Connect\n"
)


def test_jmeter_transactions_are_no_requests(tmp_path: Path) -> None:
    rows = ""
    for at in range(50):
        stamp = 1_795_826_416_012 + 100 * at
        rows += f"{stamp},10,login,200,OK,t 1-1,text,true,,1,1,1,1,http://h/,9,0,1\n"
        message = '"Number of samples in transaction : 2, number of failing samples : 0"'
        rows += f'{stamp},30,checkout,200,{message},t 1-1,,true,"a ""quoted"",\nfailure",1,1,1,1,null,9,0,1\n'
    path = tmp_path / "newer.jtl"
    path.write_text(_NEWER + rows)
    found = by_name(only(path))
    assert found["http_reqs rate"].estimate.count == 50
    assert found["http_req_duration p50"].estimate.value == pytest.approx(10.0, abs=0.5)
    assert found["checkout: group_duration avg"].estimate.value == pytest.approx(30.0, abs=0.05)
    assert not any(name.startswith("checkout: http") for name in found)


def test_jmeter_with_other_delimiters_and_dates(tmp_path: Path) -> None:
    path = tmp_path / "x.jtl"
    rows = "".join(f"2026/11/28 10:00:{at:02}.250;1{at % 3};a, b;{'true' if at else 'false'}\n" for at in range(30))
    path.write_text(f"timeStamp;elapsed;label;success\n{rows}")
    result = only(path)
    assert result.started == pytest.approx(datetime.fromisoformat("2026-11-28T10:00:00.250Z").timestamp())
    assert by_name(result)["a, b: http_req_failed share"].estimate.value == 1 / 30


def test_jmeter_xml_counts_transactions_requests_and_no_parts(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    part = '<httpSample t="4" ts="1795826433400" s="true" lb="redirect" rc="302" rm="Found"/>'
    request = f'<httpSample t="20" ts="1795826433400" s="false" lb="home"><assertionResult/>{part}</httpSample>'
    message = "Number of samples in transaction : 1, number of failing samples : 1"
    group = f'<sample t="45" ts="1795826433400" s="true" lb="visit" rm="{message}">{request}</sample>'
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<testResults version="1.2">\n{group}\n{request}\n</testResults>'
    )
    found = by_name(only(path))
    assert found["http_req_failed share"].estimate.count == 2
    assert found["http_req_failed share"].estimate.value == 1.0
    assert found["visit: group_duration avg"].estimate.value == pytest.approx(45.0, abs=0.5)
    assert not any("redirect" in name for name in found)


def test_whole_milliseconds_do_not_look_more_exact_than_they_are(tmp_path: Path) -> None:
    """Nearly all samples print the same: the median's error is that of what they stand for, not nothing."""
    chance = np.random.default_rng(5)
    path = tmp_path / "x.jtl"
    rows = [
        f"{1_795_826_416_012 + 10 * at},{round(ms)},a,true\n" for at, ms in enumerate(chance.normal(3.4, 0.2, 4000))
    ]
    path.write_text("timeStamp,elapsed,label,success\n" + "".join(rows))
    median = by_name(only(path))["http_req_duration p50"].estimate
    assert median.error is not None
    assert median.error * median.value > 0.003


# -- Gatling, vegeta


def test_gatling_groups_and_names() -> None:
    result = only(DATA / "gatling/simulation-3.9.log")
    found = by_name(result)
    assert result.name == "demo.Readers"
    assert result.started == 1_795_826_325.531
    assert {
        "users: http_reqs rate",
        "browse / item / post: http_reqs rate",
        "browse / item: group_duration p50",
    } <= found.keys()


def test_binary_results_say_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "simulation.log"
    path.write_bytes(b"\x00\x00\x00\x00\x063.12.0\x00\x00\x00\x00\x0cdemo.Readers" + bytes(range(64)))
    with pytest.raises(LoadgateError, match=r"simulation.log: .*binary(.|\n)*js/global_stats.json"):
        read_results(path)
    path.write_bytes(
        b"\x7f\xff\x81\x03\x01\x01\x06Result\x01\xff\x82\x00\x01\x09\x01\x06Attack\x01\x0c\x00\x01\x03Seq\x01\x06\x00\x01\x04Code\x01\x06\x00\x01\x09Timestamp\x01\xff\x84\x00\x01\x07Latency\x01\x04\x00"
    )
    with pytest.raises(LoadgateError, match=r"(.|\n)*vegeta encode --to json simulation.log"):
        read_results(path)


def test_attacks_of_vegeta_are_runs_of_their_own(tmp_path: Path) -> None:
    text = (DATA / "vegeta/results.json").read_text()
    path = tmp_path / "r.json"
    path.write_text(text + text.replace('"readers"', '"writers"'))
    assert [result.name for result in read_results(path)] == ["readers", "writers"]
