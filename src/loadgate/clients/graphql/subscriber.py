"""The connections of one user that carry its subscriptions: one for each endpoint, whatever the number of subscriptions.

Several on one connection, told apart by their ids, is what Apollo's and `graphql-ws`'s clients do. It stays open until its
user ends, as a kept-alive connection of HTTP does; where the server closes it, the next subscription opens another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import json as codec

if TYPE_CHECKING:
    from loadgate.clients.graphql.socket import GraphqlSocket
    from loadgate.clients.http.request import Auth
    from loadgate.clients.websocket.client import WsClient

Key = tuple[str, tuple[tuple[str, str], ...], "Auth | None", bytes]
"""What connections are told apart by: endpoint, header fields, credentials, payload of `connection_init`."""


_MOST: Final = 8
"""Connections of a user from which on those without a subscription are closed: payloads may differ at each iteration."""


class Subscriber:
    """Shared by all GraphQL clients of a user. `ws` gives the user's WebSocket client, which closes what is opened here."""

    __slots__ = ("_sockets", "_ws")

    def __init__(self, ws: Callable[[], WsClient]) -> None:
        self._sockets: dict[Key, GraphqlSocket] | None = None
        self._ws = ws

    @property
    def ws(self) -> WsClient:
        return self._ws()

    def socket(self, key: Key, timeout: float | None) -> GraphqlSocket:
        """The connection of `key`: that which is there, else one to be opened. Raises ValueError for what cannot be sent."""
        from loadgate.clients.graphql.socket import SUBPROTOCOL, GraphqlSocket  # most users subscribe to nothing

        if self._sockets is None:
            self._sockets = {}
        found = self._sockets.get(key)
        if found is None or not found.is_usable:
            self._sockets.pop(key, None)
            url, headers, auth, payload = key
            session = self.ws.connect(
                url, headers=dict(headers), auth=auth, subprotocols=(SUBPROTOCOL,), timeout=timeout
            )
            self._make_room(self._sockets)
            found = self._sockets[key] = GraphqlSocket(session, payload)
        return found

    def _make_room(self, sockets: dict[Key, GraphqlSocket]) -> None:
        for key, socket in list(sockets.items()):
            if len(sockets) >= _MOST and socket.is_idle:
                del sockets[key]
                socket.drop()


def key_of(url: str, headers: Mapping[str, str] | None, auth: Auth | None, payload: Mapping[str, Any] | None) -> Key:
    """Raises ValueError for a payload that is no JSON."""
    try:
        encoded = b"" if payload is None else codec.encode(payload)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"the connection payload cannot be written as JSON: {error}") from None
    return url, tuple(sorted((headers or {}).items())), auth, encoded
