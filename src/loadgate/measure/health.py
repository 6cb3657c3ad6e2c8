"""Is the generator honest? Pure judgement over what the engine saw of itself.

A saturated generator inflates every time it takes, because times are taken inside it; a plan that was not kept is not the
load that was asked for. Such a run must not pass (k6's own advice is to stay below 80 % of the CPU; nothing enforces it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

CPU_LIMIT: Final = 0.95
"""Median share of one core, over windows, from which the event loop is taken for saturated."""
LAG_LIMIT_MS: Final = 25.0
"""p99 over windows of how late the loop ran, from which its times are not to be trusted."""
PLAN_LIMIT: Final = 0.99
"""Share of the planned starts that must have happened."""


@dataclass(frozen=True, slots=True)
class HealthSample:
    """One window of the generator: `at` in seconds since the start, counts are of this window alone.

    `cpu_share` is of one core; `loop_lag_ms` the 99th percentile of how late timed callbacks ran. `planned`, `started` and
    `dropped` count iterations of open models only: closed models plan none.
    """

    at: float
    cpu_share: float
    loop_lag_ms: float
    planned: int = 0
    started: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict on the generator; `reasons` are whole sentences and empty where it was healthy."""

    healthy: bool
    cpu_share: float
    loop_lag_p99_ms: float
    planned: int
    achieved: int
    dropped: int
    reasons: tuple[str, ...]


def judge_health(samples: Sequence[HealthSample], *, cpu_limit: float = CPU_LIMIT) -> Health:
    """Judge a run by its windows. Without windows there is nothing to trust: not healthy."""
    if not samples:
        return Health(False, 0.0, 0.0, 0, 0, 0, ("the run ended before anything could be measured",))
    cpu = float(np.median([sample.cpu_share for sample in samples]))
    lag = float(np.percentile([sample.loop_lag_ms for sample in samples], 99.0))
    planned = sum(sample.planned for sample in samples)
    started = sum(sample.started for sample in samples)
    dropped = sum(sample.dropped for sample in samples)
    seconds = samples[-1].at
    saturated = cpu >= cpu_limit
    reasons = []
    if planned and started < PLAN_LIMIT * planned:
        reasons.append(_plan_missed(planned, started, dropped, seconds, cpu, saturated=saturated))
    elif saturated:
        reasons.append(
            f"the generator was saturated: {cpu:.0%} of one core in the median window, so the times it took hold its own "
            "delay; use fewer VUs, add think time, or use --rate"
        )
    if lag > LAG_LIMIT_MS and not saturated:
        reasons.append(
            f"the generator's event loop ran up to {lag:.0f} ms late (p99 of windows, limit {LAG_LIMIT_MS:.0f} ms): something "
            "else took the CPU, or a scenario blocks; give the generator a core of its own"
        )
    return Health(not reasons, cpu, lag, planned, started, dropped, tuple(reasons))


def _plan_missed(planned: int, started: int, dropped: int, seconds: float, cpu: float, *, saturated: bool) -> str:
    done = f"achieved {started / seconds:,.0f}/s of {planned / seconds:,.0f}/s planned"
    share = 1.0 - started / planned
    if saturated:
        return (
            f"{done}: the generator could not keep the plan ({share:.1%} of the starts missing, {cpu:.0%} of one core used); "
            "lower the rate"
        )
    return (
        f"{done}: {dropped:,} iterations were dropped because every VU was waiting for the target; "
        "the target is slower than the plan, or allow more users with --max-vus"
    )
