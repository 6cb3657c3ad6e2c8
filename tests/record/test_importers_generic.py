"""Rows of timestamp,commit,series,value,unit,direction, as CSV and JSON."""

from __future__ import annotations

import csv
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgate.errors import LoadgateError
from loadgate.measure.metric import Direction
from loadgate.record.importers import read_results
from loadgate.record.result import SeriesName

DATA = Path(__file__).parent.parent / "data" / "generic"
HEADER = "timestamp,commit,series,value,unit,direction\n"
FIRST, SECOND = 1767225600.0, 1767353400.0


def written(tmp_path: Path, text: str, name: str = "history.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, newline="")
    return path


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(LoadgateError) as caught:
        read_results(written(tmp_path, text))
    return str(caught.value)


@pytest.mark.parametrize("name", ["history.csv", "other-order.csv", "history.json"])
def test_rows_of_one_timestamp_and_commit_are_a_run(name: str) -> None:
    first, second = read_results(DATA / name)
    assert (first.started, first.commit, first.tool, first.name) == (FIRST, "c1a0e0e7c6", "generic", "")
    assert (second.started, second.commit) == (SECOND, "d2b1f1f8d7")
    found = {figure.series: figure for figure in first.figures}
    assert list(found) == [SeriesName("", series, "") for series in ("parse/1000", "GET /users p95", "throughput")]
    assert [figure.estimate.value for figure in first.figures] == [12.5, 45.1, 1250.0]
    assert [figure.unit for figure in first.figures] == ["ms", "ms", "1/s"]
    assert [figure.direction for figure in first.figures] == [Direction.LOWER, Direction.LOWER, Direction.HIGHER]


def test_the_same_run_is_the_same_result_in_any_form_and_when_the_file_grows(tmp_path: Path) -> None:
    (id,) = {
        read_results(DATA / name)[0].id for name in ("history.csv", "other-order.csv", "history.json", "results.json")
    }
    text = (DATA / "history.csv").read_text()
    grown = read_results(written(tmp_path, text + "2026-02-01,e3,parse/1000,13,ms,lower\n"))
    assert [result.id for result in grown[:2]] == [result.id for result in read_results(DATA / "history.csv")]
    assert (grown[0].id, len(grown)) == (id, 3)
    other = read_results(written(tmp_path, text.replace("12.5,", "12.4,")))
    assert (other[0].id != id, other[1].id == grown[1].id) == (True, True)


def test_rows_in_any_order_and_the_same_instant_in_two_spellings(tmp_path: Path) -> None:
    rows = [
        "1767353400,b,x,2,ms,lower",
        "2026-01-01T00:00:00Z,a,x,1,ms,lower",
        "2026-01-02T12:30:00+01:00,b,y,3,ms,lower",
        "2026-01-01 00:00:00,a,y,4,ms,lower",
    ]
    first, second = read_results(written(tmp_path, HEADER + "\n".join(rows)))
    assert [(figure.series.metric, figure.estimate.value) for figure in first.figures] == [("x", 1.0), ("y", 4.0)]
    assert [(figure.series.metric, figure.estimate.value) for figure in second.figures] == [("x", 2.0), ("y", 3.0)]
    twice = rows[0] + "\n2026-01-02T11:30:00Z,b,x,5,ms,lower\n"
    assert "`x` is given a second time" in refused(tmp_path, HEADER + twice)


def test_one_commit_measured_twice_are_two_runs_and_none_is_a_commit_too(tmp_path: Path) -> None:
    results = read_results(
        written(tmp_path, HEADER + "1767225600,a,x,0,,lower\n1767225601,a,x,-2.5e3,,lower\n5,,x,1,,lower\n")
    )
    assert [(result.started, result.commit) for result in results] == [(5.0, ""), (FIRST, "a"), (FIRST + 1, "a")]
    assert [result.figures[0].estimate.value for result in results] == [1.0, 0.0, -2500.0]


def test_a_file_that_was_corrected_holds_other_runs(tmp_path: Path) -> None:
    rows = ("5,a,x,1,ms,lower", "5,a,x,1,s,lower", "5,a,x,1,ms,higher", "5,a,y,1,ms,lower")
    ids = [read_results(written(tmp_path, HEADER + row))[0].id for row in rows]
    assert len(set(ids)) == 4


def test_runs_of_one_instant_stay_in_the_order_of_the_file(tmp_path: Path) -> None:
    rows = ["9,z,x,1,ms,lower", "5,c,x,1,ms,lower", "5.0,a,x,2,ms,lower", "5,b,x,3,ms,lower", "5,c,y,3,ms,lower"]
    results = read_results(written(tmp_path, HEADER + "\n".join(rows)))
    assert [(result.started, result.commit) for result in results] == [(5.0, "c"), (5.0, "a"), (5.0, "b"), (9.0, "z")]


def test_names_of_series_keep_no_secrets(tmp_path: Path) -> None:
    row = {"timestamp": 5, "value": 1, "direction": "lower"}
    names = ["GET https://joe:hunter2@example.com/users?token=hunter2", "token: present"]
    table = "".join(f"5,,{name},1,,lower\n" for name in names)
    objects = json.dumps([row | {"series": name} for name in names])
    for path in (written(tmp_path, HEADER + table), written(tmp_path, objects, "history.json")):
        (result,) = read_results(path)
        masked, plain = (figure.series.metric for figure in result.figures)
        assert masked.startswith("GET https://joe:") and "example.com/users" in masked
        assert "hunter2" not in repr(result)
        assert plain == "token: present"
    twice = refused(tmp_path, f"{HEADER}{table}5,,{names[0].replace('hunter2', 'other')},1,,lower\n")
    assert "history.csv:4: " in twice and "is given a second time" in twice and "other" not in twice


def test_quotes_other_columns_and_blank_lines(tmp_path: Path) -> None:
    text = 'note,direction,unit,value,series,commit,timestamp\r\n"a ""b""\nc",higher,,1,"x, y",a,5\r\n\r\n,lower,,2,z,a,5\r\n'
    (result,) = read_results(written(tmp_path, text))
    assert [(str(figure.series), figure.estimate.value) for figure in result.figures] == [("x, y", 1.0), ("z", 2.0)]


@pytest.mark.parametrize("quoted", ["", '"q",a,x,1,ms,lower\n'])
@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("5,a,y,1,ms", "5 fields where the header names 6"),
        ("5,a,y,1,5,ms,lower", "7 fields where the header names 6"),
        ("5,a,y,,ms,lower", "`value` must be a number, is ``"),
        ("5,a,y,12 ms,ms,lower", "`value` must be a number, is `12 ms`"),
        ("5,a,y,nan,ms,lower", "`value` must be a finite number, is `nan`: leave the row out"),
        ("5,a,y,-inf,ms,lower", "`value` must be a finite number, is `-inf`: leave the row out"),
        ("5,a,y,1,ms,down", "`direction` must be `lower` or `higher`, is `down`"),
        ("5,a,y,1,ms,", "`direction` must be `lower` or `higher`, is ``"),
        ("5,a,,1,ms,lower", "`series` must be a name, is empty"),
        ("5,a,y,1.5,share,lower", "a share lies between 0 and 1, `value` is `1.5`"),
        ("5,a,y,-0.1,share,higher", "a share lies between 0 and 1, `value` is `-0.1`"),
        ("5,a,x,2,ms,lower", "`x` is given a second time for the same timestamp and commit"),
    ],
)
def test_a_row_that_cannot_be_read_is_shown_with_its_line(quoted: str, row: str, what: str, tmp_path: Path) -> None:
    text = f"{HEADER}{quoted.replace('q', '4')}5,a,x,1,ms,lower\n\n{row}\n5,a,z,1,ms,lower\n"
    assert f"history.csv:{4 + bool(quoted)}: {what}" in refused(tmp_path, text)


@pytest.mark.parametrize(
    "when", ["yesterday", "", "1767225600000", "-1", "nan", "2026-13-01", "1e300", "-1e12", "9999-12-31"]
)
def test_a_timestamp_that_is_none(when: str, tmp_path: Path) -> None:
    said = refused(tmp_path, f"{HEADER}5,a,x,1,ms,lower\n{when},a,y,1,ms,lower\n")
    assert f"`timestamp` must be ISO 8601 or Unix seconds, is `{when}`" in said
    assert "history.csv:3" in said


@pytest.mark.parametrize("column", ["commit", "unit", "direction"])
def test_a_column_that_is_missing_is_named(column: str, tmp_path: Path) -> None:
    said = refused(tmp_path, HEADER.replace(f"{column},", "").replace(f",{column}", "") + "1,2,3,4,5\n")
    assert f"history.csv:1: the column `{column}` is missing" in said
    assert "in any order" in said


def test_a_header_alone_holds_no_result(tmp_path: Path) -> None:
    assert "holds no result" in refused(tmp_path, HEADER)


def test_json_rows_may_be_repeated_measurements() -> None:
    _, second = read_results(DATA / "history.json")
    start = next(figure for figure in second.figures if figure.series.metric == "start")
    assert (start.estimate.value, start.estimate.count, start.estimate.freedom) == (150.5, 5, 4.0)
    assert 0.0 < (start.estimate.error or 0.0) < 0.05


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"value": None}, "row 2: either `value` or `samples` was expected"),
        ({"samples": [1.0]}, "row 2: either `value` or `samples` was expected"),
        ({"direction": "up"}, "row 2: `direction` must be `lower` or `higher`, is `up`"),
        ({"series": "x"}, "row 2: `x` is given a second time"),
        ({"series": 5}, r"expected `str`, got `int` - at `$[1].series`"),
        ({"unit": "share", "value": 2}, "row 2: a share lies between 0 and 1, this is 2"),
        (
            {"unit": "share", "value": None, "samples": [0.5, 50, 0.5]},
            "row 2: a share lies between 0 and 1, this is 50",
        ),
        ({"timestamp": 1e300}, "row 2: `timestamp` must be ISO 8601 or Unix seconds, is `1e+300`"),
        ({"timestamp": "soon"}, "`timestamp` must be ISO 8601 or Unix seconds, is `soon`"),
        ({"value": "fast"}, r"`$[1].value`"),
    ],
)
def test_json_rows_that_cannot_be_read(change: dict[str, Any], what: str, tmp_path: Path) -> None:
    row = {"timestamp": 5, "commit": "a", "series": "x", "value": 1, "unit": "ms", "direction": "lower"}
    path = written(tmp_path, json.dumps([row, row | {"series": "y"} | change]), "history.json")
    with pytest.raises(LoadgateError) as caught:
        read_results(path)
    assert what in str(caught.value)
    assert "history.json" in str(caught.value)


# without `@`, since `user:password@host` is masked
names = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00@"), min_size=1).filter(str.strip)


@settings(max_examples=80, deadline=None)
@given(
    runs=st.dictionaries(
        st.tuples(st.integers(0, 4_000_000_000), st.sampled_from(["", "a", "b,c"])),
        st.dictionaries(names, st.floats(-1e300, 1e300), min_size=1, max_size=5),
        min_size=1,
        max_size=5,
    )
)
def test_what_was_written_is_read(runs: dict[tuple[int, str], dict[str, float]], tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("generic") / "history.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER.strip().split(","))
        for (when, commit), series in runs.items():
            writer.writerows((when, commit, name, repr(value), "ms", "lower") for name, value in series.items())
    found = {
        (int(result.started), result.commit): {figure.series.metric: figure.estimate.value for figure in result.figures}
        for result in read_results(path)
    }
    assert found == runs


def test_a_long_history_is_read_in_about_the_time_it_takes_to_split_it(tmp_path: Path) -> None:
    rows = [
        f"{1_700_000_000 + run * 3600},c{run:07x},series {series},{series + 1 + run / 1000:.6f},ms,lower"
        for run in range(500)
        for series in range(200)
    ]
    path = written(tmp_path, HEADER + "\n".join(rows) + "\n")
    begin = time.process_time()
    assert sum(1 for row in rows for _ in [[float(row.split(",")[3])]]) == 100_000
    plain = time.process_time() - begin
    begin = time.process_time()
    results = read_results(path)
    assert time.process_time() - begin < 12 * plain
    assert (len(results), {len(result.figures) for result in results}) == (500, {200})
    assert results[-1].figures[7].estimate.value == pytest.approx(8.499)


def test_the_examples_of_the_documentation_are_read(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent.parent / "docs" / "importing.md").read_text()
    (table,), (objects,) = (re.findall(rf"```{kind}\n(.*?)```", text, re.S) for kind in ("csv", "json"))
    first, second = read_results(written(tmp_path, table))
    assert [len(run.figures) for run in (first, second)] == [2, 2]
    (run,) = read_results(written(tmp_path, objects, "history.json"))
    assert [figure.estimate.error is None for figure in run.figures] == [True, False]
