"""A port on which HTTP is spoken, and what is upgraded from it."""

from __future__ import annotations

import asyncio
import socket

from loadgate.target.http.connection import Connection, Site
from loadgate.target.listener import BACKLOG, LEAVE, address_of, bound_socket


class HttpListener:
    """Serves `site`. `scheme` and `path` are what clients call it by: ws and /ws."""

    def __init__(self, site: Site, scheme: str = "http", path: str = "") -> None:
        self._site = site
        self._scheme = scheme
        self._path = path
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self.url = ""

    def bind(self, host: str, port: int) -> None:
        """Take the port. Raises LoadgateError when the address cannot be had."""
        self._socket = bound_socket(host, port)
        self.url = f"{self._scheme}://{address_of(self._socket)}{self._path}"

    async def open(self) -> None:
        assert self._socket is not None, "bind first"
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self._site), sock=self._socket, backlog=BACKLOG)

    async def close(self) -> None:
        """Stop listening and close all connections; what they were waiting for is not answered."""
        if self._server is not None:
            self._server.close()
        elif self._socket is not None:
            self._socket.close()
        connections = self._site.connections
        for connection in list(connections):
            connection.leave()
        loop = asyncio.get_running_loop()
        end = loop.time() + LEAVE
        while connections and loop.time() < end:
            await asyncio.sleep(0.005)
        for connection in list(connections):
            connection.transport.abort()
        await asyncio.sleep(0)
