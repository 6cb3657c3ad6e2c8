"""What the live view costs the process that loads: `python bench/live.py [--steps 10] [--seconds 120]`.

Bar: an update with its frame and its drawing takes under 1 ms with 10 steps, since it runs on the load's event loop once a
window. Wall-clock milliseconds, median and worst; the terminal is a pseudo terminal that somebody reads.
"""

from __future__ import annotations

import argparse
import os
import pty
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from loadgate.config.load import Executor, LoadSpec
from loadgate.measure.health import HealthSample
from loadgate.measure.metric import BUILTIN
from loadgate.measure.recorder import Recorder
from loadgate.record.verdict import ThresholdResult
from loadgate.report.frame import render_frame
from loadgate.report.live import LiveModel
from loadgate.report.screen import Screen

T = TypeVar("T")
PER_STEP = 500


def thresholds() -> tuple[ThresholdResult, ...]:
    return tuple(
        ThresholdResult("http_req_duration", f"{name}<500", name, "<", 500.0, "ms", 30.0, True)
        for name in ("p(50)", "p(95)", "p(99)")
    )


def window(recorder: Recorder, random: np.random.Generator, second: int, steps: int) -> None:
    """Write one second of exchanges: every step with two outcomes, as real ones have."""
    for step in range(steps):
        for status, share in (("200", 0.99), ("503", 0.01)):
            tags = {"name": f"GET /step/{step}", "status": status, "expected_response": str(status == "200").lower()}
            series = recorder.exchange_series("http", tags, failed=status != "200")
            for seconds in random.lognormal(np.log(0.01), 0.8, int(PER_STEP * share)).tolist():
                recorder.exchange(series, 100, 900, second, second, second + seconds, second + seconds)
    recorder.add(recorder.series(BUILTIN["vus"], {}), 10.0)


def read_all(terminal: int) -> None:
    """Somebody looks."""
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:  # how Linux says that the other end is closed
        pass


def timed(cost: list[float], call: Callable[[], T]) -> T:
    began = time.perf_counter()
    result = call()
    cost.append((time.perf_counter() - began) * 1e3)
    return result


def show(name: str, cost: Sequence[float]) -> None:
    middle, high = np.percentile(cost, [50, 99])
    print(f"{name:28} {middle:6.3f} ms   p99 {high:6.3f} ms   worst {max(cost):6.3f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=120)
    arguments = parser.parse_args()
    parent, child = pty.openpty()
    threading.Thread(target=read_all, args=(parent,), daemon=True).start()
    stream = os.fdopen(child, "w", encoding="utf-8")
    random = np.random.default_rng(1)
    recorder = Recorder(start=0.0)
    load = LoadSpec("load", Executor.CONSTANT_VUS, vus=10, duration=float(arguments.seconds))
    model = LiveModel(profile="standard", target="http://127.0.0.1:3000", loads=[load])
    screen = Screen(stream, color=True, size=lambda: (100, 40))
    judged = thresholds()
    updates: list[float] = []
    frames: list[float] = []
    draws: list[float] = []
    for second in range(arguments.seconds):
        window(recorder, random, second, arguments.steps)
        closed = recorder.close_window(second + 1.0)
        frame = timed(
            updates,
            lambda closed=closed, second=second: model.update(  # type: ignore[misc]
                closed,
                HealthSample(second + 1.0, 0.3, 0.4),
                active=10,
                thresholds=judged,
                errors=recorder.errors,
                series=recorder.describe,
            ),
        )
        timed(frames, lambda frame=frame: render_frame(frame, width=100, color=True))  # type: ignore[misc]
        timed(draws, lambda frame=frame: screen.update(frame))  # type: ignore[misc]
        time.sleep(0.002)
    screen.close()
    print(f"{arguments.steps} steps, {PER_STEP} requests a step and second, {arguments.seconds} windows")
    show("LiveModel.update", updates)
    show("render_frame (width 100)", frames)
    show("Screen.update (with frame)", draws)
    show("update and draw", [a + b for a, b in zip(updates, draws, strict=True)])


if __name__ == "__main__":
    main()
