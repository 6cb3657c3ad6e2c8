"""Runs a test of the HTTP client on a fresh event loop, and sees that nothing is left behind.

Whatever the test is about, these hold at its end: no task is left, no file descriptor is left open, and the loop never
had to report an exception that nobody caught.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from time import perf_counter, sleep
from typing import Any, TypeVar

import uvloop

from loadgate.clients.base import ErrorKind
from loadgate.clients.http import HttpClient, HttpStack, RequestDefaults, Response
from loadgate.clients.transport import TlsOptions
from loadgate.measure.histogram import Histogram
from loadgate.measure.recorder import Recorder

T = TypeVar("T")
LONGEST = 20.0
"""Seconds after which a test is taken to hang."""


class Talk:
    """A run's stack with its users, and what its recorder has counted."""

    def __init__(self, stack: HttpStack) -> None:
        self.stack = stack
        self.recorder = stack.recorder
        self._users: list[HttpClient] = []

    def user(self, **tags: str) -> HttpClient:
        user = self.stack.client(tags)
        self._users.append(user)
        return user

    def close(self) -> None:
        for user in self._users:
            user.close()

    def counts(self) -> dict[str, int]:
        """Exchanges by status, or by error kind where there was none."""
        found: dict[str, int] = {}
        for tags, tally in self._tallies("http_reqs"):
            key = tags.get("error") or tags["status"]
            found[key] = found.get(key, 0) + int(tally.total)
        return found

    def total(self, metric: str) -> float:
        """Sum of a counter over all its series."""
        return float(sum(tally.total for _, tally in self._tallies(metric)))

    def failed(self) -> tuple[int, int]:
        """Failed exchanges, and all."""
        tallies = [tally for _, tally in self._tallies("http_req_failed")]
        return sum(tally.passes for tally in tallies), sum(tally.total for tally in tallies)

    def trend(self, metric: str) -> Histogram:
        """All samples of a trend."""
        merged = Histogram()
        for _, tally in self._tallies(metric):
            merged.merge(tally.histogram)
        return merged

    def errors(self) -> dict[str, tuple[int, str]]:
        """Count and sample of every kind of error."""
        return {error.kind: (error.count, error.sample) for error in self.recorder.errors}

    def _tallies(self, metric: str) -> list[tuple[Mapping[str, str], Any]]:
        self.recorder.close_window(perf_counter())
        described = [(self.recorder.describe(series), tally) for series, tally in self.recorder.totals().items()]
        return [(key.tags, tally) for key, tally in described if key.metric.name == metric]


def talk(
    main: Callable[[Talk], Awaitable[T]],
    *,
    base: str = "",
    tls: TlsOptions | None = None,
    connect_timeout: float = 5.0,
    timeout: float = 5.0,
    new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
    **defaults: Any,
) -> T:
    """Run `main` with a stack of its own. Raises AssertionError for what it leaves behind."""
    _warm_up(new_loop)
    before = descriptors()
    uncaught: list[Mapping[str, Any]] = []

    async def run() -> T:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: uncaught.append(context))
        stack = HttpStack(
            Recorder(start=perf_counter()),
            RequestDefaults(base=base, timeout=timeout, **defaults),
            tls=tls,
            connect_timeout=connect_timeout,
        )
        here = Talk(stack)
        try:
            async with asyncio.timeout(LONGEST):
                result = await main(here)
        except BaseException as error:
            for context in uncaught:
                error.add_note(f"not caught meanwhile: {context}")
            raise
        finally:
            here.close()
            for _ in range(20):  # connections close and cancelled tasks end in the loop's next turns
                await asyncio.sleep(0.0005)
                if len(asyncio.all_tasks()) == 1:
                    break
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"left running: {left}"
        return result

    with asyncio.Runner(loop_factory=new_loop) as runner:
        result = runner.run(run())
    assert not uncaught, f"not caught: {uncaught}"
    left_open = set(descriptors().items()) - set(before.items())
    end = perf_counter() + 2.0
    while (
        left_open and perf_counter() < end
    ):  # a server in a thread of this process closes its own end when it sees ours
        gc.collect()  # what only a cycle kept open is reported by its ResourceWarning
        sleep(0.005)
        left_open = set(descriptors().items()) - set(before.items())
    assert not left_open, f"left open: {left_open}"
    return result


@cache
def _warm_up(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """The first loop of a process opens a pipe that stays."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.sleep(0))


def descriptors() -> dict[str, str]:
    """Open file descriptors and what they are, where the system tells."""
    folder = "/proc/self/fd"
    if sys.platform != "linux":
        return {}
    found = {}
    for name in os.listdir(folder):
        try:
            found[name] = os.readlink(f"{folder}/{name}")
        except OSError:  # the descriptor of the listing itself
            continue
    return found


def assert_error(here: Talk, response: Response, kind: ErrorKind, *words: str) -> None:
    """`response` is one failure of `kind`, recorded as one sample and one error, whose text has `words` in it."""
    assert response.error is kind, repr(response)
    assert response.status == 0
    assert not response.ok
    assert response.body == b""
    assert here.counts() == {kind.value: 1}
    assert here.failed() == (1, 1)
    assert here.errors() == {kind.value: (1, response.error_text)}
    for word in words:
        assert word in response.error_text, response.error_text
