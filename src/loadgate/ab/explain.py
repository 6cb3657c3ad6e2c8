"""What made the head worse: one more pair under the same load, looked into by a sampling profiler (`ab --explain`).

It comes after the verdict and changes nothing of it, whatever happens: what cannot be known is named.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from loadgate.ab import faults
from loadgate.ab.order import ARMS, Arm
from loadgate.ab.pair import Measured, Pace, measure_pair, named
from loadgate.ab.plan import AbPlan
from loadgate.ab.profilers import Profiler, choose_profiler, sample
from loadgate.clock import Clock
from loadgate.errors import LoadgateError
from loadgate.interruption import Signals
from loadgate.judge.profile import Profile, grown
from loadgate.program import Program
from loadgate.record.explained import Explained
from loadgate.record.file import write_atomically
from loadgate.record.stacks import collapsed

LEAST: Final = 10
"""Seconds that are sampled: in fewer, functions that grew by little have too few samples to be told from chance."""
INTERRUPTED: Final = "it was interrupted"
_ROOM: Final = 60.0
"""Seconds the load may go on for profilers that are slow."""


def sampled_for(pace: Pace) -> int:
    """Whole seconds that a pair of this pace is looked into."""
    return max(LEAST, math.ceil(pace.length))


async def explain(
    plan: AbPlan,
    number: int,
    pace: Pace,
    *,
    seed: int,
    clock: Clock,
    env: Mapping[str, str],
    agent: str,
    signals: Signals,
    folder: Path,
) -> Explained:
    """What pair `number` shows under a profiler. Its stacks are written to `folder`: `base.stacks`, `head.stacks`."""
    if not plan.restarts:
        return Explained(missing=("base and head are URLs: only programs that are started here can be looked into",))
    with tempfile.TemporaryDirectory(prefix="loadgate-") as scratch:
        session = _Session(clock, env, pace.warmup, sampled_for(pace), Path(scratch))
        longer = replace(pace, length=session.seconds + _ROOM)
        try:
            measured = await measure_pair(
                plan,
                number,
                longer,
                seed=seed,
                clock=clock,
                env=env,
                agent=agent,
                signals=signals,
                beside=session.run,
            )
            return await session.explained(measured, folder)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
            return Explained(missing=(INTERRUPTED,))
        except LoadgateError as error:
            return Explained(missing=(error.message,))


@dataclass(slots=True)
class _Session:
    """Profilers beside a load: both arms are sampled at the same time, once they are warm."""

    clock: Clock
    env: Mapping[str, str]
    warmup: float
    seconds: int
    scratch: Path
    _profiler: Profiler | None = None
    _loaded: float = math.nan
    """Seconds of load that count."""
    _notes: tuple[str, ...] = ()
    _missing: tuple[str, ...] = ()

    async def run(self, programs: Mapping[Arm, Program]) -> None:
        """Sample. Where it cannot be it ends at once, and says why in what is explained."""
        warm = self.clock.now() + self.warmup
        roots = {arm: pid for arm, program in programs.items() if (pid := program.pid) is not None}
        profiler, self._notes = choose_profiler(roots.values(), self.env)
        if profiler is None:
            self._missing = self._notes
            return
        await asyncio.sleep(max(0.0, warm - self.clock.now()))
        failure: tuple[str, ...] = ()

        async def look(arm: Arm, root: int) -> None:
            with named(arm):
                await sample(profiler, root, self.seconds, self._file(arm))

        try:
            async with asyncio.TaskGroup() as group:
                for arm, root in roots.items():
                    group.create_task(look(arm, root))
        except* LoadgateError as failures:  # the first ends the other
            failure = (str(failures.exceptions[0]),)
        finally:
            self._missing = (*faults.died(programs), *failure)
        self._profiler, self._loaded = profiler, self.clock.now() - warm

    async def explained(self, measured: Measured, folder: Path) -> Explained:
        """What came of it. Raises LoadgateError where the samples cannot be read or written."""
        profiler = self._profiler
        if self._missing or profiler is None:
            return Explained(missing=self._missing or (INTERRUPTED,))
        if uneven := tuple(faults.uneven(measured.requests)):
            return Explained(missing=uneven)
        sides = []
        for arm in ARMS:
            stacks = await profiler.stacks(self._file(arm))
            write_atomically(folder / f"{arm}.stacks", collapsed(stacks).encode("utf-8", "replace"))
            requests = measured.requests[arm] * self.seconds / self._loaded
            sides.append(Profile(stacks, requests, profiler.interval))
        base, head = sides
        return Explained(
            tool=profiler.name,
            counts=profiler.counts,
            seconds=float(self.seconds),
            samples=(base.samples, head.samples),
            times=(base.time(base.samples), head.time(head.samples)),
            functions=grown(base, head),
            notes=self._notes,
        )

    def _file(self, arm: Arm) -> Path:
        return self.scratch / f"{arm}.samples"
