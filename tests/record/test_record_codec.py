"""The record as JSON: nothing is lost, and whatever is not a record is told in one sentence."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.measure.errors import ErrorCount
from loadgate.measure.histogram import Histogram
from loadgate.measure.metric import Direction, Kind, Metric
from loadgate.measure.spread import Spread
from loadgate.measure.tally import CounterTally, GaugeTally, RateTally, Tally, TrendTally
from loadgate.measure.windows import Window
from loadgate.record import codec
from loadgate.record.codec import BadRecord, decode_run, encode_run
from loadgate.record.environment import Code
from loadgate.record.redact import redact_name, redact_text
from loadgate.record.repeated import Repeated
from loadgate.record.result import SeriesName
from loadgate.record.run import Run, Series, SubjectRecord
from loadgate.record.verdict import BudgetResult, ThresholdResult, Word
from tests.record.samples import empty_run, target_run, whole_run

LARGEST = sys.float_info.max
NUMBERS = st.floats(allow_nan=False).filter(lambda value: abs(value) != LARGEST)
"""The largest float itself stands for an infinite one."""
COUNTS = st.integers(0, 2**53)


@st.composite
def histograms(draw: st.DrawFn) -> TrendTally:
    histogram = Histogram.of(np.array(draw(st.lists(st.floats(-1e300, 1e300), max_size=30))))
    histogram.record_zeros(draw(st.integers(0, 10**12)))
    return TrendTally(histogram)


TALLIES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TREND: histograms(),
    Kind.RATE: st.builds(RateTally, COUNTS, COUNTS),
    Kind.COUNTER: st.builds(CounterTally, NUMBERS),
    Kind.GAUGE: st.builds(GaugeTally, NUMBERS, NUMBERS, NUMBERS, COUNTS),
}

TEXTS = st.text(st.characters(codec="utf-8"), max_size=8).filter(lambda text: redact_text(text) == text)
NAMES = TEXTS.filter(lambda text: redact_name(text) == text)
MEASURED = st.one_of(st.just(math.nan), NUMBERS)
"""A number, or none: what was not measured."""
SUBJECTS = st.builds(SubjectRecord, TEXTS, st.lists(TEXTS, max_size=3).map(tuple), MEASURED, MEASURED)
SPREADS = st.builds(Spread, COUNTS, MEASURED, MEASURED, MEASURED, MEASURED, MEASURED, MEASURED, COUNTS)
REPEATED = st.builds(
    Repeated,
    st.builds(SeriesName, NAMES, TEXTS, TEXTS),
    TEXTS,
    st.sampled_from(Direction),
    st.lists(MEASURED, max_size=5).map(tuple),
    SPREADS,
    COUNTS,
    st.booleans(),
    st.lists(TEXTS, max_size=2).map(tuple),
)
BUDGETS = st.builds(
    BudgetResult,
    TEXTS,
    NAMES,
    TEXTS,
    NUMBERS,
    MEASURED,
    TEXTS,
    st.sampled_from(Word),
    COUNTS,
    COUNTS,
    st.booleans(),
    TEXTS,
)


def run_with(kind: Kind, total: Tally | None, tags: dict[str, str] | None = None) -> Run:
    """An empty run but for one series."""
    run = empty_run()
    windows = () if total is None else (Window(0.0, 1.0, False, {0: total}),)
    return replace(run, series=(Series(Metric("made_up", kind, "ms"), tags or {}, total),), windows=windows)


def read_back(run: Run) -> Run:
    return decode_run(encode_run(run))


def edited(edit: Callable[[dict[str, Any]], object]) -> bytes:
    """The whole run's JSON after `edit` has changed the tree."""
    tree = json.loads(encode_run(whole_run()))
    edit(tree)
    return json.dumps(tree).encode()


def refused(data: bytes) -> str:
    with pytest.raises(BadRecord) as caught:
        decode_run(data)
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("make", [whole_run, empty_run, target_run])
def test_a_run_is_read_as_it_was_written(make: Callable[[], Run]) -> None:
    assert read_back(make()) == make()


def test_writing_what_was_read_gives_the_same_bytes() -> None:
    data = encode_run(whole_run())
    assert encode_run(decode_run(data)) == data


def test_sums_are_read_to_the_last_bit() -> None:
    run, again = whole_run(), read_back(whole_run())
    for before, after in zip(run.series, again.series, strict=True):
        if isinstance(before.total, TrendTally):
            assert isinstance(after.total, TrendTally)
            assert after.total.histogram.total == before.total.histogram.total
            assert after.total.histogram.count == before.total.histogram.count


@pytest.mark.parametrize("kind", list(Kind))
@given(data=st.data())
def test_any_tally_of_any_kind_is_read_as_it_was_written(kind: Kind, data: st.DataObject) -> None:
    run = run_with(kind, data.draw(TALLIES[kind]))
    assert read_back(run) == run


@given(tags=st.dictionaries(st.text(max_size=8), st.text(st.characters(codec="utf-8"), max_size=8), max_size=3))
def test_any_tags_are_read_as_they_were_written(tags: dict[str, str]) -> None:
    run = run_with(
        Kind.COUNTER, CounterTally(1.0), {tag.encode("utf-8", "replace").decode(): tags[tag] for tag in tags}
    )
    assert read_back(run).series[0].tags == run.series[0].tags


@given(
    subject=st.one_of(st.none(), SUBJECTS),
    repeated=st.lists(REPEATED, max_size=3).map(tuple),
    budgets=st.lists(BUDGETS, max_size=3).map(tuple),
)
def test_whatever_was_watched_repeated_and_budgeted_is_read_as_it_was_written(
    subject: SubjectRecord | None, repeated: tuple[Repeated, ...], budgets: tuple[BudgetResult, ...]
) -> None:
    again = read_back(replace(empty_run(), subject=subject, repeated=repeated, budgets=budgets))
    assert repr(again.subject) == repr(subject)  # NaN equals nothing
    assert repr(again.repeated) == repr(repeated)
    assert repr(again.budgets) == repr(budgets)


def test_a_record_without_anything_of_the_target_is_as_it_was_before_there_was_a_place_for_it() -> None:
    assert {"subject", "repeated", "budgets"}.isdisjoint(json.loads(encode_run(whole_run())))


def test_a_series_without_samples_stays_one() -> None:
    assert read_back(run_with(Kind.TREND, None)).series[0].total is None


@pytest.mark.parametrize("observed", [math.inf, -math.inf, 0.0, -1.5, 1e300])
def test_any_observed_number_is_read_as_it_was(observed: float) -> None:
    result = ThresholdResult("m", "count<Inf", "count", "<", math.inf, "count", observed, True)
    assert read_back(replace(empty_run(), thresholds=(result,))).thresholds == (result,)


def test_what_was_not_observed_is_null_in_the_file_and_not_measured_when_read() -> None:
    run = replace(whole_run(), thresholds=(replace(whole_run().thresholds[0], observed=math.nan),))
    data = encode_run(run)
    assert json.loads(data)["thresholds"][0]["observed"] is None
    assert not decode_run(data).thresholds[0].measured


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_tally_that_is_no_number_does_not_spoil_the_record(number: float) -> None:
    total = read_back(run_with(Kind.GAUGE, GaugeTally(number, 1.0, number))).series[0].total
    assert isinstance(total, GaugeTally)
    assert repr((total.last, total.minimum, total.maximum)) == repr((number, 1.0, number))
    counter = read_back(run_with(Kind.COUNTER, CounterTally(number))).series[0].total
    assert isinstance(counter, CounterTally)
    assert repr(counter.total) == repr(number)


def test_a_sum_beyond_the_largest_float_does_not_spoil_the_record() -> None:
    histogram = Histogram.of([1.7e308])
    histogram.merge(Histogram.of([1.7e308]))
    total = read_back(run_with(Kind.TREND, TrendTally(histogram))).series[0].total
    assert isinstance(total, TrendTally)
    assert total.histogram.count == 2


def test_text_that_is_not_unicode_does_not_spoil_the_record() -> None:
    run = run_with(Kind.COUNTER, CounterTally(1.0), {"name": "GET /\udcff", "\udcff": "x"})
    run = replace(
        run,
        definition=replace(run.definition, command="loadgate run \udcff"),
        errors=(ErrorCount("check", "\ud800", "a \ud800 b", 0.0, 1.0, 3),),
    )
    again = read_back(run)
    assert again.definition.command == "loadgate run ?"
    assert again.series[0].tags == {"name": "GET /?", "?": "x"}
    assert again.errors == (ErrorCount("check", "?", "a ? b", 0.0, 1.0, 3),)
    assert again.windows == run.windows


def test_a_code_that_may_be_dirty_or_not_stays_unknown() -> None:
    run = replace(empty_run(), code=Code("abc", "main", None))
    assert read_back(run).code == run.code


def test_a_record_laid_out_by_another_tool_is_the_same_record() -> None:
    data = msgspec.json.format(encode_run(whole_run()), indent=4)
    assert decode_run(data) == whole_run()


def test_keys_that_are_not_known_are_passed_over() -> None:
    def add(tree: dict[str, Any]) -> None:
        tree["new"] = {"a": [1]}
        places = [tree["verdict"], tree["definition"], tree["environment"], tree["code"], tree["loads"][0]]
        places += [tree["thresholds"][0], tree["health"], tree["health_samples"][0], tree["errors"][0]]
        places += [tree["series"][0], tree["series"][0]["total"], tree["windows"][0]]
        places += [next(iter(tree["metrics"].values())), next(iter(tree["windows"][0]["tallies"].values()))]
        for place in places:
            place["new"] = "x"

    assert decode_run(edited(add)) == whole_run()


# -- versions


def test_the_file_says_its_schema_first() -> None:
    assert encode_run(whole_run()).startswith(b'{"schema":1,')


def test_a_newer_record_is_refused_with_what_to_do() -> None:
    with pytest.raises(BadRecord) as caught:
        decode_run(edited(lambda tree: tree.update(schema=codec.SCHEMA + 1)))
    assert "newer version of Loadgate (schema 2, this one reads up to 1)" in str(caught.value)
    assert caught.value.hint is not None


def test_a_newer_record_is_told_from_a_broken_one_whatever_else_is_in_it() -> None:
    assert "newer version" in refused(b'{"schema": 99, "windows": "elsewhere"}')


@pytest.mark.parametrize(
    ("schema", "said"),
    [(None, "no `schema`"), ("1", "no number"), (True, "no number"), (1.5, "no number"), (0, "no schema 0")],
)
def test_a_schema_that_never_was_is_refused(schema: object, said: str) -> None:
    assert said in refused(edited(lambda tree: tree.update(schema=schema)))


def test_a_record_without_a_schema_is_refused() -> None:
    assert "no `schema`" in refused(edited(lambda tree: tree.pop("schema")))


def test_an_older_record_is_brought_up_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def to_first(tree: dict[str, Any]) -> dict[str, Any]:
        return {**tree, "notes": [*tree["remarks"], "from 0"]}

    def from_before(tree: dict[str, Any]) -> dict[str, Any]:
        return {**tree, "remarks": ["from -1"]}

    monkeypatch.setattr(codec, "MIGRATIONS", {-1: from_before, 0: to_first})
    read = decode_run(edited(lambda tree: tree.update(schema=-1)))
    assert read == replace(whole_run(), notes=("from -1", "from 0"))
    assert "KeyError('remarks')" in refused(edited(lambda tree: tree.update(schema=0)))


# -- what is no record


def test_a_record_cut_short_anywhere_is_one_clear_error() -> None:
    data = encode_run(whole_run())
    for end in [*range(0, len(data), 100), *range(len(data) - 20, len(data))]:
        assert refused(data[:end]).startswith(("not a run record, or one that was cut short: ", "empty, "))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" \n",
        b"\x00" * 100,
        b"\xff\xfe{",
        b"null",
        b"17",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"schema":1,"id":' + b"[" * 100_000,
        b'{"schema":1}',
        b'{"schema":1} {}',
        b'{"schema":1e999}',
        b'{"schema":1,"id":"\xff"}',
        b"PK\x03\x04",
        b"<html></html>",
    ],
)
def test_what_is_no_record_is_one_clear_error(data: bytes) -> None:
    assert refused(data).startswith(("not a run record", "empty"))


@given(st.binary(max_size=60))
def test_garbage_is_one_clear_error(data: bytes) -> None:
    refused(data)


@given(at=st.integers(0, 3000), byte=st.integers(0, 255))
@pytest.mark.slow
def test_one_wrong_byte_gives_a_run_or_one_clear_error(at: int, byte: int) -> None:
    data = bytearray(encode_run(whole_run()))
    data[at % len(data)] = byte
    try:
        decode_run(bytes(data))
    except BadRecord as error:
        assert error.message


@pytest.mark.parametrize("key", [field.name for field in msgspec.structs.fields(codec._File) if field.required])
def test_each_part_of_a_record_is_needed_and_named_when_it_is_missing(key: str) -> None:
    assert f"`{key}`" in refused(edited(lambda tree: tree.pop(key)))


def _tally_of(tree: dict[str, Any], kind: str) -> dict[str, Any]:
    """The first window's tally of a series of `kind`."""
    for window in tree["windows"]:
        for number, tally in window["tallies"].items():
            if tree["metrics"][tree["series"][int(number)]["metric"]]["kind"] == kind:
                assert isinstance(tally, dict)
                return tally
    raise AssertionError(kind)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda tree: tree["series"][3].update(metric="nowhere"), "`$.series[3]` is of `nowhere`"),
        (
            lambda tree: tree["windows"][1]["tallies"].update({"9999": {}}),
            "`$.windows[1].tallies['9999']` is of no series",
        ),
        (lambda tree: tree["windows"][1]["tallies"].update({"-1": {}}), "`$.windows[1].tallies['-1']` is of no series"),
        (lambda tree: tree["windows"][1]["tallies"].update({"٠": {}}), "`$.windows[1].tallies['٠']` is of no series"),
        (
            lambda tree: tree["windows"][0]["tallies"].update({"0": None}),
            "`$.windows[0].tallies['0']`: Expected `object`",
        ),
        (lambda tree: tree["series"][0].update(total=[1]), "`$.series[0].total`: Expected `object`"),
        (lambda tree: _tally_of(tree, "trend").update(gaps=[1, "2"]), "Expected `int`, got `str` - at `$.gaps[1]`"),
        (lambda tree: _tally_of(tree, "trend").update(gaps=[1]), "as many counts as gaps"),
        (lambda tree: _tally_of(tree, "trend").update(gaps=[10**30], counts=[1]), "a histogram holds numbers"),
        (lambda tree: _tally_of(tree, "trend").update(gaps=[10**6], counts=[1]), "buckets ascend"),
        (lambda tree: _tally_of(tree, "trend").update(min=None), "`min` and `max`"),
        (lambda tree: _tally_of(tree, "trend").pop("sum"), "missing required field `sum`"),
        (lambda tree: _tally_of(tree, "rate").pop("total"), "missing required field `total`"),
        (lambda tree: _tally_of(tree, "counter").pop("total"), "missing required field `total`"),
        (lambda tree: _tally_of(tree, "gauge").update(last="high"), "got `str` - at `$.last`"),
        (
            lambda tree: tree["windows"][1].update(start="early"),
            "Expected `float`, got `str` - at `$.windows[1].start`",
        ),
        (lambda tree: tree["verdict"].update(word="perhaps"), "Invalid enum value 'perhaps' - at `$.verdict.word`"),
        (lambda tree: tree["buckets"].update(per_octave=128), "cut into other buckets"),
    ],
)
def test_what_is_wrong_in_a_record_is_told_with_its_place(edit: Callable[[dict[str, Any]], object], said: str) -> None:
    assert said in refused(edited(edit))


# -- secrets


def test_no_secret_of_a_run_reaches_its_record() -> None:
    secret = "s3cr3t"
    run = whole_run()
    run = replace(
        run,
        definition=replace(
            run.definition,
            target=f"http://me:{secret}@host:1/",
            command=f"loadgate run --url http://me:{secret}@host:1/?token={secret}",
        ),
        series=(*run.series, Series(run.series[0].metric, {"name": f"GET http://h/?api_key={secret}"}, None)),
        errors=(
            ErrorCount("refused", f"GET http://h/?api_key={secret}", f"http://me:{secret}@h: refused", 0.0, 0.0, 1),
        ),
        verdict=replace(run.verdict, reasons=(f"nothing answered at http://me:{secret}@h",)),
        notes=(f"stopped early: Authorization: Bearer {secret}",),
        thresholds=(replace(run.thresholds[0], key=f"http_reqs{{name:http://me:{secret}@h}}"),),
    )
    run = replace(
        run,
        subject=SubjectRecord(f"app --password={secret}", (f"http://me:{secret}@h/metrics: connection refused",)),
        repeated=(
            Repeated(
                SeriesName(f"GET http://me:{secret}@h/", "", ""),
                "ms",
                Direction.LOWER,
                (1.0,),
                Spread(1, 1.0),
                advice=(f"see http://me:{secret}@h/",),
            ),
        ),
        budgets=(
            BudgetResult(
                "steps", f"GET http://h/?api_key={secret}", "p95", 1.0, 2.0, "ms", Word.FAIL, why=f"token={secret}"
            ),
        ),
    )
    data = encode_run(run)
    assert secret.encode() not in data
    assert decode_run(data).errors[0].step == "GET http://h/?api_key=***"
