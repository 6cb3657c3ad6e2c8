"""Latency by payload size, as a load: each size in a closed loop, then at each fixed rate, one after the other.

Each of them is a step of its own ("POST /echo, 1,000 B, 50/s"), so all that holds for steps holds for sizes: percentiles,
budgets, history, comparison.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from loadgate.config.bench import BLANK, SizesSpec
from loadgate.config.load import Executor, LoadSpec
from loadgate.config.profile import Profile
from loadgate.script.request import fixed_request
from loadgate.script.scenario import Scenario, Script
from loadgate.script.steps import PlainRequestRun
from loadgate.units import format_count

NAME: Final = "bench"
PAUSE: Final = 0.2
"""Seconds between two loads, in which what is under way may end."""
SETTLE: Final = 1.0
"""Seconds at the start of the whole that count in nothing: the program has just been started."""
_GRACE: Final = 5.0


def size_load(spec: SizesSpec) -> tuple[Profile, Script]:
    """The load and what its users do. The first second is a warm-up of its own, with the first size."""
    scenarios, loads = [], []
    warm = _scenario(spec, spec.sizes[0], "warm-up")
    scenarios.append(warm)
    loads.append(_closed(spec, warm.name, 0.0, SETTLE - PAUSE / 2.0))
    at = SETTLE
    for size in spec.sizes:
        for rate in (0.0, *spec.rates):
            words = f"{rate:g}/s" if rate else "closed loop"
            scenario = _scenario(spec, size, f"{format_count(size)} B, {words}")
            scenarios.append(scenario)
            if rate:
                loads.append(_open(spec, scenario.name, at, rate))
            else:
                loads.append(_closed(spec, scenario.name, at, spec.duration))
            at += spec.duration + PAUSE
    return Profile(NAME, tuple(loads), warmup=SETTLE), Script(NAME, tuple(scenarios))


def _scenario(spec: SizesSpec, size: int, name: str) -> Scenario:
    path = spec.request.path.replace(BLANK, str(size))
    body = b"x" * size if spec.request.carries else None
    headers = {"content-type": "application/octet-stream"} if spec.request.carries else {}
    plan = fixed_request(spec.request.method, path, headers=headers, body=body)
    plan = replace(plan, name=f"{_request(spec)}, {name}")
    return Scenario(name, PlainRequestRun(plan, name=f"{_request(spec)}, {name}", status_check="status is 2xx or 3xx"))


def _request(spec: SizesSpec) -> str:
    return f"{spec.request.method} {spec.request.path.replace(BLANK, 'N')}"


def _closed(spec: SizesSpec, name: str, at: float, seconds: float) -> LoadSpec:
    return LoadSpec(
        name, Executor.CONSTANT_VUS, vus=spec.vus, duration=seconds, start_time=at, graceful_stop=_GRACE, exec=name
    )


def _open(spec: SizesSpec, name: str, at: float, rate: float) -> LoadSpec:
    return LoadSpec(
        name,
        Executor.CONSTANT_ARRIVAL_RATE,
        rate=rate,
        duration=spec.duration,
        pre_allocated_vus=1,
        start_time=at,
        graceful_stop=_GRACE,
        exec=name,
    )
