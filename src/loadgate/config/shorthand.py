"""The short way to say load, "10 VUs for 30 s", and the executor each combination stands for.

The same rules serve `loadgate.yml` and the command line, which differ only in how they name a setting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from loadgate.config.load import (
    GRACEFUL_RAMP_DOWN,
    GRACEFUL_STOP,
    MAX_DURATION,
    MOST_VUS,
    VU_LIMIT,
    Executor,
    LoadSpec,
    Stage,
    StageText,
)

T = TypeVar("T")

LOAD_NAME: Final = "default"  # k6's name for the scenario its shorthand makes


@dataclass(frozen=True, slots=True)
class Shorthand:
    """The settings as given; None (or no stages) is "not given". Seconds, starts per second."""

    vus: int | None = None
    duration: float | None = None
    rate: float | None = None
    stages: tuple[StageText, ...] = ()
    iterations: int | None = None
    max_vus: int | None = None
    graceful_stop: float | None = None
    graceful_ramp_down: float | None = None

    def given(self) -> frozenset[str]:
        """The names of the settings given."""
        return frozenset(name for name in self.__slots__ if getattr(self, name) not in (None, ()))


class Conflict(Exception):
    """Settings that do not make one load. `key` is the setting to point at, None if none is."""

    def __init__(self, key: str | None, message: str, note: str = "") -> None:
        super().__init__(message)
        self.key = key
        self.message = message
        self.note = note


def load_of(short: Shorthand, name: Callable[[str], str]) -> LoadSpec:
    """The load that `short` stands for; `name` shows a setting the way the user wrote it. Raises Conflict.

    vus + duration: constant-vus. vus + iterations: shared-iterations (duration then limits it). stages of VUs:
    ramping-vus, from `vus`. rate + duration: constant-arrival-rate. stages of rates: ramping-arrival-rate, from
    `rate`. Without `vus` there is one.
    """
    given = short.given()
    rates = {stage.per_second for stage in short.stages}
    forms = (
        f"{name('vus')} with {name('duration')}, {name('vus')} with {name('iterations')}, "
        f"{name('rate')} with {name('duration')}, or {name('stages')}"
    )

    def refuse_pair(first: str, second: str, why: str) -> None:
        if first in given and second in given:
            raise Conflict(second, f"{name(first)} and {name(second)} cannot be given together", why)

    refuse_pair("stages", "duration", "the stages say how long the run takes")
    refuse_pair("stages", "iterations", f"give one of: {forms}")
    refuse_pair("rate", "iterations", f"give one of: {forms}")
    refuse_pair("vus", "rate", f"a rate takes as many VUs as it needs; {name('max_vus')} limits them")
    if len(rates) == 2:
        raise Conflict("stages", f"{name('stages')} mixes VUs and rates", "write every target as `100` or as `100/s`")
    if not given & {"vus", "duration", "rate", "stages", "iterations"}:
        raise Conflict(None, "no load is given", f"give one of: {forms}")
    if rates == {True}:
        refuse_pair("vus", "stages", f"a rate takes as many VUs as it needs; {name('max_vus')} limits them")
        load = _ramping_rate(short)
    elif short.stages:
        refuse_pair("rate", "stages", "these stages are VUs; write a rate as `1m:500/s`")
        load = _ramping_vus(short, name)
    elif short.iterations is not None:
        load = _shared_iterations(short, name)
    elif short.duration is None:
        key = "rate" if short.rate is not None else "vus"
        raise Conflict(key, f"{name(key)} does not say how long", f"give one of: {forms}")
    elif short.rate is not None:
        if short.rate == 0.0:
            raise Conflict("rate", f"{name('rate')} must be more than 0")
        load = _open(short, Executor.CONSTANT_ARRIVAL_RATE, duration=short.duration, rate=short.rate)
    else:
        load = LoadSpec(
            LOAD_NAME,
            Executor.CONSTANT_VUS,
            vus=_or(short.vus, 1),
            duration=short.duration,
            graceful_stop=_or(short.graceful_stop, GRACEFUL_STOP),
        )
    if "max_vus" in given and not load.executor.open_model:
        raise Conflict("max_vus", f"{name('max_vus')} is for rates", "this load starts the VUs it is given")
    if "graceful_ramp_down" in given and load.executor is not Executor.RAMPING_VUS:
        raise Conflict("graceful_ramp_down", f"{name('graceful_ramp_down')} is for stages of VUs")
    if load.length <= 0.0:
        raise Conflict("stages" if short.stages else "duration", "this load takes no time", "give more than 0 seconds")
    return load


def _ramping_vus(short: Shorthand, name: Callable[[str], str]) -> LoadSpec:
    for stage in short.stages:
        if not stage.target.is_integer() or stage.target > VU_LIMIT:
            message = f"{stage.target:,g} in {name('stages')} is not a number of VUs"
            raise Conflict("stages", message, "give a whole number, or a rate as `100/s`")
    return LoadSpec(
        LOAD_NAME,
        Executor.RAMPING_VUS,
        start_vus=_or(short.vus, 1),
        stages=_levels(short),
        graceful_stop=_or(short.graceful_stop, GRACEFUL_STOP),
        graceful_ramp_down=_or(short.graceful_ramp_down, GRACEFUL_RAMP_DOWN),
    )


def _shared_iterations(short: Shorthand, name: Callable[[str], str]) -> LoadSpec:
    vus, iterations = _or(short.vus, 1), _or(short.iterations, 1)
    if iterations < vus:
        message = f"{name('iterations')} is less than {name('vus')}: {vus - iterations} VUs would have nothing to do"
        raise Conflict("iterations", message)
    return LoadSpec(
        LOAD_NAME,
        Executor.SHARED_ITERATIONS,
        vus=vus,
        iterations=iterations,
        max_duration=_or(short.duration, MAX_DURATION),
        graceful_stop=_or(short.graceful_stop, GRACEFUL_STOP),
    )


def _ramping_rate(short: Shorthand) -> LoadSpec:
    return _open(short, Executor.RAMPING_ARRIVAL_RATE, start_rate=_or(short.rate, 0.0), stages=_levels(short))


def _open(
    short: Shorthand,
    executor: Executor,
    *,
    duration: float = 0.0,
    rate: float = 0.0,
    start_rate: float = 0.0,
    stages: tuple[Stage, ...] = (),
) -> LoadSpec:
    return LoadSpec(
        LOAD_NAME,
        executor,
        duration=duration,
        rate=rate,
        start_rate=start_rate,
        stages=stages,
        max_vus=_or(short.max_vus, MOST_VUS),
        graceful_stop=_or(short.graceful_stop, GRACEFUL_STOP),
    )


def _levels(short: Shorthand) -> tuple[Stage, ...]:
    return tuple(Stage(stage.duration, stage.target) for stage in short.stages)


def _or(value: T | None, default: T) -> T:
    return default if value is None else value
