"""How late wake-ups are: `SystemClock.sleep_until` beside the loop's own timer.

    python bench/timer.py [--seconds 3] [--waiters 200]

Each waiter sleeps for random spans of 0.1 to 10 ms and notes how far past its time it woke. Prints percentiles in
milliseconds and the CPU time per wake-up. The second part sets many deadlines at once and reports the cost of each.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import numpy as np
import uvloop

from loadgate.clock import SystemClock

Sleep = Callable[[float], Awaitable[None]]


async def lateness(sleep_until: Sleep, seconds: float, waiters: int) -> tuple[np.ndarray, float]:
    """Lateness of every wake-up in seconds, and CPU seconds per wake-up."""
    late: list[float] = []
    end = time.perf_counter() + seconds

    async def waiter(random: random.Random) -> None:
        while (now := time.perf_counter()) < end:
            due = now + random.uniform(0.0001, 0.01)
            await sleep_until(due)
            late.append(time.perf_counter() - due)

    cpu = time.process_time()
    await asyncio.gather(*(waiter(random.Random(seed)) for seed in range(waiters)))
    return np.array(late), (time.process_time() - cpu) / len(late)


async def crowd(clock: SystemClock, count: int) -> float:
    """CPU seconds per deadline when `count` are pending together, half of them cancelled."""
    start = time.process_time()
    base = clock.now() + 0.2
    handles = [clock.call_at(base + i * 1e-6, int) for i in range(count)]
    for handle in handles[::2]:
        handle.cancel()
    await clock.sleep_until(base + count * 1e-6)
    return (time.process_time() - start) / count


async def loop_sleep(t: float) -> None:
    await asyncio.sleep(t - time.perf_counter())


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--waiters", type=int, default=20)
    arguments = parser.parse_args()
    clock = SystemClock()
    timers: dict[str, Sleep] = {"SystemClock": clock.sleep_until, "uvloop": loop_sleep}
    for name, sleep in timers.items():
        late, cpu = await lateness(sleep, arguments.seconds, arguments.waiters)
        low, p50, p99, high = np.percentile(late * 1e3, [0, 50, 99, 100])
        print(
            f"{name:12} late by min {low:.3f}  p50 {p50:.3f}  p99 {p99:.3f}  max {high:.3f} ms; "
            f"{cpu * 1e6:.1f} us CPU a wake-up ({len(late):,} wake-ups)"
        )
    print(f"10,000 pending deadlines, half cancelled: {await crowd(clock, 10_000) * 1e6:.2f} us CPU each")
    clock.close()


if __name__ == "__main__":
    uvloop.run(main())
