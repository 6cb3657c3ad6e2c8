"""Results of benchmark tools: the figures of the samples against what plain Python makes of the same files."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist, fmean, median, stdev
from typing import Any

import pytest

from loadgate.errors import LoadgateError
from loadgate.measure.metric import Direction
from loadgate.record.importers import read_known, read_results
from loadgate.record.result import Figure, Result

DATA = Path(__file__).parent.parent / "data"


def only(path: Path) -> Result:
    (result,) = read_results(path)
    return result


def figures(path: Path) -> dict[str, Figure]:
    return {str(figure.series): figure for figure in only(path).figures}


def error_of_mean(values: list[float]) -> float:
    return stdev(values) / math.sqrt(len(values)) / fmean(values)


def changed(sample: Path, tmp_path: Path, change: Callable[[Any], None]) -> Path:
    """A copy of a JSON sample after `change`."""
    content = json.loads(sample.read_text())
    change(content)
    copy = tmp_path / sample.name
    copy.write_text(json.dumps(content))
    return copy


# -- criterion.rs


def test_criterion_estimates_with_the_error_of_their_intervals() -> None:
    found = figures(DATA / "criterion" / "folder")
    assert {name.rpartition(" ")[0] for name in found} == {
        'reversed: "all" of it',
        "words/longest/10",
        "words/longest/1000",
    }
    raw = json.loads((DATA / "criterion/folder/words/longest/10/new/estimates.json").read_text())
    for statistic in ("mean", "median"):
        figure = found[f"words/longest/10 {statistic}"]
        bounds = raw[statistic]["confidence_interval"]
        assert (figure.unit, figure.direction) == ("ns", Direction.LOWER)
        assert figure.estimate.value == raw[statistic]["point_estimate"]
        reach = (bounds["upper_bound"] - bounds["lower_bound"]) / 2.0
        assert figure.estimate.error == pytest.approx(reach / NormalDist().inv_cdf(0.975) / figure.estimate.value)
        # criterion's own standard error is that of the same resamples
        assert (figure.estimate.error or 0.0) * figure.estimate.value == pytest.approx(
            raw[statistic]["standard_error"], rel=0.3
        )


def test_criterion_names_from_the_path_where_there_is_no_note(tmp_path: Path) -> None:
    folder = tmp_path / "anything"
    shutil.copytree(DATA / "criterion" / "folder", folder)
    for note in folder.rglob("benchmark.json"):
        note.unlink()
    assert {"words/longest/10 mean", "reversed_ _all_ of it median"} < figures(folder).keys()
    shutil.copytree(folder, tmp_path / "target" / "criterion")
    assert set(figures(tmp_path / "target/criterion/words/longest/10/new/estimates.json")) == {
        "words/longest/10 mean",
        "words/longest/10 median",
    }


def test_what_criterion_found_in_comparing_is_no_time() -> None:
    with pytest.raises(LoadgateError, match=r"change/estimates\.json: is what criterion found in comparing, not times"):
        read_results(DATA / "criterion/folder/words/longest/1000/change/estimates.json")


def test_a_broken_file_in_a_folder_is_named(tmp_path: Path) -> None:
    shutil.copytree(DATA / "criterion" / "folder", tmp_path / "criterion")
    (tmp_path / "criterion/words/longest/10/new/estimates.json").write_text('{"mean": {')
    with pytest.raises(LoadgateError, match=r"longest/10/new/estimates\.json"):
        read_results(tmp_path / "criterion")


# -- pytest-benchmark


def test_pytest_benchmark_rounds_and_commit() -> None:
    path = DATA / "pytest-benchmark" / "run.json"
    raw, result, found = json.loads(path.read_text()), only(path), figures(path)
    assert len(found) == 2 * len(raw["benchmarks"])
    for one in raw["benchmarks"]:
        mean, middle = found[f"{one['fullname']} mean"], found[f"{one['fullname']} median"]
        data = one["stats"]["data"]
        assert (mean.unit, mean.estimate.count) == ("s", len(data))
        assert mean.estimate.value == pytest.approx(fmean(data))
        assert mean.estimate.error == pytest.approx(error_of_mean(data))
        assert middle.estimate.value == pytest.approx(median(data))
        assert middle.estimate.error is not None and middle.estimate.error < 0.1
    assert (result.tool, result.commit, result.branch) == ("pytest-benchmark", raw["commit_info"]["id"], "master")
    assert result.started == pytest.approx(1795826404.688218)
    assert result.machine == "Linux x86_64, 2 cpus, AMD EPYC"


def test_pytest_benchmark_without_rounds_knows_the_error_of_the_mean_only() -> None:
    kept, left = (
        figures(DATA / "pytest-benchmark" / "run.json"),
        figures(DATA / "pytest-benchmark" / "without-data.json"),
    )
    for name, figure in left.items():
        assert figure.estimate.value == pytest.approx(kept[name].estimate.value)
        if name.endswith(" mean"):
            assert figure.estimate.error == pytest.approx(kept[name].estimate.error)
        else:
            assert figure.estimate.error is None


def test_pytest_benchmark_outside_of_a_repository_and_on_an_odd_machine(tmp_path: Path) -> None:
    def strange(content: Any) -> None:
        content["commit_info"] = {"id": None, "branch": None, "error": "no repository"}
        content["machine_info"]["cpu"] = "unknown"
        content["datetime"] = "2026-01-01T00:00:00"

    result = only(changed(DATA / "pytest-benchmark" / "run.json", tmp_path, strange))
    assert (result.commit, result.branch, result.machine, result.started) == ("", "", "Linux x86_64", 1767225600.0)


# -- pyperf


def test_pyperf_runs_are_what_is_repeated() -> None:
    path = DATA / "pyperf" / "suite.json"
    raw, found = json.loads(path.read_text()), figures(path)
    assert len(found) == 4
    for one in raw["benchmarks"]:
        runs = [run for run in one["runs"] if "values" in run]
        assert len(runs) == 6 < len(one["runs"])
        figure = found[f"{one['metadata']['name']} mean"].estimate
        assert figure.value == pytest.approx(fmean(value for run in runs for value in run["values"]))
        assert figure.error == pytest.approx(error_of_mean([fmean(run["values"]) for run in runs]))
        assert (figure.freedom, figure.count) == (5.0, 18)
        memory = found[f"{one['metadata']['name']} mem_max_rss"]
        assert memory.unit == "bytes"
        assert memory.estimate.value == pytest.approx(fmean(run["metadata"]["mem_max_rss"] for run in runs))
    assert only(path).machine == "Linux x86_64, 2 cpus, AMD EPYC"
    assert only(path).started == pytest.approx(1795826355.883133)


def test_pyperf_keeps_the_name_of_a_single_benchmark_elsewhere() -> None:
    assert set(figures(DATA / "pyperf" / "single.json")) == {"reverse 10 mean", "reverse 10 mem_max_rss"}
    assert set(figures(DATA / "pyperf" / "command.json")) == {"command mean"}


def test_pyperf_units_and_commits(tmp_path: Path) -> None:
    def memory(content: Any) -> None:
        content["metadata"] |= {"unit": "byte", "commit_id": "abc", "commit_branch": "main"}

    path = changed(DATA / "pyperf" / "single.json", tmp_path, memory)
    assert figures(path)["reverse 10 mean"].unit == "bytes"
    assert (only(path).commit, only(path).branch) == ("abc", "main")


# -- asv


def test_asv_files_are_a_commit_each_and_oldest_first() -> None:
    first, second = read_results(DATA / "asv" / "results")
    assert (first.commit[:8], second.commit[:8]) == ("a0e0e7c6", "731e5b27")
    assert (first.started, second.started) == (1795826405.0, 1795831200.0)
    assert (first.name, first.machine) == ("existing-py3.11", "box, Linux")
    found = {str(figure.series): figure for figure in second.figures}
    assert set(found) == {
        "words.Reverse.time_reverse(10, 'split')",
        "words.Reverse.time_reverse(10, 'partition')",
        "words.Reverse.time_reverse(1000, 'split')",  # with 'partition' it is skipped; time_broken failed
        "words.time_join",
        "words.mem_list",
        "words.peakmem_list",
        "words.track_words",
    }
    raw = json.loads((DATA / "asv/results/box/731e5b27-existing-py3.11.json").read_text())
    columns = dict(zip(raw["result_columns"], raw["results"]["words.time_join"], strict=False))
    join = found["words.time_join"]
    assert (join.unit, join.estimate.value) == ("s", columns["result"][0])
    low, high = columns["stats_ci_99_a"][0], columns["stats_ci_99_b"][0]
    assert join.estimate.error == pytest.approx((high - low) / 2.0 / 2.5758293 / columns["result"][0])
    assert (join.estimate.freedom, join.estimate.count) == (4.0, 5)
    units = {name: found[name].unit for name in ("words.mem_list", "words.peakmem_list", "words.track_words")}
    assert units == {"words.mem_list": "bytes", "words.peakmem_list": "bytes", "words.track_words": "words"}


def test_asv_leaves_out_what_an_older_version_of_a_benchmark_measured() -> None:
    first, _ = read_results(DATA / "asv" / "results")
    assert "words.time_join" not in {str(figure.series) for figure in first.figures}
    assert "words.time_join" in figures(DATA / "asv" / "one-commit.json")


def test_asv_samples_say_more_than_the_interval() -> None:
    found = figures(DATA / "asv" / "one-commit.json")["words.Reverse.time_reverse(1000, 'split')"].estimate
    raw = json.loads((DATA / "asv" / "one-commit.json").read_text())
    row = dict(zip(raw["result_columns"], raw["results"]["words.Reverse.time_reverse"], strict=False))
    samples = sorted(row["samples"][2])
    outside = (1 + 10) / 2**10  # the second and the ninth of ten
    error = (samples[8] - samples[1]) / 2.0 / NormalDist().inv_cdf(1.0 - outside) / median(samples)
    assert found.value == pytest.approx(median(samples))
    assert found.error == pytest.approx(error)


def test_asv_values_must_fit_the_parameters_and_other_files_are_no_results(tmp_path: Path) -> None:
    def short(content: Any) -> None:
        content["results"]["words.Reverse.time_reverse"][0].pop()

    with pytest.raises(LoadgateError, match=r"time_reverse` has 3 values for 4 combinations"):
        read_results(changed(DATA / "asv" / "one-commit.json", tmp_path, short))
    folder = tmp_path / "results"
    shutil.copytree(DATA / "asv" / "results", folder)
    (folder / "box" / "zzz.json").write_text('{"commit_hash": ')
    with pytest.raises(LoadgateError, match=r"zzz\.json:1: the JSON ends here"):
        read_results(folder)
    (folder / "box" / "zzz.json").write_text("{}")
    with pytest.raises(LoadgateError, match=r"zzz\.json: is no result of asv"):
        read_results(folder)


# -- Google Benchmark


def test_google_benchmark_repetitions() -> None:
    path = DATA / "google-benchmark" / "repetitions.json"
    raw, found, result = json.loads(path.read_text()), figures(path), only(path)
    assert {name.rpartition(" ")[0] for name in found} == {"BM_Reverse/64", "BM_Reverse/4096", "BM_Copy"}
    repeated = [row for row in raw["benchmarks"] if row["run_type"] == "iteration" and row["name"] == "BM_Reverse/64"]
    for field, unit, direction in (
        ("real_time", "ns", Direction.LOWER),
        ("cpu_time", "ns", Direction.LOWER),
        ("bytes_per_second", "bytes/s", Direction.HIGHER),
        ("items_per_second", "1/s", Direction.HIGHER),
    ):
        figure, values = found[f"BM_Reverse/64 {field}"], [row[field] for row in repeated]
        assert (figure.unit, figure.direction) == (unit, direction)
        assert figure.estimate.value == pytest.approx(fmean(values))
        assert figure.estimate.error == pytest.approx(error_of_mean(values))
        assert figure.estimate.freedom == 4.0
    assert found["BM_Copy real_time"].unit == "us"
    assert (result.name, result.started) == ("gb", 1795826340.0)
    assert result.machine == "2 cpus, L1d 32 KiB, L2 1024 KiB, L3 32768 KiB"


def test_google_benchmark_aggregates_alone_have_the_same_error() -> None:
    path = DATA / "google-benchmark" / "aggregates.json"
    rows = {row["name"]: row for row in json.loads(path.read_text())["benchmarks"]}
    figure = figures(path)["BM_Reverse/64 cpu_time"].estimate
    spread = rows["BM_Reverse/64_stddev"]["cpu_time"]
    assert figure.value == rows["BM_Reverse/64_mean"]["cpu_time"]
    assert figure.error == pytest.approx(spread / 2.0 / figure.value)
    assert (figure.freedom, figure.count) == (3.0, 4)


@pytest.mark.parametrize("form", ["once.json", "once.csv", "repetitions.json", "repetitions.csv", "aggregates.json"])
def test_google_benchmark_that_skipped_itself_took_no_time_at_all(form: str) -> None:
    assert not any(name.startswith("BM_Skipped") for name in figures(DATA / "google-benchmark" / form))


def test_google_benchmark_csv() -> None:
    path = DATA / "google-benchmark" / "repetitions.csv"
    with open(path) as file:
        rows = [row for row in csv.reader(file) if row[0] == "BM_Reverse/4096"]
    found = figures(path)
    assert found["BM_Reverse/4096 cpu_time"].estimate.error == pytest.approx(
        error_of_mean([float(row[3]) for row in rows])
    )
    assert found["BM_Reverse/4096 bytes_per_second"].estimate.value == pytest.approx(
        fmean(float(row[5]) for row in rows)
    )
    assert len(found) == 10
    assert len(figures(DATA / "google-benchmark" / "once.csv")) == 10


def test_google_benchmark_csv_without_a_time_is_wrong(tmp_path: Path) -> None:
    text = (DATA / "google-benchmark" / "once.csv").read_text()
    broken = tmp_path / "broken.csv"
    broken.write_text(text.replace("6318.38,1452.27", "6318.38,"))
    with pytest.raises(LoadgateError, match=r"broken\.csv:3: a time is missing"):
        read_results(broken)
    broken.write_text(text[:200])
    with pytest.raises(LoadgateError, match=r"broken\.csv:3"):
        read_results(broken)


# -- go test


def test_go_benchmarks_of_six_repetitions() -> None:
    path = DATA / "go-test" / "count6.txt"
    found = figures(path)
    lines = re.findall(r"^BenchmarkReversed/repeat=1000-2\s+\d+\s+(\d+) ns/op\s+([\d.]+) MB/s", path.read_text(), re.M)
    assert len(lines) == 6
    name = "example.org/words: BenchmarkReversed/repeat=1000-2"
    assert found[f"{name} ns/op"].estimate.value == median(float(line[0]) for line in lines)
    assert found[f"{name} MB/s"].estimate.value == median(float(line[1]) for line in lines)
    kinds = {
        unit: (found[f"{name} {unit}"].unit, found[f"{name} {unit}"].direction) for unit in ("ns/op", "MB/s", "B/op")
    }
    assert kinds == {
        "ns/op": ("ns", Direction.LOWER),
        "MB/s": ("MB/s", Direction.HIGHER),
        "B/op": ("bytes", Direction.LOWER),
    }
    assert found["example.org/words: BenchmarkEmpty-2 allocs/op"].estimate.value == 0.0
    assert found[f"{name} lines/op"].unit == "lines/op"
    assert only(path).machine == "linux amd64, AMD EPYC"


def test_go_events_are_the_text_with_times() -> None:
    path = DATA / "go-test" / "events.json"
    text = "".join(json.loads(line).get("Output", "") for line in path.read_text().splitlines())
    lines = re.findall(r"^BenchmarkLogged-2\s+\d+\s+([\d.]+) ns/op", text, re.M)
    assert figures(path)["example.org/words: BenchmarkLogged-2 ns/op"].estimate.value == median(map(float, lines))
    assert only(path).started == pytest.approx(1795826334.335418)
    assert set(figures(path)) == set(figures(DATA / "go-test" / "count6.txt"))


def test_go_units_say_which_way_is_better(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text(
        "pkg: a\nUnit hits/op better=higher\nBenchmarkX 10 5 ns/op 3 hits/op 7 rows/s\n"
        "pkg: b\nBenchmarkX 10 6 ns/op\nok  b 1s\n"
    )
    found = figures(path)
    assert {name: figure.direction.value for name, figure in found.items()} == {
        "a: BenchmarkX ns/op": "lower",
        "a: BenchmarkX hits/op": "higher",
        "a: BenchmarkX rows/s": "higher",
        "b: BenchmarkX ns/op": "lower",
    }


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("BenchmarkX-2 10 5 ns/op\nBenchmarkY-2 10 5,5 ns/op\n", r"out\.txt:2: values with units"),
        ("BenchmarkX-2 10 5 ns/op\nBenchmarkY-2 10 5 ns/op 3\n", r"out\.txt:2: values with units"),
        ("BenchmarkX-2 10 5 ns/op\nBenchmarkY-2 10 5 n", r"out\.txt:2: the last line has no end"),
        ("BenchmarkX-2 10 5 ns/op\nBenchmarkY-", r"out\.txt:2: the last line has no end"),
        ('{"Action":"run","Package":"a"}\n{"Action":"out', r"out\.txt:2: an event of `go test -json`"),
    ],
)
def test_go_lines_that_are_cut_or_wrong(text: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text(text)
    with pytest.raises(LoadgateError, match=what):
        read_results(tmp_path / "out.txt")


# -- hyperfine


def test_hyperfine_starts_are_independent() -> None:
    path = DATA / "hyperfine" / "export.json"
    raw, found = json.loads(path.read_text())["results"], figures(path)
    assert len(found) == 4 * len(raw)
    for one in raw:
        name = f"{one['command']} (n={one['parameters']['n']})"
        assert found[f"{name} mean"].estimate.value == pytest.approx(one["mean"])
        assert found[f"{name} mean"].estimate.error == pytest.approx(error_of_mean(one["times"]))
        assert found[f"{name} median"].estimate.value == pytest.approx(one["median"])
        assert found[f"{name} user"].estimate.value == one["user"]
        assert found[f"{name} system"].unit == "s"


def test_hyperfine_csv_has_the_same_figures_without_errors() -> None:
    other, found = figures(DATA / "hyperfine" / "export.json"), figures(DATA / "hyperfine" / "export.csv")
    assert set(found) == set(other)
    for name, figure in found.items():
        assert figure.estimate.value == pytest.approx(other[name].estimate.value)
        assert figure.estimate.error is None


@pytest.mark.parametrize("sample", ["hyperfine/export.csv", "google-benchmark/repetitions.csv", "jmh/result.csv"])
def test_a_table_that_is_cut_within_its_last_number_is_not_read(sample: str, tmp_path: Path) -> None:
    data = (DATA / sample).read_bytes().rstrip()
    (tmp_path / "cut.csv").write_bytes(data[:-1])
    with pytest.raises(LoadgateError, match=rf"(?s)cut\.csv:{data.count(10) + 1}: .*cut off"):
        read_results(tmp_path / "cut.csv")


def test_hyperfine_names_are_commands_where_those_differ(tmp_path: Path) -> None:
    def two(content: Any) -> None:
        del content["results"][2:]
        content["results"][0]["memory_usage_byte"] = [1000, 3000]

    found = figures(changed(DATA / "hyperfine" / "export.json", tmp_path, two))
    assert {"seq 1000 mean", "sleep 0.01 mean"} < set(found)
    assert (found["seq 1000 memory"].estimate.value, found["seq 1000 memory"].unit) == (2000.0, "bytes")

    def same(content: Any) -> None:
        content["results"] = content["results"][:1] * 2

    with pytest.raises(LoadgateError, match=r"`seq 1000 \(n=1000\) mean` is in it twice"):
        read_results(changed(DATA / "hyperfine" / "export.json", tmp_path, same))


# -- JMH


def test_jmh_forks_are_what_is_repeated() -> None:
    path = DATA / "jmh" / "result.json"
    raw, found = json.loads(path.read_text()), figures(path)
    primary = raw[0]["primaryMetric"]
    score = found["org.example.Words.reverse(size=10) thrpt"]
    assert (score.unit, score.direction) == ("ops/s", Direction.HIGHER)
    assert score.estimate.value == pytest.approx(primary["score"])
    assert score.estimate.error == pytest.approx(error_of_mean([fmean(fork) for fork in primary["rawData"]]))
    assert (score.estimate.freedom, score.estimate.count) == (1.0, 10)
    assert only(path).machine == "OpenJDK 64-Bit Server VM 17.0.15+6-Debian-1deb12u1"


def test_jmh_error_of_one_fork_is_jmhs_own() -> None:
    primary = json.loads((DATA / "jmh" / "result.json").read_text())[2]["primaryMetric"]
    found = figures(DATA / "jmh" / "result.json")["org.example.Words.longest avgt"]
    t = 8.610301581  # Student's t with 4 degrees of freedom at 99.9 %
    assert found.estimate.error is not None
    assert found.estimate.error * found.estimate.value * t == pytest.approx(primary["scoreError"])
    assert found.direction is Direction.LOWER


def test_jmh_profilers_worth_following() -> None:
    found = figures(DATA / "jmh" / "result.json")
    name = "org.example.Words.reverse(size=1000) thrpt"
    profiled = {each.removeprefix(f"{name} ") for each in found if each.startswith(f"{name} ")}
    assert profiled == {"gc.alloc.rate.norm", "gc.count"}  # the rate itself rises with the speed
    assert found[f"{name} gc.alloc.rate.norm"].direction is Direction.LOWER
    assert found[f"{name} gc.count"].estimate.error is None  # a sum


def test_jmh_samples_have_percentiles_with_errors() -> None:
    raw = json.loads((DATA / "jmh" / "result.json").read_text())[4]["primaryMetric"]
    found = figures(DATA / "jmh" / "result.json")
    for p in (50, 95, 99):
        figure = found[f"org.example.Words.sampled sample p{p}"]
        assert figure.estimate.value == raw["scorePercentiles"][f"{p}.0"]
        assert 0.0 < (figure.estimate.error or 0.0) < 0.1
        assert figure.estimate.count == 4200
    mean = found["org.example.Words.sampled sample"].estimate
    assert mean.value == raw["score"]
    blocks = [fmean(v for v, n in pairs for _ in range(n)) for fork in raw["rawDataHistogram"] for pairs in fork]
    assert mean.error == pytest.approx(error_of_mean(blocks), rel=0.01)


def test_jmh_csv_has_the_same_figures_without_errors() -> None:
    other, found = figures(DATA / "jmh" / "result.json"), figures(DATA / "jmh" / "result.csv")
    assert set(found) == {name for name in other if not re.search(r" p\d+$", name)}
    for name, figure in found.items():
        assert figure.estimate.value == pytest.approx(other[name].estimate.value, abs=1e-6)
        assert (figure.unit, figure.direction) == (other[name].unit, other[name].direction)
        assert figure.estimate.error is None


def test_jmh_scores_that_are_nan_are_not_there(tmp_path: Path) -> None:
    def broken(content: Any) -> None:
        content[2]["primaryMetric"]["score"] = "NaN"

    assert "org.example.Words.longest avgt" not in figures(changed(DATA / "jmh" / "result.json", tmp_path, broken))

    def wrong(content: Any) -> None:
        content[2]["primaryMetric"]["score"] = "fast"

    with pytest.raises(LoadgateError, match=r"result\.json: .* - at `\$\[2\]\.primaryMetric\.score`"):
        read_results(changed(DATA / "jmh" / "result.json", tmp_path, wrong))


# -- all


@pytest.mark.parametrize(
    ("sample", "place", "what"),
    [
        ("pytest-benchmark/run.json", ("benchmarks", 1, "stats", "mean"), r"\$\.benchmarks\[1\]\.stats\.mean"),
        ("pyperf/suite.json", ("benchmarks", 0, "runs", 1, "values"), r"\$\.benchmarks\[0\]\.runs\[1\]\.values"),
        ("google-benchmark/once.json", ("benchmarks", 0, "real_time"), r"\$\.benchmarks\[0\]\.real_time"),
        ("hyperfine/export.json", ("results", 3, "times", 0), r"\$\.results\[3\]\.times\[0\]"),
        ("criterion/estimates.json", ("mean", "point_estimate"), r"\$\.mean\.point_estimate"),
        ("asv/one-commit.json", ("results", "words.time_join", 0), r"`words\.time_join`: .*\$\.result"),
    ],
)
def test_a_text_where_a_number_belongs_is_shown_with_its_place(
    sample: str, place: tuple[Any, ...], what: str, tmp_path: Path
) -> None:
    def spoil(content: Any) -> None:
        for key in place[:-1]:
            content = content[key]
        content[place[-1]] = "fast"

    with pytest.raises(LoadgateError, match=what):
        read_results(changed(DATA / sample, tmp_path, spoil))


@pytest.mark.parametrize(
    ("sample", "name"),
    [
        ("criterion/folder", "criterion.rs estimates"),
        ("pytest-benchmark/run.json", "pytest-benchmark JSON"),
        ("pyperf/suite.json", "pyperf JSON"),
        ("asv/results", "asv results"),
        ("google-benchmark/once.csv", "Google Benchmark CSV"),
        ("go-test/events.json", "go test -json -bench"),
        ("hyperfine/export.csv", "hyperfine CSV"),
        ("jmh/result.csv", "JMH CSV"),
    ],
)
def test_formats_have_the_names_that_users_know(sample: str, name: str) -> None:
    assert read_known(DATA / sample)[0].name == name
