"""Opening a byte stream to an origin: name resolution, TCP or Unix connect, TLS, each with its own time.

One `Connector` serves all users of a run. It limits how many connects are under way at once, because a listen backlog
(100 to 4,096 entries) overflows when thousands of users start in the same instant, and the kernel's answer to that is a
silent retry after one second: a delay no one asked for. Waiting for a place is counted as `blocked`.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Final
from urllib.parse import unquote, urlsplit

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.errors import LoadgateError, redact_url

CONNECTS_AT_ONCE = 100
RESOLVE_TTL = 300.0
"""Seconds a resolved name is kept; k6's default is the same five minutes."""

_HOST = re.compile(r"[a-z0-9._~!$&'()*+,;=%-]+|[0-9a-f:.]+(?:%[a-z0-9._~-]+)?")
"""RFC 3986 section 3.2.2: a registered name, or what stands between the brackets of an IPv6 address."""

Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection goes: equal origins may share one."""

    scheme: str
    host: str
    port: int
    path: str = ""
    """File system path of a Unix socket; empty for TCP."""

    @property
    def tls(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """`Host` header value (RFC 9110 section 7.2): port only where it is not the scheme's own."""
        if self.path:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.tls else 80
        return host if self.port == default else f"{host}:{self.port}"

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_origin(url: str) -> tuple[Origin, str]:
    """Split an absolute URL into its origin and its request target (path and query, at least `/`).

    `http+unix://%2Frun%2Fapp.sock/path` names a Unix socket, as Docker's clients write it.
    Raises ValueError with a sentence, in which passwords are masked, for anything that is not http, https or http+unix.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its text may quote a password
        raise ValueError(f"`{redact_url(url)}` is not a URL: look at its host and port") from None
    if parts.scheme not in ("http", "https", "http+unix"):
        raise ValueError(f"`{redact_url(url)}` is not an http://, https:// or http+unix:// URL")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "http+unix":
        path = unquote(parts.netloc)
        if not path:
            raise ValueError("http+unix:// needs the socket's path, percent-encoded, as its host")
        return Origin("http", "localhost", 0, path), target
    host = parts.hostname
    if not host:
        raise ValueError(f"`{redact_url(url)}` names no host")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise ValueError(f"`{host}` is not a host name") from None
    if _HOST.fullmatch(host) is None:
        raise ValueError(f"`{host}` is not a host name")
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    return Origin(parts.scheme, host, port), target


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """Trust and identity for TLS; certificates are verified unless `verify` is False."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify: bool = True

    def context(self) -> ssl.SSLContext:
        """Build the context. Raises LoadgateError that names the file which could not be used."""
        for name, file in (("ca", self.ca), ("cert", self.cert), ("key", self.key)):
            if file is not None and not os.access(file, os.R_OK):
                raise LoadgateError(f"cannot read the TLS {name} file {file}")
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except ssl.SSLError as error:
            raise LoadgateError(f"{self.ca} holds no usable CA certificate: {describe(error)}") from None
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert is not None:
            try:
                # without a password OpenSSL would ask the terminal for one
                context.load_cert_chain(self.cert, self.key, password="")
            except ssl.SSLError as error:
                raise LoadgateError(f"{self.cert} and its key are no usable pair: {describe(error)}") from None
        context.set_alpn_protocols(["http/1.1"])
        return context


@dataclass(slots=True)
class ConnectMarks:
    """Seconds spent in each part of opening one connection.

    `opening` is how long it took in all, which the request's timeout is shortened by; `blocked` may hold more, such as
    the wait for one of the user's own connections.
    """

    blocked: float = 0.0
    connecting: float = 0.0
    tls_handshaking: float = 0.0
    opening: float = 0.0


@dataclass(slots=True)
class Connector:
    """Opens connections for all users of one run, on one event loop.

    Raises LoadgateError where `tls` names files that cannot be used.
    """

    tls: TlsOptions = field(default_factory=TlsOptions)
    connect_timeout: float = 10.0
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTS_AT_ONCE))
    _names: dict[tuple[str, int], tuple[float, list[Address]]] = field(default_factory=dict)
    _lookups: dict[tuple[str, int], asyncio.Task[list[Address]]] = field(default_factory=dict)
    _context: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        if self.tls != TlsOptions():
            self._context = self.tls.context()  # now, so that a wrong file stops the run before it begins

    async def open(
        self,
        origin: Origin,
        factory: Callable[[], asyncio.Protocol],
        marks: ConnectMarks,
        limit: float = float("inf"),
    ) -> asyncio.Transport:
        """Connect to `origin`, fill in `marks` as far as it came, and return the transport.

        The connect timeout covers name lookup, connect and handshake; `limit` seconds cover the wait for a place too.
        Raises ExchangeError of kind dns, connect or tls, or timeout where no place came free within `limit`.
        """
        asked = perf_counter()
        try:
            async with asyncio.timeout(limit):
                await self._gate.acquire()
        except TimeoutError:
            text = f"not sent within {limit:g} s: {CONNECTS_AT_ONCE} other connections were being opened"
            raise ExchangeError(ErrorKind.TIMEOUT, text) from None
        addresses: list[Address] | None = None
        allowed = min(self.connect_timeout, limit)
        try:
            now = perf_counter()
            left = min(self.connect_timeout, limit - (now - asked))
            async with asyncio.timeout(left):
                addresses = await self._resolve(origin)
                marks.blocked += perf_counter() - asked
                transport = await self._first(origin, addresses, factory, marks, now + left)
                marks.opening = perf_counter() - asked
                return transport
        except TimeoutError:
            if addresses is None:
                raise ExchangeError(ErrorKind.DNS, f"{origin.host}: no answer to its lookup in {allowed:g} s") from None
            stage = "TLS handshake with" if marks.connecting else "connection to"
            kind = ErrorKind.TLS if marks.connecting else ErrorKind.CONNECT
            raise ExchangeError(kind, f"{stage} {origin} not made in {allowed:g} s") from None
        finally:
            self._gate.release()

    async def _resolve(self, origin: Origin) -> list[Address]:
        if origin.path:
            return []
        key = (origin.host, origin.port)
        known = self._names.get(key)
        if known is not None and known[0] > perf_counter():
            return known[1]
        lookup = self._lookups.get(key)
        if lookup is None:
            # one for all who ask meanwhile: thousands of users start at once, and the resolver has a few threads
            lookup = self._lookups[key] = asyncio.create_task(self._look_up(key))
            lookup.add_done_callback(lambda _: self._lookups.pop(key))
        return await asyncio.shield(lookup)

    async def _look_up(self, key: tuple[str, int]) -> list[Address]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(*key, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ExchangeError(ErrorKind.DNS, f"{key[0]}: {error.strerror or error}") from None
        except UnicodeError:
            raise ExchangeError(ErrorKind.DNS, f"{key[0]}: not a host name") from None
        addresses: list[Address] = [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]
        self._names[key] = (perf_counter() + RESOLVE_TTL, addresses)
        return addresses

    async def _first(
        self,
        origin: Origin,
        addresses: list[Address],
        factory: Callable[[], asyncio.Protocol],
        marks: ConnectMarks,
        deadline: float,
    ) -> asyncio.Transport:
        """The first address that accepts, tried in the resolver's order (RFC 6724); each may take its share of the time."""
        began = perf_counter()
        if origin.path:
            transport = await self._unix(origin, factory)
            marks.connecting = perf_counter() - began
            return transport
        loop = asyncio.get_running_loop()
        refused: OSError | None = None
        for tried, (family, address) in enumerate(addresses):
            share = (deadline - perf_counter()) / (len(addresses) - tried)
            host = f"{address[0]}%{address[3]}" if len(address) == 4 and address[3] else address[0]
            try:
                async with asyncio.timeout(share):
                    transport, _ = await loop.create_connection(factory, host, address[1], family=family)
            except OSError as error:  # which TimeoutError is, too
                refused = refused or error
                continue
            marks.connecting = perf_counter() - began
            return await self._handshake(origin, transport, marks) if origin.tls else transport
        if isinstance(refused, TimeoutError) and not refused.errno:
            raise TimeoutError
        raise ExchangeError(ErrorKind.CONNECT, f"{origin}: {describe(refused) if refused else 'no address'}")

    async def _unix(self, origin: Origin, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        """Connect to a Unix socket. Linux refuses at once (EAGAIN) where its backlog is full, so it is asked again."""
        pause = 0.001
        while True:
            peer = socket.socket(socket.AF_UNIX)
            peer.setblocking(False)
            try:
                peer.connect(origin.path)
            except BlockingIOError:
                peer.close()
                await asyncio.sleep(pause)
                pause = min(2 * pause, 0.02)
            except OSError as error:
                peer.close()
                raise ExchangeError(ErrorKind.CONNECT, f"{origin}: {describe(error)}") from None
            else:
                break
        transport, _ = await asyncio.get_running_loop().create_unix_connection(factory, sock=peer)
        return transport

    async def _handshake(self, origin: Origin, transport: asyncio.Transport, marks: ConnectMarks) -> asyncio.Transport:
        if self._context is None:
            self._context = self.tls.context()
        began = perf_counter()
        loop = asyncio.get_running_loop()
        try:
            secure = await loop.start_tls(
                transport, transport.get_protocol(), self._context, server_hostname=origin.host
            )
        except BaseException as error:
            transport.abort()
            if isinstance(error, OSError | EOFError):  # SSLError is an OSError
                raise ExchangeError(ErrorKind.TLS, f"{origin}: {describe(error)}") from None
            raise
        assert secure is not None
        marks.tls_handshaking = perf_counter() - began
        return secure


_TLS_REASONS: Final = {
    "WRONG_VERSION_NUMBER": "the server does not speak TLS on this port",
    "RECORD_LAYER_FAILURE": "the server does not speak TLS on this port",
    "HTTP_REQUEST": "the server does not speak TLS on this port",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server demands a client certificate (certificate required)",
}
"""OpenSSL's reasons that need a word more."""

_WITHOUT_NUMBER: Final[dict[type[BaseException], str]] = {
    ConnectionResetError: "connection reset by peer",
    ConnectionAbortedError: "connection closed by peer",
    BrokenPipeError: "connection closed by peer",
    TimeoutError: "no answer",
    EOFError: "connection closed by peer",
}


def describe(error: BaseException) -> str:
    """The cause of a failed system or TLS call in a few words, without Python's wrapping."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return _TLS_REASONS.get(error.reason or "") or (error.reason or str(error)).lower().replace("_", " ")
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error) or _WITHOUT_NUMBER.get(type(error)) or type(error).__name__
