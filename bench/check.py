"""What a script's own calls cost, beside its requests: `python bench/check.py`.

Bars: `user.check` under 300 ns; a declarative step less than 1 us over the same scenario written by hand; 5,000 users
in a few megabytes. Requests are answered at once by a client that sends nothing: only the script part is measured.
"""

from __future__ import annotations

import asyncio
import sys
import timeit
import tracemalloc
from collections.abc import Awaitable, Callable
from time import perf_counter

from loadgate.clients.http import HttpStack, RequestDefaults, Response
from loadgate.clients.http.client import HttpClient
from loadgate.clients.http.request import Request
from loadgate.clock import SystemClock
from loadgate.measure.recorder import Recorder
from loadgate.script.metrics import Trend, declarations
from loadgate.script.performance import Performance
from loadgate.script.role import Role
from loadgate.script.scenario import Scenario, Script
from loadgate.script.source import url_script
from loadgate.script.user import User

ROUNDS = 7
CALLS = 50_000
ITERATIONS = 20_000
USERS = 5_000


class InstantClient(HttpClient):
    """Answers every request with 200 before it returns."""

    __slots__ = ("_reply",)

    def send(self, request: Request) -> Awaitable[Response]:
        waiter: asyncio.Future[Response] = self.loop.create_future()
        waiter.set_result(Response(request, 200, True, None, b"", 0, 0.0, 0.0, 0.0, 0.0))
        return waiter


async def by_hand(user: User) -> None:
    response = await user.http.get("/")
    user.check(response.status == 200, "status is 200")


with declarations() as DECLARED:
    took = Trend("took", time=True)


def made(script: Script) -> tuple[Role, User]:
    recorder = Recorder(start=perf_counter())
    http = HttpStack(recorder, RequestDefaults(base="http://127.0.0.1:1"))
    performance = Performance(script, recorder=recorder, http=http, clock=SystemClock(), env={}, seed=1)
    role = performance.role()
    user = role.user(1)
    user.http = InstantClient(http, user.http.context)
    return role, user


def per_call(name: str, call: Callable[[], object]) -> None:
    best = min(timeit.repeat(call, number=CALLS, repeat=ROUNDS)) / CALLS
    print(f"{name:<48} {best * 1e9:7.0f} ns")


async def per_iteration(script: Script) -> float:
    """Seconds an iteration, the least of `ROUNDS`."""
    role, user = made(script)
    best = float("inf")
    for _ in range(ROUNDS):
        start = perf_counter()
        for _ in range(ITERATIONS):
            await role.iterate(user, 0.0)
        best = min(best, (perf_counter() - start) / ITERATIONS)
    return best


async def main() -> None:
    hand = Script("by hand", (Scenario("by hand", by_hand),), metrics=DECLARED)
    _, user = made(hand)
    per_call("user.check(True, name)", lambda: user.check(True, "ok"))
    per_call("user.check(subject, {name: predicate})", lambda: user.check(3, {"ok": lambda value: value == 3}))
    per_call("metric.add(user, value)", lambda: took.add(user, 12.5))
    per_call("metric.add(user, value, tag=...)", lambda: took.add(user, 12.5, plan="gold"))

    def group() -> None:
        with user.group("login"):
            pass

    per_call("with user.group(name)", group)
    written = await per_iteration(hand)
    stepped = await per_iteration(url_script("/"))
    print(f"{'iteration by hand: get, check':<48} {written * 1e9:7.0f} ns")
    print(f"{'iteration of a declarative step':<48} {stepped * 1e9:7.0f} ns  ({(stepped - written) * 1e9:+.0f} ns)")

    role, _ = made(hand)
    tracemalloc.start()
    users = [role.user(number) for number in range(1, USERS + 1)]
    size = tracemalloc.get_traced_memory()[0]
    title = f"{len(users):,} users, no connection yet"
    print(f"{title:<48} {size / 1e6:7.2f} MB  ({size / len(users):.0f} bytes each)")
    print(f"{'Python':<48} {sys.version.split()[0]:>7}")


if __name__ == "__main__":
    asyncio.run(main())
