from __future__ import annotations

import re

import pytest

from loadgate.measure.metric import BUILTIN, Direction, Kind, Metric

K6 = {
    "http_reqs": "counter",
    "http_req_failed": "rate",
    "http_req_duration": "trend",
    "http_req_blocked": "trend",
    "http_req_connecting": "trend",
    "http_req_tls_handshaking": "trend",
    "http_req_sending": "trend",
    "http_req_waiting": "trend",
    "http_req_receiving": "trend",
    "iterations": "counter",
    "iteration_duration": "trend",
    "dropped_iterations": "counter",
    "vus": "gauge",
    "vus_max": "gauge",
    "checks": "rate",
    "group_duration": "trend",
    "data_sent": "counter",
    "data_received": "counter",
    "grpc_req_duration": "trend",
    "grpc_streams": "counter",
    "grpc_streams_msgs_sent": "counter",
    "grpc_streams_msgs_received": "counter",
    "ws_connecting": "trend",
    "ws_session_duration": "trend",
    "ws_sessions": "counter",
    "ws_msgs_sent": "counter",
    "ws_msgs_received": "counter",
    "ws_ping": "trend",
}
"""k6 documentation, "Built-in metrics"."""


def test_k6s_metrics_have_k6s_names_and_kinds() -> None:
    assert {name: BUILTIN[name].kind.value for name in K6} == K6


@pytest.mark.parametrize("metric", BUILTIN.values(), ids=lambda metric: metric.name)
def test_every_metric_says_its_unit_and_which_way_is_better(metric: Metric) -> None:
    assert BUILTIN[metric.name] is metric
    assert re.fullmatch(r"[a-z][a-z_]*", metric.name)
    units = {
        Kind.TREND: {"ms"},
        Kind.RATE: {"share"},
        Kind.COUNTER: {"count", "bytes", "s"},
        Kind.GAUGE: {"count", "bytes"},
    }
    assert metric.unit in units[metric.kind]
    done = "http_reqs iterations vus vus_max checks grpc_reqs graphql_reqs ws_messages ws_sessions"
    messages = "grpc_streams grpc_streams_msgs_sent grpc_streams_msgs_received ws_msgs_sent ws_msgs_received"
    messages += " graphql_subscriptions graphql_events"
    more_is_better = {*done.split(), *messages.split()}
    assert (metric.direction is Direction.HIGHER) is (metric.name in more_is_better)
