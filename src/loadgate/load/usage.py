"""What the target uses, as samples of the run: readings from outside turned into counters and gauges.

Counters get what was used between two readings. What cannot be read leaves no sample; what a reading lacks is in the next one
that has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Final

from loadgate.measure.metric import BUILTIN
from loadgate.measure.recorder import Recorder
from loadgate.probe.usage import Usage

_COUNTERS: Final = {
    "target_cpu": attrgetter("cpu"),
    "target_disk_read": attrgetter("disk_read"),
    "target_disk_written": attrgetter("disk_written"),
    "target_net_received": attrgetter("net_received"),
    "target_net_sent": attrgetter("net_sent"),
    "target_context_switches": attrgetter("switches"),
    "target_page_faults": attrgetter("faults"),
    "target_major_faults": attrgetter("major_faults"),
    "target_throttled": attrgetter("throttled"),
}
_GAUGES: Final = {
    "target_memory": attrgetter("rss"),
    "target_memory_pss": attrgetter("pss"),
    "target_memory_peak": attrgetter("peak"),
    "target_processes": attrgetter("processes"),
    "target_threads": attrgetter("threads"),
    "target_open_files": attrgetter("files"),
}


class UsageLog:
    """Writes readings into `recorder`, under `tags`. Nothing counts before `begin`."""

    def __init__(self, recorder: Recorder, tags: Mapping[str, str] | None = None) -> None:
        self._recorder = recorder
        self._tags = tags or {}
        self._at: float | None = None
        self._last: dict[str, float] = {}

    def begin(self, usage: Usage) -> None:
        """What is used counts from this reading on."""
        self._at = usage.at
        self._last.clear()
        self._used_since(usage)

    def add(self, usage: Usage) -> None:
        """What was used since the reading before. One from before that is none."""
        if self._at is None or usage.at < self._at:
            return
        self._at = usage.at
        for name, used in self._used_since(usage).items():
            self._put(name, used)
        self._gauges(usage)

    def _used_since(self, usage: Usage) -> dict[str, float]:
        """What was used since each counter was last read, of those that were; they are read now."""
        used = {}
        for name, value in _COUNTERS.items():
            if (now := value(usage)) is None:
                continue
            if (before := self._last.get(name)) is not None:
                used[name] = max(0.0, now - before)
            self._last[name] = now
        return used

    def _gauges(self, usage: Usage) -> None:
        for name, value in _GAUGES.items():
            if (now := value(usage)) is not None:
                self._put(name, now)

    def _put(self, name: str, value: float) -> None:
        self._recorder.add(self._recorder.series(BUILTIN[name], self._tags), value)
