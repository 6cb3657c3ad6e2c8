"""What a program had used up to one moment, seen from outside: values only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """One reading of everything that is watched: a process with all its descendants, or a cgroup.

    `at` is in clock seconds (CLOCK_MONOTONIC). `user`, `system` (CPU seconds), bytes, switches and faults are sums that only
    grow, those of descendants that have ended included; the rest is the state at that moment. None: it cannot be read, and
    whoever reads says why (`Subject.unread`): it is never taken for zero.
    """

    at: float
    user: float | None = None
    system: float | None = None
    rss: int | None = None
    """Resident bytes, summed over processes: shared pages count in each."""
    pss: int | None = None
    """Resident bytes, shared pages divided among those who share them; read on request only, since it is dear."""
    peak: int | None = None
    """Most resident bytes there ever were."""
    processes: int | None = None
    threads: int | None = None
    files: int | None = None
    """Open file descriptors."""
    disk_read: int | None = None
    disk_written: int | None = None
    net_received: int | None = None
    """Bytes that came in over all network devices but loopback; only where the program has a network of its own."""
    net_sent: int | None = None
    switches: int | None = None
    """Context switches of both kinds."""
    faults: int | None = None
    """Page faults of both kinds."""
    major_faults: int | None = None
    throttled: float | None = None
    """Seconds in which a CPU quota held it back (cgroup)."""

    @property
    def cpu(self) -> float | None:
        """CPU seconds, user and system."""
        return None if self.user is None or self.system is None else self.user + self.system
