from __future__ import annotations

import math
from dataclasses import replace

import msgspec
import pytest

from loadgate.config.gate import GateSpec
from loadgate.judge.comparison import compare
from loadgate.measure.estimate import Estimate
from loadgate.record.codec import decode_run, encode_run
from loadgate.record.comparison import Comparison, Row
from loadgate.record.comparison_json import ComparisonForm, comparison_form, read_comparison
from loadgate.record.result import SeriesName
from tests.record.samples import whole_run
from tests.support.results import FAILED, P95, RATE, result

NEW, GONE = SeriesName("GET /", "http_req_duration", "p50"), SeriesName("POST /", "http_req_duration", "p50")


def every_kind() -> Comparison:
    """Ratios, shares, a baseline of zero, a figure on either side alone, two that may not be compared."""
    share = Estimate(0.01, 0.001, math.inf, 10_000)
    base = result({P95: 10.0, RATE: 0.0, FAILED: share, GONE: 4.0}, machine="2 cpus", commit="abc", started=5.0)
    head = result({P95: 12.0, RATE: 7.0, FAILED: share, NEW: 3.0}, machine="4 cpus", id="b")
    return replace(compare([base], [head], gate=GateSpec(), names=("main", "head")), notes=("measured again",))


def fields(row: Row) -> list[object]:
    return [
        None if isinstance(value, float) and math.isnan(value) else value
        for value in (getattr(row, name) for name in Row.__dataclass_fields__)
    ]


def test_a_comparison_comes_back_from_json_as_it_was() -> None:
    written = every_kind()
    data = msgspec.json.encode(comparison_form(written))
    read = read_comparison(msgspec.json.decode(data, type=ComparisonForm))
    assert (read.base, read.head, read.mismatches, read.notes) == (
        written.base,
        written.head,
        written.mismatches,
        written.notes,
    )
    assert [fields(row) for row in read.rows] == [fields(row) for row in written.rows]


def test_a_record_holds_its_comparison() -> None:
    run = replace(whole_run(), comparison=every_kind())
    read = decode_run(encode_run(run)).comparison
    assert read is not None
    assert [fields(row) for row in read.rows] == [fields(row) for row in every_kind().rows]
    assert decode_run(encode_run(whole_run())).comparison is None


@pytest.mark.parametrize("key", ["series", "word", "change", "interval", "p", "detectable", "limit", "gating", "noise"])
def test_the_keys_others_read_are_there(key: str) -> None:
    (row, *_) = comparison_form(every_kind())["rows"]
    assert key in row
