"""What else the machine did while something was measured."""

from __future__ import annotations

import os
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

from loadgate.judge.stability import HostFacts
from loadgate.probe.host import between, read_host


class Machine:
    """Looks at the machine when it is made, and again when it is asked."""

    def __init__(self) -> None:
        self._before = read_host()
        self._own = _own_cpu()

    def facts(self, measured_cpu: float = 0.0) -> HostFacts:
        """What happened since. `measured_cpu` are the CPU seconds of what was measured, if no child of ours was that."""
        now = read_host()
        shares = between(self._before, now)
        others = None
        seconds = now.at - self._before.at
        if shares.busy is not None and seconds > 0.0:
            mine = (_own_cpu() - self._own + measured_cpu) / (seconds * (os.cpu_count() or 1))
            others = max(0.0, shares.busy - mine)
        return HostFacts(
            steal=shares.steal,
            others=others,
            governors=tuple(now.governor.split(",")) if now.governor else (),
            turbo=now.turbo,
            load=None if now.load is None else now.load / (os.cpu_count() or 1),
        )


def _own_cpu() -> float:
    """CPU seconds of this process and of the children it has waited for."""
    return sum(used.ru_utime + used.ru_stime for used in (getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)))
