"""What listens on a port, whatever is spoken there.

All ports are bound before any is opened, so that a target with a port that is taken never answers.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final, Protocol

from loadgate.errors import LoadgateError

BACKLOG: Final = 4096
LEAVE: Final = 0.5
"""Seconds that connections have to take what was already written when the target stops."""


class Guest(Protocol):
    """A connection that a listener closes when it ends."""

    transport: asyncio.Transport

    def leave(self) -> None:
        """Say goodbye and close."""


class Listener:
    """One port. `make` gives the protocol of a connection, which is in `guests` for as long as it is open.

    `scheme` and `path` are what clients call it by: ws and /ws.
    """

    def __init__(
        self, make: Callable[[], asyncio.Protocol], guests: set[Guest], scheme: str = "http", path: str = ""
    ) -> None:
        self._make = make
        self._guests = guests
        self._scheme = scheme
        self._path = path
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self.url = ""
        """Where clients find it, once it is bound."""

    def bind(self, host: str, port: int) -> None:
        """Take the port, 0 for a free one. Raises LoadgateError when the address cannot be had."""
        self._socket = bound_socket(host, port)
        self.url = f"{self._scheme}://{address_of(self._socket)}{self._path}"

    async def open(self) -> None:
        """Accept connections; the first one is answered as fast as any other."""
        assert self._socket is not None, "bind first"
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._make, sock=self._socket, backlog=BACKLOG)

    async def close(self) -> None:
        """Accept no more and close all connections, within `LEAVE`; what they were waiting for is not answered."""
        if self._server is not None:
            self._server.close()
        elif self._socket is not None:
            self._socket.close()
        guests = self._guests
        for guest in list(guests):
            guest.leave()
        loop = asyncio.get_running_loop()
        end = loop.time() + LEAVE
        while guests and loop.time() < end:
            await asyncio.sleep(0.005)
        for guest in list(guests):
            guest.transport.abort()
        await asyncio.sleep(0)


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on the first address of `host`. Raises LoadgateError.

    Whoever connects waits until it is accepted: not all systems say at `bind` that a port is taken, `listen` always does.
    """
    # as bytes a name is looked up as it is; for text, Python first imports a codec of international names, which takes 1 ms
    name = host.encode() if host.isascii() else host
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
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


def address_of(sock: socket.socket) -> str:
    """Host and port as they stand in a URL."""
    name, number = sock.getsockname()[:2]
    return f"[{name}]:{number}" if ":" in name else f"{name}:{number}"
