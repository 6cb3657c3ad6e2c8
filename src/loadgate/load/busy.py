"""How many VUs were in the middle of an iteration at once: what the metric `vus` says of a window.

With a fast service nobody is busy at most moments, so a look at the end of each window finds none. VUs become busy in
few places: after each the executor looks, which costs 0.15 us for each wake-up of an arrival rate and nothing for an
iteration of a closed model.
"""

from __future__ import annotations

from typing import Protocol


class Counts(Protocol):
    """What is known of one load."""

    started: int
    completed: int
    stopped: int
    interrupted: int


class Busy:
    """The busy VUs of all loads of one run. Together, because loads need not have their peaks at one time."""

    __slots__ = ("_loads", "_most")

    def __init__(self) -> None:
        self._loads: list[Counts] = []
        self._most = 0

    def join(self, load: Counts) -> None:
        """Count the VUs of `load` too."""
        self._loads.append(load)

    def look(self) -> None:
        """To be called whenever there may be more than before."""
        now = 0
        for load in self._loads:
            now += load.started - load.completed - load.stopped - load.interrupted
        if now > self._most:
            self._most = now

    def take(self) -> int:
        """The most at once since it was last taken; who is busy now counts for the time to come as well."""
        self.look()
        most, self._most = self._most, 0
        self.look()
        return most
