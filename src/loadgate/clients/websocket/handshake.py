"""The opening handshake (RFC 6455 section 4): the fields a client adds to a request, and whether the reply accepts them."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from http import HTTPStatus
from typing import Final

from loadgate.clients.base import ErrorKind, ExchangeError
from loadgate.clients.http.head import Head, sample
from loadgate.clients.http.response import Headers
from loadgate.clients.websocket.deflate import OFFER, Deflate, agreed

_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class RefusedError(ExchangeError):
    """The server answered the handshake with something else than 101. `status` is what it said."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(ErrorKind.PROTOCOL, text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Offer:
    """What a client asks for when it opens a session. `key` is new for each (`Offer.new`)."""

    key: str
    subprotocols: tuple[str, ...] = ()
    compress: bool = False

    @classmethod
    def new(cls, subprotocols: Sequence[str], compress: bool) -> Offer:
        return cls(b64encode(os.urandom(16)).decode("ascii"), tuple(subprotocols), compress)

    def fields(self) -> dict[str, str]:
        """The header fields that ask for it."""
        fields = {
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-key": self.key,
            "sec-websocket-version": "13",
        }
        if self.subprotocols:
            fields["sec-websocket-protocol"] = ", ".join(self.subprotocols)
        if self.compress:
            fields["sec-websocket-extensions"] = OFFER
        return fields

    def accepted(self, head: Head) -> Agreement:
        """What the server agreed to. Raises ExchangeError(protocol) where it did not, or to what was not asked for."""
        headers = Headers(head.raw)
        if head.status != 101:
            raise RefusedError(head.status, f"handshake refused: {_status(head.status)}{_whereto(headers)}")
        if headers.get("upgrade", "").lower() != "websocket":
            raise _wrong("its Upgrade is not websocket")
        if "upgrade" not in [option.strip() for option in headers.get("connection", "").lower().split(",")]:
            raise _wrong("its Connection is not Upgrade")
        # the answer to another key is a cache's or a proxy's, and not for this session
        if headers.get("sec-websocket-accept") != accept(self.key):
            raise _wrong("its Sec-WebSocket-Accept does not belong to the key that was sent")
        subprotocol = headers.get("sec-websocket-protocol")
        if subprotocol is not None and subprotocol not in self.subprotocols:
            shown = sample(subprotocol.encode("latin-1", "replace"))
            raise _wrong(f"the server chose the subprotocol {shown}, which was not offered")
        extensions = headers.get("sec-websocket-extensions")
        if extensions is None:
            return Agreement(subprotocol, None)
        if not self.compress:
            raise _wrong("the server chose extensions, and none were offered")
        try:
            return Agreement(subprotocol, agreed(extensions))
        except ValueError as error:
            raise _wrong(str(error)) from None


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a session was opened with."""

    subprotocol: str | None
    deflate: Deflate | None


def accept(key: str) -> str:
    """The value of `Sec-WebSocket-Accept` that answers `key` (RFC 6455 section 4.2.2)."""
    return b64encode(sha1((key + _GUID).encode("ascii"), usedforsecurity=False).digest()).decode("ascii")


def _wrong(text: str) -> ExchangeError:
    return ExchangeError(ErrorKind.PROTOCOL, f"handshake not as it must be: {text}")


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _whereto(headers: Headers) -> str:
    """A redirect's place, which a person will want to connect to."""
    location = headers.get("location")
    return f", to {location}: connect there" if location else ""
