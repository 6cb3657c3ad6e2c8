"""What can be measured: k6's metrics under k6's names, and our own `http_req_latency`.

Every time is in milliseconds, every share from 0 to 1. Source of names and meanings: k6 documentation, "Built-in metrics".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """How samples of a metric add up."""

    TREND = "trend"
    """A distribution."""
    RATE = "rate"
    """The share of samples that are not zero."""
    COUNTER = "counter"
    """A sum."""
    GAUGE = "gauge"
    """The last value, with the least and the greatest."""


class Direction(StrEnum):
    """Which way is better."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's definition. `unit` is "ms", "s", "bytes", "share", "count" or "" where an author gave none."""

    name: str
    kind: Kind
    unit: str
    direction: Direction = Direction.LOWER


def _time(name: str) -> Metric:
    return Metric(name, Kind.TREND, "ms")


def _count(name: str, direction: Direction = Direction.HIGHER) -> Metric:
    return Metric(name, Kind.COUNTER, "count", direction)


BUILTIN: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        _count("http_reqs"),
        Metric("http_req_failed", Kind.RATE, "share"),
        _time("http_req_duration"),
        _time("http_req_latency"),
        _time("http_req_blocked"),
        _time("http_req_connecting"),
        _time("http_req_tls_handshaking"),
        _time("http_req_sending"),
        _time("http_req_waiting"),
        _time("http_req_receiving"),
        _count("grpc_reqs"),
        Metric("grpc_req_failed", Kind.RATE, "share"),
        _time("grpc_req_duration"),
        _time("grpc_req_latency"),
        _count("grpc_streams"),
        _count("grpc_streams_msgs_sent"),
        _count("grpc_streams_msgs_received"),
        _count("ws_messages"),
        Metric("ws_message_failed", Kind.RATE, "share"),
        _time("ws_message_duration"),
        _time("ws_message_latency"),
        _count("ws_sessions"),
        _time("ws_session_duration"),
        _time("ws_connecting"),
        _time("ws_ping"),
        _count("ws_msgs_sent"),
        _count("ws_msgs_received"),
        _count("graphql_reqs"),
        Metric("graphql_req_failed", Kind.RATE, "share"),
        _time("graphql_req_duration"),
        _time("graphql_req_latency"),
        _count("graphql_subscriptions"),
        _count("graphql_events"),
        _time("graphql_event_gap"),
        _time("graphql_connection_init"),
        _count("iterations"),
        _time("iteration_duration"),
        Metric("iterations_failed", Kind.RATE, "share"),
        _count("dropped_iterations", Direction.LOWER),
        Metric("vus", Kind.GAUGE, "count", Direction.HIGHER),
        Metric("vus_max", Kind.GAUGE, "count", Direction.HIGHER),
        Metric("checks", Kind.RATE, "share", Direction.HIGHER),
        _time("group_duration"),
        Metric("data_sent", Kind.COUNTER, "bytes", Direction.LOWER),
        Metric("data_received", Kind.COUNTER, "bytes", Direction.LOWER),
        Metric("target_cpu", Kind.COUNTER, "s", Direction.LOWER),
        Metric("target_memory", Kind.GAUGE, "bytes"),
        Metric("target_memory_pss", Kind.GAUGE, "bytes"),
        Metric("target_memory_peak", Kind.GAUGE, "bytes"),
        Metric("target_processes", Kind.GAUGE, "count"),
        Metric("target_threads", Kind.GAUGE, "count"),
        Metric("target_open_files", Kind.GAUGE, "count"),
        Metric("target_disk_read", Kind.COUNTER, "bytes", Direction.LOWER),
        Metric("target_disk_written", Kind.COUNTER, "bytes", Direction.LOWER),
        Metric("target_net_received", Kind.COUNTER, "bytes", Direction.LOWER),
        Metric("target_net_sent", Kind.COUNTER, "bytes", Direction.LOWER),
        _count("target_context_switches", Direction.LOWER),
        _count("target_page_faults", Direction.LOWER),
        _count("target_major_faults", Direction.LOWER),
        Metric("target_throttled", Kind.COUNTER, "s", Direction.LOWER),
    )
}
