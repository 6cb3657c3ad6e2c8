"""A plain HTTP client over one socket: what it sends and reads is exactly what is on the wire."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Got:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Raw:
    """One connection. Reading past the end of the peer's bytes raises EOFError, a reset ConnectionResetError."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def ask(self, line: str, body: bytes | None = None, *fields: str) -> Got:
        """Send a request ("GET /path") and read its reply."""
        lines = [f"{line} HTTP/1.1", "host: test", *fields]
        if body is not None:
            lines.append(f"content-length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode() + (body or b""))
        return self.reply(bodiless=line.startswith("HEAD "))

    def reply(self, *, bodiless: bool = False) -> Got:
        head = self.until(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        version, code, *_ = first.split(" ")
        assert version == "HTTP/1.1"
        empty = bodiless or code in ("204", "304") or code.startswith("1")
        return Got(int(code), headers, b"" if empty else self.exactly(int(headers["content-length"])))

    def until(self, mark: bytes) -> bytes:
        while (at := self.buffer.find(mark)) < 0:
            self._more()
        taken, self.buffer = self.buffer[: at + len(mark)], self.buffer[at + len(mark) :]
        return taken

    def exactly(self, length: int) -> bytes:
        parts = [self.buffer]
        size = len(self.buffer)
        while size < length:
            self.buffer = b""
            self._more()
            parts.append(self.buffer)
            size += len(self.buffer)
        whole = b"".join(parts)
        self.buffer = whole[length:]
        return whole[:length]

    def ended(self) -> bool:
        """Wait for the peer's end; False when it sends something instead."""
        if self.buffer:
            return False
        try:
            self._more()
        except EOFError:
            return True
        return False

    def _more(self) -> None:
        data = self.sock.recv(262_144)
        if not data:
            raise EOFError(f"ended after {self.buffer[:200]!r}")
        self.buffer += data


@contextmanager
def connect(url: str, timeout: float = 5.0) -> Iterator[Raw]:
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    with socket.create_connection((parts.hostname, parts.port), timeout) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Raw(sock)


def ask(url: str, line: str, body: bytes | None = None, *fields: str) -> Got:
    """One request on a connection of its own."""
    with connect(url) as raw:
        return raw.ask(line, body, *fields)
