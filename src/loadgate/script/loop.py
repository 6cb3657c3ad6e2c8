"""The event loop of a run. Scripts run on it too, and may do to it whatever Python lets them.

What ends the loop must not end the process without a word, or with the code of a verdict: `sys.exit(0)` in a task of the
script would be a pass. And what scripts leave running, in threads or in tasks that cannot be cancelled, must not keep a run
from being over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import uvloop

from loadgate.errors import InvalidRun
from loadgate.masks import redact_text
from loadgate.script.failure import describe
from loadgate.script.role import abandon, interrupt, is_abandoned

T = TypeVar("T")

_ADVICE: Final = "a script must not stop the event loop, exit in a task or callback, nor cancel tasks it has not made"
_BREAKS: Final = 20
"""How often tasks may break the loop once more while it is cleared."""

_ATTEMPTS: Final = 5
"""How often a task is cancelled before it is given up."""

_left: Final[list[asyncio.Runner]] = []
"""Loops with tasks that would not end. They are kept as they are: to close one, or to drop it, is to wait or to warn."""

PATIENCE: Final = 1.0
"""Seconds that tasks have to end in one attempt."""


def run_loop(work: Coroutine[Any, Any, T], script: str) -> T:
    """Run `work` on a loop of its own to the end; `script` is what messages call the script.

    Raises what `work` raises, and InvalidRun where the script ended the loop under it.
    """
    raised: BaseException | None = None
    threads = _Threads(thread_name_prefix="asyncio")

    async def main() -> T:
        nonlocal raised
        loop = asyncio.get_running_loop()
        loop.set_default_executor(threads)
        loop.set_exception_handler(_tell)
        if logging.lastResort is not None:
            logging.lastResort.setFormatter(_Redacted())
        try:
            return await work
        except BaseException as error:
            raised = error
            raise

    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    try:
        return runner.run(main())
    except BaseException as error:
        if error is raised and not isinstance(error, asyncio.CancelledError):
            raise
        raise InvalidRun(f"{script} broke the run off: {_cause(error)}", _ADVICE) from None
    finally:
        if _clear(runner.get_loop()):
            runner.close()
        else:
            threads.shutdown()
            _left.append(runner)


def tasks_left() -> int:
    """How many tasks of scripts could not be ended: with any, Python must not try once more on its way out."""
    return sum(len(asyncio.all_tasks(runner.get_loop())) for runner in _left)


def _clear(loop: asyncio.AbstractEventLoop) -> bool:
    """End what still runs on a loop that was left, perhaps broken; whether nothing does any more.

    Users that wake up once more may break it once more. Whoever is cancelled in vain `_ATTEMPTS` times is given up.
    """
    attempts = 0
    for _ in range(_BREAKS):
        tasks = {task for task in asyncio.all_tasks(loop) if not is_abandoned(task)}
        if not tasks:
            break
        if attempts == _ATTEMPTS:
            for task in tasks:
                abandon(task)
            break
        for task in tasks:
            interrupt(task)
        try:
            loop.run_until_complete(asyncio.wait(tasks, timeout=PATIENCE))
        except (RuntimeError, SystemExit, KeyboardInterrupt):
            continue
        attempts += 1
    return not asyncio.all_tasks(loop)


def _cause(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "it cancelled the task of the run itself"
    if isinstance(error, RuntimeError):  # what the loop says when it was stopped with work left
        return "it stopped the event loop"
    return describe(error)


def _tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio logs of tasks that nobody waits for, but for the exit that `run_loop` tells of."""
    if not isinstance(context.get("exception"), SystemExit | KeyboardInterrupt):
        loop.default_exception_handler(context)


class _Redacted(logging.Formatter):
    """For the log of a script that has set none up: it ends on the terminal, with whatever a server said in it."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_text(super().format(record))


class _Threads(ThreadPoolExecutor):
    """Where `asyncio.to_thread` works. Whoever closes the loop waits for it, and would for a thread that never ends."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=True)
