"""What the target counts of itself, in Prometheus' text format (exposition format 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from loadgate.target.faults import Kind

BOUNDS: Final = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0
)  # fmt: skip
"""Upper edges of the latency buckets in seconds, from 50 us because the target answers in less than a millisecond."""


class Tally:
    """Counts of one method on one route; messages of a WebSocket are the method MESSAGE with the status 101, and operations of
    a GraphQL one OPERATION. Calls of gRPC are CALL, with the status of gRPC. Latency is from the request being read to its
    reply being handed on."""

    __slots__ = ("buckets", "method", "route", "seconds", "statuses")

    def __init__(self, method: str, route: str) -> None:
        self.method = method
        self.route = route
        self.statuses: dict[int, int] = {}
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def count(self, status: int, seconds: float) -> None:
        statuses = self.statuses
        statuses[status] = statuses.get(status, 0) + 1
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds


class Metrics:
    """Counts since the start."""

    def __init__(self) -> None:
        self.tallies: list[Tally] = []
        self._by_name: dict[tuple[str, str], Tally] = {}
        self.connections = 0
        self.open = 0
        self.abandoned = 0
        self.delayed = 0
        self.delay_seconds = 0.0
        self.faults = dict.fromkeys(Kind, 0)

    def tally(self, method: str, route: str) -> Tally:
        """The tally of this name, part of the exposition once it has counted something. Listeners that serve the same route
        count in the same one."""
        tally = self._by_name.get((method, route))
        if tally is None:
            tally = self._by_name[method, route] = Tally(method, route)
            self.tallies.append(tally)
        return tally

    def hold(self, delay: float) -> None:
        """Count one reply that is held back for `delay` milliseconds."""
        self.delayed += 1
        self.delay_seconds += delay / 1000.0

    def expose(self) -> str:
        used = [tally for tally in self.tallies if tally.statuses]
        lines = _family("requests_total", "counter", "Requests answered, by route and status.")
        for tally in used:
            for status, count in sorted(tally.statuses.items()):
                lines.append(f'{_PREFIX}requests_total{{{_labels(tally)},status="{status}"}} {count}')
        lines += _family(
            "request_duration_seconds", "histogram", "From the request being read to its reply being sent."
        )
        for tally in used:
            lines += _histogram(tally)
        for name, kind, text, value in (
            ("connections_open", "gauge", "Connections open now.", self.open),
            ("connections_total", "counter", "Connections accepted.", self.connections),
            ("abandoned_total", "counter", "Requests whose client left before the answer.", self.abandoned),
            ("delayed_total", "counter", "Replies held back on purpose.", self.delayed),
            ("delay_seconds_total", "counter", "Time replies were held back on purpose.", round(self.delay_seconds, 6)),
        ):
            lines += [*_family(name, kind, text), f"{_PREFIX}{name} {value}"]
        lines += _family("faults_total", "counter", "Faults injected, by kind.")
        lines += [f'{_PREFIX}faults_total{{kind="{kind}"}} {count}' for kind, count in self.faults.items()]
        return "\n".join(lines) + "\n"


_PREFIX: Final = "loadgate_target_"


def _family(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {_PREFIX}{name} {text}", f"# TYPE {_PREFIX}{name} {kind}"]


def _labels(tally: Tally) -> str:
    return f'method="{tally.method}",route="{tally.route}"'


def _histogram(tally: Tally) -> Iterable[str]:
    name, labels = f"{_PREFIX}request_duration_seconds", _labels(tally)
    below = 0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), tally.buckets, strict=True):
        below += count
        yield f'{name}_bucket{{{labels},le="{bound}"}} {below}'
    yield f"{name}_sum{{{labels}}} {tally.seconds:.6f}"
    yield f"{name}_count{{{labels}}} {below}"
