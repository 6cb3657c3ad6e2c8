"""The target as a whole: what is shared, which protocols it speaks, and their listeners."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from loadgate.clock import Clock, SystemClock
from loadgate.errors import LoadgateError
from loadgate.target.chaos import Chaos
from loadgate.target.http.connection import Connection, Site
from loadgate.target.http.control import Control
from loadgate.target.http.probes import add_health, add_index, add_probes
from loadgate.target.http.resources import add_resources
from loadgate.target.http.routes import Routes
from loadgate.target.listener import Listener
from loadgate.target.metrics import Metrics
from loadgate.target.tables import Tables

USUAL_PORTS: Final = {"http": 3000, "websocket": 3001, "graphql": 4000, "grpc": 50051}
"""By protocol, in the order in which they are announced."""


class HttpTarget:
    """The embedded target. `start` it, use `url` and `urls`, `close` it; all on one event loop.

    HTTP is always served. `protocols` are those of `USUAL_PORTS` that are too, each on a port of its own and, but for gRPC, on
    that of HTTP. All draw delays and faults from one sequence. `chaos.seed` is the seed of the data too.

    Raises ChaosError for an override that fits no route or protocol, LoadgateError for GraphQL without graphql-core.
    """

    def __init__(self, chaos: Chaos | None = None, clock: Clock | None = None, protocols: Collection[str] = ()) -> None:
        chaos = Chaos() if chaos is None else chaos
        self._clock: Clock = SystemClock() if clock is None else clock
        self._metrics = Metrics()
        self._control = Control(chaos, self._clock.now, frozenset({"http", *protocols}))
        tables = Tables(chaos.seed)
        http = self._site = self._new_site()
        add_probes(http.routes, self._metrics)
        add_resources(http.routes, tables)
        self._control.add_to(http.routes)
        self._listeners: dict[str, Listener] = {"http": _listener(http)}
        if "websocket" in protocols:
            from loadgate.target.websocket.echo import add_echo

            own = self._new_site()
            add_health(own.routes)
            for site in (http, own):
                add_echo(site)
            self._listeners["websocket"] = _listener(own, "ws", "/ws")
        if "graphql" in protocols:
            try:
                from loadgate.target.graphql.service import GraphqlService
            except ModuleNotFoundError as error:
                if error.name is None or error.name.partition(".")[0] != "graphql":
                    raise
                raise LoadgateError(
                    "GraphQL needs the package graphql-core, which is not installed", "pip install 'loadgate[graphql]'"
                ) from None

            own = self._new_site()
            add_health(own.routes)
            service = GraphqlService(tables, self._clock)
            for site in (http, own):
                service.add_to(site)
            self._listeners["graphql"] = _listener(own, "http", "/graphql")
        if "grpc" in protocols:
            from loadgate.target.grpc.connection import Connection as GrpcConnection
            from loadgate.target.grpc.site import make_site

            calls = make_site(self._metrics, self._control, self._clock)
            self._control.add_paths(calls.paths)
            self._listeners["grpc"] = Listener(lambda: GrpcConnection(calls), calls.connections, "grpc")
        add_index(http.routes)
        self._control.check(chaos, http.routes)

    @property
    def url(self) -> str:
        """Base URL of HTTP."""
        return self._listeners["http"].url

    @property
    def urls(self) -> dict[str, str]:
        """Where each protocol is found, in the order in which they are announced."""
        return {protocol: listener.url for protocol, listener in self._listeners.items()}

    async def start(self, host: str = "127.0.0.1", ports: Mapping[str, int] | None = None) -> None:
        """Listen: every protocol on its port in `ports`, else on a free one.

        Raises LoadgateError when an address cannot be had; then no port is left open.
        """
        numbers = {} if ports is None else ports
        try:
            for protocol, listener in self._listeners.items():
                listener.bind(host, numbers.get(protocol, 0))
            for listener in self._listeners.values():
                await listener.open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop listening and close all connections; what they were waiting for is not answered."""
        await asyncio.gather(*(listener.close() for listener in self._listeners.values()))
        if isinstance(self._clock, SystemClock):
            self._clock.close()

    def _new_site(self) -> Site:
        metrics = self._metrics
        return Site(Routes(metrics), metrics, self._control, self._clock, metrics.tally("ANY", "(refused)"))


def _listener(site: Site, scheme: str = "http", path: str = "") -> Listener:
    return Listener(lambda: Connection(site), site.connections, scheme, path)
