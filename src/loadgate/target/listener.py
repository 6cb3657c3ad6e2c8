"""The seam between the target and its protocols: what listens on a port."""

from __future__ import annotations

import errno
import socket
from typing import Final, Protocol

from loadgate.errors import LoadgateError

BACKLOG: Final = 4096
LEAVE: Final = 0.5
"""Seconds that connections have to take what was already written when the target stops."""


class Listener(Protocol):
    """One port. All ports are bound before any is opened, so that a target with a port that is taken never answers."""

    @property
    def url(self) -> str:
        """Where clients find it, once it is bound."""

    def bind(self, host: str, port: int) -> None:
        """Take the port, 0 for a free one. Raises LoadgateError when the address cannot be had."""

    async def open(self) -> None:
        """Accept connections; the first one is answered as fast as any other."""

    async def close(self) -> None:
        """Accept no more and close all connections, within `LEAVE`; what they were waiting for is not answered."""


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on the first address of `host`. Raises LoadgateError.

    Whoever connects waits until it is accepted: not all systems say at `bind` that a port is taken, `listen` always does.
    """
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


def address_of(sock: socket.socket) -> str:
    """Host and port as they stand in a URL."""
    name, number = sock.getsockname()[:2]
    return f"[{name}]:{number}" if ":" in name else f"{name}:{number}"
