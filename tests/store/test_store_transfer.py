"""A store in a plain file: all of it there and back, between engines too, or nothing with a message that says where."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings

from loadgate.errors import LoadgateError
from loadgate.record.codec import encode_run
from loadgate.record.figures import result_of
from loadgate.record.result import Result
from loadgate.store.store import Store
from loadgate.store.transfer import Imported
from tests.record.samples import whole_run
from tests.store.results import result, results
from tests.store.test_store_baselines import ACKNOWLEDGED
from tests.store.test_store_runs import strange_results
from tests.support.sample_calibration import CALIBRATION

ALL = Imported(added=6, known=0, baselines=2, acknowledgements=1, kept=(), calibrations=1)


def filled(place: str | Path) -> Store:
    """A store with something of everything."""
    store = Store.open(place)
    store.add_many([(each, None) for each in results(5)])
    store.add(result_of(whole_run()), encode_run(whole_run()))
    store.save_baseline("main", store.find("r0001"), reason="because")
    store.save_baseline("red", store.find(whole_run().id), reason="forced \\ it", force=True)
    store.acknowledge(ACKNOWLEDGED)
    store.add_calibration(CALIBRATION)
    return store


def contents(store: Store) -> object:
    runs = [(replace(run, number=0), store.result(run), store.record(run)) for run in store.runs()]
    baselines = [replace(held, run=replace(held.run, number=0)) for held in store.baselines()]
    calibration = store.calibration(CALIBRATION.machine, CALIBRATION.definition)
    return runs, baselines, store.acknowledgements(), calibration


@pytest.mark.parametrize("name", ["history.jsonl", "history.jsonl.gz", "history.jsonl.zst"])
def test_all_of_a_store_goes_through_a_file_into_another(place: str, tmp_path: Path, name: str) -> None:
    with filled(place) as store, Store.open(tmp_path / "other.db") as other:
        assert store.export(tmp_path / name) == 6
        assert other.import_(tmp_path / name) == ALL
        assert contents(other) == contents(store)
        assert other.import_(tmp_path / name) == Imported(0, 6, 0, 0, ())
        assert other.export(tmp_path / f"again-{name}") == 6
    assert (tmp_path / f"again-{name}").read_bytes() == (tmp_path / name).read_bytes()


def test_a_file_goes_into_either_engine(place: str, tmp_path: Path) -> None:
    with filled(tmp_path / "other.db") as other, Store.open(place) as store:
        other.export(tmp_path / "history.jsonl")
        assert store.import_(tmp_path / "history.jsonl") == ALL
        assert contents(store) == contents(other)


def test_a_file_is_one_run_a_line_for_any_tool(tmp_path: Path) -> None:
    with filled(tmp_path / "history.db") as store:
        store.export(tmp_path / "history.jsonl")
    head, *lines = [msgspec.json.decode(line) for line in (tmp_path / "history.jsonl").read_bytes().splitlines()]
    assert head == {"loadgate_history": 2, "runs": 6, "baselines": 2, "acknowledgements": 1, "calibrations": 1}
    assert [next(iter(line)) for line in lines] == [
        *["run"] * 6,
        *["baseline"] * 2,
        "acknowledgement",
        "calibration",
    ]
    assert lines[0]["run"]["figures"][1] == {
        "metric": "http_req_duration",
        "unit": "ms",
        "direction": "lower",
        "value": 20.0,
        "step": "GET /",
        "statistic": "p95",
        "error": 0.02,
        "freedom": 15.0,
        "count": 1000,
    }


@given(strange_results)
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_result_holds_goes_through_a_file(tmp_path: Path, strange: Result) -> None:
    file = tmp_path / "history.jsonl"
    with Store.open(tmp_path / "a.db") as store, Store.open(tmp_path / "b.db") as other:
        store.add(strange)
        store.export(file)
        other.import_(file)
        assert repr(other.result(other.find("latest"))) == repr(strange)
        store.prune(keep=0)
        other.prune(keep=0)


def test_merging_keeps_what_is_there(place: str, tmp_path: Path) -> None:
    with filled(tmp_path / "other.db") as other:
        other.export(tmp_path / "history.jsonl")
    with Store.open(place) as store:
        mine = replace(results(3)[2], name="mine")
        store.add_many([(mine, None), (result("only here"), None)])
        store.save_baseline("main", store.find("only here"))
        assert store.import_(tmp_path / "history.jsonl") == Imported(5, 1, 1, 1, kept=("main",), calibrations=1)
        assert store.result(store.find("r0002")) == mine
        assert store.baseline("main").result.id == "only here"
        assert store.baseline("red").forced
        assert len(store.runs()) == 7


def test_what_an_import_adds_can_be_added_to(place: str, tmp_path: Path) -> None:
    with filled(tmp_path / "other.db") as other:
        other.export(tmp_path / "history.jsonl")
    with Store.open(place) as store:
        store.import_(tmp_path / "history.jsonl")
        assert store.add(result("new"))
        assert store.result(store.find("new")) == result("new")


def cut(data: bytes) -> bytes:
    return data[:-100]


def at(number: int, change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Changes one line, counted from 1."""

    def changed(data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        lines[number - 1] = change(lines[number - 1])
        return b"".join(lines)

    return changed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (cut, r":11: not a whole line of an export: .*\n  = nothing of the file was taken"),
        (
            lambda data: b"".join(data.splitlines(keepends=True)[:-1]),
            r":10: the file ends after 6 runs, 2 .* and 0 .* of 6, 2, 1, 1",
        ),
        (lambda data: b"", "is no export of a store: it is empty"),
        (
            at(1, lambda line: b'{"metric":"http_reqs"}\n'),
            ":1: not an export of a store: Object missing required field",
        ),
        (at(1, lambda line: b"PK\x03\x04\xff\n"), ":1: not an export of a store: "),
        (at(1, lambda line: line.replace(b'history":2', b'history":7')), "was written by a newer version .*schema 7"),
        (at(4, lambda line: line[:50] + b"\n"), ":4: not a whole line of an export: JSON is malformed"),
        (at(4, lambda line: b'{"other":1}\n'), ":4: not a whole line of an export: neither a run, nor"),
        (at(4, lambda line: b"\n"), ":4: not a whole line of an export: "),
        (at(4, lambda line: line.replace(b'"tool":"loadgate"', b'"tool":5')), r":4: .*got `int` - at `\$.run.tool`"),
        (at(4, lambda line: line.replace(b'"id":"r0002"', b'"id":""')), ":4: .*a run needs an `id`"),
        (
            at(4, lambda line: line.replace(b":20.0,", b':"twenty",')),
            ":4: .*could not convert string to float: 'twenty'",
        ),
        (at(4, lambda line: line.replace(b":20.0,", b':"inf",')), ":4: .*the value of `GET /: .* is not finite"),
        (at(4, lambda line: line.replace(b'"error":0.02', b'"error":-0.02')), ":4: .*the error of .* is negative"),
        (at(4, lambda line: line.replace(b'"error":0.02', b'"error":"nan"')), ":4: .*the error of .*, or no number"),
        (
            at(4, lambda line: line.replace(b'"freedom":15.0', b'"freedom":-1')),
            ":4: .*degrees of freedom of .* negative",
        ),
        (
            at(4, lambda line: line.replace(b'"count":1000', b'"count":9223372036854775808')),
            ":4: .*the count of .* beyond",
        ),
        (at(4, lambda line: line.replace(b'"count":1000', b'"count":-1')), ":4: .*the count of .* is negative"),
        (
            at(4, lambda line: re.sub(rb'"started":[\d.]+', b'"started":-1e12', line)),
            ":4: .*`started` is no time .*-1e",
        ),
        (at(4, lambda line: re.sub(rb'"added":[\d.]+', b'"added":1e300', line)), ":4: .*`added` is no time .*1e"),
        (at(8, lambda line: re.sub(rb'"created":[\d.]+', b'"created":1e300', line)), ":8: .*`created` is no time"),
        (at(10, lambda line: re.sub(rb'"created":[\d.]+', b'"created":1e300', line)), ":10: .*`created` is no time"),
        (
            at(11, lambda line: re.sub(rb'"started":"[^"]+"', b'"started":"soon"', line)),
            r":11: .*datetime - at `\$.started`",
        ),
        (at(11, lambda line: line.replace(b'"version":1', b'"version":7')), ":11: .*a calibration of version 7"),
        (at(7, lambda line: line.replace(b'"record":"', b'"record":"AAAA')), ":7: not a whole line of an export: "),
        (at(8, lambda line: line.replace(b"r0001", b"r9999")), ":8: baseline `main` is of run r9999, which is neither"),
        (
            at(8, lambda line: line.replace(b'"main"', b'"latest"')),
            ":8: not a whole line of an export: `latest` cannot be the name of a baseline",
        ),
    ],
)
def test_a_cut_or_foreign_line_is_said_and_nothing_is_taken(
    place: str, tmp_path: Path, change: Callable[[bytes], bytes], said: str
) -> None:
    file = tmp_path / "history.jsonl"
    with filled(tmp_path / "other.db") as other:
        other.export(file)
    file.write_bytes(change(file.read_bytes()))
    with Store.open(place) as store:
        with pytest.raises(LoadgateError, match=said) as caught:
            store.import_(file)
        assert str(file) in str(caught.value)
        assert contents(store) == ([], [], [], None)
        assert store.add(result())
        assert store.result(store.find("latest")) == result()


@pytest.mark.parametrize(
    ("pack", "name"),
    [(gzip.compress, "x.gz"), (zstandard.ZstdCompressor(write_checksum=True).compress, "x.zst")],
    ids=["gz", "zst"],
)
def test_a_compressed_file_that_is_cut_is_said(tmp_path: Path, pack: Callable[[bytes], bytes], name: str) -> None:
    with filled(tmp_path / "other.db") as other:
        other.export(tmp_path / "history.jsonl")
    whole = pack((tmp_path / "history.jsonl").read_bytes())
    with Store.open(tmp_path / "history.db") as store:
        for broken in (whole[: len(whole) // 2], whole[:200] + b"XXXX" + whole[204:]):
            (tmp_path / name).write_bytes(broken)
            with pytest.raises(
                LoadgateError, match=rf"{name}(:\d+:| is no export).*\n  = nothing of the file was taken"
            ):
                store.import_(tmp_path / name)
            assert contents(store) == ([], [], [], None)
        (tmp_path / name).write_bytes(whole)
        assert store.import_(tmp_path / name) == ALL


def test_a_file_that_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    with filled(tmp_path / "history.db") as store:
        with pytest.raises(LoadgateError, match=r"cannot read .*none\.jsonl: No such file"):
            store.import_(tmp_path / "none.jsonl")
        with pytest.raises(LoadgateError, match=r"cannot write .*: No such file or directory"):
            store.export(tmp_path / "nowhere" / "history.jsonl")
