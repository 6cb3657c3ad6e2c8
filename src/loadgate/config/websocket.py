"""How WebSocket sessions begin: as requests of HTTP, so that each scheme has its counterpart there."""

from __future__ import annotations

from typing import Final

_HANDSHAKE: Final = frozenset({"upgrade", "connection"})
_HTTP: Final = {"ws": "http", "wss": "https", "ws+unix": "http+unix"}


def is_websocket(url: str) -> bool:
    """Whether the scheme of `url` is that of a WebSocket server."""
    scheme, found, _ = url.partition("://")
    return bool(found) and scheme.lower() in _HTTP


def http_url(url: str) -> str:
    """`url` with the scheme of the request that opens a session: ws becomes http, wss https, ws+unix http+unix."""
    scheme, found, rest = url.partition("://")
    return f"{_HTTP.get(scheme.lower(), scheme)}://{rest}" if found else url


def ws_url(url: str) -> str:
    """`url` as that of a WebSocket server: the scheme that `http_url` changed, changed back."""
    scheme, found, rest = url.partition("://")
    back = {http: ws for ws, http in _HTTP.items()}
    return f"{back.get(scheme.lower(), scheme)}://{rest}" if found else url


def is_of_handshake(header: str) -> bool:
    """Whether the client writes this header field itself (RFC 6455 section 4.1)."""
    return header.lower() in _HANDSHAKE or header.lower().startswith("sec-websocket-")
