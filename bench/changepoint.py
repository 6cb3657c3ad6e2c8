"""How often change points are found where there are none, and where there are some.

    python -m bench.changepoint            tables of alarms and of changes found, some three minutes
    python -m bench.changepoint --write    and write them to bench/RESULTS.md
    python -m bench.changepoint --table    simulate the null distribution: the lines of `NULL` in judge/scan.py, ten minutes

Everything is simulated with fixed seeds: the same on every machine but for the time it takes.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np

from bench import machine, results
from bench.series import BEYOND, NOISES, Floats, autoregressive, bump, history, line, step
from loadgate.judge.changepoint import ALPHA, Segmentation, find_changes
from loadgate.judge.scan import LEAST, TAILS, normal_scores, scan

_NEAR: Final = 3
# research on Apache Otava 0.8.0 (commit 1ceb153) with its default p of 0.001, the same noises, 100 runs
_OTAVA_ALARMS: Final = {
    "white": "6-10",
    "AR(1) 0.3": "35",
    "AR(1) 0.6": "78-86",
    "t, 3 degrees of freedom": "19-22",
    "two machines, 15 % apart": "5-7",
}
_OTAVA_FOUND: Final = {"white": ("97", "95"), "AR(1) 0.3": ("88", "95"), "AR(1) 0.6": ("73", "78")}

_LENGTHS: Final = (10, 11, 12, 14, 16, 20, 25, 35, 50, 70, 100, 150, 250, 500, 1000, 2000, 5000)
_CORRELATIONS: Final = (0.0, 0.3, 0.6, 0.75)


def null_points(n: int, series: int) -> tuple[float, ...]:
    """What the scan of `n` runs without change exceeds with the probabilities of TAILS, at the worst correlation."""
    worst = np.full(len(TAILS), -np.inf)
    for correlation in _CORRELATIONS:
        random = np.random.default_rng([1, n, round(100 * correlation)])
        rows = max(1, 200_000 // n)
        parts = [
            scan(autoregressive(random, min(rows, series - done), n, correlation))[2] for done in range(0, series, rows)
        ]
        worst = np.maximum(worst, np.quantile(np.concatenate(parts), 1 - np.array(TAILS)))
    points = [round(float(point), 2) for point in worst]
    for at in range(1, len(points)):
        # short series have a largest value that the statistic can take: the tail goes on from there
        points[at] = max(points[at], round(points[at - 1] + 0.02, 2))
    return tuple(points)


def share(test: Callable[[Segmentation], bool], noise: str, levels: Floats, series: int, seed: int) -> float:
    """Share of `series` histories for which `test` holds."""
    return sum(test(find_changes(history(noise, (seed, at), levels))) for at in range(series)) / series


def near(*places: int) -> Callable[[Segmentation], bool]:
    """Whether there is a change within 3 runs of each of `places`."""
    return lambda found: all(any(abs(change.index - place) <= _NEAR for change in found.changes) for place in places)


def any_change(found: Segmentation) -> bool:
    return bool(found.changes)


class Cusum:
    """A plainer way, for comparison: the best single split of normal scores, with the correlation from lag differences.

    Var(x[t+2] - x[t]) / Var(x[t+1] - x[t]) - 1 is the lag-1 correlation of an AR(1) series whatever its levels (as in
    Chakar et al. 2017, Bernoulli 23), but known half as well as from residuals. `alpha` held by simulation, as ours.
    """

    def __init__(self, n: int, series: int) -> None:
        self._limit = max(
            float(np.quantile([self._statistic(row) for row in self._null(n, series, correlation)], 1 - ALPHA))
            for correlation in (0.0, 0.3, 0.6)
        )

    def found(self, values: Floats) -> bool:
        return self._statistic(values) > self._limit

    @staticmethod
    def _null(n: int, series: int, correlation: float) -> Floats:
        return autoregressive(np.random.default_rng([2, n, round(100 * correlation)]), series, n, correlation)

    @staticmethod
    def _statistic(values: Floats) -> float:
        scores = normal_scores(values[np.newaxis])[0]
        n = len(scores)
        ratio = float((np.square(scores[2:] - scores[:-2])).mean() / np.square(np.diff(scores)).mean()) - 1
        correlation = min(max(ratio, 0.0), 0.95)
        at = np.arange(LEAST, n - LEAST + 1)
        z = np.abs(np.cumsum(scores)[at - 1]) / np.sqrt(at * (n - at) / n)
        return float(z.max()) * math.sqrt((1 - correlation) / (1 + correlation))


class BlockPermutation:
    """Another: the largest deviation of the sum of ranks from a straight line, against that of shuffled blocks of runs."""

    def __init__(self, n: int, shuffles: int = 199) -> None:
        self._block = max(2, round(1.5 * n ** (1 / 3)))
        self._shuffles = shuffles

    def found(self, values: Floats) -> bool:
        ranks = np.argsort(np.argsort(values)) - 0.5 * (len(values) - 1)
        random = np.random.default_rng(len(values))
        blocks = np.array_split(ranks, math.ceil(len(values) / self._block))
        highest = np.abs(np.cumsum(ranks)).max()
        beaten = sum(
            np.abs(np.cumsum(np.concatenate([blocks[at] for at in random.permutation(len(blocks))]))).max() >= highest
            for _ in range(self._shuffles)
        )
        return bool((beaten + 1) / (self._shuffles + 1) <= ALPHA)


def alarms(noises: Iterable[str], scale: float) -> str:
    sizes = (30, 60, 100, 250, 1000, 5000)
    rows = []
    for noise in noises:
        cells = []
        for n in sizes:
            series = max(20, round(scale * (2000 if n <= 250 else 1000 if n == 1000 else 200)))
            cells.append(f"{100 * share(any_change, noise, np.zeros(n), series, n):.1f}")
        rows.append([noise, *cells, _OTAVA_ALARMS.get(noise, "")])
    return results.table(["% of series, runs", *(f"{n:,}" for n in sizes), "Otava, 100"], rows)


def found(scale: float) -> str:
    series = max(20, round(400 * scale))
    rows = []
    for noise in NOISES:
        middle, end = step(100, 50, 0.1), step(100, 88, 0.1)
        otava = _OTAVA_FOUND.get(noise, ("", ""))
        rows.append(
            [
                noise,
                _percent(share(any_change, noise, middle, series, 1)),
                _percent(share(near(50), noise, middle, series, 1)),
                otava[0],
                _percent(share(any_change, noise, end, series, 2)),
                _percent(share(near(88), noise, end, series, 2)),
                otava[1],
                _percent(share(near(100, 120), noise, bump(250, 100, 120, 0.3), series, 3)),
            ]
        )
    head = ["% of series", "10 % at 50", "near", "Otava", "10 % at 88", "near", "Otava", "30 %, 20 of 250"]
    return results.table(head, rows)


def ways(scale: float) -> str:
    series = max(20, round(400 * scale))
    cusum, blocks = Cusum(100, max(200, round(4000 * scale))), BlockPermutation(100)
    judges: list[tuple[str, Callable[[Floats], bool]]] = [
        ("scan", lambda values: find_changes(values).p <= ALPHA),
        ("one split, lag differences", cusum.found),
        ("one split, shuffled blocks", blocks.found),
    ]
    cases = [
        ("none", step(100, 100, 0.1)),
        ("10 % at 50", step(100, 50, 0.1)),
        ("10 % at 88", step(100, 88, 0.1)),
        ("30 % for 12", bump(100, 50, 62, 0.3)),
    ]
    rows = []
    for name, judge in judges:
        for noise in ("white", "AR(1) 0.3", "AR(1) 0.6"):
            cells = [
                _percent(sum(judge(history(noise, (4, at), levels)) for at in range(series)) / series)
                for _, levels in cases
            ]
            rows.append([f"{name}, {noise}", *cells])
    return results.table(["% of series of 100", *(name for name, _ in cases)], rows)


def drifts(scale: float) -> str:
    series = max(20, round(400 * scale))
    rows = []
    for noise in ("white", "AR(1) 0.3", "t, 3 degrees of freedom"):
        cells = []
        for seed, levels in enumerate((line(100, 0.2), step(100, 50, 0.2), step(100, 25, 0.2))):
            # 3 % noise is 5 % noise of larger levels, smaller
            quiet = [
                find_changes(np.exp(0.6 * np.log(history(noise, (5, seed, at), levels / 0.6)))) for at in range(series)
            ]
            cells += [_percent(sum(map(any_change, quiet)) / series)]
            cells += [_percent(sum(each.drift is not None for each in quiet) / series)]
        rows.append([noise, *cells])
    head = ["% of series of 100", "line of 20 %", "drift", "step at 50", "drift", "step at 25", "drift"]
    return results.table(head, rows)


def speed() -> str:
    rows = []
    for name, every in (("no change", 0), ("a change every 500 runs", 500)):
        levels = np.zeros(5000) if not every else np.where(np.arange(5000) // every % 2, 0.1, 0.0)
        series = [history("white", (6, at), levels) for at in range(50)]
        begin = time.process_time()
        for values in series:
            find_changes(values)
        rows.append([name, f"{1000 * (time.process_time() - begin) / len(series):.1f}"])
    return results.table(["series of 5,000 runs", "ms of CPU"], rows)


def _percent(part: float) -> str:
    return f"{100 * part:.1f}"


def body(scale: float) -> str:
    return "\n\n".join(
        [
            "Simulated histories at 5 % noise a run, `find_changes` at its default of 1 %. Figures for Otava 0.8.0 are from a\n"
            "simulation at its default p of 0.001: the same noises, but other series.\n\n"
            "Series without any change in which one was found:",
            alarms(NOISES, scale),
            "And where the level of the noise itself moves for a while, which the correlation of neighbours says too little\n"
            "of: what is found is there, but not the code's. A series for each machine, or ratios to an anchor build, help.",
            alarms(BEYOND, scale / 4),
            "Series of 100 runs with a step in the middle, or 12 runs before the end (any change found; within 3 runs\n"
            "of it), and of 250 runs with a level that lasts 20 (both ends within 3 runs). Otava's are within 3 runs:",
            found(scale),
            "The same question put to plainer ways, which look for one split only: what they need not look for makes them\n"
            "surer of one step, and blind to a level that comes and goes. Shuffled blocks see a step in the middle best, and\n"
            "hardly any other, and do not hold their level where runs are alike.",
            ways(scale),
            "20 % over 100 runs at 3 % noise: any change found, and called a drift:",
            drifts(scale),
            speed(),
            f"Machine (for the time it takes): {machine.description()}.\n"
            f"Commit {machine.commit()}. Command: `python -m bench.changepoint`.",
        ]
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.changepoint", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the tables to bench/RESULTS.md")
    parser.add_argument("--table", action="store_true", help="simulate the null distribution, and print it as code")
    parser.add_argument("--scale", type=float, default=1.0, help="this many times the series: 0.05 for a quick look")
    options = parser.parse_args(arguments)
    if options.table:
        for n in _LENGTHS:
            points = null_points(
                n, max(200, round(options.scale * (60_000 if n <= 500 else 30_000 if n <= 1000 else 15_000)))
            )
            print(f"    {n}: ({', '.join(f'{point:.2f}' for point in points)}),", flush=True)
        return 0
    text = body(options.scale)
    print(text)
    if options.write:
        results.write("Change points", text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
