"""The timeline of raw samples against plain NumPy over the same rows."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadgate.measure.estimate import BLOCKS, FEWEST_BLOCKS
from loadgate.measure.metric import Kind, Metric
from loadgate.measure.names import MOST_NAMES, OTHER
from loadgate.record.importers.timeline import PIECES, Timeline
from loadgate.record.result import Figure

Row = tuple[float, str, float, bool]


def _filled(rows: list[Row]) -> Timeline:
    timeline = Timeline()
    for end, step, ms, failed in rows:
        timeline.add(end, timeline.requests(step) + failed, ms)
    return timeline


def _figures(rows: list[Row]) -> dict[str, Figure]:
    return {str(figure.series): figure for figure in _filled(rows).figures()}


def _rows(count: int, *, per_second: float = 200.0, seed: int = 3) -> list[Row]:
    chance = random.Random(seed)
    steps = ("GET /a", "GET /b")
    start = 1_795_826_000.0
    return [
        (start + at / per_second, chance.choice(steps), chance.lognormvariate(2.0, 0.5), chance.random() < 0.05)
        for at in range(count)
    ]


def test_figures_are_those_of_the_rows() -> None:
    rows = _rows(40_000)
    found = _figures(rows)
    for step, prefix in (("", ""), ("GET /a", "GET /a: "), ("GET /b", "GET /b: ")):
        own = [row for row in rows if step in ("", row[1])]
        times = np.array([row[2] for row in own])
        for p in (50, 95, 99):
            figure = found[f"{prefix}http_req_duration p{p}"]
            assert figure.estimate.value == pytest.approx(float(np.percentile(times, p)), rel=0.004)
            assert figure.unit == "ms"
            assert 0.0 < (figure.estimate.error or 0.0) < 0.05
        assert found[f"{prefix}http_req_duration avg"].estimate.value == pytest.approx(times.mean())
        assert found[f"{prefix}http_req_duration avg"].estimate.count == len(own)
        assert found[f"{prefix}http_req_failed share"].estimate.value == pytest.approx(
            sum(row[3] for row in own) / len(own)
        )
        length = rows[-1][0] - min(end - ms / 1000.0 for end, _, ms, _ in rows)
        assert found[f"{prefix}http_reqs rate"].estimate.value == pytest.approx(len(own) / length, rel=1e-6)
        assert found[f"{prefix}http_reqs rate"].direction == "higher"


@pytest.mark.slow
def test_an_error_has_about_the_size_the_rows_say() -> None:
    """Of independent samples the error of a mean is their spread over the square root of how many there are."""
    seen, true = [], []
    for seed in range(20):
        rows = _rows(4_000, seed=seed)
        times = np.array([row[2] for row in rows])
        seen.append(_figures(rows)["http_req_duration avg"].estimate.error)
        true.append(times.std() / math.sqrt(len(times)) / times.mean())
    assert np.mean(np.array(seen, float)) == pytest.approx(np.mean(true), rel=0.15)


@pytest.mark.parametrize("seconds", [0.5, 10.0, 3_600.0, 30 * 86_400.0])
def test_however_long_the_run_its_time_is_cut_into_blocks(seconds: float) -> None:
    timeline = _filled(_rows(20_000, per_second=20_000 / seconds))
    rate = next(figure for figure in timeline.figures() if str(figure.series) == "http_reqs rate")
    assert rate.estimate.value == pytest.approx(20_000 / seconds, rel=0.15)
    assert FEWEST_BLOCKS <= rate.estimate.freedom + 1 <= BLOCKS
    assert rate.estimate.freedom + 1 == BLOCKS
    assert len({place for place, _ in timeline._cells}) <= PIECES


def test_times_that_are_cut_off_to_seconds_are_taken_for_their_middle() -> None:
    timeline = Timeline(resolution=1.0)
    for at in range(2000):
        timeline.add(float(math.floor(1000.33 + at / 100.0)), timeline.requests(""), 5.0)
    rate = next(figure for figure in timeline.figures() if str(figure.series) == "http_reqs rate")
    assert rate.estimate.value == pytest.approx(100.0, rel=0.01)
    assert rate.estimate.error is not None
    assert rate.estimate.error < 0.02  # it was steady: what is left are the ends


def test_rows_may_come_in_any_order() -> None:
    rows = _rows(20_000)
    mixed = rows[:]
    random.Random(1).shuffle(mixed)
    one, other = _figures(rows), _figures(mixed)
    assert one.keys() == other.keys()
    for name, figure in one.items():
        assert other[name].estimate.value == pytest.approx(figure.estimate.value, rel=1e-6)
        assert other[name].estimate.error == pytest.approx(figure.estimate.error, rel=0.5)


def test_few_rows_give_no_error_and_no_high_percentile() -> None:
    found = _figures(_rows(3, per_second=1.0))
    assert "http_req_duration p50" in found
    assert "http_req_duration p95" not in found
    assert found["http_req_duration p50"].estimate.error is None


def test_a_single_instant_has_no_rate() -> None:
    found = _figures([(5.0, "", 0.0, False)])
    assert "http_reqs rate" not in found
    assert found["http_req_duration p50"].estimate.value == 0.0
    assert Timeline().figures() == []


def test_requests_without_a_name_are_counted_once() -> None:
    found = _figures([(at * 0.1, "", 10.0, False) for at in range(100)])
    assert sorted(found) == [
        "http_req_duration avg",
        "http_req_duration p50",
        "http_req_failed share",
        "http_reqs rate",
    ]
    assert found["http_req_duration avg"].estimate.count == 100


def test_names_without_end_share_one() -> None:
    timeline = Timeline()
    keys = [timeline.requests(f"/item/{at}") for at in range(MOST_NAMES + 500)]
    assert len(set(keys)) == MOST_NAMES + 1
    assert len(timeline._numbers) == MOST_NAMES + 1
    for key in keys[-3:]:
        timeline.add(1.0, key, 5.0)
    assert {figure.series.step for figure in timeline.figures()} == {"", OTHER}


@pytest.mark.slow
def test_with_many_names_the_pieces_of_time_are_longer() -> None:
    timeline = _filled([(at * 0.01, f"/item/{at % 1500}", 5.0, False) for at in range(40_000)])
    assert timeline.begin == pytest.approx(-0.005)
    assert BLOCKS <= len({place for place, _ in timeline._cells}) < PIECES / 2


def test_no_secret_in_a_name() -> None:
    found = _figures([(1.0, "GET http://host/a?token=hunter2222", 5.0, False)])
    assert not any("hunter2" in name for name in found)


def test_shares_and_sums_of_their_own() -> None:
    timeline = Timeline()
    checks = timeline.samples(Metric("checks", Kind.RATE, "share"))
    bytes_sent = timeline.samples(Metric("sent", Kind.COUNTER, "bytes"))
    for at in range(100):
        timeline.add(at * 0.1, checks + (at % 4 != 0), 1.0)
        timeline.add(at * 0.1, bytes_sent, 50.0)
    found = {str(figure.series): figure for figure in timeline.figures()}
    assert found["checks share"].estimate.value == 0.75
    assert found["sent rate"].estimate.value == pytest.approx(5000 / 9.9, rel=0.02)
    assert found["sent rate"].unit == "bytes/s"


@pytest.mark.parametrize(
    ("end", "value"), [(math.nan, 1.0), (1.0, math.nan), (-1.0, 1.0), (1.0, -1.0), (math.inf, 1.0), (1.0, 1e300)]
)
def test_what_is_no_sample_is_refused(end: float, value: float) -> None:
    timeline = Timeline()
    with pytest.raises(ValueError, match=r"can be no sample|is negative"):
        timeline.add(end, timeline.requests(""), value)


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 1e11, exclude_max=True),
            st.sampled_from(["", "a", "b"]),
            st.floats(0.0, 1e17),
            st.booleans(),
        ),
        min_size=1,
        max_size=50,
    )
)
@settings(deadline=None, max_examples=200)
def test_whatever_the_times_there_are_figures(rows: list[Row]) -> None:
    found = _figures(rows)
    assert found["http_req_failed share"].estimate.count == len(rows)
    assert found["http_req_duration avg"].estimate.value == pytest.approx(
        float(np.mean([row[2] for row in rows])), rel=1e-9, abs=1e-9
    )
    assert all(math.isfinite(figure.estimate.value) for figure in found.values())
