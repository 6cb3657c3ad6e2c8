"""What a changing set of processes has used: sums that only grow, while processes come and go.

The CPU time, faults and disk bytes of a process that ended are added to its parent's by the kernel once the parent has waited
for it. So between two readings a sum may move from one process to another, and it may be lost: where the parent ignores
SIGCHLD, or was gone before. Every counter is therefore kept so:
* the sum is what live processes have, with what the kernel credits to them for their children;
* what a vanished process had when it was last seen is kept, less what its nearest living ancestor was credited meanwhile;
* whoever reaps a process (the keeper) hands over what wait4 said of it, which is exact.
What a process used that came and went between two readings without being waited for is not seen.

Sums never go down, even where the kernel rounds (ticks of 10 ms for waited-for children).
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable, Sequence
from typing import Final

from loadgate.probe import procfs
from loadgate.probe.usage import Usage

USER, SYSTEM, FAULTS, MAJOR, READ, WRITTEN, SWITCHES = range(7)
_COUNTERS: Final = 7
_SECTOR: Final = 512
SHARED_NETWORK: Final = "network bytes: it shares the network of this machine, so they cannot be told apart"


class _Member:
    """One process as last seen: `own` counters, and what it was credited for others (`kids`)."""

    __slots__ = ("ended_threads", "kids", "own", "parent", "started", "threads")

    def __init__(self, started: int) -> None:
        self.started = started
        self.parent = 0
        self.own: list[float] = [0.0] * _COUNTERS
        self.kids: list[float] = [0.0] * _COUNTERS
        self.threads: dict[int, int] = {}
        self.ended_threads = 0

    def total(self, counter: int) -> float:
        return self.own[counter] + self.kids[counter]


class Members:
    """The account of one set of processes. `read` is handed the PIDs that belong to it at that moment."""

    def __init__(self) -> None:
        self._seen: dict[int, _Member] = {}
        self._gone: list[float] = [0.0] * _COUNTERS
        self._least: list[float] = [0.0] * _COUNTERS
        self._credit: dict[int, list[float]] = {}
        self._peak = 0
        self._network: tuple[int, int] | None = None
        self.unread: dict[str, str] = {}
        """Why a field of the last reading is None, by its name."""

    def ended(self, pid: int, used: resource.struct_rusage) -> None:
        """Process `pid`, of this set, was waited for by the one who calls."""
        exact = (
            used.ru_utime,
            used.ru_stime,
            used.ru_minflt,
            used.ru_majflt,
            used.ru_inblock * _SECTOR,
            used.ru_oublock * _SECTOR,
            used.ru_nvcsw + used.ru_nivcsw,
        )
        member = self._seen.pop(pid, None)
        had = [0.0] * _COUNTERS if member is None else [member.total(counter) for counter in range(_COUNTERS)]
        most = [max(new, old) for new, old in zip(exact, had, strict=True)]
        # wait4 splits user from system by other ticks than we did: the sum is what must be right.
        total = max(exact[USER] + exact[SYSTEM], had[USER] + had[SYSTEM])
        most[USER] = min(most[USER], total - had[SYSTEM])
        most[SYSTEM] = total - most[USER]
        self._gone = [gone + value for gone, value in zip(self._gone, most, strict=True)]
        self._credit[pid] = [new - old for new, old in zip(exact, had, strict=True)]

    def read(self, pids: Sequence[int], *, pss: bool = False) -> Usage:
        """All that processes `pids` use now and have used; the network is that of the first one.

        `peak` is the sum of what each process ever had at most, an upper bound where they had it at different times; it is
        never less than the most that was seen at once.
        """
        at = time.perf_counter()
        self.unread = {}
        now: dict[int, _Member] = {}
        state = _State(pss)
        for pid in pids:
            try:
                now[pid] = self._look(pid, state)
            except procfs.GONE:
                continue
            except PermissionError as error:
                self._missed("processes", pid, error)
        self._account(now)
        sums = [
            max(least, gone + sum(member.total(counter) for member in now.values()))
            for counter, (least, gone) in enumerate(zip(self._least, self._gone, strict=True))
        ]
        self._least, self._seen, self._credit = sums, now, {}
        self._read_network(pids)
        if not state.alive:
            for field in ("rss", "threads", "files", *(("pss",) if pss else ())):
                self.unread[field] = _named(field, "there is no process any more")
        else:
            self._peak = max(self._peak, state.peak, state.rss)

        def known(field: str, value: float) -> int | None:
            return None if field in self.unread else int(value)

        return Usage(
            at=at,
            user=sums[USER],
            system=sums[SYSTEM],
            rss=known("rss", state.rss),
            pss=known("pss", state.pss) if pss else None,
            peak=self._peak or None,
            processes=state.alive,
            threads=known("threads", state.threads),
            files=known("files", state.files),
            disk_read=known("disk", sums[READ]),
            disk_written=known("disk", sums[WRITTEN]),
            net_received=None if self._network is None else self._network[0],
            net_sent=None if self._network is None else self._network[1],
            switches=int(sums[SWITCHES]),
            faults=int(sums[FAULTS] + sums[MAJOR]),
            major_faults=int(sums[MAJOR]),
        )

    def _look(self, pid: int, state: _State) -> _Member:
        """`pid` as it is now. Raises one of `GONE` where it vanishes while it is looked at."""
        found = procfs.stat(pid)
        before = self._seen.get(pid)
        if before is not None and before.started != found.started:
            before = None  # another process under the same number; the old one counts as vanished
        member = _Member(found.started)
        member.parent = found.parent
        status = procfs.status(pid)
        own, kids = member.own, member.kids
        own[USER], own[SYSTEM] = _split(found, procfs.cpu(pid), before)
        own[FAULTS], own[MAJOR] = found.faults, found.major
        kids[USER], kids[SYSTEM] = found.child_user, found.child_system
        kids[FAULTS], kids[MAJOR] = found.child_faults, found.child_major
        self._read_switches(pid, found.threads, status.switches, member, before)
        if before is not None:
            kids[SWITCHES] = before.kids[SWITCHES]
            own[READ], own[WRITTEN] = before.own[READ], before.own[WRITTEN]
        if found.over:
            return member
        rss, pss, files = 0, 0, 0
        try:
            own[READ], own[WRITTEN] = procfs.disk(pid)
        except OSError as error:
            self._missed("disk", pid, error)
        try:
            rss, pss = procfs.rollup(pid) if state.with_pss else (procfs.rss(pid), 0)
        except PermissionError as error:
            self._missed("pss", pid, error)
            rss = procfs.rss(pid)
        try:
            files = procfs.files(pid)
        except OSError as error:
            self._missed("files", pid, error)
        state.rss += rss
        state.pss += pss
        state.files += files
        state.peak += max(rss, status.peak or 0)
        state.alive += 1
        state.threads += found.threads
        return member

    def _read_switches(self, pid: int, threads: int, main: int, member: _Member, before: _Member | None) -> None:
        """Context switches of all threads; those of ended ones are kept as they were last seen."""
        member.threads = {pid: main}
        if threads > 1:
            member.threads |= procfs.thread_switches(pid, but=pid)
        if before is not None:
            left = before.threads.keys() - member.threads.keys()
            member.ended_threads = before.ended_threads + sum(before.threads[thread] for thread in left)
        member.own[SWITCHES] = member.ended_threads + sum(member.threads.values())

    def _account(self, now: dict[int, _Member]) -> None:
        """Keep what vanished processes had, less what their ancestors were credited."""
        charged: dict[int | None, list[_Member]] = {}
        for pid, member in self._seen.items():
            if pid not in now or now[pid].started != member.started:
                charged.setdefault(self._heir(member, now), []).append(member)
        for heir, vanished in charged.items():
            had = [sum(member.total(counter) for member in vanished) for counter in range(_COUNTERS)]
            if heir is None:
                credit = [0.0] * _COUNTERS
            elif heir in now:
                after, before = now[heir], self._seen.get(heir)
                credit = _credited(after, before)
                # No file tells switches of waited-for children, while wait4 does: credited here, so that they count once.
                after.kids[SWITCHES] += had[SWITCHES]
                had[SWITCHES] = 0.0
            else:
                credit = self._credit[heir]
            rounding = 2.0 * procfs.TICK * len(vanished)
            for counter in range(_COUNTERS):
                lost = had[counter] - max(0.0, credit[counter])
                if lost > (rounding if counter in (USER, SYSTEM) else 0.0):
                    self._gone[counter] += lost

    def _heir(self, member: _Member, now: dict[int, _Member]) -> int | None:
        """Its nearest ancestor that lives or was reaped just now: the one that was credited if anybody was."""
        pid = member.parent
        passed: set[int] = set()
        while pid not in now and pid not in self._credit:
            above = self._seen.get(pid)
            if above is None or pid in passed:
                return None
            passed.add(pid)
            pid = above.parent
        return pid

    def _read_network(self, pids: Iterable[int]) -> None:
        for pid in pids:
            try:
                found = procfs.network(pid)
            except procfs.GONE:
                continue
            except OSError as error:
                self._missed("network", pid, error)
                self._network = None
                return
            if found is None:
                self.unread["network"] = SHARED_NETWORK
            self._network = found
            return
        if self._network is None:
            self.unread["network"] = _named("network", "there is no process any more")

    def _missed(self, field: str, pid: int, error: OSError) -> None:
        if isinstance(error, procfs.GONE):
            raise error
        why = "only its owner and root may read it" if isinstance(error, PermissionError) else error.strerror
        self.unread[field] = _named(field, f"process {pid}: {why}")


def _credited(after: _Member, before: _Member | None) -> list[float]:
    """What a process may have been credited for others between two looks; /proc/PID/io does not tell it from its own."""
    credit = [kids - (before.kids[counter] if before else 0.0) for counter, kids in enumerate(after.kids)]
    for counter in (READ, WRITTEN):
        credit[counter] = after.total(counter) - (before.total(counter) if before else 0.0)
    return credit


class _State:
    """What is there at one moment, summed."""

    __slots__ = ("alive", "files", "peak", "pss", "rss", "threads", "with_pss")

    def __init__(self, with_pss: bool) -> None:
        self.with_pss = with_pss
        self.alive = self.files = self.peak = self.pss = self.rss = self.threads = 0


def _split(found: procfs.Stat, precise: float | None, before: _Member | None) -> tuple[float, float]:
    """User and system seconds that add up to the precise clock, in the proportion the ticks have; neither goes down."""
    ticks = found.user + found.system
    if precise is None:
        return found.user, found.system
    user = precise * (found.user / ticks if ticks else 0.5)
    if before is not None:
        spent = max(0.0, precise - before.own[USER] - before.own[SYSTEM])
        user = min(max(user, before.own[USER]), before.own[USER] + spent)
    return user, precise - user


_WORDS: Final = {
    "rss": "resident memory",
    "pss": "PSS",
    "peak": "peak memory",
    "threads": "threads",
    "files": "open files",
    "disk": "disk bytes",
    "processes": "processes",
    "network": "network bytes",
}


def _named(field: str, why: str) -> str:
    return f"{_WORDS[field]}: {why}"
