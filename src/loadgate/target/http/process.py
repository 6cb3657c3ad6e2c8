"""The target's life as a process: what ends it, and how many connections it may have."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping

from loadgate.target.http.server import HttpTarget


async def serve_until_stopped(
    target: HttpTarget,
    host: str,
    ports: Mapping[str, int],
    ready: Callable[[Iterable[str]], None] | None = None,
    *,
    until_eof: bool,
) -> None:
    """Run `target` until SIGINT or SIGTERM, or with `until_eof` until standard input ends.

    `ready` is called with the URL of every port once all are open.
    """
    raise_file_limit()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if until_eof:
        # A thread, because standard input may be anything, and event loops watch pipes and sockets only.
        threading.Thread(target=_watch_input, args=(loop, stop), daemon=True).start()
    await target.start(host, ports=ports)
    try:
        # what is there now stays; the collector, where it was off to start faster, need not look at it again
        gc.freeze()
        gc.enable()
        (ready or announce)(target.urls.values())
        await stop.wait()
    finally:
        await target.close()


def announce(urls: Iterable[str]) -> None:
    """Tell whoever started this process where it listens, HTTP first. If he has gone, or his disk is full, it listens all the
    same."""
    try:
        sys.stdout.write("".join(f"loadgate target on {url}\n" for url in urls))
        sys.stdout.flush()
    except OSError:
        # what was not taken is still in the stream, and would fail once more when Python shuts down
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def raise_file_limit() -> None:
    """Let this process open as many connections as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):  # macOS says "unlimited" and means fewer
            wanted = min(10_240, hard) if hard != resource.RLIM_INFINITY else 10_240
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def _watch_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    try:
        while os.read(sys.stdin.fileno(), 65536):
            pass
    except (OSError, ValueError):  # no standard input at all: it has ended
        pass
    try:
        loop.call_soon_threadsafe(stop.set)
    except RuntimeError:  # the loop was closed meanwhile
        pass
