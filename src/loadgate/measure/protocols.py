"""Under which metrics each protocol's exchanges are counted and timed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Protocol:
    """Names of metrics: how many exchanges, the share that failed, service time, and time from the planned start."""

    name: str
    count: str
    failed: str
    service: str
    latency: str


HTTP: Final = Protocol("http", "http_reqs", "http_req_failed", "http_req_duration", "http_req_latency")
GRPC: Final = Protocol("grpc", "grpc_reqs", "grpc_req_failed", "grpc_req_duration", "grpc_req_latency")
WEBSOCKET: Final = Protocol(
    "websocket", "ws_messages", "ws_message_failed", "ws_message_duration", "ws_message_latency"
)
"""A message that was sent, and the one that answered it."""
GRAPHQL: Final = Protocol(
    "graphql", "graphql_reqs", "graphql_req_failed", "graphql_req_duration", "graphql_req_latency"
)
PROTOCOLS: Final = (HTTP, GRPC, WEBSOCKET, GRAPHQL)
