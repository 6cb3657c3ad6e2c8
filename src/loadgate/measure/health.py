"""Is the generator honest? Pure judgement over what the engine saw of itself.

Every time is taken inside the generator. A reply that comes while its event loop is busy waits to be timed, and a start
that falls due then is late: the wait is counted as the target's. Nobody can subtract it afterwards, so a run in which it
is large must not pass. What is measured is that wait itself: a timer due every 20 ms, at fixed times, sees how late the loop
is at moments that have nothing to do with the load. The share of looks that came more than x late is the share of time in
which whatever happened had to wait for more than x: in an open model also the share of starts that were so late; in a closed
one fewer samples fall into such times, since its users wait with the loop.

**Dishonest**, so that the run is void:
* The loop was late by more than the tolerance for 5 % of the time or more: what p95 then tells is the generator.
  The tolerance is 10 ms, or a tenth of the median service time where that is more: 15 ms on top of 2 s change nothing. 10 ms
  is above what two programs do to each other that share a core (a turn of the scheduler is 3 to 4 ms, so they are late by 4,
  now and then by 8), and below what a user of a service would notice. One hiccup of 100 ms in a minute is 0.15 % of the time.
* An open model's plan was missed, and the most of what is missing is missing from windows in which the generator was
  overloaded, that is, late in the sense above or at 95 % of a core.

**Not enough to void a run, but said** (`warnings`):
* 80 % of a core or more, k6's advice for its own users ("Running large tests"). Alone it is no fault: 64 VUs without think
  time on a fast local service use all of one core and are late by 0.2 ms. Nor is a low share a good sign: a generator that
  competes with its target for a core may be late half of the time at 50 %. Locust warns at 90 % and goes on; k6 leaves it
  to its users (k6 #6101: busy CPU inflates the times it takes).
* The loop was late by more than the tolerance for 1 % of the time, or by more than the median service time for 5 % of it:
  high percentiles hold that delay.

Where a plan was missed and the generator was fine, the target is slower than the plan. That is no fault of the generator
(`missed`, while `healthy`); it is for the verdict to weigh.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median  # NumPy's imports masked arrays at its first call, which stalls the loop for 30 ms
from typing import Final

import numpy as np

from loadgate.units import format_share

LATE_EDGES_MS: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
"""How late the loop must have been to be counted in each place of `HealthSample.late`."""

TOLERANCE_MS: Final = 10.0
TOLERANCE_SHARE: Final = 0.1
"""The delay that is let pass: the first, or this share of the median service time where that is more."""
LATE_LIMIT: Final = 0.05
"""Share of the time the loop may be later than that."""
LATE_WARNING: Final = 0.01

CPU_LIMIT: Final = 0.95
"""Share of one core from which a window in which starts are missing counts as the generator's fault."""
CPU_WARNING: Final = 0.8
PLAN_LIMIT: Final = 0.99
"""Share of the planned starts that must have happened."""

NOTHING_SEEN: Final = "the run ended before anything could be measured"


@dataclass(frozen=True, slots=True)
class HealthSample:
    """One window of the generator: `at` is its end in seconds since the start, counts are of this window alone.

    `cpu_share` is of one core; `loop_lag_ms` how late the latest look of the window came. `planned`, `started` and `dropped`
    count iterations of open models only: closed models plan none. `late` is what `late_shares` makes of the window's looks;
    where it is empty, the latest look stands for the only stall of the window.
    """

    at: float
    cpu_share: float
    loop_lag_ms: float
    planned: int = 0
    started: int = 0
    dropped: int = 0
    late: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict on the generator, over all windows after the warm-up.

    `healthy`: its times and its plan can be trusted; if not, `reasons` are whole sentences that say why. `warnings` are
    sentences to be read beside the figures. `missed` says that the plan was not reached because of the target, or is empty.
    `cpu_share` is of the median window. `loop_lag_p99_ms`: for 1 % of the time the loop was later than this (between two of
    `LATE_EDGES_MS`, interpolated). `late_share`: share of the time in which it was later than the tolerance.
    """

    healthy: bool
    cpu_share: float
    loop_lag_p99_ms: float
    planned: int
    achieved: int
    dropped: int
    reasons: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    missed: str = ""
    late_share: float = 0.0


def late_shares(delays: Sequence[float]) -> tuple[float, ...]:
    """Of looks that came `delays` (s) late, the share that came later than each of `LATE_EDGES_MS`.

    Looks are due at fixed times, one period apart. A loop that stood still for several periods is asked for every look that
    fell due meanwhile, not for one: else a stall of a second would count as much as one of a period (the coordinated
    omission of the loop's own timer).
    """
    if not len(delays):
        return (0.0,) * len(LATE_EDGES_MS)
    late = np.sort(np.asarray(delays, np.float64)) * 1e3
    later = len(late) - np.searchsorted(late, LATE_EDGES_MS, side="right")
    return tuple((later / len(late)).tolist())


def judge_health(samples: Sequence[HealthSample], *, warmup: float = 0.0, service_ms: float = 0.0) -> Health:
    """Judge a run by its windows. `service_ms` is the median service time; 0 or NaN if none was measured.

    Windows that begin within the warm-up (s) are left out. Without any there is nothing to trust: not healthy.
    """
    starts = [0.0, *(sample.at for sample in samples)]
    windows = [
        _Seen(sample, sample.at - start)
        for sample, start in zip(samples, starts, strict=False)
        if sample.at > start and start >= warmup - 1e-9
    ]
    if not windows:
        return Health(False, 0.0, 0.0, 0, 0, 0, (NOTHING_SEEN,))
    service_ms = 0.0 if math.isnan(service_ms) else service_ms
    tolerance = _edge_up_to(max(TOLERANCE_MS, TOLERANCE_SHARE * service_ms))
    loop = _Loop(windows, tolerance, service_ms)
    cpu = median(window.sample.cpu_share for window in windows)
    plan = _Plan(windows, tolerance)
    late = loop.share(tolerance)
    reasons: tuple[str, ...] = ()
    missed = ""
    if plan.is_missed and plan.own_fault:
        reasons = (plan.own_fault_text(cpu, loop),)
    elif late >= LATE_LIMIT:
        reasons = (loop.late_text(cpu),)
    if plan.is_missed and not plan.own_fault:
        missed = plan.target_text()
    return Health(
        healthy=not reasons,
        cpu_share=cpu,
        loop_lag_p99_ms=loop.percentile(99.0),
        planned=plan.planned,
        achieved=plan.started,
        dropped=plan.dropped,
        reasons=reasons,
        warnings=() if reasons else tuple(_warnings(cpu, loop)),
        missed=missed,
        late_share=late,
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """A sample and the width of its window in seconds."""

    sample: HealthSample
    width: float

    def late(self) -> tuple[float, ...]:
        if self.sample.late:
            return self.sample.late
        lag = self.sample.loop_lag_ms
        return tuple(min(1.0, max(0.0, lag - edge) / 1e3 / self.width) for edge in LATE_EDGES_MS)


class _Loop:
    """How late the event loop was, over all windows."""

    def __init__(self, windows: Sequence[_Seen], tolerance: float, service_ms: float) -> None:
        widths = np.array([window.width for window in windows])
        shares = np.array([window.late() for window in windows])
        self._shares = (widths @ shares / widths.sum()).tolist()
        self.worst = max(window.sample.loop_lag_ms for window in windows)
        self.tolerance = tolerance
        self.service_ms = service_ms

    def share(self, edge: float) -> float:
        """Share of the time in which it was later than `edge`, one of LATE_EDGES_MS."""
        return float(self._shares[LATE_EDGES_MS.index(edge)])

    def percentile(self, p: float) -> float:
        """The delay (ms) that was exceeded for 100 - p percent of the time, interpolated between the edges."""
        wanted = 1.0 - p / 100.0
        edges = (0.0, *LATE_EDGES_MS, max(self.worst, LATE_EDGES_MS[-1]))
        shares = (1.0, *self._shares, 0.0)
        for (low, high), (above, below) in zip(pairwise(edges), pairwise(shares), strict=True):
            if below <= wanted:
                part = (above - wanted) / (above - below) if above > below else 0.0
                return min(low + (high - low) * max(0.0, part), self.worst)
        return self.worst

    def late_text(self, cpu: float) -> str:
        advice = (
            "use fewer VUs, add think time, or lower the rate"
            if cpu >= CPU_WARNING
            else "something else takes the CPU, or a scenario blocks: give the generator a core of its own"
        )
        return (
            f"the generator was late: for {format_share(self.share(self.tolerance))} of the time replies and starts waited "
            f"more than {self.tolerance:g} ms for it, up to {self.worst:,.0f} ms (limit {format_share(LATE_LIMIT)} of the "
            f"time), at {format_share(cpu)} of one core; {advice}"
        )


class _Plan:
    """What open models had planned, and who is to blame for what is missing."""

    def __init__(self, windows: Sequence[_Seen], tolerance: float) -> None:
        place = LATE_EDGES_MS.index(tolerance)
        self.planned = sum(window.sample.planned for window in windows)
        self.started = sum(window.sample.started for window in windows)
        self.dropped = sum(window.sample.dropped for window in windows)
        self._seconds = sum(window.width for window in windows if window.sample.planned)
        overloaded = sum(
            window.sample.planned - window.sample.started
            for window in windows
            if window.sample.cpu_share >= CPU_LIMIT or window.late()[place] >= LATE_LIMIT
        )
        self.is_missed = self.started < PLAN_LIMIT * self.planned
        self.own_fault = 2 * overloaded >= self.planned - self.started

    @property
    def _done(self) -> str:
        seconds = self._seconds
        return f"achieved {self.started / seconds:,.0f}/s of {self.planned / seconds:,.0f}/s planned"

    def own_fault_text(self, cpu: float, loop: _Loop) -> str:
        missing = format_share(1.0 - self.started / self.planned)
        return (
            f"{self._done}: the generator could not keep the plan ({missing} of the starts missing, "
            f"{format_share(cpu)} of one core used, up to {loop.worst:,.0f} ms late); lower the rate"
        )

    def target_text(self) -> str:
        return (
            f"{self._done}: {self.dropped:,} iterations were dropped because every VU was waiting for the target; "
            "the target is slower than the plan, or allow more users with --max-vus"
        )


def _warnings(cpu: float, loop: _Loop) -> list[str]:
    said = []
    if cpu >= CPU_WARNING:
        said.append(
            f"the generator used {format_share(cpu)} of one core (advised: below {format_share(CPU_WARNING)}), so times hold "
            "some of its own delay; fewer VUs, think time or a lower rate would tell the target's alone"
        )
    double = min(edge for edge in (*LATE_EDGES_MS, math.inf) if edge >= max(1.0, loop.service_ms))
    if loop.share(loop.tolerance) >= LATE_WARNING:
        said.append(_touched(loop.share(loop.tolerance), loop.tolerance))
    elif loop.service_ms and double < loop.tolerance and loop.share(double) >= LATE_LIMIT:
        said.append(_touched(loop.share(double), double))
    return said


def _touched(share: float, delay: float) -> str:
    return (
        f"for {format_share(share)} of the time replies waited more than {delay:g} ms for the generator, so high percentiles "
        "hold some of its own delay"
    )


def _edge_up_to(delay: float) -> float:
    """The largest of LATE_EDGES_MS that is not above `delay`."""
    return max(edge for edge in LATE_EDGES_MS if edge <= delay)
