from __future__ import annotations

import pytest

from loadgate.measure.histogram import Histogram
from loadgate.measure.metric import BUILTIN, Kind, Metric
from loadgate.measure.recorder import Recorder
from loadgate.measure.select import Selection, Selector
from loadgate.measure.tally import CounterTally, GaugeTally, TrendTally

DURATION = BUILTIN["iteration_duration"]
DEPTH = Metric("queue_depth", Kind.GAUGE, "")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(start=0.0)


@pytest.fixture
def filled(recorder: Recorder) -> Recorder:
    """Values 1, 2, 4, 8 under all combinations of two tags, and one of another metric."""
    for number, (scenario, plan) in enumerate([("buy", "free"), ("buy", "gold"), ("look", "free"), ("look", "gold")]):
        recorder.add(recorder.series(DURATION, {"scenario": scenario, "plan": plan}), float(2**number))
    recorder.add(recorder.series(BUILTIN["group_duration"], {"scenario": "buy"}), 1000.0)
    recorder.close_window(1.0)
    return recorder


@pytest.mark.parametrize(
    ("selector", "values"),
    [
        ((), [1.0, 2.0, 4.0, 8.0]),
        ((("scenario", "buy"),), [1.0, 2.0]),
        ((("plan", "gold"),), [2.0, 8.0]),
        ((("scenario", "look"), ("plan", "free")), [4.0]),
    ],
    ids=str,
)
def test_a_selection_merges_the_series_whose_tags_all_match(
    filled: Recorder, selector: Selector, values: list[float]
) -> None:
    tally = Selection(filled, "iteration_duration", selector).tally(filled.totals())
    assert tally == TrendTally(Histogram.of(values))


def test_a_long_value_selects_the_series_it_was_cut_for(recorder: Recorder) -> None:
    url = "http://shop/" + "x" * 1000
    recorder.add(recorder.series(DURATION, {"name": url}), 3.0)
    recorder.close_window(1.0)
    tally = Selection(recorder, "iteration_duration", (("name", url),)).tally(recorder.totals())
    assert tally == TrendTally(Histogram.of([3.0]))


@pytest.mark.parametrize(
    ("metric", "selector"),
    [
        ("iteration_duration", (("plan", "silver"),)),
        ("iteration_duration", (("color", "blue"),)),
        ("iteration_duration", (("plan", "gold"), ("plan", "free"))),
        ("iterations", ()),
        ("", ()),
    ],
    ids=str,
)
def test_a_selection_of_nothing_has_no_tally(filled: Recorder, metric: str, selector: Selector) -> None:
    selection = Selection(filled, metric, selector)
    assert (selection.series(), selection.tally(filled.totals())) == ([], None)


def test_a_selection_finds_series_that_appear_later(recorder: Recorder) -> None:
    selection = Selection(recorder, "iterations", (("scenario", "buy"),))
    assert selection.series() == []
    recorder.counter(BUILTIN["iterations"], {"scenario": "look"}).total += 1
    for plan in ("free", "gold"):
        recorder.counter(BUILTIN["iterations"], {"scenario": "buy", "plan": plan}).total += 2
    window = recorder.close_window(1.0)
    assert selection.series() == [1, 2]
    assert selection.tally(window.tallies) == CounterTally(4.0)


def test_a_series_without_samples_in_a_window_adds_nothing_to_it(filled: Recorder) -> None:
    filled.add(filled.series(DURATION, {"scenario": "buy", "plan": "gold"}), 3.0)
    window = filled.close_window(2.0)
    assert Selection(filled, "iteration_duration").tally(window.tallies) == TrendTally(Histogram.of([3.0]))


def test_selecting_changes_neither_totals_nor_windows(filled: Recorder) -> None:
    selection = Selection(filled, "iteration_duration")
    before = selection.tally(filled.totals())
    assert selection.tally(filled.totals()) == before
    assert selection.tally(filled.totals()) is not before


def test_several_gauges_give_the_value_that_was_set_last_whichever_series_it_is_of(recorder: Recorder) -> None:
    first, second = (recorder.series(DEPTH, {"queue": name}) for name in ("a", "b"))
    selection = Selection(recorder, "queue_depth")
    for series, value in ((first, 1.0), (second, 9.0), (first, 4.0)):
        recorder.add(series, value)
    window = recorder.close_window(1.0)
    assert selection.tally(window.tallies) == GaugeTally(4.0, 1.0, 9.0, 3)
    recorder.add(second, 6.0)
    recorder.close_window(2.0)
    assert selection.tally(recorder.totals()) == GaugeTally(6.0, 1.0, 9.0, 4)
    for _ in range(5000):
        recorder.add(first, 2.0)
    recorder.close_window(3.0)
    assert selection.tally(recorder.totals()) == GaugeTally(2.0, 1.0, 9.0, 5004)


def test_vus_are_one_series_so_that_their_gauge_is_that_of_the_run(recorder: Recorder) -> None:
    for active in (5, 10, 3):
        recorder.add(recorder.series(BUILTIN["vus"], {}), active)
        recorder.close_window(recorder.windows[-1].end + 1 if len(recorder.windows) else 1.0)
    tally = Selection(recorder, "vus").tally(recorder.totals())
    assert isinstance(tally, GaugeTally)
    assert (tally.last, tally.minimum, tally.maximum) == (3.0, 3.0, 10.0)
