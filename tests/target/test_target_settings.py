"""What configurations are taken, and what is said of the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from loadgate.target.options import from_texts
from loadgate.target.settings import ChaosError, from_plain, merged, parse_json, to_plain
from loadgate.target.shapes import Fixed, LogNormal, Normal, Pareto, Uniform

FULL: dict[str, Any] = {
    "seed": 9,
    "enabled": True,
    "latency": {"shape": "lognormal", "median_ms": 20, "sigma": 0.5, "min_ms": 1, "max_ms": 500, "probability": 0.5},
    "faults": {"status": {"probability": 0.01, "codes": [500, 503]}, "reset": {"probability": 0.02}},
    "stall": {"every_ms": 10000, "for_ms": 1000},
    "routes": {"/users": {"latency": {"shape": "none"}}, "/posts": {"faults": {"partial": {"probability": 1}}}},
}


def test_what_is_shown_means_the_same_when_it_is_sent_back() -> None:
    chaos = from_plain(FULL, seed=1)
    assert from_plain(json.loads(json.dumps(to_plain(chaos))), seed=1) == chaos
    assert from_plain(to_plain(from_plain({}, seed=4)), seed=1).seed == 4


def test_parts_left_out_are_off() -> None:
    plain = to_plain(from_plain({}, seed=3))
    assert plain["seed"] == 3 and plain["enabled"] is True
    assert plain["latency"] == {"shape": "none"}
    assert plain["stall"] is None and plain["routes"] == {}
    assert {kind: fault["probability"] for kind, fault in plain["faults"].items()} == dict.fromkeys(
        ("status", "reset", "timeout", "partial", "close", "errors", "field"), 0.0
    )


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ([], "the configuration: expected an object, got an array"),
        ({"latenzy": {}}, "latenzy: unknown field `latenzy`, did you mean `latency`?"),
        ({"seed": -1}, "seed: expected `int` >= 0"),
        ({"seed": "x"}, "seed: expected `int`, got `str`"),
        ({"enabled": 1}, "enabled: expected `bool`, got `int`"),
        ({"latency": 5}, "latency: expected an object, got a number"),
        ({"latency": {"ms": 5}}, "latency.shape: missing"),
        ({"latency": {"shape": "fixd", "ms": 5}}, "latency.shape: unknown shape `fixd`, did you mean `fixed`?"),
        ({"latency": {"shap": "fixed"}}, "latency.shap: unknown field `shap`, did you mean `shape`?"),
        ({"latency": {"shape": "fixed"}}, "latency: object missing required field `ms`"),
        ({"latency": {"shape": "fixed", "ms": "5"}}, "latency.ms: expected `float`, got `str`"),
        ({"latency": {"shape": "fixed", "ms": -1}}, "latency.ms: expected `float` >= 0.0"),
        ({"latency": {"shape": "fixed", "ms": 60001}}, "latency.ms: expected `float` <= 60000.0"),
        ({"latency": {"shape": "fixed", "ms": float("nan")}}, "latency.ms: "),
        ({"latency": {"shape": "fixed", "ms": 5, "sigma": 1}}, "latency.sigma: unknown field `sigma`"),
        (
            {"latency": {"shape": "fixed", "ms": 5, "min_ms": 9, "max_ms": 8}},
            "latency: `min_ms` (9) is above `max_ms` (8)",
        ),
        ({"latency": {"shape": "pareto", "scale_ms": 5, "alpha": 0}}, "latency.alpha: expected `float` >= 0.1"),
        ({"latency": {"shape": "fixed", "ms": 5, "probability": 1.5}}, "latency.probability: expected `float` <= 1.0"),
        ({"faults": {"rest": {}}}, "faults.rest: unknown field `rest`, did you mean `reset`?"),
        ({"faults": {"reset": 0.5}}, "faults.reset: expected an object, got a number"),
        ({"faults": {"status": {"probability": 2}}}, "faults.status.probability: expected `float` <= 1.0"),
        (
            {"faults": {"status": {"codes": [200]}}},
            "faults.status: 200 is no error status: 400 to 599, or 1 to 16 for gRPC",
        ),
        ({"faults": {"status": {"codes": [600]}}}, "faults.status.codes[0]: expected `int` <= 599"),
        ({"faults": {"status": {"codes": [503, 14]}}}, "faults.status.codes: 14 is a status of gRPC"),
        (
            {"protocols": {"http": {"faults": {"status": {"codes": [14]}}}}},
            "protocols.http.faults.status.codes: 14 is a",
        ),
        (
            {"protocols": {"grpc": {"faults": {"status": {"codes": ["UNAVAILBLE"]}}}}},
            "protocols.grpc.faults.status.codes: `UNAVAILBLE` is no gRPC status: did you mean UNAVAILABLE?",
        ),
        (
            {"protocols": {"grpc": {"faults": {"field": {"probability": 1}}}}},
            "protocols.grpc.faults.field: grpc has no such fault",
        ),
        ({"faults": {"status": {"codes": []}}}, "faults.status.codes: expected `array` of length >= 1"),
        (
            {"faults": {"reset": {"probability": 0.6}, "timeout": {"probability": 0.6}}},
            "faults: the probabilities add up to 1.2, which is more than 1",
        ),
        ({"stall": {"every_ms": 10, "for_ms": 10}}, "stall: `for_ms` (10) must be less than `every_ms` (10)"),
        ({"stall": {"every_ms": 10}}, "stall: object missing required field `for_ms`"),
        ({"routes": {"users": {}}}, "routes.users: a path begins with a slash"),
        ({"routes": {"/metrics": {}}}, "routes./metrics: /health, /metrics, /api/chaos and what is below"),
        ({"routes": {"/users": {"seed": 1}}}, "routes./users.seed: unknown field `seed`"),
        ({"routes": {"/users": {"latency": {"shape": "fixed"}}}}, "routes./users.latency: object missing required"),
        ({"routes": {f"/{n}": {} for n in range(101)}}, "routes: 101 paths, at most 100 are allowed"),
    ],
)
def test_an_error_names_the_field_and_the_cause(plain: Any, message: str) -> None:
    with pytest.raises(ChaosError) as caught:
        from_plain(plain, seed=1)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "this is not JSON: "),
        ('{"seed": 1, "seed": 2}', "seed: given twice in one object"),
        ('{"seed": NaN}', "NaN is not a JSON number"),
        ("[" * 100_000, "this is not JSON: "),
        (b"\xff\xfe\xfd", "this is not JSON: "),
    ],
)
def test_json_is_read_strictly(text: str | bytes, message: str) -> None:
    with pytest.raises(ChaosError) as caught:
        parse_json(text)
    assert caught.value.message.startswith(message)


def test_a_change_replaces_the_parts_it_names() -> None:
    chaos = from_plain(FULL, seed=1)
    changed = merged(chaos, {"latency": {"shape": "fixed", "ms": 5}})
    assert changed.latency == Fixed(ms=5)
    assert changed.faults == chaos.faults and changed.routes == chaos.routes and changed.seed == 9


def test_a_change_reaches_single_faults_and_routes() -> None:
    changed = merged(
        from_plain(FULL, seed=1),
        {"faults": {"reset": None, "timeout": {"probability": 0.5}}, "routes": {"/users": None, "/echo": {}}},
    )
    plain = to_plain(changed)
    assert {kind: fault["probability"] for kind, fault in plain["faults"].items()} == {
        "status": 0.01,
        "reset": 0.0,
        "timeout": 0.5,
        "partial": 0.0,
        "close": 0.0,
        "errors": 0.0,
        "field": 0.0,
    }
    assert set(plain["routes"]) == {"/posts", "/echo"}


def test_null_takes_a_part_away() -> None:
    changed = merged(from_plain(FULL, seed=1), dict.fromkeys(("latency", "faults", "stall", "routes")))
    assert changed == from_plain({"seed": 9}, seed=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"faults": {"rest": None}}, "faults.rest: unknown field"),
        ({"routes": {"/nope": None}}, "routes./nope: cannot be taken away, it is not there"),
        ({"faults": 1}, "faults: expected an object"),
        (None, "the configuration: expected an object, got null"),
    ],
)
def test_a_change_is_checked_like_the_whole(change: Any, message: str) -> None:
    with pytest.raises(ChaosError) as caught:
        merged(from_plain(FULL, seed=1), change)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("fixed:20ms", Fixed(ms=20)),
        ("uniform:10ms,0.03s", Uniform(low_ms=10, high_ms=30)),
        ("normal:20ms,5ms", Normal(mean_ms=20, deviation_ms=5)),
        ("lognormal:20ms,0.5", LogNormal(median_ms=20, sigma=0.5)),
        ("pareto:10ms,1.5,min=11ms,max=1s", Pareto(scale_ms=10, alpha=1.5, min_ms=11, max_ms=1000)),
        ("fixed:200ms,probability=0.01", Fixed(ms=200, probability=0.01)),
    ],
)
def test_latency_options_are_read(text: str, shape: object) -> None:
    assert from_texts([text], [], None, 1).latency == shape


def test_fault_stall_and_route_options_are_read() -> None:
    chaos = from_texts(
        ["/users=fixed:5ms", "none"], ["status=503,500:0.01", "reset:0.5", "/posts=partial:1"], "1s/10s", 3
    )
    assert chaos == from_plain(
        {
            "seed": 3,
            "faults": {"status": {"probability": 0.01, "codes": [503, 500]}, "reset": {"probability": 0.5}},
            "stall": {"every_ms": 10_000, "for_ms": 1000},
            "routes": {
                "/users": {"latency": {"shape": "fixed", "ms": 5}},
                "/posts": {"faults": {"partial": {"probability": 1}}},
            },
        },
        seed=1,
    )


def test_options_of_grpc_are_read() -> None:
    chaos = from_texts(
        ["grpc=fixed:5ms", "/mockforge.greeter.Greeter/SayHello=fixed:6ms"],
        ["grpc=status=UNAVAILABLE,8, not_found:0.01", "/mockforge.greeter.Greeter=status=503:0.5"],
        None,
        1,
    )
    assert to_plain(chaos)["protocols"]["grpc"]["faults"]["status"] == {"probability": 0.01, "codes": (14, 8, 5)}
    assert chaos.protocols["grpc"].latency == Fixed(ms=5)
    assert chaos.routes["/mockforge.greeter.Greeter/SayHello"].latency == Fixed(ms=6)
    faults = chaos.routes["/mockforge.greeter.Greeter"].faults
    assert faults is not None and faults.status.codes == (503,)


@pytest.mark.parametrize(
    ("latency", "fault", "stall", "message"),
    [
        (["gamma:1ms"], [], None, "latency `gamma:1ms`: unknown shape `gamma`"),
        (["fixed"], [], None, "latency `fixed`: 1 value(s) expected, got 0"),
        (["fixed:20"], [], None, "in `fixed:20`: `20` is a duration without a unit"),
        (["fixed:1ms,most=2ms"], [], None, "latency `fixed:1ms,most=2ms`: unknown setting `most`"),
        (["lognormal:1ms,x"], [], None, "in `lognormal:1ms,x`: `x` is not a number"),
        (["fixed:2m"], [], None, "latency.ms: expected `float` <= 60000.0"),
        (["fixed:1ms", "fixed:2ms"], [], None, "two latencies for all routes"),
        (["/users"], [], None, "`/users` names a path and nothing else"),
        ([], ["status"], None, "`status` is not a fault"),
        ([], ["crash:0.1"], None, "`crash:0.1` is not a fault"),
        ([], ["reset:nan"], None, "faults.reset.probability: "),
        ([], ["reset=1:0.1"], None, "fault `reset=1:0.1`: only status and close take codes"),
        ([], ["status=5o3:0.1"], None, "fault `status=5o3:0.1`: `5o3` is no status code"),
        ([], ["close=far:0.1"], None, "fault `close=far:0.1`: `far` is no close code"),
        ([], ["status=503,:0.1"], None, "fault `status=503,:0.1`: `` is no status code"),
        (
            [],
            ["grpc=status=UNAVAILBLE:1"],
            None,
            "fault `status=UNAVAILBLE:1`: `UNAVAILBLE` is no gRPC status: did you mean",
        ),
        ([], ["status=UNAVAILABLE:1"], None, "faults.status.codes: 14 is a status of gRPC"),
        ([], ["reset:0.1", "reset:0.2"], None, "fault reset is given twice for all routes"),
        ([], [], "1s", "`1s` is not a stall"),
        ([], [], "10s/1s", "stall: `for_ms` (10000) must be less than `every_ms` (1000)"),
    ],
)
def test_a_wrong_option_is_explained(
    latency: Sequence[str], fault: Sequence[str], stall: str | None, message: str
) -> None:
    with pytest.raises(ChaosError) as caught:
        from_texts(latency, fault, stall, 1)
    assert caught.value.message.startswith(message)
