"""A function as a benchmark: each repetition in a fresh process (`worker`), whatever may become of that."""

from __future__ import annotations

import json
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from loadgate.bench.child import Ended, quoted, run_child
from loadgate.errors import InvalidRun

_WHERE: Final = re.compile(r'File "([^"]+)", line (\d+)')
_DUMP: Final = ("Fatal Python error:", "Current thread", "Stack (most recent call first)")
"""How what Python's fault handler prints begins: innermost frames first, and of no use to a reader beyond its place."""


@dataclass(frozen=True, slots=True)
class WorkerResult:
    """`values` are the samples, in nanoseconds per call."""

    values: tuple[float, ...]
    peak: int | None
    """Most resident bytes of the process, Python and Loadgate among them; None: it cannot be read."""
    loops: int
    """Calls in one sample."""

    @property
    def value(self) -> float:
        """The repetition's one value: the median of its samples, in nanoseconds per call."""
        return median(self.values)


async def run_worker(
    script: Path, name: str, *, url: str | None = None, samples: int = 3, loops: int = 0, limit: float = 60.0
) -> WorkerResult:
    """Measure the benchmark `name` of `script` once, in a fresh process, at most `limit` seconds.

    `url` is what paths of async benchmarks' requests are put behind. `loops` is the number of calls in a sample, for a plain
    function; 0 finds it, and later repetitions do well to be given what the first one found. Raises InvalidRun with the
    benchmark's name and the place in the script, whatever goes wrong in there.
    """
    request = {
        "script": str(script),
        "name": name,
        "url": url,
        "samples": samples,
        "loops": loops,
        "path": sys.path,
    }
    # -P: what lies in the working folder must not take the place of Loadgate's own imports
    argv = [sys.executable, "-P", "-m", "loadgate.bench.worker", json.dumps(request)]
    ended = await run_child(argv, limit=limit, last_words=signal.SIGUSR1)
    if ended.code is None:
        what = f"benchmark `{name}` did not end within {limit:g} s{_place(ended, script)}"
        raise InvalidRun(what, "allow it more time, or see what it waits for")
    if not ended.answer:
        what = f"benchmark `{name}` {ended.how} before it had a result{_place(ended, script)}{quoted(_printed(ended))}"
        raise InvalidRun(what)
    answer = json.loads(ended.answer)
    if "error" in answer:
        raise InvalidRun(answer["error"], answer["hint"])
    return WorkerResult(tuple(answer["values"]), answer["peak"], answer["loops"])


def _place(ended: Ended, script: Path) -> str:
    """Where it was, by what Python's fault handler has printed: innermost frames first."""
    frames = [found for line in ended.said if (found := _WHERE.search(line))]
    own = [frame for frame in frames if Path(frame[1]).parent == script.resolve().parent]
    found = next(iter(own or frames), None)
    return f", at {Path(found[1]).name}:{found[2]}" if found else ""


def _printed(ended: Ended) -> list[str]:
    """What the script itself has printed."""
    dump = next((at for at, line in enumerate(ended.said) if line.startswith(_DUMP)), len(ended.said))
    return list(ended.said[:dump])
