"""What all users of one run share. One instance a run; nothing here outlives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from loadgate.script.ledger import Ledger

if TYPE_CHECKING:
    from loadgate.clients.http.stack import Context, HttpStack
    from loadgate.clock import Clock
    from loadgate.measure.metric import Metric
    from loadgate.measure.recorder import Recorder


class Shared:
    """`metrics` are the author's own, by name; `setup_data` is set once, before the first iteration.

    `clock` is for waiting and measuring, `wall` gives Unix time for what scripts write into requests.
    """

    __slots__ = ("_ledgers", "clock", "http", "metrics", "positions", "recorder", "seed", "setup_data", "wall")

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
        self.clock = clock
        self.http = http
        self.metrics = metrics
        self.positions: dict[int, int] = {}
        """How far the run is in each feeder that all users take from."""
        self.recorder = recorder
        self.seed = seed
        self.setup_data: Any = None
        self.wall = wall

    def ledger(self, tags: Mapping[str, str]) -> Ledger:
        """The ledger of these tags; equal tags share one."""
        context = self.http.context(tags)
        ledger = self._ledgers.get(context)
        if ledger is None:
            ledger = self._ledgers[context] = Ledger(self, context)
        return ledger
