"""The six executors of k6: who starts iterations, when, and how they end.

Sources: https://grafana.com/docs/k6/latest/using-k6/scenarios/executors/ and .../scenarios/concepts/graceful-stop/.
Where we differ on purpose: an arrival-rate executor gives a due iteration a fresh VU while `max_vus` allows, where k6
drops it and makes the VU for later; and it lasts as long as its stages, where k6 leaves when the last start is done.
"""

from __future__ import annotations

from loadgate.clock import Clock
from loadgate.config.load import Executor, LoadSpec
from loadgate.load.executors.arrival import ArrivalRate
from loadgate.load.executors.base import BaseExecutor, LoadStats, Pool, Vu
from loadgate.load.executors.closed import ConstantVus, PerVuIterations, SharedIterations
from loadgate.load.executors.ramping import RampingVus
from loadgate.load.stop import Stop

__all__ = ["LoadStats", "Pool", "Stop", "Vu", "run"]

EXECUTORS: dict[Executor, type[BaseExecutor]] = {
    Executor.SHARED_ITERATIONS: SharedIterations,
    Executor.PER_VU_ITERATIONS: PerVuIterations,
    Executor.CONSTANT_VUS: ConstantVus,
    Executor.RAMPING_VUS: RampingVus,
    Executor.CONSTANT_ARRIVAL_RATE: ArrivalRate,
    Executor.RAMPING_ARRIVAL_RATE: ArrivalRate,
}


async def run(
    spec: LoadSpec, pool: Pool, clock: Clock, stats: LoadStats, stop: Stop, origin: float | None = None
) -> None:
    """Put `spec` on the VUs of `pool`, and return when its last iteration has ended or was interrupted.

    `origin` is the time on `clock` from which `spec.start_time` counts (now, if None): give all executors of a run the
    same. `stats` is kept up to date while this runs; every task made here has ended when it returns,
    but for those that could not be cancelled and were abandoned.
    Raises what `Vu.iterate` or `Pool.acquire_new` raised, after ending the load.
    """
    await EXECUTORS[spec.executor](spec, pool, clock, stats, stop).run(clock.now() if origin is None else origin)
