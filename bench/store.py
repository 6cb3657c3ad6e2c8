"""What history costs when it is long: `python -m bench.store [--runs 5000] [--series 200] [--store postgresql://...]`.

Fills a store, then runs the commands a user waits for, each in a process of its own, Python's start and all imports included.
The bar: `list`, `compare` and `changes` together under 5 s of CPU. The server of a PostgreSQL store is not counted.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

import numpy as np

from loadgate.measure.estimate import Estimate
from loadgate.measure.metric import Direction
from loadgate.record.result import Figure, Result, SeriesName
from loadgate.record.verdict import Word
from loadgate.store.store import Store

BAR: Final = 5.0
"""CPU seconds."""
COMMANDS: Final = (
    ("list", ("history", "list"), True),
    ("compare", ("compare", "latest~1", "latest"), True),
    ("changes", ("history", "changes"), True),
    ("list --limit 20", ("history", "list", "--limit", "20"), False),
    ("export .zst", ("history", "export", "@folder@/history.jsonl.zst"), False),
)
"""What it is called, its arguments, whether it counts for the bar."""


def results(runs: int, series: int, seed: int = 1) -> Iterator[Result]:
    """`runs` results an hour apart, whose figures wander by 2 %, one in ten of them by a step of 5 % half way."""
    random = np.random.default_rng(seed)
    names = [SeriesName(f"GET /resource/{at // 4}", "http_req_duration", f"p{at % 4}") for at in range(series)]
    levels = random.lognormal(3.0, 1.0, series)
    for number in range(runs):
        values = levels * np.exp(random.normal(0.0, 0.02, series))
        if number >= runs // 2:
            values[::10] *= 1.05
        figures = tuple(
            Figure(name, "ms", Direction.LOWER, Estimate(value, 0.01, 15.0, 10_000))
            for name, value in zip(names, values.tolist(), strict=True)
        )
        yield Result(
            f"run-{number:06}",
            "loadgate",
            "standard",
            1.7e9 + 3600.0 * number,
            f"{number:040x}",
            "main",
            "linux 6.1.0 x86_64, 2 cpus",
            "0123456789abcdef",
            Word.PASS,
            figures,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--store", help="a place for the store, which is to be empty; a file of its own if not given")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = asked.store or f"{folder}/history.db"
        made = list(results(asked.runs, asked.series))
        start, cpu = perf_counter(), process_time()
        with Store.open(place) as store:
            store.add_many((result, None) for result in made)
        say(f"add_many of {asked.runs:,} runs", process_time() - cpu, perf_counter() - start)
        counted = 0.0
        for what, arguments, counts in COMMANDS:
            used, took = run([argument.replace("@folder@", folder) for argument in arguments], place, Path(folder))
            say(what, used, took)
            counted += used if counts else 0.0
        if not asked.store:
            print(f"{'size of the file':<34} {Path(place).stat().st_size / 1e6:8.1f} MB")
        print(f"{'list, compare and changes':<34} {counted:8.2f} s of CPU, the bar is {BAR:g} s")
    return int(counted > BAR)


def run(arguments: list[str], place: str, folder: Path) -> tuple[float, float]:
    """CPU seconds and seconds of one command of the real command line."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = perf_counter()
    command = [sys.executable, "-m", "loadgate", *arguments, "--store", place]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    took = perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(arguments)} left with {done.returncode}: {done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, took


def say(what: str, cpu: float, seconds: float) -> None:
    print(f"{what:<34} {cpu:8.2f} s of CPU {seconds:8.2f} s")


if __name__ == "__main__":
    sys.exit(main())
