"""An async benchmark with its user: what a run's engine gives a scenario, without load.

A request that fails is fast, and a check that fails says that something else was measured: a benchmark with either has no
result.
"""

from __future__ import annotations

import os
from functools import partial

from loadgate.bench.timing import time_awaits
from loadgate.clients.http.stack import stack_for
from loadgate.clock import SystemClock
from loadgate.config.target import TargetSpec
from loadgate.errors import LoadgateError
from loadgate.measure.recorder import Recorder
from loadgate.measure.tally import RateTally
from loadgate.script.benchmark import Benchmark, Suite
from loadgate.script.loop import run_loop
from loadgate.script.performance import Performance
from loadgate.script.scenario import Scenario, Script
from loadgate.script.user import StopUser, User


def time_user(suite: Suite, benchmark: Benchmark, url: str | None, samples: int) -> list[float]:
    """`samples` times the nanoseconds of one call. Raises what the benchmark raises, and LoadgateError."""
    return run_loop(_time(suite, benchmark, url, samples), suite.name)


async def _time(suite: Suite, benchmark: Benchmark, url: str | None, samples: int) -> list[float]:
    clock = SystemClock()
    recorder = Recorder(start=clock.now())
    script = Script(
        suite.name,
        (Scenario(benchmark.name, benchmark.function),),
        suite.setup,
        suite.teardown,
        metrics=suite.metrics,
    )
    http = stack_for(TargetSpec(url=url), recorder, "loadgate")
    performance = Performance(script, recorder=recorder, http=http, clock=clock, env=os.environ, seed=1)
    await performance.setup()
    recorder.begin(clock.now())
    user = performance.role().user(1)
    try:
        values = await time_awaits(partial(_iterate, user, benchmark), samples)
    except StopUser as stop:
        raise LoadgateError(f"it stopped its user: {str(stop) or 'StopUser'}") from None
    finally:
        user.http.close()
    await performance.teardown()
    recorder.close_window(clock.now())
    clock.close()
    _refuse_failures(recorder)
    return values


async def _iterate(user: User, benchmark: Benchmark) -> None:
    await benchmark.function(user, **benchmark.kwargs)
    user.iteration += 1


def _refuse_failures(recorder: Recorder) -> None:
    totals = recorder.totals()
    for number, key in enumerate(recorder.described()):
        tally = totals.get(number)
        if not isinstance(tally, RateTally):
            continue
        if key.metric.name == "http_req_failed" and tally.passes:
            sample = next((each.sample for each in recorder.errors if each.step == key.tags["name"]), "")
            why = sample or f"status {key.tags['status']}"
            raise LoadgateError(f"{tally.passes:,} of its requests failed, {key.tags['name']}: {why}")
        if key.metric.name == "checks" and tally.passes < tally.total:
            failed = tally.total - tally.passes
            raise LoadgateError(f"its check `{key.tags['check']}` failed {failed:,} of {tally.total:,} times")
