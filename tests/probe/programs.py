"""Programs to be started and watched, and ways to wait for what they do."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from loadgate.probe.kept import Command, Keeper

PATIENCE = 20.0

DAEMON = """
import os, sys, time
def daemon(path):
    '''A process that left: double fork, a session of its own; its PID is in the file.'''
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    with open(path + ".new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(path + ".new", path)
    if os.environ.get("DEAF"):
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(0.05)
"""


def python(text: str, *arguments: str | Path, **env: str) -> Command:
    """A Python program."""
    return Command((sys.executable, "-c", text, *map(str, arguments)), env=env)


@asynccontextmanager
async def open_keeper() -> AsyncIterator[Keeper]:
    """A keeper that is closed whatever happens."""
    keeper = await Keeper.open()
    try:
        yield keeper
    finally:
        await keeper.close()


def alive(pid: int) -> bool:
    """It is there, and has not ended."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return line.rpartition(")")[2].split()[0] not in "ZX"


async def until(fact: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait for `fact`."""
    end = time.monotonic() + patience
    while not fact():
        assert time.monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.01)


async def printed(keeper: Keeper, count: int = 1, patience: float = PATIENCE) -> tuple[str, ...]:
    """The program's lines, once there are `count`."""
    end = time.monotonic() + patience
    while len(lines := await keeper.output()) < count:
        assert time.monotonic() < end, f"only this was printed: {lines}"
        await asyncio.sleep(0.01)
    return lines
