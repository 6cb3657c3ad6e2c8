"""How load moves over time: one `LoadSpec` for one executor, in k6's terms and with k6's defaults.

Source: https://grafana.com/docs/k6/latest/using-k6/scenarios/executors/
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from loadgate.units import RATE_LIMIT, UnitError, format_duration, parse_duration, parse_rate

GRACEFUL_STOP: Final = 30.0
GRACEFUL_RAMP_DOWN: Final = 30.0
MAX_DURATION: Final = 600.0
VU_LIMIT: Final = 1_000_000  # beyond what one machine can hold: a slip of the keyboard, not a plan
ITERATION_LIMIT: Final = 10**12  # months at full speed; that many for each of VU_LIMIT are still a 64-bit number
MOST_VUS: Final = 10_000  # for a rate that says no `max_vus`: a VU that waits costs kilobytes


class Executor(StrEnum):
    """k6's six ways to start iterations."""

    SHARED_ITERATIONS = "shared-iterations"
    PER_VU_ITERATIONS = "per-vu-iterations"
    CONSTANT_VUS = "constant-vus"
    RAMPING_VUS = "ramping-vus"
    CONSTANT_ARRIVAL_RATE = "constant-arrival-rate"
    RAMPING_ARRIVAL_RATE = "ramping-arrival-rate"

    @property
    def open_model(self) -> bool:
        """Whether iterations start by the clock and not when a VU is free."""
        return self in (Executor.CONSTANT_ARRIVAL_RATE, Executor.RAMPING_ARRIVAL_RATE)

    @property
    def counted(self) -> bool:
        """Whether a number of iterations, not a time, ends the load."""
        return self in (Executor.SHARED_ITERATIONS, Executor.PER_VU_ITERATIONS)


@dataclass(frozen=True, slots=True)
class Stage:
    """A straight line from the level before to `target` (VUs, or starts per second) over `duration` seconds."""

    duration: float
    target: float


@dataclass(frozen=True, slots=True)
class StageText:
    """A stage as written: `per_second` tells a rate ("1m:500/s") from a bare number ("1m:100")."""

    duration: float
    target: float
    per_second: bool


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """One executor's plan. Times in seconds, rates in starts per second; fields of other executors keep defaults.

    `exec` names the scenario that is run, None the weighted mix of all. `iterations` is the total for
    shared-iterations and the number for each VU for per-vu-iterations.
    """

    name: str
    executor: Executor
    vus: int = 1
    iterations: int = 1
    duration: float = 0.0
    max_duration: float = MAX_DURATION
    stages: tuple[Stage, ...] = ()
    start_rate: float = 0.0
    rate: float = 0.0
    start_vus: int = 1
    pre_allocated_vus: int = 0
    max_vus: int = MOST_VUS
    start_time: float = 0.0
    graceful_stop: float = GRACEFUL_STOP
    graceful_ramp_down: float = GRACEFUL_RAMP_DOWN
    exec: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def length(self) -> float:
        """Planned seconds from its start to its last possible new iteration."""
        if self.executor.counted:
            return self.max_duration
        return sum(stage.duration for stage in self.stages) if self.stages else self.duration

    @property
    def words(self) -> str:
        """The load as one would say it: "10 VUs for 30s", "500/s for 1m with up to 10,000 VUs"."""
        length = format_duration(self.length)
        if self.executor.counted:
            each = " each" if self.executor is Executor.PER_VU_ITERATIONS else ""
            text = f"{_vus(self.vus)}, {self.iterations:,} iterations{each}, at most {length}"
        elif self.executor is Executor.CONSTANT_VUS:
            text = f"{_vus(self.vus)} for {length}"
        elif self.executor is Executor.CONSTANT_ARRIVAL_RATE:
            text = f"{self.rate:,g}/s for {length} with up to {_vus(self.max_vus)}"
        elif self.executor is Executor.RAMPING_VUS:
            most = max(self.start_vus, *(round(stage.target) for stage in self.stages))
            text = f"up to {_vus(most)} for {length} in {_stages(self.stages)}"
        else:
            most_rate = max(self.start_rate, *(stage.target for stage in self.stages))
            text = f"up to {most_rate:,g}/s for {length} in {_stages(self.stages)} with up to {_vus(self.max_vus)}"
        return text if not self.start_time else f"{text}, from {format_duration(self.start_time)} on"

    @property
    def end(self) -> float:
        """Planned seconds from the start of the run to its last possible new iteration."""
        return self.start_time + self.length


def _vus(count: int) -> str:
    return f"{count:,} VU" if count == 1 else f"{count:,} VUs"


def _stages(stages: tuple[Stage, ...]) -> str:
    return f"{len(stages)} stage" if len(stages) == 1 else f"{len(stages)} stages"


def parse_stage(text: str) -> StageText:
    """The stage in "1m:100" (VUs) or "1m:500/s" (starts per second). Raises UnitError."""
    duration, colon, target = text.partition(":")
    if not colon:
        raise UnitError(f"`{text}` is not a stage", "write duration:target, for example 1m:100 or 1m:500/s")
    return stage_text(parse_duration(duration), target.strip())


def stage_text(duration: float, target: str) -> StageText:
    """The stage of `duration` seconds to `target`, "100" or "500/s". Raises UnitError."""
    try:
        per_second = "/" in target
        return StageText(duration, parse_rate(target, most=RATE_LIMIT if per_second else math.inf), per_second)
    except UnitError:
        hint = "give VUs, for example 100, or a rate, for example 500/s"
        raise UnitError(f"`{target[:40]}` is not what a stage can go to", hint) from None
