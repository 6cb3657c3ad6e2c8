"""Every sample under tests/data, whatever its tool: claimed by one format, read, and read or refused when it is damaged.

A new tool needs a folder with samples there and no line here. Folders within it are samples as a whole.
"""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadgate.errors import LoadgateError
from loadgate.record.importers import FORMATS, read_known, read_results
from loadgate.record.importers.source import Source

DATA = Path(__file__).parent.parent / "data"
SAMPLES = [sample for tool in sorted(DATA.iterdir()) for sample in sorted(tool.iterdir()) if sample.name != "ORIGIN.md"]
FILES = [sample for sample in SAMPLES if sample.is_file()]

FUZZ = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

any_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample.relative_to(DATA)))
any_file = pytest.mark.parametrize("sample", FILES, ids=lambda sample: str(sample.relative_to(DATA)))


@any_sample
def test_one_format_claims_it(sample: Path) -> None:
    assert len([format.name for format in FORMATS if format.detect(Source(sample))]) == 1


@any_sample
def test_it_is_read(sample: Path) -> None:
    results = read_results(sample)
    assert [result.started for result in results] == sorted(result.started for result in results)
    assert len({result.id for result in results}) == len(results)
    for result in results:
        assert result.started > 1.0e9
        assert len({figure.series for figure in result.figures}) == len(result.figures)
        for figure in result.figures:
            assert math.isfinite(figure.estimate.value)
            assert figure.estimate.error is None or 0.0 <= figure.estimate.error < math.inf


@any_sample
def test_where_it_lies_and_what_it_is_called_says_nothing(sample: Path, tmp_path: Path) -> None:
    before = read_results(sample)
    moved = tmp_path / "a" / "b" / "other"
    moved.parent.mkdir(parents=True)
    shutil.copytree(sample, moved) if sample.is_dir() else shutil.copy(sample, moved)
    after = read_results(moved)
    assert [result.id for result in after] == [result.id for result in before]
    assert [result.name for result in after] == [result.name for result in before]
    if sample.parent.name != "criterion":  # its names are those of the folders, where nothing else has them
        assert [len(result.figures) for result in after] == [len(result.figures) for result in before]


@any_file
def test_line_ends_and_a_byte_order_mark_change_nothing(sample: Path, tmp_path: Path) -> None:
    data = sample.read_bytes()
    windows = tmp_path / sample.name
    windows.write_bytes(b"\xef\xbb\xbf" + re.sub(rb"\r?\n", b"\r\n", data))
    format, results = read_known(windows)
    assert format is read_known(sample)[0]
    before = read_results(sample)
    assert [[str(figure) for figure in result.figures] for result in results] == [
        [str(figure) for figure in result.figures] for result in before
    ]


@any_file
@settings(FUZZ, max_examples=3)
@given(choice=st.data())
def test_a_damaged_one_is_read_or_refused(sample: Path, choice: st.DataObject, tmp_path: Path) -> None:
    read_or_refused(sample, choice, tmp_path)


@pytest.mark.slow
@any_file
@settings(FUZZ, max_examples=150)
@given(choice=st.data())
def test_however_it_is_damaged_it_is_read_or_refused(sample: Path, choice: st.DataObject, tmp_path: Path) -> None:
    read_or_refused(sample, choice, tmp_path)


def read_or_refused(sample: Path, choice: st.DataObject, tmp_path: Path) -> None:
    damaged = tmp_path / sample.name
    damaged.write_bytes(_damaged(sample.read_bytes(), choice))
    try:
        results = read_results(damaged)
    except LoadgateError as error:
        assert str(damaged) in str(error)
    else:
        assert all(math.isfinite(figure.estimate.value) for result in results for figure in result.figures)


def _damaged(data: bytes, choice: st.DataObject) -> bytes:
    at = choice.draw(st.integers(0, len(data) - 1))
    kind = choice.draw(st.sampled_from(("cut", "byte", "gone", "twice", "value", "text")))
    if kind == "cut":
        return data[:at]
    if kind == "byte":
        return data[:at] + bytes([choice.draw(st.integers(0, 255))]) + data[at + 1 :]
    if kind in ("gone", "twice"):
        end = at + choice.draw(st.integers(1, 2000))
        return data[:at] + data[end:] if kind == "gone" else data[:end] + data[at:]
    found = re.compile(rb"-?[0-9][0-9.]*" if kind == "value" else rb'"[^"\n]*"|[a-z_]+').search(data, at)
    if found is None:
        return data[:at]
    instead = choice.draw(
        st.sampled_from(
            (
                b"NaN",
                b"null",
                b"-1",
                b"0",
                b"1e308",
                b"1e999",
                b"9" * 30,
                b'"1"',
                b'""',
                b"[]",
                b"[1]",
                b"{}",
                b"true",
                b"",
            )
        )
    )
    return data[: found.start()] + instead + data[found.end() :]


def test_nothing_is_refused_with_what_is_known(tmp_path: Path) -> None:
    for number, text in enumerate(("hello\n", "{}", "[]", "[1]", '{"results": []}', '"x"', "a,b\n1,2\n", "\x00\x01")):
        path = tmp_path / f"{number}.txt"
        path.write_text(text)
        with pytest.raises(
            LoadgateError, match=rf"{number}\.txt is no result file that is known here\n.*a Loadgate run record"
        ):
            read_results(path)


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_an_empty_file_is_said_to_be_empty(text: str, tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text(text, "utf-8")
    with pytest.raises(LoadgateError, match=r"out\.json is empty"):
        read_results(tmp_path / "out.json")


def test_json_that_is_cut_is_shown_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text('{\n "a": [1,\n 2')
    with pytest.raises(LoadgateError, match=r"out\.json:3: the JSON ends here, in the middle"):
        read_results(path)
    path.write_text('{\n "a": 1\n}\n{\n "a": 2\n}\n')
    with pytest.raises(LoadgateError, match=r"out\.json:4: a second JSON value begins here"):
        read_results(path)
    path.write_text('{"a": "\\ud800"}')
    with pytest.raises(LoadgateError, match=r"out\.json.*half a surrogate pair"):
        read_results(path)
    path.write_text("[" * 100_000)
    with pytest.raises(LoadgateError, match=r"out\.json.*nested too deeply"):
        read_results(path)


def test_folders_without_results_and_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(LoadgateError, match="is empty"):
        read_results(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(LoadgateError, match="is no result folder that is known here"):
        read_results(tmp_path)
    with pytest.raises(LoadgateError, match="No such file"):
        read_results(tmp_path / "missing.json")
