from __future__ import annotations

import errno
import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

from loadgate.report.frame import Frame, render_frame
from loadgate.report.live import LiveModel
from loadgate.report.outlet import Outlet
from loadgate.report.screen import PlainLog, Screen, Silent, Watcher
from tests.support.sample_runs import CLOSED, FAULTY, LIMITS, Play, results
from tests.support.tiny_terminal import TinyTerminal


class Stream(io.StringIO):
    """Keeps what was written; waits at `gate` before it takes anything."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def write(self, text: str) -> int:
        self.gate.wait(10.0)
        return super().write(text)


class AsciiStream(Stream):
    encoding = "ascii"


class BrokenStream(Stream):
    def write(self, text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "broken pipe")


@cache
def frames() -> tuple[Frame, ...]:
    play = Play(FAULTY)
    model = LiveModel(profile="standard", target="http://127.0.0.1:3000", loads=[CLOSED])
    return tuple(
        model.update(
            window,
            play.health[-1],
            active=9,
            thresholds=results(play.recorder, LIMITS),
            errors=play.recorder.errors,
            series=play.recorder.describe,
        )
        for window in play.windows(61)
    )


def settle(watcher: Screen | PlainLog) -> None:
    """Until what was offered is written."""
    assert watcher._outlet.drain()


def draw(stream: Stream, screen: Screen, some: Iterator[Frame] | list[Frame]) -> None:
    for frame in some:
        screen.update(frame)
        settle(screen)


def shown(stream: Stream, columns: int = 80, rows: int = 40, before: str = "$ loadgate run\n") -> TinyTerminal:
    terminal = TinyTerminal(columns, rows)
    terminal.feed(before + stream.getvalue())
    return terminal


def test_frames_are_drawn_over_each_other() -> None:
    stream = Stream()
    screen = Screen(stream, color=True, size=lambda: (80, 40))
    draw(stream, screen, list(frames()[:5]))
    terminal = shown(stream)
    assert terminal.lines == ["$ loadgate run", *render_frame(frames()[4], width=80, color=False)]
    assert terminal.scrolled == []
    screen.close()


def test_closing_leaves_nothing_of_the_view_and_what_follows_takes_its_place() -> None:
    stream = Stream()
    screen = Screen(stream, color=True, size=lambda: (80, 40))
    draw(stream, screen, list(frames()[:3]))
    screen.close()
    stream.write("the summary\n")
    assert shown(stream).lines == ["$ loadgate run", "the summary"]
    assert stream.getvalue().count("\x1b[?") == 0  # no mode was switched that somebody would have to switch back


def test_a_view_at_the_bottom_of_the_screen_scrolls_once_and_then_stays() -> None:
    stream = Stream()
    screen = Screen(stream, color=False, size=lambda: (80, 24))
    draw(stream, screen, list(frames()[:6]))
    screen.close()
    terminal = shown(stream, rows=24, before="\n".join(f"line {n}" for n in range(23)) + "\n")
    kept = terminal.scrolled + terminal.lines
    assert kept == [f"line {n}" for n in range(23)]


def test_a_low_terminal_gets_what_fits() -> None:
    stream = Stream()
    screen = Screen(stream, color=False, size=lambda: (80, 6))
    draw(stream, screen, list(frames()[:4]))
    assert shown(stream, rows=6).lines == render_frame(frames()[3], width=80, color=False, height=5)
    screen.close()
    assert shown(stream, rows=6).lines in ([], ["$ loadgate run"])


def test_each_draw_asks_for_the_size_and_a_narrower_window_is_cleared_whole() -> None:
    stream = Stream()
    size = (100, 40)
    screen = Screen(stream, color=False, size=lambda: size)
    draw(stream, screen, list(frames()[:1]))
    assert max(map(len, render_frame(frames()[0], width=100, color=False))) > 60
    # the terminal wraps what stands there: feeding it anew at the new width is what it would show
    size = (60, 40)
    draw(stream, screen, list(frames()[1:2]))
    terminal = shown(stream, columns=60)
    assert terminal.lines == ["$ loadgate run", *render_frame(frames()[1], width=60, color=False)]
    screen.close()


def test_a_stream_that_takes_nothing_does_not_hold_the_run_up() -> None:
    stream = Stream()
    stream.gate.clear()
    screen = Screen(stream, color=False, size=lambda: (80, 40))
    before = time.thread_time()
    screen.update(frames()[0])
    for frame in frames()[1:10]:
        screen.update(frame)
    assert time.thread_time() - before < 0.5
    stream.gate.set()
    settle(screen)
    draw(stream, screen, [frames()[10]])
    assert shown(stream).lines[1:] == render_frame(frames()[10], width=80, color=False)
    assert stream.getvalue().count("standard ->") == 2  # the first, which was on its way, and the last
    screen.close()


@pytest.mark.parametrize("watcher", [Screen, PlainLog])
def test_a_broken_pipe_ends_the_drawing_and_nothing_else(watcher: type[Screen] | type[PlainLog]) -> None:
    stream = BrokenStream()
    view: Watcher = Screen(stream, color=False) if watcher is Screen else PlainLog(stream)
    for frame in frames()[:12]:
        view.update(frame)
    view.close()
    view.update(frames()[12])


def test_a_stream_that_was_closed_ends_the_drawing_and_nothing_else() -> None:
    stream = Stream()
    screen = Screen(stream, color=False, size=lambda: (80, 40))
    draw(stream, screen, list(frames()[:1]))
    io.StringIO.close(stream)
    screen.update(frames()[1])
    screen.close()


def test_without_the_glyphs_the_view_is_ascii() -> None:
    stream = AsciiStream()
    screen = Screen(stream, color=False, size=lambda: (80, 40))
    draw(stream, screen, list(frames()[:2]))
    screen.close()
    log = PlainLog(stream)
    log.update(replace(frames()[2], stage_text="größer"))
    settle(log)
    log.close()
    assert stream.getvalue().isascii()


def test_a_real_terminal_is_asked_for_its_size() -> None:
    parent, child = pty.openpty()
    try:
        os.set_blocking(parent, False)
        with os.fdopen(child, "w", encoding="utf-8") as stream:
            fcntl.ioctl(stream, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 72, 0, 0))
            screen = Screen(stream, color=False)
            screen.update(frames()[0])
            settle(screen)
            output = os.read(parent, 65536).decode()
            terminal = TinyTerminal(72, 30)
            terminal.feed(output)
            assert terminal.lines == render_frame(frames()[0], width=72, color=False)
            screen.close()
    finally:
        os.close(parent)


def test_a_terminal_that_hangs_up_ends_the_drawing_and_nothing_else() -> None:
    parent, child = pty.openpty()
    with os.fdopen(child, "w", encoding="utf-8") as stream:
        screen = Screen(stream, color=False)
        screen.update(frames()[0])
        settle(screen)
        os.close(parent)
        for frame in frames()[1:4]:
            screen.update(frame)
            screen._outlet._idle.wait(5.0)
        assert screen._outlet.broken
        screen.close()


STUCK = """
import sys
from loadgate.report.outlet import Outlet
outlet = Outlet(sys.stderr)
for _ in range(100):
    outlet.offer("x" * 10_000)
    outlet._idle.wait(0.1)
    if outlet.busy:
        break
assert outlet.busy
outlet.close()
print("done")
"""


@pytest.mark.slow
def test_a_reader_that_never_reads_does_not_keep_the_program_from_ending() -> None:
    reading, writing = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-c", STUCK],
            stdout=subprocess.PIPE,
            stderr=writing,
            text=True,
            timeout=20,
            check=False,
            # unbuffered streams have no lock to wait for, but nobody's are
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert (done.returncode, done.stdout) == (0, "done\n")


def log_lines(some: list[Frame]) -> list[str]:
    stream = Stream()
    log = PlainLog(stream)
    for frame in some:
        log.update(frame)
        settle(log)
    log.close()
    return stream.getvalue().splitlines()


def test_a_log_has_a_line_at_each_stage_and_every_ten_seconds() -> None:
    opening, *lines = log_lines(list(frames()))
    assert opening == "standard  -> http://127.0.0.1:3000  1m planned"
    assert [line.split("/")[0] for line in lines] == [
        "00:01",
        "00:10",
        "00:20",
        "00:30",
        "00:40",
        "00:50",
        "01:00",
        "01:01",
    ]
    assert "stage 1/3 ramp to 10 VUs" in lines[0]
    assert "stage 2/3 hold 10 VUs" in lines[1]
    assert "stage 3/3 ramp to 0 VUs" in lines[5]
    assert "finishing" in lines[7]
    assert all("\x1b" not in line and line.isascii() for line in lines)


def test_the_log_of_a_long_run_grows_slower_until_a_line_a_minute() -> None:
    base = replace(frames()[30], stage=2)
    lines = log_lines([replace(base, elapsed=float(second), planned=28_800.0) for second in range(1, 28_801, 5)])
    assert 480 <= len(lines) <= 520
    assert sum(len(line) + 1 for line in lines) < 100_000


def test_a_line_of_the_log_sums_errors_up_and_names_what_is_wrong() -> None:
    _, line = log_lines([replace(frames()[30], healthy=False, health_text="the generator was late", dropped=5)])
    assert line.startswith("00:31/01:00  stage 2/3 hold 10 VUs  99.0/s  p95 ")
    assert "5 dropped" in line
    assert "errors, most status 503 in POST /orders" in line
    assert line.endswith("generator late: the generator was late")


def test_names_cannot_break_a_line_of_the_log() -> None:
    _, line = log_lines([replace(frames()[3], stage_text="a\nb\x1b[2J")])
    assert line.isprintable()


def test_the_silent_watcher_shows_nothing() -> None:
    watcher: Watcher = Silent()
    watcher.update(frames()[0])
    watcher.close()


def test_an_outlet_takes_one_text_at_a_time_and_none_after_its_end() -> None:
    stream = Stream()
    stream.gate.clear()
    outlet = Outlet(stream)
    assert outlet.offer("one")
    assert not outlet.offer("two")
    stream.gate.set()
    assert outlet.drain()
    assert outlet.offer("three")
    outlet.close()
    assert not outlet.offer("four")
    assert stream.getvalue() == "onethree"


def test_what_the_encoding_lacks_is_replaced_not_raised() -> None:
    stream = AsciiStream()
    outlet = Outlet(stream)
    assert outlet.offer("größer")
    assert outlet.drain()
    outlet.close()
    assert stream.getvalue() == "gr??er"


def test_a_log_of_one_stage_does_not_number_it() -> None:
    _, line = log_lines([replace(frames()[3], stage=1, stages=1, stage_text="10 VUs", goal=500, done=80)])
    assert line.startswith("00:04  80/500 iterations  10 VUs  99.0/s")
