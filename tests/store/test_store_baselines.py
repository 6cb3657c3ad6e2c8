"""Baselines and acknowledged changes, on both engines: named once, kept as they are, refused where they would mislead."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadgate.errors import LoadgateError
from loadgate.measure.estimate import Estimate
from loadgate.record.codec import decode_run, encode_run
from loadgate.record.figures import result_of
from loadgate.record.result import Result, SeriesName
from loadgate.record.verdict import Word
from loadgate.store.acknowledgement import Acknowledgement
from loadgate.store.baseline import Baseline, check_baseline
from loadgate.store.baseline_file import read_baseline, write_baseline
from loadgate.store.store import Store
from tests.record.samples import whole_run
from tests.store.results import STARTED, figure, result, results
from tests.support.golden import check_golden

ACKNOWLEDGED = Acknowledgement(
    tool="loadgate",
    name="standard",
    series=SeriesName("GET /", "http_req_duration", "p95"),
    run="r0003",
    commit="abc",
    reason="the new index\nneeds it",
    author="Ada \\ Lovelace",
    created=STARTED,
    expires=STARTED + 60.0,
)


def test_a_baseline_holds_all_that_a_comparison_needs(place: str) -> None:
    run = replace(whole_run(), verdict=replace(whole_run().verdict, word=Word.PASS))
    record = encode_run(run)
    with Store.open(place) as store:
        store.add(result_of(run), record)
        saved = store.save_baseline("release/1.2", store.find("latest"), reason="before the new pool")
    with Store.open(place) as store:
        assert store.baselines() == [saved]
        baseline = store.baseline("release/1.2")
        assert baseline == Baseline("release/1.2", saved.created, "before the new pool", False, result_of(run), record)
        assert saved.created == int(saved.created) > STARTED
        assert baseline.result.commit == run.code.commit
        assert baseline.result.definition == run.definition.digest
        assert baseline.result.machine.startswith("linux 6.1.0 x86_64, 1.5 cpus, AMD EPYC 7763")
        assert baseline.record is not None
        assert decode_run(baseline.record).series == run.series
        assert store.find("release/1.2") == saved.run


def test_a_name_is_given_once(place: str) -> None:
    with Store.open(place) as store, Store.open(place) as other:
        store.add_many([(each, None) for each in results(2)])
        store.save_baseline("main", store.find("r0000"))
        for again in ("r0000", "r0001"):
            with pytest.raises(
                LoadgateError, match=r"there is a baseline `main` already: run r0000\n  = .*remove it first"
            ):
                other.save_baseline("main", other.find(again), reason="x", force=True)
        assert other.baseline("main").result == results(1)[0]
        other.remove_baseline("main")
        store.save_baseline("main", store.find("r0001"))
        assert [(held.name, held.run.id) for held in other.baselines()] == [("main", "r0001")]
        assert len(other.runs()) == 2


def test_a_baseline_that_is_not_there_is_said_with_those_that_are(place: str) -> None:
    with Store.open(place) as store:
        store.add(result())
        for call in (store.baseline, store.remove_baseline):
            with pytest.raises(LoadgateError, match=r"there is no baseline `mian` in .*\n  = there is none at all"):
                call("mian")
        for name in ("old", "main"):
            store.save_baseline(name, store.find("latest"))
        with pytest.raises(LoadgateError, match="= there are: main, old"):
            store.baseline("mian")


@pytest.mark.parametrize("word", [Word.FAIL, Word.INVALID, Word.UNSURE])
def test_a_run_that_did_not_pass_is_no_baseline_unless_forced_with_a_reason(place: str, word: Word) -> None:
    with Store.open(place) as store:
        store.add(result(word=word))
        run = store.find("latest")
        with pytest.raises(LoadgateError, match=f"the verdict of this run is {word.value.upper()}: it cannot be"):
            store.save_baseline("main", run, reason="a reason alone is not enough")
        for reason in ("", " \n"):
            with pytest.raises(LoadgateError, match="takes a reason"):
                store.save_baseline("main", run, reason=reason, force=True)
        assert store.baselines() == []
        saved = store.save_baseline("main", run, reason="its limit is wrong, see the discussion", force=True)
        assert saved.forced
        assert store.baselines() == [saved]


@pytest.mark.parametrize("word", [Word.PASS, Word.NO_BASELINE, None])
def test_a_run_that_passed_or_that_nobody_judged_needs_no_force(word: Word | None) -> None:
    assert not check_baseline("main", word, reason="", force=True)


@pytest.mark.parametrize(
    "name", ["", " main", "-main", ".", "../x", "a b", "a\n", "latest", "latest~1", "x" * 101, "a:b"]
)
def test_a_name_that_would_mislead_is_refused(name: str) -> None:
    with pytest.raises(LoadgateError, match="cannot be the name of a baseline"):
        check_baseline(name, Word.PASS, reason="", force=False)


@pytest.mark.parametrize("name", ["main", "1", "release/1.2", "größe", "latest-main", "a+b@c_d"])
def test_names_as_branches_and_tags_have_them_are_taken(name: str) -> None:
    check_baseline(name, Word.PASS, reason="", force=False)


# -- acknowledged changes


def test_what_was_said_of_a_change_is_kept_once(place: str) -> None:
    other = replace(ACKNOWLEDGED, run="r0004", expires=None, created=STARTED + 1.0)
    with Store.open(place) as store:
        assert store.acknowledge(other)
        assert store.acknowledge(ACKNOWLEDGED)
        assert not store.acknowledge(replace(ACKNOWLEDGED, reason="something else"))
    with Store.open(place) as store:
        assert store.acknowledgements() == [ACKNOWLEDGED, other]
        assert store.remove_acknowledgement(other)
        assert not store.remove_acknowledgement(other)
        assert store.acknowledgements() == [ACKNOWLEDGED]


def test_what_was_said_of_a_change_holds_until_it_expires() -> None:
    assert ACKNOWLEDGED.holds(STARTED + 59.0)
    assert not ACKNOWLEDGED.holds(STARTED + 60.0)
    assert replace(ACKNOWLEDGED, expires=None).holds(1e18)


# -- as a file


def baseline_of(result: Result, record: bytes | None = None, **changes: object) -> Baseline:
    made = Baseline("main", 1767225700.0, "", False, result, record)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_file_gives_back_the_baseline(tmp_path: Path) -> None:
    run = whole_run()
    baseline = baseline_of(result_of(run), encode_run(run), reason='its "limit"\nis \\ wrong \ud800', forced=True)
    path = tmp_path / "in" / "the" / "repository" / "main.json"
    write_baseline(path, baseline)
    found = read_baseline(path)
    ordered = tuple(sorted(baseline.result.figures, key=lambda figure: str(figure.series)))
    assert repr(found) == repr(replace(baseline, result=replace(baseline.result, figures=ordered)))
    first = path.read_bytes()
    write_baseline(path, found)
    assert path.read_bytes() == first


def test_a_file_is_made_to_be_reviewed(tmp_path: Path) -> None:
    moved = figure(float("inf"), step="GET /größe", estimate=Estimate(float("nan"), freedom=float("inf")))
    baseline = baseline_of(result(figures=(moved, figure(), figure(20.0, step="GET /"))), reason="Ada said so")
    write_baseline(tmp_path / "main.json", baseline)
    text = (tmp_path / "main.json").read_text("utf-8")
    check_golden(Path(__file__).parent / "golden" / "baseline.json", text)
    changed = replace(
        baseline, result=replace(baseline.result, figures=(moved, figure(13.5), figure(20.0, step="GET /")))
    )
    write_baseline(tmp_path / "main.json", changed)
    after = (tmp_path / "main.json").read_text("utf-8")
    assert len([1 for old, new in zip(text.splitlines(), after.splitlines(), strict=True) if old != new]) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "", "is not a baseline"),
        (lambda text: "{}", "is not a baseline: Object missing required field `loadgate_baseline`"),
        (lambda text: text[:-30], "is not a baseline: .*\n  = was it cut short, or merged by git"),
        (lambda text: text.replace("12.5", '"12,5"'), "is not a baseline: could not convert string to float: '12,5'"),
        (
            lambda text: text.replace('"lower"', '"down"'),
            r"is not a baseline: Invalid enum value 'down' - at `\$.figures",
        ),
        (lambda text: text.replace('"loadgate_baseline": 1', '"loadgate_baseline": 2'), "newer version .*schema 2"),
        (lambda text: text.replace('"record": "', '"record": "AAAA'), "is not a baseline"),
        (lambda text: text.replace('"main"', '"latest"'), "`latest` cannot be the name"),
        (lambda text: text.replace('"main",', '"main",\n<<<<<<< HEAD'), "merged by git"),
    ],
)
def test_a_file_that_is_no_baseline_is_said(tmp_path: Path, change: object, said: str) -> None:
    path = tmp_path / "main.json"
    write_baseline(path, baseline_of(result(figures=(figure(),)), b'{"schema":1}'))
    assert callable(change)
    path.write_text(change(path.read_text()))
    with pytest.raises(LoadgateError, match=said) as caught:
        read_baseline(path)
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(LoadgateError, match=r"cannot read .*none\.json: No such file"):
        read_baseline(tmp_path / "none.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(LoadgateError, match=r"cannot make the folder of .*main\.json"):
        write_baseline(tmp_path / "file" / "main.json", baseline_of(result()))
