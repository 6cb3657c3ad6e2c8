"""The draws: one seed one sequence, routes, probabilities, stalls."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from loadgate.target.chaos import Injector, injector, is_control
from loadgate.target.faults import Kind, Outcome
from loadgate.target.settings import from_plain

Drawn = list[tuple[float, Outcome | None]]


def made(plain: dict[str, Any], start: float = 0.0) -> Injector:
    found = injector(from_plain(plain, seed=1), start)
    assert found is not None
    return found


def draw(plain: dict[str, Any], n: int = 1000, path: str = "/users") -> Drawn:
    source = made(plain)
    return [source.draw(path, 0.0) for _ in range(n)]


LATENCY = {"shape": "lognormal", "median_ms": 20, "sigma": 0.5}


def test_one_seed_gives_one_sequence() -> None:
    plain = {"latency": LATENCY, "faults": {"status": {"probability": 0.3, "codes": [500, 503]}}}
    assert draw(plain) == draw(plain)
    assert draw(plain) != draw(plain | {"seed": 2})


def test_faults_and_delays_do_not_disturb_each_other() -> None:
    calm = draw({"latency": LATENCY})
    broken = draw({"latency": LATENCY, "faults": {"reset": {"probability": 0.5}}})
    assert [delay for delay, _ in calm] == [delay for delay, _ in broken]


def test_a_higher_probability_keeps_the_requests_that_failed_before() -> None:
    few = draw({"faults": {"reset": {"probability": 0.1}}})
    many = draw({"faults": {"reset": {"probability": 0.3}}})
    assert {i for i, (_, fault) in enumerate(few) if fault} < {i for i, (_, fault) in enumerate(many) if fault}


def test_the_path_asked_for_does_not_change_the_sequence() -> None:
    plain = {"latency": LATENCY, "routes": {"/posts": {"latency": {"shape": "none"}}}}
    mixed, plainly = made(plain), made(plain)
    for i in range(100):
        expected = plainly.draw("/users", 0.0)
        found = mixed.draw("/posts" if i % 2 else "/users", 0.0)
        assert found == ((0.0, None) if i % 2 else expected)


def test_each_fault_comes_as_often_as_it_should() -> None:
    faults = {
        "status": {"probability": 0.2, "codes": [500, 502, 503]},
        "reset": {"probability": 0.1},
        "timeout": {"probability": 0.05},
        "partial": {"probability": 0.15},
    }
    n = 30_000
    counts = Counter(fault and fault.kind for _, fault in draw({"faults": faults}, n))
    for kind, share in ((Kind.STATUS, 0.2), (Kind.RESET, 0.1), (Kind.TIMEOUT, 0.05), (Kind.PARTIAL, 0.15), (None, 0.5)):
        assert counts[kind] / n == pytest.approx(share, abs=0.01)
    codes = Counter(fault.code for _, fault in draw({"faults": faults}, n) if fault and fault.kind is Kind.STATUS)
    assert set(codes) == {500, 502, 503}
    assert all(count / n == pytest.approx(0.2 / 3, abs=0.01) for count in codes.values())


def test_certain_faults_are_certain() -> None:
    assert {fault and fault.kind for _, fault in draw({"faults": {"timeout": {"probability": 1}}})} == {Kind.TIMEOUT}


def test_the_longest_prefix_wins_and_ends_at_a_slash() -> None:
    source = made(
        {
            "latency": {"shape": "fixed", "ms": 1},
            "routes": {
                "/users": {"latency": {"shape": "fixed", "ms": 2}},
                "/users/7": {"latency": {"shape": "fixed", "ms": 3}},
                "/posts": {"faults": {"reset": {"probability": 1}}},
            },
        }
    )
    found = {path: source.draw(path, 0.0) for path in ("/users", "/users/7/posts", "/users/77", "/usersx", "/posts/1")}
    assert found["/users"] == (2.0, None)
    assert found["/users/7/posts"] == (3.0, None)
    assert found["/users/77"] == (2.0, None)
    assert found["/usersx"] == (1.0, None)
    assert found["/posts/1"] == (1.0, Outcome(Kind.RESET))  # what a route leaves out is as everywhere


def test_the_root_as_a_route_is_everything() -> None:
    assert made({"routes": {"/": {"latency": {"shape": "fixed", "ms": 4}}}}).draw("/posts/1", 0.0) == (4.0, None)


def test_a_stall_holds_requests_until_it_ends() -> None:
    source = made({"stall": {"every_ms": 10_000, "for_ms": 1000}}, start=100.0)
    waits = {at: source.draw("/users", 100.0 + at)[0] for at in (0.0, 8.999, 9.0, 9.25, 9.999, 10.0, 18.0, 19.5)}
    assert waits == {0.0: 0, 8.999: 0, 9.0: 1000, 9.25: 750, 9.999: 1, 10.0: 0, 18.0: 0, 19.5: 500}


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"latency": {"shape": "none"}},
        {"routes": {"/users": {"latency": {"shape": "none"}}}},
        {"enabled": False, "latency": LATENCY},
    ],
)
def test_where_nothing_is_injected_nothing_is_drawn(plain: dict[str, Any]) -> None:
    assert injector(from_plain(plain, seed=1), 0.0) is None


@pytest.mark.parametrize(
    ("path", "control"),
    [
        ("/health", True),
        ("/health/ready", True),
        ("/metrics", True),
        ("/api/chaos/config", True),
        ("/healthy", False),
        ("/users", False),
        ("/", False),
    ],
)
def test_control_paths_are_known(path: str, control: bool) -> None:
    assert is_control(path) is control
