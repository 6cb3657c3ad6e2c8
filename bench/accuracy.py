"""Are the times right? Loadgate's percentiles beside what a server with known delays logged: `python -m bench.accuracy`.

Three shapes of delay at a steady rate: a fixed one, a lognormal one, and one with 1 % of slow replies. The service times
that `loadgate run` reports must lie close to the server's own. Then a server that stands still for a second once in ten:
the latency must show it, while most service times do not.

Exit code 0: all bars met; 1: one missed; 2: it could not be run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Final, Self

from bench import machine, results, tools
from bench.figures import Bar, exit_code
from bench.machine import BenchError, pinned
from bench.percentiles import percentile
from bench.process import Others, run

SHAPES: Final = {
    "fixed": "20 ms",
    "lognormal": "lognormal, median 10 ms, sigma 0.5",
    "tail": "1 % at 200 ms, rest 5 ms",
}
# percentile: relative and absolute (ms) error allowed, whichever is more
ALLOWED: Final = {50.0: (0.01, 0.3), 95.0: (0.01, 0.3), 99.0: (0.01, 0.3), 99.9: (0.05, 1.0)}
STALL_LATENCY: Final = (850.0, 950.0)
"""Milliseconds between which the 99th percentile of latency must lie: a tenth of the requests wait 0 to 1 s."""
STALL_MEDIAN: Final = 5.0
"""Milliseconds the median service time may reach beside the stalls."""
GRACE: Final = 60.0
DISTURBED: Final = 0.02
"""The share of a core that other programs may have in a round that counts."""
TRIES: Final = 3
"""How many times as many rounds are taken as are needed, at most, in the hope of undisturbed ones."""


@dataclass(frozen=True, slots=True)
class Point:
    """One percentile of one shape, in milliseconds: medians of the rounds. `difference` is taken within a round."""

    shape: str
    percentile: float
    truth: float
    measured: float
    difference: float
    floor: float = float("nan")
    """The difference of a client that does nothing else than measure: what anybody's would be on this machine."""
    others: float = 0.0
    """The most of a core that other programs had in a round."""

    @property
    def allowed(self) -> float:
        relative, absolute = ALLOWED[self.percentile]
        return max(relative * self.truth, absolute)

    @property
    def met(self) -> bool:
        return abs(self.difference) <= self.allowed

    def row(self) -> list[str]:
        return [
            SHAPES[self.shape],
            f"p{self.percentile:g}",
            f"{self.truth:.3f}",
            f"{self.measured:.3f}",
            f"{self.difference:+.3f}",
            f"{self.floor:+.3f}",
            f"{self.others:.1%}",
            f"{self.allowed:.3f}",
            "met" if self.met else "**missed**",
        ]


class DelayServer:
    """`bench.delays` as a process of its own on `core`, while entered; `log` is read after it was left."""

    def __init__(self, shape: str, core: int, folder: Path) -> None:
        self._log = folder / f"{shape}.log"
        command = [sys.executable, "-m", "bench.delays", shape, "--log", str(self._log)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
            preexec_fn=pinned(core, first=True),
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        if not port.isdigit():
            self._end()
            raise BenchError("the server with known delays did not start")
        self.url = f"http://127.0.0.1:{port}/"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def log(self) -> list[float]:
        """Milliseconds from reading a request to having written its reply, of every reply."""
        pairs = array("d", self._log.read_bytes())
        return [(written - read) * 1e3 for read, written in zip(pairs[::2], pairs[1::2], strict=True)]

    def _end(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass(frozen=True, slots=True)
class Round:
    """One load. `logged` are service times by the server's log and `reported` the figures of the summary's metrics, in
    milliseconds; `others` is the share of a core that went to other programs meanwhile.
    """

    logged: Sequence[float]
    reported: Mapping[str, Any]
    others: float

    @property
    def duration(self) -> Mapping[str, float]:
        found: Mapping[str, float] = self.reported["http_req_duration"]
        return found


def least_disturbed(take: Callable[[], Round], count: int) -> list[Round]:
    """`count` rounds of `take`; while others use the cores more are taken, and those they used least are kept."""
    rounds: list[Round] = []
    while len(rounds) < TRIES * count and sum(one.others <= DISTURBED for one in rounds) < count:
        rounds.append(take())
    return sorted(rounds, key=lambda one: one.others)[:count]


def points(shape: str, rounds: Sequence[Round], bare: Round) -> list[Point]:
    found = []
    others = max(one.others for one in [*rounds, bare])
    for p in ALLOWED:
        truths = [percentile(one.logged, p) for one in rounds]
        measured = [one.duration[f"p{p:g}"] for one in rounds]
        difference = median(one - truth for one, truth in zip(measured, truths, strict=True))
        floor = bare.duration[f"p{p:g}"] - percentile(bare.logged, p)
        found.append(Point(shape, p, median(truths), median(measured), difference, floor, others))
    return found


@dataclass(frozen=True, slots=True)
class Runner:
    """Has Loadgate load a server of a shape, and gives back what it reported and what the server logged."""

    program: str
    cores: tuple[int, int]
    folder: Path

    def run(self, shape: str, rate: int, seconds: int) -> Round:
        """Raises BenchError where the summary and the server's log do not speak of the same requests."""
        summary = self.folder / f"{shape}.json"
        with DelayServer(shape, self.cores[1], self.folder) as server:
            command = [self.program, "run", "--url", server.url, "--rate", f"{rate}/s", "--duration", f"{seconds}s"]
            command += ["--quiet", "--summary", str(summary), "--out", str(self.folder / shape)]
            others = Others()
            usage = run(command, core=self.cores[0], patience=seconds + GRACE, window=(0.0, 0.0), every=1.0, first=True)
            share = others.share()
        if usage.status != 0:
            raise BenchError(f"loadgate ended with exit code {usage.status}:\n{usage.output[-3000:]}")
        metrics: dict[str, Any] = json.loads(summary.read_text())["metrics"]
        truth = server.log()
        counted = metrics["http_req_duration"]["count"]
        if counted != len(truth) or metrics["http_req_failed"] or metrics["dropped_iterations"]:
            raise BenchError(
                f"{shape}: {counted:,} requests counted, {len(truth):,} logged by the server, "
                f"{metrics['http_req_failed']:.2%} failed, {metrics['dropped_iterations']:,} dropped: nothing to compare"
            )
        return Round(truth, metrics, share)

    def bare(self, shape: str, rate: int, seconds: int) -> Round:
        """The same load by `bench.bare`."""
        with DelayServer(shape, self.cores[1], self.folder) as server:
            port = server.url.rstrip("/").rpartition(":")[2]
            command = [sys.executable, "-m", "bench.bare", port, "--rate", str(rate), "--seconds", str(seconds)]
            others = Others()
            usage = run(command, core=self.cores[0], patience=seconds + GRACE, window=(0.0, 0.0), every=1.0, first=True)
            share = others.share()
        truth = server.log()
        if usage.status != 0 or (figures := json.loads(usage.output))["count"] != len(truth):
            raise BenchError(f"the bare client failed:\n{usage.output[-3000:]}")
        return Round(truth, {"http_req_duration": figures}, share)


def stall_bars(metrics: Mapping[str, Any]) -> list[Bar]:
    latency, duration = metrics["http_req_latency"], metrics["http_req_duration"]
    return [
        Bar("stall of 1 s in 10: p99 of latency", latency["p99"], STALL_LATENCY[0], " ms", least=True),
        Bar("stall of 1 s in 10: p99 of latency", latency["p99"], STALL_LATENCY[1], " ms"),
        Bar("stall of 1 s in 10: median service time", duration["p50"], STALL_MEDIAN, " ms"),
    ]


def stall_table(metrics: Mapping[str, Any]) -> str:
    names = ("p50", "p90", "p95", "p99", "p99.9", "max")
    rows = [
        [title, *(f"{metrics[metric][name]:.2f}" for name in names)]
        for title, metric in (
            ("latency, from the planned start", "http_req_latency"),
            ("service time", "http_req_duration"),
        )
    ]
    return results.table(["ms", *names], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    cores = machine.two_cores()
    program = options.loadgate or tools.find("loadgate")
    if program is None:
        raise BenchError(
            "loadgate is not installed in this environment: start this with scripts/bench, which does that"
        )
    machine.raise_file_limit()
    found: list[Point] = []
    with machine.alone(), tempfile.TemporaryDirectory(prefix="loadgate-bench-") as folder:
        runner = Runner(program, cores, Path(folder))
        for shape, words in SHAPES.items():
            print(f"accuracy: {words}, {options.rate}/s for {options.seconds} s, {options.rounds} times", flush=True)
            rounds = least_disturbed(partial(runner.run, shape, options.rate, options.seconds), options.rounds)
            (bare,) = least_disturbed(partial(runner.bare, shape, options.rate, options.seconds), 1)
            found += points(shape, rounds, bare)
        print(f"stall: {options.stall_rate}/s for {options.stall_seconds} s", flush=True)
        (stall,) = least_disturbed(partial(runner.run, "stall", options.stall_rate, options.stall_seconds), 1)
    head = ["delay", "percentile", "server, ms", "loadgate, ms", "difference", "bare client", "others", "allowed", ""]
    table = results.table(head, [point.row() for point in found])
    bars = stall_bars(stall.reported)
    promises = results.table(["bar", "measured", "limit", ""], [bar.row() for bar in bars])
    stalls = stall_table(stall.reported)
    print(f"\n{table}\n\n{stalls}\n\n{promises}\n")
    if options.write:
        about = (
            f"Machine: {machine.description()}.\n"
            f"Version: {tools.LOADGATE.version(program)}; commit {machine.commit()}.\n"
            "Command: `python -m bench.accuracy` (as `scripts/bench` runs it)."
        )
        priority = "in real time (SCHED_FIFO)" if machine.may_be_first() else "which others may take from them"
        setting = (
            f"Service times at {options.rate} requests/s for {options.seconds} s, beside the times the server logged from "
            "having read a request to having\nwritten its reply (server and generator each have a core to themselves, "
            f"{priority}); medians of {options.rounds} rounds.\n`others` is the most of a core that other programs "
            f"had in a round (rounds with more than {DISTURBED:.0%} are taken again, {TRIES} times at most).\n"
            "`bare client` is the difference of a client in Python that does nothing but send and take the time: what this "
            "machine and the event loop\nadd for anybody."
        )
        stalling = (
            f"A server that stands still for 1 s once in 10 s, at {options.stall_rate} requests/s for "
            f"{options.stall_seconds} s: a tenth of all requests meet a stall and wait\nbetween 0 and 1 s, so the 99th "
            "percentile is 0.9 s. The plan goes on during a stall, so what is sent then waits in\nservice time too; a closed "
            "loop would have seen one slow request a user."
        )
        results.write("Accuracy", f"{setting}\n\n{table}\n\n{stalling}\n\n{stalls}\n\n{promises}\n\n{about}")
    missed = [point for point in found if not point.met]
    return max(exit_code(bars), 1 if missed else 0)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.accuracy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=800, help="requests per second (default 800)")
    parser.add_argument("--seconds", type=int, default=20, help="length of each load (default 20)")
    parser.add_argument("--rounds", type=int, default=3, help="loads of each shape (default 3)")
    parser.add_argument("--stall-rate", type=int, default=500, help="requests per second on the stalling server")
    parser.add_argument("--stall-seconds", type=int, default=30, help="length of its load (default 30)")
    parser.add_argument("--loadgate", metavar="PROGRAM", help="measure this program instead of the installed loadgate")
    parser.add_argument("--write", action="store_true", help="write the tables to bench/RESULTS.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
