"""The embedded target for tests: `with running_target() as url`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvloop

from loadgate.target.http.server import HttpTarget
from loadgate.target.settings import from_plain

_PATIENCE = 10.0


@contextmanager
def running_target(chaos: Mapping[str, Any] | None = None, *, process: bool = False) -> Iterator[str]:
    """The base URL of a target on a free port, which ends with the block.

    `chaos` is a configuration as `/api/chaos/config` takes it. It runs in a thread of this process, sharing the
    interpreter with the test; where that disturbs timings, ask for a process of its own.
    """
    with _in_process(chaos or {}) if process else _in_thread(chaos or {}) as url:
        yield url


@contextmanager
def _in_thread(chaos: Mapping[str, Any]) -> Iterator[str]:
    loop = uvloop.new_event_loop()
    target = HttpTarget(from_plain(dict(chaos), seed=1))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(target.start(), loop).result(_PATIENCE)
        yield target.url
    finally:
        asyncio.run_coroutine_threadsafe(target.close(), loop).result(_PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE)
        loop.close()


@contextmanager
def _in_process(chaos: Mapping[str, Any]) -> Iterator[str]:
    child = subprocess.Popen(
        [sys.executable, "-m", "loadgate.target", json.dumps(dict(chaos))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        line = child.stdout.readline()
        assert line.startswith("loadgate target on "), f"the target did not start, see above: {line!r}"
        yield line.split()[-1]
    finally:
        child.stdin.close()
        child.stdout.close()
        try:
            child.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
