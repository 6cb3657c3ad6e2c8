"""Runs a test of the gRPC client on a fresh event loop, and sees that nothing is left behind; see `http_talk.py`."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter, sleep
from typing import Any, TypeVar

import uvloop

from loadgate.clients.base import ErrorKind
from loadgate.clients.grpc import GrpcClient, GrpcConnector, GrpcReply, GrpcStack
from loadgate.clients.transport import TlsOptions
from loadgate.measure.recorder import Recorder
from tests.support.http_talk import LONGEST, _warm_up, descriptors

T = TypeVar("T")


class GrpcTalk:
    """A run's stack with its users, and what its recorder has counted."""

    def __init__(self, stack: GrpcStack) -> None:
        self.stack = stack
        self.recorder = stack.recorder
        self.users: list[GrpcClient] = []

    def user(self, **tags: str) -> GrpcClient:
        user = self.stack.client(tags)
        self.users.append(user)
        return user

    def close(self) -> None:
        for user in self.users:
            user.close()
        self.stack.close()

    def counts(self) -> dict[str, int]:
        """Calls by status, and by error kind behind it where there was one."""
        found: dict[str, int] = {}
        for tags, tally in self._tallies("grpc_reqs"):
            key = tags["status"] + (f" {tags['error']}" if "error" in tags else "")
            found[key] = found.get(key, 0) + int(tally.total)
        return found

    def failed(self) -> tuple[int, int]:
        """Failed calls, and all."""
        tallies = [tally for _, tally in self._tallies("grpc_req_failed")]
        return sum(tally.passes for tally in tallies), sum(tally.total for tally in tallies)

    def total(self, metric: str) -> float:
        """Sum of a counter over all its series."""
        return float(sum(tally.total for _, tally in self._tallies(metric)))

    def errors(self) -> dict[str, tuple[int, str]]:
        """Count and sample of every kind of error."""
        return {error.kind: (error.count, error.sample) for error in self.recorder.errors}

    def _tallies(self, metric: str) -> list[tuple[Mapping[str, str], Any]]:
        self.recorder.close_window(perf_counter())
        described = [(self.recorder.describe(series), tally) for series, tally in self.recorder.totals().items()]
        return [(key.tags, tally) for key, tally in described if key.metric.name == metric]


def grpc_talk(
    main: Callable[[GrpcTalk], Awaitable[T]],
    url: str | Callable[[], Awaitable[str]] = "grpc://127.0.0.1:1",
    *,
    tls: TlsOptions | None = None,
    connect_timeout: float = 5.0,
    timeout: float = 5.0,
    new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
    **options: Any,
) -> T:
    """Run `main` with a stack of its own. Raises AssertionError for what it leaves behind."""
    _warm_up(new_loop)
    before = descriptors()
    uncaught: list[Mapping[str, Any]] = []

    async def run() -> T:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: uncaught.append(context))
        connector = GrpcConnector(tls or TlsOptions(), connect_timeout)
        place = url if isinstance(url, str) else await url()
        stack = GrpcStack(Recorder(start=perf_counter()), place, connector=connector, timeout=timeout, **options)
        here = GrpcTalk(stack)
        try:
            async with asyncio.timeout(LONGEST):
                result = await main(here)
        except BaseException as error:
            for context in uncaught:
                error.add_note(f"not caught meanwhile: {context}")
            raise
        finally:
            here.close()
            for _ in range(40):  # connections close and cancelled tasks end in the loop's next turns
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


def assert_error(here: GrpcTalk, reply: GrpcReply, kind: ErrorKind, status: str, *words: str) -> None:
    """`reply` is one failure of `kind`, recorded as one sample and one error, whose text has `words` in it."""
    assert reply.error is kind, f"{reply!r} {reply.details}"
    assert reply.status == status
    assert not reply.ok
    assert here.counts() == {f"{status} {kind.value}": 1}
    assert here.failed() == (1, 1)
    assert here.errors() == {kind.value: (1, reply.error_text)}
    for word in words:
        assert word in reply.error_text, reply.error_text
