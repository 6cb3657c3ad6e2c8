from __future__ import annotations

from pathlib import Path

import pytest

from loadgate.config.gate import GateSpec, Limit, usual
from loadgate.config.project import parse_project
from loadgate.errors import ConfigError
from loadgate.measure.protocols import HTTP, PROTOCOLS, Protocol


def read(text: str) -> GateSpec:
    return parse_project(text, Path("loadgate.yml"), {"DB": "history.db"}).gate


def limit(gate: GateSpec, step: str, metric: str, statistic: str, unit: str = "ms") -> Limit:
    name = f"{metric} {statistic}".strip()
    return gate.limit(step, metric, statistic, unit, f"{step}: {name}" if step else name)


def test_everything_can_be_said() -> None:
    gate = read(
        """
gate:
  baseline: release-1.2
  store: ${env.DB}
  confirm: 3
  limits:
    http_req_duration p95: 8%
    "GET /users: *p95": {change: 20 %, floor: 2ms}
    http_req_duration p99: {gate: true}
    parse: {floor: 5}
"""
    )
    assert (gate.baseline, gate.store, gate.confirm) == ("release-1.2", "history.db", 3)
    assert limit(gate, "", "http_req_duration", "p95") == Limit(0.08, 0.1, True)
    assert limit(gate, "GET /users", "http_req_duration", "p95") == Limit(0.2, 2.0, True)
    assert limit(gate, "", "http_req_duration", "p99") == Limit(0.15, 0.1, True)
    assert limit(gate, "", "parse", "mean", "ns") == Limit(0.05, 5.0, True)


def test_a_floor_that_is_a_time_is_turned_into_the_figures_unit() -> None:
    gate = read("gate: {limits: {parse: {floor: 3us}}}")
    assert limit(gate, "", "parse", "", "ns").floor == pytest.approx(3000.0)
    assert limit(gate, "", "parse", "", "s").floor == pytest.approx(3e-6)


def test_without_a_word_the_usual_holds() -> None:
    assert read("target: {url: 'http://127.0.0.1'}").limit("", "http_reqs", "rate", "1/s", "") == Limit(0.05)
    assert usual("GET /", "http_reqs", "rate", "1/s").gating is False
    assert usual("", "http_req_failed", "share", "share") == Limit(0.005)
    assert usual("", "parse/1000", "", "ns") == Limit(0.05)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gate: {limits: {http_reqs: 5}}", "limit `http_reqs` must be a percentage"),
        ("gate: {limits: {http_reqs: {chnage: 5%}}}", "did you mean `change`?"),
        ("gate: {limits: {http_reqs: {floor: much}}}", "`floor` in limit `http_reqs`"),
        ("gate: {confirm: 21}", "too large: 20 at most"),
        ("gate: {basline: x}", "did you mean `baseline`?"),
        ("gate: {limits: [1]}", "must be a mapping"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert says in str(caught.value)
    assert "loadgate.yml:1:" in str(caught.value)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_the_same_is_usual_for_every_protocol(protocol: Protocol) -> None:
    for statistic in ("p50", "p95", "p99"):
        for ours, of_http in ((protocol.service, HTTP.service), (protocol.latency, HTTP.latency)):
            assert usual("", ours, statistic, "ms") == usual("", of_http, statistic, "ms"), (ours, statistic)
    for step in ("", "GET /"):
        assert usual(step, protocol.count, "rate", "1/s") == usual(step, HTTP.count, "rate", "1/s")
        assert usual(step, protocol.failed, "share", "share") == usual(step, HTTP.failed, "share", "share")
