"""Summaries and reports of k6, Locust, wrk, hey and oha: figures are the numbers in the text, under k6's names and units."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from loadgate.errors import LoadgateError
from loadgate.measure.metric import Direction
from loadgate.record.importers import read_results
from loadgate.record.verdict import Word
from tests.record.load_tool_samples import DATA, by_name, number, only, values


def _altered(tmp_path: Path, sample: str, old: str, new: str) -> Path:
    text = (DATA / sample).read_text("utf-8")
    assert old in text
    path = tmp_path / "altered.txt"
    path.write_text(text.replace(old, new, 1), "utf-8")
    return path


# -- k6


@pytest.mark.parametrize("layout", ["summary-export", "handle-summary"])
def test_k6_summary(layout: str) -> None:
    path = DATA / f"k6/{layout}.json"
    metrics = json.loads(path.read_text())["metrics"]
    plain = {name: metric.get("values", metric) for name, metric in metrics.items()}
    found = values(path)
    times = plain["http_req_duration"]
    assert found["http_req_duration avg"] == times["avg"]
    assert found["http_req_duration p50"] == times["med"]
    assert found["http_req_duration p95"] == times["p(95)"]
    assert "http_req_duration p99" not in found  # k6 leaves it out by default; it is not 0
    assert found["users: http_req_duration p95"] == plain["http_req_duration{name:users}"]["p(95)"]
    failed = plain["http_req_failed"]
    assert found["http_req_failed share"] == pytest.approx(failed["passes"] / (failed["passes"] + failed["fails"]))
    assert found["http_req_failed share"] < 0.1
    checks = plain["checks"]
    assert found["checks share"] == pytest.approx(checks["passes"] / (checks["passes"] + checks["fails"]))
    assert found["http_reqs rate"] == plain["http_reqs"]["rate"]
    assert found["queue_depth avg"] == plain["queue_depth"]["avg"]
    assert not any("waiting" in name or "expected_response" in name for name in found)
    figures = by_name(only(path))
    assert figures["http_reqs rate"].direction is Direction.HIGHER
    assert figures["http_req_failed share"].direction is Direction.LOWER
    assert figures["http_req_duration avg"].estimate.count == plain["http_reqs"]["count"]
    assert only(path).word is Word.FAIL


@pytest.mark.parametrize(("layout", "crossed"), [("summary-export", "true"), ("handle-summary", "false")])
def test_k6_thresholds_that_hold_are_a_pass(layout: str, crossed: str, tmp_path: Path) -> None:
    """In one layout `true` is a threshold that was crossed, in the other one that held."""
    text = (DATA / f"k6/{layout}.json").read_text()
    held = re.sub(
        r'("p\(95\)<5": (?:\{\s*"ok": )?)' + crossed, r"\1" + {"true": "false", "false": "true"}[crossed], text
    )
    assert held != text
    path = tmp_path / "held.json"
    path.write_text(held)
    assert only(path).word is Word.PASS


def test_k6_value_that_is_nonumber(tmp_path: Path) -> None:
    path = _altered(tmp_path, "k6/summary-export.json", '"p(95)": 16.76870324999999', '"p(95)": "16"')
    with pytest.raises(
        LoadgateError, match=r"altered.txt: `p\(95\)` of the metric `http_req_duration` is `16`, not a num"
    ):
        read_results(path)


# -- Locust


def test_locust_csv() -> None:
    found = by_name(only(DATA / "locust/run_stats.csv"))
    rows = [line.split(",") for line in (DATA / "locust/run_stats.csv").read_text().splitlines()]
    columns = rows[0]
    for row in rows[1:]:
        own = dict(zip(columns, row, strict=True))
        prefix = f"{own['Type']} {own['Name']}: " if own["Type"] else ""
        assert found[f"{prefix}http_req_duration p50"].estimate.value == float(own["50%"])
        assert found[f"{prefix}http_req_duration p95"].estimate.value == float(own["95%"])
        assert found[f"{prefix}http_req_duration p99"].estimate.value == float(own["99%"])
        assert found[f"{prefix}http_req_duration avg"].estimate.value == float(own["Average Response Time"])
        assert found[f"{prefix}http_reqs rate"].estimate.value == float(own["Requests/s"])
        share = int(own["Failure Count"]) / int(own["Request Count"])
        assert found[f"{prefix}http_req_failed share"].estimate.value == share
        assert found[f"{prefix}http_req_failed share"].estimate.count == int(own["Request Count"])


def test_locust_json() -> None:
    entries = json.loads((DATA / "locust/run.json").read_text())
    found = values(DATA / "locust/run.json")
    total = sum(entry["num_requests"] for entry in entries)
    length = max(entry["last_request_timestamp"] for entry in entries) - min(entry["start_time"] for entry in entries)
    assert found["http_reqs rate"] == pytest.approx(total / length)
    assert found["http_req_duration avg"] == pytest.approx(
        sum(entry["total_response_time"] for entry in entries) / total
    )
    every = sorted(
        float(ms) for entry in entries for ms, count in entry["response_times"].items() for _ in range(count)
    )
    assert found["http_req_duration p50"] == every[len(every) // 2]
    assert found["http_req_duration p95"] in (every[int(len(every) * 0.95)], every[int(len(every) * 0.95) - 1])
    assert only(DATA / "locust/run.json").started == min(entry["start_time"] for entry in entries)
    assert {"GET /users: http_reqs rate", "GET /posts/[id]: http_reqs rate"} <= found.keys()


def test_locust_without_requests_and_its_other_files(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    columns = (DATA / "locust/run_stats.csv").read_text().splitlines()[0]
    path.write_text(f"{columns}\n,Aggregated,0,0,0,0,0,0,0,0.0,0.0{',N/A' * 11}\n")
    assert set(values(path)) == {"http_reqs rate", "http_req_duration avg"}
    path.write_text("Timestamp,User Count,Type,Name,Requests/s\n1,5,,Aggregated,3\n")
    with pytest.raises(LoadgateError, match=r"x.csv: holds no totals(.|\n)*_stats.csv"):
        read_results(path)


# -- wrk, wrk2


def test_wrk() -> None:
    text = (DATA / "wrk/wrk-latency.txt").read_text()
    found = values(DATA / "wrk/wrk-latency.txt")
    assert found["http_req_duration avg"] == pytest.approx(number(text, r"Latency\s+([\d.]+)ms"))
    assert found["http_req_duration p99"] == pytest.approx(number(text, r"99%\s+([\d.]+)ms"))
    assert found["http_reqs rate"] == number(text, r"Requests/sec:\s+([\d.]+)")
    assert found["http_req_failed share"] == number(text, r"responses: (\d+)") / number(text, r"(\d+) requests in")
    assert "http_req_duration p95" not in found
    assert set(values(DATA / "wrk/wrk.txt")) == {"http_reqs rate", "http_req_failed share", "http_req_duration avg"}
    result = only(DATA / "wrk/wrk.txt")
    assert (result.tool, result.name) == ("wrk", "/posts/1")
    assert result.definition != only(DATA / "wrk/wrk-latency.txt").definition != ""


@pytest.mark.parametrize(
    ("printed", "ms"),
    [("9.98us", 0.00998), ("912.00us", 0.912), ("1.05s", 1050.0), ("2.50m", 150_000.0), ("1.00h", 3_600_000.0)],
)
def test_wrk_prints_times_in_what_unit_fits(printed: str, ms: float, tmp_path: Path) -> None:
    path = _altered(tmp_path, "wrk/wrk-latency.txt", "9.98ms", printed)
    assert values(path)["http_req_duration avg"] == pytest.approx(ms)
    path = _altered(tmp_path, "wrk/wrk-latency.txt", "22.33ms", printed)
    assert values(path)["http_req_duration p99"] == pytest.approx(ms)


def test_wrk2_from_the_plan_and_from_the_sending() -> None:
    text = (DATA / "wrk/wrk2.txt").read_text()
    recorded, uncorrected = text.split("Uncorrected")
    result = only(DATA / "wrk/wrk2.txt")
    found = {name: figure.estimate.value for name, figure in by_name(result).items()}
    assert result.tool == "wrk2"
    assert found["http_req_latency p50"] == pytest.approx(number(recorded, r"50\.000%\s+([\d.]+)ms"))
    assert found["http_req_latency p95"] == pytest.approx(number(recorded, r"([\d.]+) 0\.950000"))
    assert found["http_req_latency p99.9"] == pytest.approx(number(recorded, r"99\.900%\s+([\d.]+)ms"))
    assert found["http_req_latency avg"] == pytest.approx(number(recorded, r"Latency\s+([\d.]+)ms"))
    assert found["http_req_duration p99"] == pytest.approx(number(uncorrected, r"99\.000%\s+([\d.]+)ms"))
    lost = 3  # 1 read, 2 timeout
    replies = number(text, r"(\d+) requests in")
    assert found["http_req_failed share"] == pytest.approx((7 + lost) / (replies + lost))


def test_several_reports_in_one_file_are_several_runs(tmp_path: Path) -> None:
    one, other = (DATA / "wrk/wrk-latency.txt").read_text(), (DATA / "wrk/wrk.txt").read_text()
    path = tmp_path / "both.txt"
    path.write_text(f"$ wrk ...\n{one}\n{other}")
    results = read_results(path)
    assert [result.name for result in results] == ["/users", "/posts/1"]
    assert len({result.id for result in results}) == 2


# -- hey, oha


def test_hey() -> None:
    text = (DATA / "hey/hey.txt").read_text()
    found = values(DATA / "hey/hey.txt")
    assert found["http_req_duration avg"] == pytest.approx(1000 * number(text, r"Average:\s+([\d.]+) secs"))
    assert found["http_req_duration p95"] == pytest.approx(1000 * number(text, r"95% in ([\d.]+) secs"))
    assert found["http_reqs rate"] == number(text, r"Requests/sec:\s+([\d.]+)")
    assert found["http_req_failed share"] == 8 / 400


def test_hey_without_any_reply(tmp_path: Path) -> None:
    path = tmp_path / "hey.txt"
    path.write_text(
        "\nSummary:\n  Total:\t0.0021 secs\n  Slowest:\t0.0000 secs\n  Fastest:\t0.0000 secs\n  Average:\t NaN secs\n"
        "  Requests/sec:\t4663.2161\n\nResponse time histogram:\n\nLatency distribution:\n\n"
        "Status code distribution:\n\nError distribution:\n"
        "  [8]\tGet http://127.0.0.1:1/: dial tcp 127.0.0.1:1: connect: connection refused\n"
        "  [2]\tGet http://127.0.0.1:1/: timeout\n"
    )
    assert values(path) == {"http_reqs rate": 4663.2161, "http_req_failed share": 1.0}


def test_oha() -> None:
    raw = json.loads((DATA / "oha/oha.json").read_text())
    text = (DATA / "oha/oha.txt").read_text()
    for found in (values(DATA / "oha/oha.json"), values(DATA / "oha/oha.txt")):
        assert found["http_req_duration avg"] == pytest.approx(1000 * raw["summary"]["average"], abs=1e-3)
        for statistic in ("p50", "p90", "p95", "p99", "p99.9"):
            expected = 1000 * raw["latencyPercentiles"][statistic]
            assert found[f"http_req_duration {statistic}"] == pytest.approx(expected, abs=1e-3)
    # what the end of the run cut off did not fail; a connection that was closed did
    assert values(DATA / "oha/oha.json")["http_req_failed share"] == 7 / 300
    assert values(DATA / "oha/oha.txt")["http_req_failed share"] == 8 / 301
    assert values(DATA / "oha/oha.txt")["http_reqs rate"] == number(text, r"Requests/sec:\s+([\d.]+)")


@pytest.mark.parametrize(
    ("unit", "factor"), [("secs", 1000.0), ("sec", 1000.0), ("ms", 1.0), ("us", 0.001), ("min", 6e4)]
)
def test_oha_prints_times_in_what_unit_fits(unit: str, factor: float, tmp_path: Path) -> None:
    path = tmp_path / "oha.txt"
    path.write_text((DATA / "oha/oha.txt").read_text("utf-8").replace(" ms", f" {unit}"), "utf-8")
    expected = values(DATA / "oha/oha.txt")["http_req_duration p95"] * factor
    assert values(path)["http_req_duration p95"] == pytest.approx(expected)


def test_a_report_that_is_cut_says_what_is_missing_and_where(tmp_path: Path) -> None:
    cases = [
        ("hey/hey.txt", "  Average:", r":5: the report ends here without its `Average`"),
        ("wrk/wrk.txt", "  1192 requests", r":5: the report ends here without its count of requests"),
        ("ab/ab.txt", "Requests per second", r"ends here without its `Time per request`"),
        ("h2load/h2load.txt", "requests: 400", r"without its line of `requests`"),
        ("h2load/h2load.txt", "finished in", r"without its line `finished in`"),
        ("bombardier/bombardier.txt", "  HTTP codes", r"without its line of HTTP codes"),
        ("vegeta/report.txt", "Success", r"without its line of `Success`"),
        ("ghz/ghz.txt", "  Requests/sec", r"without its `Requests/sec`"),
        ("oha/oha.txt", "  Requests/sec", r"without its `Requests/sec`"),
    ]
    for sample, end, message in cases:
        path = tmp_path / "cut.txt"
        path.write_text((DATA / sample).read_text("utf-8").partition(end)[0], "utf-8")
        with pytest.raises(LoadgateError, match=message):
            read_results(path)


@pytest.mark.parametrize(
    ("sample", "old", "new", "message"),
    [
        ("wrk/wrk-latency.txt", "12.12ms", "12.1x2ms", r":8: `12.1x2ms` is not a time with its unit"),
        ("hey/hey.txt", "0.0163 secs", "0.0163 sex", r":\d+: `0.0163sex` is not a time with its unit"),
        ("wrk/wrk.txt", "396.07", "396,07", r":8: `396,07` is not a number"),
    ],
)
def test_a_figure_that_is_none_says_where(sample: str, old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(LoadgateError, match=f"altered.txt{message}"):
        read_results(_altered(tmp_path, sample, old, new))
