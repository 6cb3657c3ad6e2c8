"""One GET of a metrics page, in a thread: what it says, or in words why there is nothing."""

from __future__ import annotations

import time
import zlib
from base64 import b64encode
from socket import SHUT_RDWR, socket
from threading import Timer
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, unquote, urlsplit

from loadgate.errors import redact_url
from loadgate.probe.exposition import MOST_BYTES
from loadgate.units import format_bytes, format_duration

if TYPE_CHECKING:
    from http.client import HTTPResponse

_CHUNK: Final = 65_536
_ACCEPT: Final = "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0;q=0.5, */*;q=0.1"

_TOO_SHORT: Final = "the connection was closed before the end of the page"


class NotScraped(Exception):
    """The page could not be read; the message ends a sentence."""


def fetch(url: str, timeout: float) -> bytes:
    """The page at `url`, unpacked. Raises NotScraped.

    All of it must be there within `timeout` seconds. Proxies of the environment are not used, and redirects not followed:
    neither does the load.
    """
    # imported by those who scrape only: 45 ms of CPU
    from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead

    begun = time.monotonic()
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # a socket's timeout begins anew with every byte
    cut = Timer(timeout, lambda: _cut(held))
    held: list[socket] = []
    try:
        connection.connect()
        held.append(connection.sock)
        cut.start()
        connection.request("GET", path, headers=_headers(parts))
        return _answer(connection.getresponse())
    except NotScraped:
        raise
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, TimeoutError) or time.monotonic() - begun >= timeout:
            raise NotScraped(f"no whole answer within {format_duration(timeout)}") from None
        raise NotScraped(_TOO_SHORT if isinstance(error, IncompleteRead) else _words(error)) from None
    finally:
        cut.cancel()
        connection.close()


def _headers(parts: SplitResult) -> dict[str, str]:
    headers = {"Accept": _ACCEPT, "Accept-Encoding": "gzip", "User-Agent": "loadgate", "Connection": "close"}
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers["Authorization"] = "Basic " + b64encode(secret).decode()
    return headers


def _answer(reply: HTTPResponse) -> bytes:
    """The body of a reply, unpacked."""
    if reply.status != 200:
        place = reply.getheader("Location", "")
        raise NotScraped(f"status {reply.status}" + (f", it is at {redact_url(place)}" if place else ""))
    packed = bytearray()
    while chunk := reply.read1(_CHUNK):
        packed += chunk
        if len(packed) > MOST_BYTES:
            raise NotScraped(f"more than {format_bytes(MOST_BYTES)}")
    if reply.length:
        raise ConnectionError(_TOO_SHORT)
    return _unpacked(bytes(packed), reply.getheader("Content-Encoding", "").strip().lower())


def _cut(held: list[socket]) -> None:
    """End whatever a thread waits for at a socket."""
    for sock in held:
        try:
            sock.shutdown(SHUT_RDWR)
        except OSError:
            return  # it was closed meanwhile


def _unpacked(body: bytes, coding: str) -> bytes:
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip"):
        raise NotScraped(f"packed as `{coding[:40]}`, which was not asked for")
    unpack = zlib.decompressobj(wbits=31)
    try:
        text = unpack.decompress(body, MOST_BYTES)
    except zlib.error as error:
        raise NotScraped(f"the page cannot be unpacked: {error}") from None
    if unpack.unconsumed_tail:
        raise NotScraped(f"more than {format_bytes(MOST_BYTES)}")
    if not unpack.eof:
        raise NotScraped(_TOO_SHORT)
    return text


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return (str(error) or type(error).__name__).partition("\n")[0][:120]
