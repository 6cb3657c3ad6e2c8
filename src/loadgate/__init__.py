"""Loadgate: load a service, measure it honestly, and say whether it got slower.

    from loadgate import User, scenario

Names are imported when they are first used: neither `import loadgate` nor `loadgate --version` loads the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadgate._version import __version__

if TYPE_CHECKING:
    from loadgate.clients.http.response import Response
    from loadgate.script.benchmark import benchmark
    from loadgate.script.data import Feeder, Row, csv_data, json_data, list_data
    from loadgate.script.metrics import Counter, Gauge, Rate, Trend
    from loadgate.script.queries import graphql
    from loadgate.script.scenario import scenario, setup, teardown
    from loadgate.script.user import StopUser, User

__all__ = [
    "Counter",
    "Feeder",
    "Gauge",
    "Rate",
    "Response",
    "Row",
    "StopUser",
    "Trend",
    "User",
    "__version__",
    "benchmark",
    "csv_data",
    "graphql",
    "json_data",
    "list_data",
    "scenario",
    "setup",
    "teardown",
]

_HOMES = {
    "Counter": "loadgate.script.metrics",
    "Feeder": "loadgate.script.data",
    "Gauge": "loadgate.script.metrics",
    "Rate": "loadgate.script.metrics",
    "Response": "loadgate.clients.http.response",
    "Row": "loadgate.script.data",
    "StopUser": "loadgate.script.user",
    "Trend": "loadgate.script.metrics",
    "User": "loadgate.script.user",
    "benchmark": "loadgate.script.benchmark",
    "csv_data": "loadgate.script.data",
    "graphql": "loadgate.script.queries",
    "json_data": "loadgate.script.data",
    "list_data": "loadgate.script.data",
    "scenario": "loadgate.script.scenario",
    "setup": "loadgate.script.scenario",
    "teardown": "loadgate.script.scenario",
}


if not TYPE_CHECKING:  # to a type checker, a misspelt name must not look like one that is found later

    def __getattr__(name: str) -> object:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module `loadgate` has no attribute `{name}`")
        from importlib import import_module

        value: object = getattr(import_module(home), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
