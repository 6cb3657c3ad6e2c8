from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.config.load import Executor, LoadSpec
from loadgate.measure.health import HealthSample
from loadgate.measure.recorder import Recorder
from loadgate.report.frame import ErrorGlance, Frame, FrameStep, render_frame, sparkline
from loadgate.report.live import LiveModel
from loadgate.report.style import cells
from tests.support.golden import check_golden
from tests.support.sample_runs import CLOSED, FAULTY, LIMITS, OPEN, SHOP, STALLED, Play, SampleStep, results

GOLDEN = Path(__file__).parent / "golden"
WIDTHS = (60, 80, 100, 140)
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
BROKEN = {**LIMITS, "http_req_duration": ("p(95)<150ms", "p(99)<1s")}


def _played(play: Play, seconds: int, load: LoadSpec, **plan: float) -> Frame:
    model = LiveModel(profile="standard", target="http://127.0.0.1:3000", loads=[load], warmup=play.recorder.warmup)
    found: list[Frame] = []
    for window in play.windows(seconds, **plan):  # type: ignore[arg-type]
        found.append(
            model.update(
                window,
                play.health[-1],
                active=9,
                thresholds=results(play.recorder, BROKEN),
                errors=play.recorder.errors,
                series=play.recorder.describe,
            )
        )
    return found[-1]


def _silent() -> Frame:
    """The first window, in which nothing ended."""
    recorder = Recorder(start=0.0)
    return LiveModel(profile="standard", target="", loads=[CLOSED]).update(
        recorder.close_window(1.0),
        HealthSample(1.0, 0.1, 0.1),
        active=1,
        thresholds=(),
        errors=recorder.errors,
        series=recorder.describe,
    )


@cache
def frame(name: str) -> Frame:
    if name == "calm":
        return _played(Play(SHOP), 84, LoadSpec("l", Executor.CONSTANT_VUS, vus=10, duration=240.0))
    if name == "failing":
        return _played(Play(FAULTY), 41, CLOSED)
    if name == "late":
        return _played(Play(STALLED), 16, OPEN, planned=100, dropped=7, lag=300.0)
    if name == "warmup":
        return _played(Play(SHOP, warmup=10.0), 4, CLOSED)
    if name == "counted":
        return _played(Play(SHOP), 5, LoadSpec("l", Executor.SHARED_ITERATIONS, vus=2, iterations=200))
    if name == "many":
        return _played(Play(tuple(SampleStep(f"GET /{n}", 1.0 + n) for n in range(9))), 2, CLOSED)
    return _silent()


NAMES = ("calm", "failing", "late", "warmup", "counted", "many", "silent")


@pytest.mark.parametrize("color", [False, True], ids=["plain", "colour"])
@pytest.mark.parametrize("name", NAMES)
def test_the_view_looks_as_it_did(name: str, color: bool) -> None:
    def drawn() -> Iterator[str]:
        for width in WIDTHS:
            yield "\n".join([f"== {width} columns", *render_frame(frame(name), width=width, color=color), ""])

    check_golden(GOLDEN / f"live-{name}{'-colour' if color else ''}.txt", "\n".join(drawn()))


@pytest.mark.parametrize("name", NAMES)
def test_no_line_reaches_the_last_column(name: str) -> None:
    for width in (1, 2, 15, 30, 45, *range(60, 141)):
        for line in render_frame(frame(name), width=width, color=False):
            assert cells(line) <= max(1, width - 1), (width, line)


@pytest.mark.parametrize("name", NAMES)
def test_the_view_takes_few_lines(name: str) -> None:
    for width in range(60, 141):
        assert len(render_frame(frame(name), width=width, color=False)) <= 20
    assert len(render_frame(frame("calm"), width=100, color=False)) <= 16


@pytest.mark.parametrize("name", NAMES)
def test_a_low_terminal_gets_fewer_lines_and_the_first_ones_stay(name: str) -> None:
    for height in range(1, 25):
        lines = render_frame(frame(name), width=80, color=False, height=height)
        assert len(lines) <= height
        assert lines[0].startswith("standard")
    assert not any("GET" in line for line in render_frame(frame("calm"), width=80, color=False, height=14))


@pytest.mark.parametrize("name", NAMES)
def test_colour_changes_no_text_and_ascii_no_layout(name: str) -> None:
    for width in WIDTHS:
        plain = render_frame(frame(name), width=width, color=False)
        assert [ESCAPE.sub("", line) for line in render_frame(frame(name), width=width, color=True)] == plain
        ascii_lines = render_frame(frame(name), width=width, color=False, unicode=False)
        assert all(line.isascii() for line in ascii_lines)
        assert [len(line) for line in ascii_lines] == [cells(line) for line in plain]


@given(st.text(max_size=90), st.integers(min_value=20, max_value=150))
def test_no_name_can_drive_the_terminal_or_break_a_line(name: str, width: int) -> None:
    evil = replace(
        frame("failing"),
        profile=name,
        target=name,
        stage_text=name,
        health_text=name,
        broken=(name,),
        errors=ErrorGlance(5, 3, name, name),
        steps=(FrameStep("http", name, 5.0, 3.0, 2), FrameStep("other", name, 5.0, 3.0, 0)),
    )
    for line in render_frame(evil, width=width, color=False):
        assert line.isprintable()
        assert cells(line) <= width - 1


def test_a_sparkline_grows_from_zero_and_leaves_gaps() -> None:
    assert sparkline([0.0, 5.0, None, 10.0]) == "▁▅ █"
    assert sparkline([0.0, 0.0]) == "▁▁"
    assert sparkline([7.0, 7.0]) == "██"
    assert sparkline([]) == ""
