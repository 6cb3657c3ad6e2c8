"""docs/record.md: its examples work as they stand there, and it describes every key there is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadgate.record.codec import SCHEMA, encode_run
from loadgate.record.summary import encode_summary
from tests.record.samples import target_run, whole_run

PAGE = (Path(__file__).parents[2] / "docs" / "record.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```(jq|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FREE = ("metrics", "steps", "tags", "tallies")
"""Objects whose keys are names out of the run, not of the format."""


def example(holding: str) -> str:
    """The one example in which `holding` stands."""
    found: list[str] = [code for _, code in EXAMPLES if holding in code]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run.json").write_bytes(encode_run(whole_run()))
    (tmp_path / "summary.json").write_bytes(encode_summary(whole_run()))
    return tmp_path


def jq(code: str, folder: Path) -> list[str]:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    done = subprocess.run(["sh", "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def python(code: str, folder: Path) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_there_is_no_example_that_is_not_tested() -> None:
    assert len(EXAMPLES) == 7


def test_jq_finds_the_verdict_and_its_reasons(folder: Path) -> None:
    assert jq(example(".verdict.reasons[]"), folder) == ["fail", "http_req_failed rate<0.01: 25 %"]


def test_jq_counts_requests_by_step_and_status(folder: Path) -> None:
    found = [line.split("\t") for line in jq(example(".tags.status"), folder)]
    assert [(name, status, float(count)) for name, status, count in found] == [
        ("GET /", "200", 9.0),
        ("POST /posts", "500", 3.0),
    ]


def test_jq_finds_requests_per_second_over_time(folder: Path) -> None:
    rows = [[float(cell) for cell in line.split("\t")] for line in jq(example("$numbers"), folder)]
    assert rows == [[0.0, 2.0], [1.0, 4.0], [2.0, 4.0], [3.0, 4.0]]


def test_jq_judges_a_summary(folder: Path) -> None:
    assert jq(example("summary.json"), folder) == ["false"]


def test_python_finds_a_percentile(folder: Path) -> None:
    (line,) = python(example('run.total("http_req_duration"'), folder)
    assert re.fullmatch(r"9 requests, p95 (29\.9|30\.0) ms", line)


def test_python_finds_a_percentile_over_time(folder: Path) -> None:
    lines = python(example("over_time"), folder)
    assert [line.split(" s ")[0].strip() for line in lines] == ["0.0", "1.0", "2.0", "3.0"]
    assert all(re.search(r"p99 +\d+\.\d\d ms$", line) for line in lines)


def test_python_finds_a_median_without_this_package(folder: Path) -> None:
    found = dict(line.rsplit(" median ", 1) for line in python(example("lower_edge"), folder))
    assert float(found["GET /"].removesuffix(" ms")) == pytest.approx(20.0, rel=0.005)
    assert float(found["POST /posts"].removesuffix(" ms")) == pytest.approx(100.0, rel=0.005)


def keys_of(tree: Any, inside: str = "") -> Iterator[str]:
    """Every key of the format in a decoded file."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if inside not in FREE:
                yield key
            yield from keys_of(value, key)
    elif isinstance(tree, list):
        for value in tree:
            yield from keys_of(value)


@pytest.mark.parametrize(
    "data",
    [encode_run(whole_run()), encode_run(target_run()), encode_summary(whole_run())],
    ids=["record", "target", "summary"],
)
def test_every_key_is_described(data: bytes) -> None:
    keys = set(keys_of(json.loads(data)))
    assert len(keys) > 20
    assert {key for key in keys if f"`{key}`" not in PAGE} == set()


def test_the_schema_that_is_written_is_in_the_list_of_schemas() -> None:
    assert f"version of this format, now {SCHEMA}:" in PAGE
    assert re.search(rf"^\| {SCHEMA} \| ", PAGE, re.MULTILINE)
