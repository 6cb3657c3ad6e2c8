"""What the target injects: one immutable configuration, and the seeded draws made from it.

Rules:
* One seed, one sequence: a request takes one number for its delay and one for its fault, in the order in which the target
  begins with requests, so a change of one probability moves no other draw.
* Every accepted change of the configuration begins the sequence anew.
* A stall is the one thing that depends on time: it is counted from the moment the configuration took effect.
"""

from __future__ import annotations

from random import Random
from typing import Annotated, Final

from msgspec import Meta, Struct

from loadgate.target.faults import KINDS, Faults, Outcome
from loadgate.target.shapes import LONGEST_MS, NO_LATENCY, Shape

NO_FAULTS: Final = Faults()
CONTROL: Final = ("/health", "/metrics", "/api/chaos")
"""Paths that are never delayed nor broken, with all below them."""

Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Stall(Struct, frozen=True):
    """The target answers nothing for the last `for_ms` of every `every_ms`; what arrives meanwhile waits for the end.

    Raises ValueError when the pause is not shorter than its period.
    """

    every_ms: Annotated[float, Meta(gt=0.0, le=86_400_000.0)]
    for_ms: Annotated[float, Meta(gt=0.0, le=LONGEST_MS)]

    def __post_init__(self) -> None:
        if self.for_ms >= self.every_ms:
            raise ValueError(f"`for_ms` ({self.for_ms:g}) must be less than `every_ms` ({self.every_ms:g})")

    def wait(self, elapsed: float) -> float:
        """Milliseconds until the target answers again, `elapsed` seconds after the start; 0 between stalls."""
        phase = elapsed * 1000.0 % self.every_ms
        return round(self.every_ms - phase, 3) if phase >= self.every_ms - self.for_ms else 0.0


class Route(Struct, frozen=True):
    """What is different under one path or for one protocol. None: as everywhere."""

    latency: Shape | None = None
    faults: Faults | None = None


class Chaos(Struct, frozen=True):
    """The effective configuration. Keys of `routes` are path prefixes, the longest wins; keys of `protocols` are those of
    `KINDS`. What a path says goes before what its protocol says."""

    seed: Seed = 1
    enabled: bool = True
    latency: Shape = NO_LATENCY
    faults: Faults = NO_FAULTS
    stall: Stall | None = None
    routes: dict[str, Route] = {}
    protocols: dict[str, Route] = {}


_Rule = tuple[Shape, Faults]
_AS_EVERYWHERE: Final = Route()


class Injector:
    """Draws what happens to each request under one configuration that took effect at time `start`."""

    def __init__(self, chaos: Chaos, start: float) -> None:
        self._start = start
        self._random = Random(f"{chaos.seed} chaos").random
        self._stall = chaos.stall
        self._defaults = {protocol: _of_protocol(chaos, protocol) for protocol in KINDS}
        self._rules = [
            (prefix, prefix.rstrip("/") + "/", chaos.routes[prefix])
            for prefix in sorted(chaos.routes, key=len, reverse=True)
        ]

    def draw(self, path: str, now: float, protocol: str = "http") -> tuple[float, Outcome | None]:
        """The delay in milliseconds (0 for none) and the fault of a request for `path` that arrived at `now`."""
        u, v = self._random(), self._random()
        shape, faults = self._defaults[protocol]
        for prefix, below, rule in self._rules:
            if path == prefix or path.startswith(below):
                shape, faults = _rule((shape, faults), rule)
                break
        delay = shape.delay(u)
        if self._stall is not None:
            delay += self._stall.wait(now - self._start)
        return delay, None if faults is NO_FAULTS else faults.draw(v)


def injector(chaos: Chaos, start: float) -> Injector | None:
    """None when there is nothing to inject, so that the target can skip the draws."""
    if not chaos.enabled:
        return None
    everywhere = (chaos.latency, chaos.faults)
    parts = (*chaos.routes.values(), *chaos.protocols.values())
    rules = [everywhere, *(_rule(everywhere, part) for part in parts)]
    if chaos.stall is None and all(shape == NO_LATENCY and not faults.total for shape, faults in rules):
        return None
    return Injector(chaos, start)


def is_control(path: str) -> bool:
    return any(is_below(path, control) for control in CONTROL)


def is_below(path: str, prefix: str) -> bool:
    """Whether `path` is `prefix` or begins with its segments."""
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")


def _of_protocol(chaos: Chaos, protocol: str) -> _Rule:
    return _rule((chaos.latency, chaos.faults), chaos.protocols.get(protocol, _AS_EVERYWHERE))


def _rule(above: _Rule, part: Route) -> _Rule:
    latency, faults = above
    return (latency if part.latency is None else part.latency, faults if part.faults is None else part.faults)
