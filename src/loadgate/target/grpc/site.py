"""What all connections of the gRPC listener share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from loadgate.clock import Clock
from loadgate.target.grpc.greeter import greeter_methods
from loadgate.target.grpc.head import Directory, Head
from loadgate.target.grpc.health import health_methods
from loadgate.target.grpc.reflection import reflection_methods
from loadgate.target.http.control import Control
from loadgate.target.listener import Guest
from loadgate.target.metrics import Metrics

_MOST_KNOWN: Final = 1024
_LONGEST_KNOWN: Final = 2048


@dataclass(slots=True)
class GrpcSite:
    """`known` are header blocks that have nothing to do with a connection's dynamic table, to what they ask for."""

    directory: Directory
    metrics: Metrics
    control: Control
    clock: Clock
    known: dict[bytes, Head] = field(default_factory=dict)
    connections: set[Guest] = field(default_factory=set)

    def learn(self, block: bytes, head: Head) -> None:
        if len(block) <= _LONGEST_KNOWN:
            if len(self.known) >= _MOST_KNOWN:
                self.known.clear()
            self.known[block] = head

    @property
    def paths(self) -> Iterable[str]:
        """Those of methods that may be delayed or broken."""
        return [method.path for method in self.directory.methods.values() if not method.control]


def make_site(metrics: Metrics, control: Control, clock: Clock) -> GrpcSite:
    """The greeter, its health and its reflection."""
    methods = [*greeter_methods(metrics), *health_methods(metrics), *reflection_methods(metrics)]
    directory = Directory(
        {method.path: method for method in methods},
        metrics.tally("CALL", "(unknown)"),
        metrics.tally("CALL", "(refused)"),
    )
    return GrpcSite(directory, metrics, control, clock)
