"""Asking a load to end early: Ctrl-C, a breached threshold with abortOnFail, a script that gives up.

The first request lets running iterations finish, as far as the grace allows; the second interrupts them at once.
"""

from __future__ import annotations

from collections.abc import Callable


class Stop:
    """Shared by the engine and all executors of a run. Belongs to one event loop."""

    def __init__(self) -> None:
        self._grace: float | None = None
        self._watchers: list[Callable[[float], object]] = []

    @property
    def requested(self) -> bool:
        return self._grace is not None

    def request(self, grace: float = float("inf")) -> None:
        """No new iterations; interrupt running ones `grace` seconds from now.

        An executor waits no longer than its own `graceful_stop`, so the default means "as the profile says".
        A second request interrupts at once, whatever its grace.
        """
        self._grace = grace if self._grace is None else 0.0
        for watcher in tuple(self._watchers):
            watcher(self._grace)

    def watch(self, watcher: Callable[[float], object]) -> None:
        """Call `watcher(grace)` at each request, and right now if there was one."""
        self._watchers.append(watcher)
        if self._grace is not None:
            watcher(self._grace)

    def unwatch(self, watcher: Callable[[float], object]) -> None:
        self._watchers.remove(watcher)
