"""What all users of one run share. One instance a run; nothing here outlives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from loadgate.errors import LoadgateError
from loadgate.script.ledger import Ledger

if TYPE_CHECKING:
    from loadgate.clients.grpc.client import GrpcClient
    from loadgate.clients.grpc.stack import Context as GrpcContext
    from loadgate.clients.grpc.stack import GrpcStack
    from loadgate.clients.http.client import HttpClient
    from loadgate.clients.http.stack import Context, HttpStack
    from loadgate.clients.websocket.client import WsClient, WsStack
    from loadgate.clock import Clock
    from loadgate.measure.metric import Metric
    from loadgate.measure.recorder import Recorder


class Shared:
    """`metrics` are the author's own, by name; `setup_data` is set once, before the first iteration.

    `clock` is for waiting and measuring, `wall` gives Unix time for what scripts write into requests.
    """

    __slots__ = (
        "_grpc_contexts",
        "_ledgers",
        "_ws",
        "clock",
        "grpc",
        "http",
        "metrics",
        "positions",
        "recorder",
        "seed",
        "setup_data",
        "wall",
    )

    def __init__(
        self,
        *,
        recorder: Recorder,
        http: HttpStack,
        clock: Clock,
        wall: Callable[[], float],
        seed: int,
        metrics: Mapping[str, Metric],
    ) -> None:
        self._ledgers: dict[Context, Ledger] = {}
        self._grpc_contexts: dict[Ledger, GrpcContext] = {}
        self._ws: WsStack | None = None
        self.clock = clock
        self.grpc: GrpcStack | None = None
        """Set before the first user, where the target says where its gRPC server is."""
        self.http = http
        self.metrics = metrics
        self.positions: dict[int, int] = {}
        """How far the run is in each feeder that all users take from."""
        self.recorder = recorder
        self.seed = seed
        self.setup_data: Any = None
        self.wall = wall

    def grpc_client(self, http: HttpClient, ledger: Ledger) -> GrpcClient:
        """The gRPC client of the user whose HTTP client is `http`. Raises LoadgateError where there is no server."""
        if self.grpc is None:
            raise LoadgateError(
                "there is no gRPC target", "give `target: {grpc: {url: 127.0.0.1:50051}}` in loadgate.yml"
            )
        client = self.grpc.client({}, http)
        client.context = self.grpc_context(ledger)
        return client

    def grpc_context(self, ledger: Ledger) -> GrpcContext:
        """What the gRPC client knows of the tags of `ledger`."""
        context = self._grpc_contexts.get(ledger)
        if context is None:
            assert self.grpc is not None
            context = self._grpc_contexts[ledger] = self.grpc.context(ledger.tags)
        return context

    def ws_client(self, http: HttpClient) -> WsClient:
        """The WebSocket client of the user whose HTTP client is `http`."""
        if self._ws is None:
            from loadgate.clients.websocket.client import WsStack  # most runs open no session: they need not import it

            self._ws = WsStack(self.http)
        return self._ws.client(http)

    def ledger(self, tags: Mapping[str, str]) -> Ledger:
        """The ledger of these tags; equal tags share one."""
        context = self.http.context(tags)
        ledger = self._ledgers.get(context)
        if ledger is None:
            ledger = self._ledgers[context] = Ledger(self, context)
        return ledger
