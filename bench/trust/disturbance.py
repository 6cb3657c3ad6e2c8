"""What else the machine does while a job runs: programs of our own, which end with the job whatever happens to it."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from random import Random
from typing import Final

from bench.trust.quota import quota

NAMES: Final = ("idle", "burner", "burners", "bursts", "quota", "drift")
_SLICE: Final = 0.05
_BURST: Final = (0.2, 2.0)


@contextmanager
def disturbed(name: str, *, seed: int, seconds: float) -> Iterator[list[int]]:
    """The machine as `name` says, for a job of about `seconds`; gives the ids of the processes.

    idle: nothing. burner: one core in use throughout. burners: each core. bursts: one core, on and off for 0.2 to 2 s as
    `seed` draws. quota: this process and what it starts have one core together (`quota.py`). drift: one core in use, from
    not at all to throughout over the job. Raises KeyError for another name, BenchError where no quota can be set.
    """
    cores = sorted(os.sched_getaffinity(0))
    tasks: dict[str, list[tuple[Callable[..., None], int, float]]] = {
        "idle": [],
        "burner": [(_burn, cores[-1], 0.0)],
        "burners": [(_burn, core, 0.0) for core in cores],
        "bursts": [(_burst, cores[-1], float(seed))],
        "quota": [],
        "drift": [(_drift, cores[-1], seconds)],
    }
    context = multiprocessing.get_context("spawn")  # no copy of a running event loop
    started = [
        context.Process(target=_alone, args=(os.getpid(), work, core, value), daemon=True)
        for work, core, value in tasks[name]
    ]
    try:
        for process in started:
            process.start()
        with quota(1.0) if name == "quota" else nullcontext():
            yield [process.pid for process in started if process.pid is not None]
    finally:
        for process in started:
            if process.pid is not None:
                process.kill()
                process.join()


def _alone(parent: int, work: Callable[..., None], core: int, value: float) -> None:
    os.sched_setaffinity(0, {core})
    work(parent, value)


def _busy(parent: int, seconds: float) -> None:
    """Use the core for so long; a process whose parent was killed ends itself."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    if os.getppid() != parent:
        raise SystemExit


def _burn(parent: int, _: float) -> None:
    while True:
        _busy(parent, 1.0)


def _burst(parent: int, seed: float) -> None:
    lot = Random(int(seed))
    while True:
        _busy(parent, lot.uniform(*_BURST))
        time.sleep(lot.uniform(*_BURST))


def _drift(parent: int, seconds: float) -> None:
    start = time.monotonic()
    while True:
        share = min(1.0, (time.monotonic() - start) / seconds)
        _busy(parent, share * _SLICE)
        time.sleep((1.0 - share) * _SLICE)
