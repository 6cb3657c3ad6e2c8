"""What a calibration shows at three widths, and what an A/B test says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadgate.judge.calibration import calibrated
from loadgate.record.ab import AbRecord
from loadgate.report.ab import ab_page
from loadgate.report.ab_markdown import ab_markdown
from loadgate.report.calibration import calibration_lines
from tests.report.test_report_ab import flat, page, text_of
from tests.support.golden import check_golden
from tests.support.sample_ab import ab_record
from tests.support.sample_calibration import CALIBRATION, calibration

GOLDEN = Path(__file__).parent / "golden"


def known(definition: str = "d1", alarms: int = 0) -> AbRecord:
    record = ab_record()
    return replace(record, calibration=calibrated(calibration(alarms), definition, record.comparison, record.most))


@pytest.mark.parametrize("name", ["quiet", "alarms"])
def test_the_page_looks_as_it_did(name: str) -> None:
    shown = CALIBRATION if name == "quiet" else calibration(2, invalid=1, gates=40)
    text = "\n".join(text_of(calibration_lines(shown, width), width) for width in (120, 80, 60))
    check_golden(GOLDEN / f"calibration-{name}.txt", text)


def test_an_ab_test_says_how_often_this_machine_was_wrong_and_which_limits_are_too_small() -> None:
    text = flat(page(known()))
    assert (
        "calibrated 2027-01-15 on this machine: 0 false alarms in 20 jobs of one build (95 %: at most 16.8 %)" in text
    )
    assert "the limit of target_cpu_per_request, 2 %, is smaller than what 12 pairs can find here: 2.69 %" in text
    assert "the limit of http_req_duration" not in text
    assert "not calibrated" not in text


def test_a_calibration_that_asked_something_else_is_said_to_be_so_and_judges_no_limit() -> None:
    text = flat(page(known("d2", alarms=1)))
    assert "on this machine, where something else was asked: 1 false alarm in 20 jobs" in text
    assert "(95 %: 0.13 % to 24.9 %)" in text
    assert "can find here" not in text


def test_markdown_says_it_too() -> None:
    assert "0 false alarms in 20 jobs of one build" in ab_markdown(known(), ab_page(known()))
    assert "not calibrated on this machine: loadgate calibrate" in ab_markdown(ab_record(), ab_page(ab_record()))
