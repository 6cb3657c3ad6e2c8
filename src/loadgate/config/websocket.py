"""How URLs of WebSocket servers are written: sessions begin as requests of HTTP, so each scheme has its counterpart there."""

from __future__ import annotations

from typing import Final

_HTTP: Final = {"ws": "http", "wss": "https", "ws+unix": "http+unix"}


def is_websocket(url: str) -> bool:
    """Whether the scheme of `url` is that of a WebSocket server."""
    scheme, found, _ = url.partition("://")
    return bool(found) and scheme.lower() in _HTTP


def http_url(url: str) -> str:
    """`url` with the scheme of the request that opens a session: ws becomes http, wss https, ws+unix http+unix."""
    scheme, found, rest = url.partition("://")
    return f"{_HTTP.get(scheme.lower(), scheme)}://{rest}" if found else url
