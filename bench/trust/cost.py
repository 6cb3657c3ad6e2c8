"""What a request costs the service in CPU time, by the kernel's count: to size planted work, and to say what it truly is."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.machine import BenchError
from loadgate.probe.ports import free_ports

_STEP: Final = 500
"""Units of work more, by which the cost of one is found."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of CPU: of a `plain` request, and of one `unit` of work more."""

    plain: float
    unit: float

    def units(self, percent: float) -> int:
        """How many units more make a request cost `percent` more."""
        return round(self.plain * percent / 100 / self.unit)


def measured(requests: int = 3000, rounds: int = 5) -> Cost:
    """The service's cost. Raises BenchError where the service does not start."""
    pairs = [(_one((), requests), _one(("--extra", str(_STEP)), requests)) for _ in range(rounds)]
    return Cost(median(plain for plain, _ in pairs), median(more - plain for plain, more in pairs) / _STEP)


def truth(units: int, requests: int = 3000, rounds: int = 11) -> float:
    """How many percent more a request with `units` more costs: the median of ratios within rounds of two fresh starts."""
    more = ("--extra", str(units))
    return (median(_one(more, requests) / _one((), requests) for _ in range(rounds)) - 1) * 100


def _one(options: Sequence[str], requests: int) -> float:
    with _running(options) as (pid, port):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            _ask(connection, requests // 10)
            before = _cpu(pid)
            _ask(connection, requests)
            return (_cpu(pid) - before) / requests * 1e6
        finally:
            connection.close()


def _ask(connection: http.client.HTTPConnection, requests: int) -> None:
    for number in range(requests):
        connection.request("GET", f"/{number % 10}")
        connection.getresponse().read()


def _cpu(pid: int) -> float:
    """Seconds of CPU of a process, to the nanosecond: `se.sum_exec_runtime` of Linux."""
    with open(f"/proc/{pid}/schedstat") as file:
        return int(file.read().split()[0]) / 1e9


@contextmanager
def _running(options: Sequence[str], patience: float = 10.0) -> Iterator[tuple[int, int]]:
    port = free_ports(1)[0]
    process = subprocess.Popen([sys.executable, "-m", "bench.trust.service", "--port", str(port), *options])
    try:
        end = time.monotonic() + patience
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > end:
                raise BenchError(f"the service with {' '.join(options) or 'no options'} does not answer on port {port}")
            os.sched_yield()
        yield process.pid, port
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
    try:
        connection.request("GET", "/0")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True
