"""What all connections of the gRPC listener share."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from loadgate.clock import Clock
from loadgate.target.grpc.greeter import greeter_methods
from loadgate.target.grpc.head import Directory, Head
from loadgate.target.grpc.health import health_methods
from loadgate.target.grpc.reflection import reflection_methods
from loadgate.target.http.control import Control
from loadgate.target.known import Known
from loadgate.target.listener import Guest
from loadgate.target.metrics import Metrics


class GrpcSite(Struct, eq=False):
    """`known` are header blocks that have nothing to do with a connection's dynamic table, to what they ask for."""

    directory: Directory
    metrics: Metrics
    control: Control
    clock: Clock
    known: Known[Head] = field(default_factory=Known)
    connections: set[Guest] = field(default_factory=set)

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
