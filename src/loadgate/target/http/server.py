"""The HTTP target as a whole: its parts put together, its listener, its life as a process."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Final

from loadgate.clock import Clock, SystemClock
from loadgate.errors import LoadgateError
from loadgate.target.chaos import Chaos
from loadgate.target.http.connection import Connection, Site
from loadgate.target.http.control import Control, check_routes
from loadgate.target.http.probes import add_probes
from loadgate.target.http.resources import add_resources
from loadgate.target.http.routes import Routes
from loadgate.target.metrics import Metrics

BACKLOG: Final = 4096
_LEAVE: Final = 0.5
"""Seconds that connections have to take what was already written when the target stops."""


class HttpTarget:
    """The embedded target. `start` it, use `url`, `close` it; all on one event loop.

    `chaos.seed` is the seed of the data too. Raises ChaosError for an override that fits no route.
    """

    def __init__(self, chaos: Chaos | None = None, clock: Clock | None = None) -> None:
        chaos = Chaos() if chaos is None else chaos
        clock = SystemClock() if clock is None else clock
        metrics = Metrics()
        routes = Routes(metrics)
        control = Control(chaos, clock.now)
        add_probes(routes, metrics)
        add_resources(routes, chaos.seed)
        control.add_to(routes)
        check_routes(chaos, routes)
        self._site = Site(routes, metrics, control, clock, metrics.tally("ANY", "(refused)"))
        self._server: asyncio.Server | None = None
        self.url = ""

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen. Raises LoadgateError when the address cannot be had."""
        sock = _listening_socket(host, port)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self._site), sock=sock, backlog=BACKLOG)
        name, number = sock.getsockname()[:2]
        self.url = f"http://[{name}]:{number}" if ":" in name else f"http://{name}:{number}"

    async def close(self) -> None:
        """Stop listening and close all connections; what they were waiting for is not answered."""
        if self._server is not None:
            self._server.close()
        connections = self._site.connections
        for connection in list(connections):
            connection.transport.close()
        loop = asyncio.get_running_loop()
        end = loop.time() + _LEAVE
        while connections and loop.time() < end:
            await asyncio.sleep(0.005)
        for connection in list(connections):
            connection.transport.abort()
        await asyncio.sleep(0)
        if isinstance(self._site.clock, SystemClock):
            self._site.clock.close()


async def serve(target: HttpTarget, host: str, port: int, ready: Callable[[str], None], *, until_eof: bool) -> None:
    """Run `target` until SIGINT or SIGTERM, or with `until_eof` until standard input ends; `ready(url)` once it listens."""
    raise_file_limit()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if until_eof:
        # A thread, because standard input may be anything, and event loops watch pipes and sockets only.
        threading.Thread(target=_watch_input, args=(loop, stop), daemon=True).start()
    await target.start(host, port)
    try:
        ready(target.url)
        await stop.wait()
    finally:
        await target.close()


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


def _listening_socket(host: str, port: int) -> socket.socket:
    """A bound socket on the first address of `host`. Raises LoadgateError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise LoadgateError(
            f"cannot listen on {host}: {error}", "give an address of this machine with --host"
        ) from None
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise LoadgateError(
                f"port {port} on {host} is taken by another program", "choose another, or 0 for a free one"
            ) from None
        hint = "ports below 1024 need rights" if error.errno == errno.EACCES else None
        raise LoadgateError(f"cannot listen on {host}:{port}: {error.strerror}", hint) from None
    sock.setblocking(False)
    return sock
