"""`calibration.json`: the keys that `docs/ab.md` describes, and that it is read back as it was."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadgate.record.calibration import Calibrated, calibrated_form, decode_calibration, encode_calibration
from loadgate.record.run import RunState
from tests.support.golden import check_golden
from tests.support.sample_calibration import CALIBRATION, calibration

DOCS = Path(__file__).parent.parent.parent / "docs" / "ab.md"
GOLDEN = Path(__file__).parent / "golden"


def form() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(encode_calibration(CALIBRATION))
    return read


def test_it_is_written_as_it_was() -> None:
    check_golden(GOLDEN / "calibration.json", encode_calibration(calibration(1, jobs=3, invalid=1)).decode() + "\n")


@pytest.mark.parametrize("kept", [CALIBRATION, calibration(20, gates=40), replace(CALIBRATION, state=RunState.RUNNING)])
def test_it_is_read_back_as_it_was(kept: object) -> None:
    assert decode_calibration(encode_calibration(kept)) == kept  # type: ignore[arg-type]


def test_every_key_is_in_the_docs_and_every_key_of_the_docs_is_there() -> None:
    text = DOCS.read_text("utf-8").partition("## calibration.json")[2].partition("\n## ")[0]
    described = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    of_lists = {f"{name}[].{key}" for name in ("figures", "jobs") for key in form()[name][0]}
    assert described == set(form()) | of_lists


def test_what_an_ab_test_knows_has_the_keys_of_the_docs() -> None:
    (line,) = (line for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| `calibration` |"))
    found = calibrated_form(Calibrated(20, 0, 0.0, 0.168, 1_800_000_000.0, True))
    assert found is not None
    assert set(re.findall(r"`(\w+)`", line)) - {"calibration", "null"} == set(found)
    assert found["when"] == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda form: form | {"version": 2}, "version 2"),
        (lambda form: form | {"budgets": []}, "not as many"),
        (lambda form: form | {"seed": "x"}, "seed"),
    ],
)
def test_what_is_none_is_refused(change: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        decode_calibration(json.dumps(change(form())))
