"""A run without load: users are made by hand and the clock is virtual."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from loadgate.clients.http import HttpStack
from loadgate.clock import VirtualClock
from loadgate.measure.recorder import Recorder, SeriesKey
from loadgate.script.performance import Performance
from loadgate.script.role import Role
from loadgate.script.scenario import Iterate, Scenario, Script
from loadgate.script.user import User
from tests.support.virtual_loop import EPOCH, VirtualLoop

T = TypeVar("T")


async def nothing(user: User) -> None:
    """The scenario of users that a test drives itself."""


IDLE = Script("load.py", (Scenario("idle", nothing),))


@dataclass
class Stage:
    """One run of `script` on a virtual loop, which `wait` drives."""

    loop: VirtualLoop
    recorder: Recorder
    performance: Performance
    _made: int = field(default=0)
    _role: Role | None = None

    def role(self, exec: str | None = None, load: str | None = None, **options: Mapping[str, str]) -> Role:
        return self.performance.role(exec, load=load, **options)

    def user(self, role: Role | None = None) -> User:
        """A new user, with the next number."""
        self._made += 1

        async def make() -> User:
            self._role = role or self._role or self.role()
            return self._role.user(self._made)

        return self.wait(make())

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)


@contextmanager
def offstage(script: Script = IDLE, *, seed: int = 1, env: Mapping[str, str] | None = None) -> Iterator[Stage]:
    loop = VirtualLoop()
    recorder = Recorder(start=EPOCH)
    performance = Performance(
        script, recorder=recorder, http=HttpStack(recorder), clock=VirtualClock(loop), env=env or {}, seed=seed
    )
    try:
        yield Stage(loop, recorder, performance)
    finally:
        loop.close()


def script_of(*iterates: Iterate, **options: Any) -> Script:
    """A script of these scenarios, named after their functions."""
    scenarios = tuple(Scenario(getattr(iterate, "__name__", ""), iterate) for iterate in iterates)
    return Script("load.py", scenarios, **options)


def tally(recorder: Recorder, metric: str, **tags: str) -> Any:
    """The one tally of `metric` whose series has (at least) `tags`."""
    recorder.close_window(EPOCH)
    found = {
        series: value
        for series, value in recorder.totals().items()
        if (key := recorder.describe(series)).metric.name == metric and tags.items() <= dict(key.tags).items()
    }
    assert len(found) == 1, f"{metric} {tags}: {[recorder.describe(series) for series in found]}"
    return next(iter(found.values()))


def rate(recorder: Recorder, metric: str, **tags: str) -> tuple[int, int]:
    """Passes and total of a rate."""
    found = tally(recorder, metric, **tags)
    return int(found.passes), int(found.total)


def series(recorder: Recorder, metric: str) -> list[SeriesKey]:
    """Every series of `metric` that has a sample."""
    recorder.close_window(EPOCH)
    keys = [recorder.describe(series) for series in recorder.totals()]
    return [key for key in keys if key.metric.name == metric]


def recorded(recorder: Recorder) -> set[str]:
    """Names of all metrics that have a sample."""
    recorder.close_window(EPOCH)
    return {recorder.describe(series).metric.name for series in recorder.totals()}


def errors(recorder: Recorder) -> dict[tuple[str, str], tuple[int, str]]:
    """Count and sample of every error, by kind and step."""
    return {(error.kind, error.step): (error.count, error.sample) for error in recorder.errors}
