"""What work costs a subject, in percent of a request's CPU time by the kernel's count: to size it, and to say what it truly is.

Neither Loadgate nor its figures take part.
"""

from __future__ import annotations

import http.client
import math
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from statistics import fmean, stdev
from typing import Final

from bench.machine import BenchError
from bench.trust.cases import ONE, Case
from bench.trust.truths import Truth
from loadgate.probe import procfs
from loadgate.probe.ports import free_ports

TRIAL: Final = {"service": 150, "target": 30}
"""Units of work by which it is found out how many it takes: some 20 % of a request."""
_PATHS: Final = {"service": ("/8", f"/{ONE['service']}"), "target": ("/users/2", ONE["target"])}
"""Two that cost the same, of which the second has what is planted in one."""
_STRETCH: Final = 200
_PAUSE: Final = 0.0005
"""Seconds before each request: in a job, too, a subject waits for most of them, and a program that is woken up costs more."""
_PATIENCE: Final = 10.0


def truth(subject: str, units: int, *, starts: int = 12, couples: int = 20) -> Truth:
    """What `units` more cost. Raises BenchError where `subject` does not start.

    Two starts of one build differ by 2 to 4 %. So each start is asked for two paths in turn, of which one has the work, in
    couples of stretches whose order is drawn by lot; the starts are averaged.
    """
    logs = []
    for start in range(starts):
        lot, used = Random(start), dict.fromkeys(_PATHS[subject], 0.0)
        with _running(subject, units) as (pid, connection):
            for path in used:
                _cost(pid, connection, path, _STRETCH)
            for _ in range(couples):
                for path in lot.sample(_PATHS[subject], 2):
                    used[path] += _cost(pid, connection, path, _STRETCH)
        plain, worked = used.values()
        logs.append(math.log(worked / plain))
    return Truth(subject, units, math.expm1(fmean(logs)) * 100.0, stdev(logs) / math.sqrt(starts) * 100.0)


def _cost(pid: int, connection: http.client.HTTPConnection, path: str, requests: int) -> float:
    """Seconds of CPU that so many requests take."""
    before = procfs.cpu(pid)
    for _ in range(requests):
        time.sleep(_PAUSE)
        connection.request("GET", path)
        connection.getresponse().read()
    after = procfs.cpu(pid)
    if before is None or after is None:
        raise BenchError("this system does not tell the CPU time of other processes: run it on Linux")
    return after - before


@contextmanager
def _running(subject: str, units: int) -> Iterator[tuple[int, http.client.HTTPConnection]]:
    """A start with `units` more in one endpoint of ten: its process, and a connection to it."""
    port = free_ports(1)[0]
    words = shlex.split(Case(subject, "one-of-ten", 1, units).head.format(port=port))
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        end = time.monotonic() + _PATIENCE
        while not _connected(connection):
            if process.poll() is not None or time.monotonic() > end:
                raise BenchError(f"`{shlex.join(words)}` does not listen")
            time.sleep(0.01)
        yield process.pid, connection
    finally:
        connection.close()
        process.kill()
        process.wait()


def _connected(connection: http.client.HTTPConnection) -> bool:
    try:
        connection.connect()
    except OSError:
        return False
    return True
