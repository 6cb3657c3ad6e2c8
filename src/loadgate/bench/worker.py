"""One repetition of one benchmark, in a process of its own: `python -m loadgate.bench.worker REQUEST`, which is JSON.

The start is the unit of evidence: where memory lies, what hashes are and in which order modules come differs from start to
start, and samples of one process share all of it (Kalibera and Jones, "Rigorous benchmarking in reasonable time", 2013). So
a repetition is a fresh process, its value the median of its samples.

The worker answers with one line of JSON on what was its standard output when it began: values, peak and loops, or error and
hint. Whatever the script prints goes to standard error. `functions` is the other side; what is imported here is in the
memory of what is measured, so nothing of it is.
"""

from __future__ import annotations

import faulthandler
import json
import os
import re
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any, Final

from loadgate.bench.launcher import die_with_parent
from loadgate.bench.timing import time_calls
from loadgate.errors import ConfigError, LoadgateError

_STATUS: Final = Path("/proc/self/status")


def main(request: str) -> None:
    answers = os.dup(1)
    watched = os.dup(0)
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    die_with_parent(watched)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=False)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    asked = json.loads(request)
    sys.path[:] = asked["path"]
    try:
        answer = measure(Path(asked["script"]), asked["name"], asked["url"], asked["samples"], asked["loops"])
    except ConfigError as error:
        answer = {"error": str(error), "hint": None}
    except LoadgateError as error:
        answer = {"error": error.message, "hint": error.hint}
    os.write(answers, json.dumps(answer).encode() + b"\n")


def measure(script: Path, name: str, url: str | None, samples: int, loops: int) -> dict[str, Any]:
    """The answer. Raises LoadgateError."""
    from loadgate.script.benchmark import load_suite
    from loadgate.script.failure import describe_plain, problem_of

    suite = load_suite(script)
    benchmark = suite.benchmark(name)
    try:
        if benchmark.is_async:
            from loadgate.bench.user import time_user

            values, loops = time_user(suite, benchmark, url, samples), 1
        else:
            call = partial(benchmark.function, **benchmark.kwargs) if benchmark.kwargs else benchmark.function
            values, loops = time_calls(call, samples, loops)
    except LoadgateError as error:
        raise LoadgateError(f"benchmark `{name}`: {error.message}", error.hint) from None
    except BaseException as error:  # whatever it is called: a benchmark that exits has no result
        problem = problem_of(error, f"benchmark `{name}` failed: {describe_plain(error)}")
        raise LoadgateError(problem.render()) from None
    return {"values": values, "peak": _peak(), "loops": loops}


def _peak() -> int | None:
    """Bytes. Not `getrusage`: that holds the peak of whoever started this process too."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


if __name__ == "__main__":
    main(sys.argv[1])
