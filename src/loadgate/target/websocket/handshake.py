"""The request that makes a WebSocket of a connection (RFC 6455 4.2). Does no I/O."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import sha1
from typing import Final

from loadgate.target.http.reply import Reply, error_reply, switch_reply
from loadgate.target.http.request import Request

_MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_NEEDED: Final = b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n"


def wants_websocket(request: Request) -> bool:
    return "websocket" in _words(request, "upgrade")


def offered(request: Request) -> list[str]:
    """The subprotocols a client would speak, the best first, as it spells them."""
    return [word for value in _values(request, "sec-websocket-protocol") for word in _split(value)]


def handshake(request: Request, subprotocol: str | None) -> Reply:
    """101 for a request that is a proper one, else an error that says what is missing. Extensions are never agreed on."""
    if not wants_websocket(request):
        return error_reply(426, "this path speaks WebSocket", _NEEDED)
    if _values(request, "sec-websocket-version") != ["13"]:
        return error_reply(426, "only version 13 of WebSocket is spoken here", _NEEDED)
    keys = _values(request, "sec-websocket-key")
    proper = request.plain and "upgrade" in _words(request, "connection")
    if not proper or len(keys) != 1 or not _is_key(keys[0]):
        return error_reply(
            400, "a WebSocket needs HTTP/1.1, `connection: Upgrade` and one sec-websocket-key of 16 bytes"
        )
    accept = b64encode(sha1(keys[0].encode() + _MAGIC, usedforsecurity=False).digest())
    fields = b"upgrade: websocket\r\nsec-websocket-accept: %b\r\n" % accept
    if subprotocol is not None:
        fields += b"sec-websocket-protocol: %b\r\n" % subprotocol.encode("latin-1")
    return switch_reply(fields)


def _is_key(text: str) -> bool:
    try:
        return len(b64decode(text, validate=True)) == 16
    except ValueError:
        return False


def _values(request: Request, name: str) -> list[str]:
    return [value.strip() for field, value in request.headers if field == name]


def _words(request: Request, name: str) -> list[str]:
    return [word.lower() for value in _values(request, name) for word in _split(value)]


def _split(value: str) -> list[str]:
    return [word for word in (part.strip() for part in value.split(",")) if word]
