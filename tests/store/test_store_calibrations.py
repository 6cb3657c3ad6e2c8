"""Calibrations in a store: which one a machine gets, and stores from before there were any."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadgate.errors import LoadgateError
from loadgate.store.store import Store
from tests.store.results import result
from tests.support.sample_calibration import CALIBRATION, calibration

MACHINE = CALIBRATION.machine


def test_what_is_kept_comes_back_as_it_was(place: str) -> None:
    kept = calibration(2, invalid=1, gates=40)
    assert kept.figures[0].detectable[0] is None
    with Store.open(place) as store:
        assert store.add_calibration(kept)
        assert not store.add_calibration(kept)
        assert store.calibration(MACHINE, "d1") == kept


def test_the_newest_of_the_machine_wins_and_one_that_asked_the_same_before_all(place: str) -> None:
    same = [replace(CALIBRATION, id=f"same {at}", started=CALIBRATION.started + at) for at in (2, 1)]
    other = replace(CALIBRATION, id="other", definition="d2", started=CALIBRATION.started + 9)
    with Store.open(place) as store:
        for each in (*same, other):
            assert store.add_calibration(each)
        assert store.calibration(MACHINE, "d1") == same[0]
        assert store.calibration(MACHINE, "d2") == other
        assert store.calibration(MACHINE, "d3") == other
        assert store.calibration("another machine", "d1") is None


def test_a_store_from_before_there_were_calibrations_gets_them(place: str) -> None:
    with Store.open(place) as store:
        store.add(result())
        store._database.write(lambda t: t.change("DROP TABLE calibrations"))
        store._database.write(lambda t: t.change("UPDATE meta SET schema = 1"))
    with Store.open(place, create=False) as store:
        assert store.calibration(MACHINE, "d1") is None
        assert store.add_calibration(CALIBRATION)
        assert store.calibration(MACHINE, "d1") == CALIBRATION
        assert store.result(store.find("latest")) == result()


def test_one_that_cannot_be_read_is_said(place: str) -> None:
    with Store.open(place) as store:
        store.add_calibration(CALIBRATION)
        store._database.write(lambda t: t.change("UPDATE calibrations SET record = ?", [b"nothing"]))
        with pytest.raises(LoadgateError, match=r"calibration c1 in .* cannot be read"):
            store.calibration(MACHINE, "d1")
