"""WebSocket (RFC 6455) with permessage-deflate (RFC 7692), a client of our own on the connector of HTTP.

`client` is what scenarios hold, `session` what `async with` gives them and the hot path, `wire` the connection, `frames` and
`reader` what goes over it. Figures: `bench/RESULTS.md`.
"""

from loadgate.clients.websocket.client import WsClient, WsStack
from loadgate.clients.websocket.message import WsMessage, WsReply
from loadgate.clients.websocket.session import WsSession

__all__ = ["WsClient", "WsMessage", "WsReply", "WsSession", "WsStack"]
