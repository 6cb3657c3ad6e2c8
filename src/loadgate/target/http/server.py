"""The HTTP target as a whole: its parts put together, and its listener."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Final

from loadgate.clock import Clock, SystemClock
from loadgate.errors import LoadgateError
from loadgate.target.chaos import Chaos
from loadgate.target.http.connection import Connection, Site
from loadgate.target.http.control import Control, check_routes
from loadgate.target.http.probes import add_index, add_probes
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
        add_index(routes)
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
