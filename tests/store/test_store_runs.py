"""Runs in a store, on both engines: what goes in comes out, once, whatever it is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgate.errors import LoadgateError
from loadgate.measure.estimate import Estimate
from loadgate.measure.metric import Direction
from loadgate.record.codec import decode_run, encode_run
from loadgate.record.figures import result_of
from loadgate.record.result import Figure, Result, SeriesName
from loadgate.record.verdict import Word
from loadgate.store.selection import Selection
from loadgate.store.store import Store
from tests.record.samples import whole_run
from tests.store.results import STARTED, figure, result, results

# -- in and out


def test_a_run_comes_back_with_its_figures_and_its_record(place: str) -> None:
    run = whole_run()
    record = encode_run(run)
    with Store.open(place) as store:
        assert store.add(result_of(run), record)
    with Store.open(place, create=False) as store:
        (stored,) = store.runs()
        assert store.result(stored) == result_of(run)
        assert store.record(stored) == record
        assert decode_run(record).series == run.series
        assert (stored.id, stored.commit, stored.recorded, stored.time) == (run.id, run.code.commit, True, run.started)


def test_the_same_run_is_kept_once_and_stays_as_it_is(place: str) -> None:
    with Store.open(place) as store:
        assert store.add(result())
        assert not store.add(result(name="another"), b"{}")
        (stored,) = store.runs()
        assert store.result(stored) == result()
        assert store.record(stored) is None
        assert not stored.recorded
        assert store.add_many([(each, None) for each in (result(), result("b"), result("b"), result("c"))]) == 2
        assert sorted(run.id for run in store.runs()) == [result().id, "b", "c"]


def test_a_run_without_figures_and_without_anything_known_is_kept(place: str) -> None:
    bare = Result("x", "k6", "", 0.0, "", "", "", "", None, ())
    with Store.open(place) as store:
        store.add(bare)
        stored = store.find("x")
        assert store.result(stored) == bare
        assert stored.time == stored.added > STARTED
        assert store.history().tracks == ()


def test_a_run_without_an_id_is_a_mistake_and_leaves_nothing(place: str) -> None:
    with Store.open(place) as store:
        with pytest.raises(ValueError):
            store.add_many([(result(), None), (result(""), None)])
        assert store.runs() == []
        assert store.add(result())  # the numbers of its series were given in the transaction that is no more
    with Store.open(place) as store:
        assert store.result(store.find("latest")) == result()


def test_a_run_may_have_more_series_than_a_statement_takes_values(place: str) -> None:
    wide = result(figures=tuple(figure(float(at), step=f"step {at}") for at in range(1000)))
    with Store.open(place) as store:
        store.add(wide)
        assert store.result(store.find("latest")) == wide


@pytest.mark.parametrize("started", [1e300, -1e12, math.inf, math.nan])
def test_a_start_that_cannot_be_shown_is_not_known(place: str, started: float) -> None:
    with Store.open(place) as store:
        store.add(result(started=started))
        (stored,) = store.runs()
        assert (stored.started, stored.time) == (0.0, stored.added)


def test_an_infinite_figure_is_left_out_so_that_the_export_can_be_imported(place: str, tmp_path: Path) -> None:
    held = (figure(), figure(math.inf, metric="sum"), figure(-math.inf, metric="loss"), figure(math.nan, metric="none"))
    with Store.open(place) as store, Store.open(tmp_path / "other.db") as other:
        store.add(result(figures=held))
        assert [each.series.metric for each in store.result(store.find("latest")).figures] == [
            held[0].series.metric,
            "none",
        ]
        store.export(tmp_path / "history.jsonl")
        other.import_(tmp_path / "history.jsonl")
        assert len(other.result(other.find("latest")).figures) == 2


# every text Python can hold: NUL, half a surrogate pair, backslashes
texts = st.text(st.characters(exclude_categories=()) | st.sampled_from("\x00\\\ud800\udfffu0"), max_size=12)
numbers = st.floats(allow_infinity=False) | st.sampled_from([0.0, 5e-324, 1.7976931348623157e308, math.nan])
estimates = st.builds(
    Estimate,
    value=numbers,
    error=st.none() | st.floats(min_value=0.0),
    freedom=st.floats(min_value=0.0),
    count=st.integers(0, 2**63 - 1),
)
figures = st.builds(
    Figure,
    series=st.builds(SeriesName, texts, texts, texts),
    unit=texts,
    direction=st.sampled_from(Direction),
    estimate=estimates,
)
strange_results = st.builds(
    Result,
    id=texts.filter(bool),
    tool=texts,
    name=texts,
    started=st.floats(-62135596800.0, 253402214399.0).map(lambda time: time + 0.0),  # years 1 to 9999; not -0.0
    commit=texts,
    branch=texts,
    machine=texts,
    definition=texts,
    word=st.none() | st.sampled_from(Word),
    figures=st.lists(figures, max_size=4).map(tuple),
)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def one_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store for many examples."""
    if request.param == "sqlite":
        place = str(tmp_path_factory.mktemp("strange") / "history.db")
    else:
        place = request.getfixturevalue("server").empty_database()
    with Store.open(place) as store:
        yield store


@pytest.mark.slow
@given(strange_results, st.none() | st.binary(max_size=50))
@settings(deadline=None)
def test_whatever_a_result_holds_comes_back(one_store: Store, strange: Result, record: bytes | None) -> None:
    one_store.add(strange, record)
    (stored,) = one_store.runs()
    assert repr(one_store.result(stored)) == repr(strange)  # NaN is not equal to itself
    assert one_store.record(stored) == record
    one_store.prune(keep=0)


def test_a_count_beyond_64_bits_and_a_time_that_is_none_are_kept_as_near_as_goes(place: str) -> None:
    far = result(started=math.inf, figures=(figure(estimate=Estimate(1.0, math.nan, count=10**30)),))
    with Store.open(place) as store:
        store.add(far)
        stored = store.find("latest")
        assert store.result(stored).figures[0].estimate == Estimate(1.0, None, count=2**63 - 1)
        assert stored.started == 0.0


# -- lists


def test_a_list_is_newest_first_by_the_time_of_the_run_not_of_adding(place: str) -> None:
    first, second, third = results(3)
    with Store.open(place) as store:
        store.add_many([(second, None), (third, None), (first, None)])
        assert [run.id for run in store.runs()] == ["r0002", "r0001", "r0000"]
        assert [run.id for run in store.runs(Selection(limit=2))] == ["r0002", "r0001"]


def test_a_list_holds_what_is_all_of_the_selection(place: str) -> None:
    others: dict[str, Any] = {
        "name": "spike",
        "tool": "k6",
        "branch": "it's \\ a % ? _ branch",
        "machine": "m",
        "definition": "d",
        "commit": "c",
        "word": Word.FAIL,
    }
    with Store.open(place) as store:
        store.add(result("base"))
        for field, value in others.items():
            store.add(replace(result(f"by-{field}"), **{field: value}))
        for field, value in others.items():
            assert [run.id for run in store.runs(Selection(**{field: value}))] == [f"by-{field}"]
        assert store.runs(Selection(name="spike", tool="k6")) == []
        assert store.runs(Selection(since=STARTED + 1.0)) == store.runs(Selection(until=STARTED)) == []
        assert len(store.runs(Selection(since=STARTED, until=STARTED + 1.0))) == 8


# -- one run


def test_a_run_is_found_by_id_beginning_and_place_in_the_list(place: str) -> None:
    with Store.open(place) as store:
        store.add_many([(each, None) for each in [*results(12), result("r0001-longer", started=1.0)]])
        ids = {reference: store.find(reference).id for reference in ("r0003", "r0001", "r0001-", "latest", "latest~3")}
        assert ids == {
            "r0003": "r0003",
            "r0001": "r0001",
            "r0001-": "r0001-longer",
            "latest": "r0011",
            "latest~3": "r0008",
        }
        assert store.find("latest~1", Selection(until=STARTED + 3600.0 * 5)).id == "r0003"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("r000", "several runs in .* begin with `r000`: r0000, r0001, r0002, ...\n  = give more of the id"),
        ("r00", "there is no run `r00` in .*\n  = give the id of a run, the first 4 or more"),
        ("nowhere", "there is no run `nowhere`"),
        ("%___", "there is no run `%___`"),
        ("", "there is no run ``"),
        ("latest~12", "there is no run `latest~12` in .*: it holds only 12 such runs"),
        ("latest~-1", "there is no run `latest~-1`"),
    ],
)
def test_a_run_that_is_not_clear_is_said(place: str, reference: str, said: str) -> None:
    with Store.open(place) as store:
        store.add_many([(each, None) for each in results(12)])
        with pytest.raises(LoadgateError, match=said):
            store.find(reference)


def test_the_latest_of_an_empty_store_is_said(place: str) -> None:
    with Store.open(place) as store, pytest.raises(LoadgateError, match="it holds no such run"):
        store.find("latest")


def test_a_run_that_was_pruned_meanwhile_is_said(place: str) -> None:
    with Store.open(place) as store, Store.open(place) as other:
        store.add(result())
        run = store.find("latest")
        other.prune(keep=0)
        with pytest.raises(LoadgateError, match="no longer"):
            store.result(run)
        with pytest.raises(LoadgateError, match="no longer"):
            store.save_baseline("main", run)


# -- many runs at once


def test_history_has_a_track_for_each_series_oldest_run_first(place: str) -> None:
    runs = [
        replace(each, figures=(figure(float(at)), figure(100.0 + at, step="GET /")))
        for at, each in enumerate(results(5))
    ]
    runs[2] = replace(runs[2], figures=(figure(2.0, estimate=Estimate(2.0)),))
    with Store.open(place) as store:
        store.add_many([(each, None) for each in reversed(runs)])
        history = store.history()
        assert [run.id for run in history.runs] == [each.id for each in runs]
        (whole,) = history.find(SeriesName("", "http_req_duration", "p95"))
        assert whole.values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert whole.runs.tolist() == [0, 1, 2, 3, 4]
        assert [whole.estimate(at) for at in range(5)] == [each.figures[0].estimate for each in runs]
        assert math.isnan(whole.errors[2])
        (step,) = history.find(SeriesName("GET /", "http_req_duration", "p95"))
        assert (step.runs.tolist(), step.values.tolist()) == ([0, 1, 3, 4], [100.0, 101.0, 103.0, 104.0])
        assert len(history.tracks) == 2


def test_history_takes_a_selection_of_runs_and_series(place: str) -> None:
    with Store.open(place) as store:
        store.add_many([(each, None) for each in results(5)])
        wanted = SeriesName("GET /", "http_req_duration", "p95")
        history = store.history(Selection(limit=2), [wanted])
        assert [run.id for run in history.runs] == ["r0003", "r0004"]
        assert [(track.series.name, len(track)) for track in history.tracks] == [(wanted, 2)]
        assert store.history(series=[]).tracks == ()
        assert store.history(Selection(name="none")).runs == ()


def test_other_tools_names_units_and_directions_are_tracks_of_their_own(place: str) -> None:
    with Store.open(place) as store:
        store.add(result("a"))
        store.add(result("b", name="spike"))
        store.add(result("c", tool="k6"))
        store.add(result("d", figures=(figure(unit="s"),)))
        store.add(result("e", figures=(figure(direction=Direction.HIGHER),)))
        found = store.history().find(SeriesName("", "http_req_duration", "p95"))
        described = sorted(
            (track.tool, track.name, track.series.unit, track.series.direction, len(track)) for track in found
        )
        assert described == [
            ("k6", "standard", "ms", "lower", 1),
            ("loadgate", "spike", "ms", "lower", 1),
            ("loadgate", "standard", "ms", "higher", 1),
            ("loadgate", "standard", "ms", "lower", 1),
            ("loadgate", "standard", "s", "lower", 1),
        ]


# -- pruning


def test_pruning_by_age_leaves_what_is_younger(place: str) -> None:
    with Store.open(place) as store:
        store.add_many([(each, None) for each in results(10)])
        store.add(result("unknown", started=0.0))  # counts from when it was added
        assert store.prune(before=STARTED + 3600.0 * 7) == 7
        assert [run.id for run in store.runs()] == ["unknown", "r0009", "r0008", "r0007"]
        assert store.prune(before=STARTED) == 0


def test_pruning_by_count_leaves_the_newest_of_each_name_and_tool(place: str) -> None:
    with Store.open(place) as store:
        store.add_many([(each, None) for each in results(10)])
        store.add_many([(result("s1", name="spike", started=1.0), None), (result("k1", tool="k6", started=1.0), None)])
        assert store.prune(keep=3) == 7
        assert [run.id for run in store.runs()] == ["r0009", "r0008", "r0007", "k1", "s1"]
        assert store.prune(before=STARTED, keep=2) == 3
        assert [run.id for run in store.runs()] == ["r0009", "r0008"]


def test_pruning_never_takes_the_run_of_a_baseline(place: str) -> None:
    with Store.open(place) as store:
        store.add_many([(each, None) for each in results(5)])
        store.save_baseline("main", store.find("r0001"))
        assert store.prune(before=STARTED * 2, keep=0) == 4
        assert store.baseline("main").result == results(2)[1]
        store.remove_baseline("main")
        assert store.prune(keep=0) == 1
        assert store.runs() == []


def test_pruning_gives_the_space_back(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with Store.open(path) as store:
        random = Random(1)
        store.add_many([(each, random.randbytes(10_000)) for each in results(100)])
        before = path.stat().st_size + path.with_name("history.db-wal").stat().st_size
        store.prune(keep=1)
        assert path.stat().st_size < before / 5
    assert [each.name for each in tmp_path.iterdir()] == ["history.db"]


@pytest.mark.parametrize("wrong", [{}, {"keep": -1}])
def test_pruning_without_a_rule_is_a_mistake(place: str, wrong: dict[str, int]) -> None:
    with Store.open(place) as store:
        store.add(result())
        with pytest.raises(ValueError):
            store.prune(**wrong)
        assert len(store.runs()) == 1
