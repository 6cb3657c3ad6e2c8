"""CPU per unary gRPC call, beside k6 and grpc.aio: `python -m bench.grpc [--write]`.

Every tool sends the same message over 64 connections, one a user, as soon as the last reply is there, and checks the status.
Loadgate runs once a scenario that leaves it at that (the reply is not decoded), and once one that reads the message of each
reply, which k6 always does. The servers, on a core of their own, are the two of `bench/greeter.py`: one that is faster than its
clients, and one that they wait for.

Exit code 0: the bar is met; 1: missed; 2: it could not be run; 3: k6 is not there, so not measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final, cast

from bench import compare, greeter, machine, results, tools
from bench.figures import MB, Bar, Rounds, exit_code
from bench.machine import BenchError
from bench.nginx import Nginx
from bench.tools import SCENARIOS, Done, Job, Load, Tool
from loadgate.clients.grpc.protos import compile_protos

METHOD: Final = "bench.Greeter/SayHello"
PROTO: Final = SCENARIOS / "greeter.proto"
K6_BAR: Final = 3.0
"""How many times ours k6's CPU per call is to be at least."""


async def _reference(port: int, users: int, seconds: float) -> Done:
    """grpc.aio with bytes for messages: the least it can do."""
    grpc: Any = import_module("grpc")
    end = time.perf_counter() + seconds
    calls = failed = 0
    message = compile_protos([PROTO]).method(METHOD).encode({"name": "bench"})

    async def work() -> None:
        nonlocal calls, failed
        async with grpc.aio.insecure_channel(
            f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            call = channel.unary_unary(f"/{METHOD}")
            while time.perf_counter() < end:
                calls += 1
                try:
                    await call(message)
                except grpc.RpcError:
                    failed += 1

    await asyncio.gather(*(work() for _ in range(users)))
    return Done(calls, failed)


def _ours(scenario: str, program: str, load: Load, folder: Path) -> Job:
    config, summary = folder / "loadgate.yml", folder / "summary.json"
    plan = {
        "target": {"grpc": {"url": load.base, "proto": [str(PROTO)]}},
        "scenarios": {scenario: {"python": f"{SCENARIOS / 'unary.py'}:{scenario}"}},
        "profiles": {"p": {"vus": load.users, "duration": f"{load.seconds}s"}},
    }
    config.write_text(json.dumps(plan))
    command = [program, "run", "p", "--config", str(config), "--quiet", "--summary", str(summary)]
    # 3: as in `tools.py`, a generator that fills its core is what is measured here
    return Job([*command, "--out", str(folder / "run")], lambda _: _read_ours(summary), codes=frozenset({0, 3}))


def _read_ours(summary: Path) -> Done:
    metrics = json.loads(summary.read_text())["metrics"]
    calls = int(metrics["grpc_reqs"])
    return Done(calls, round((metrics["grpc_req_failed"] + 1 - metrics["checks"]) * calls))


def _grpc_aio(program: str, load: Load, folder: Path) -> Job:
    port = load.base.rpartition(":")[2]
    command = [program, "-m", "bench.grpc", "--client", port, str(load.users), str(load.seconds)]
    return Job(command, lambda text: Done(*map(int, text.split()[-2:])))


def _k6(program: str, load: Load, folder: Path) -> Job:
    summary = folder / "k6.json"
    command = [program, "run", "--quiet", "--no-usage-report", "--vus", str(load.users)]
    command += ["--duration", f"{load.seconds}s", "--summary-export", str(summary)]
    command += ["-e", f"TARGET={load.base}", str(SCENARIOS / "unary.js")]
    return Job(command, lambda _: _read_k6(summary))


def _read_k6(summary: Path) -> Done:
    checks = json.loads(summary.read_text())["metrics"]["checks"]
    return Done(checks["passes"] + checks["fails"], checks["fails"])


OURS: Final = Tool("loadgate, status", "loadgate", tools.LOADGATE.version, partial(_ours, "status"))
OURS_READING: Final = Tool("loadgate, message read", "loadgate", tools.LOADGATE.version, partial(_ours, "message"))
REFERENCE: Final = Tool("grpc.aio, bytes", sys.executable, lambda _: "", _grpc_aio)
K6: Final = Tool("k6", "k6", tools.K6.version, _k6)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.grpc", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of all (default 3)")
    parser.add_argument("--seconds", type=int, default=8, help="length of each tool's load (default 8)")
    parser.add_argument("--users", type=int, default=64, help="users, each with a connection (default 64)")
    parser.add_argument("--write", action="store_true", help="write the table to bench/RESULTS.md")
    parser.add_argument("--client", nargs=3, metavar=("PORT", "USERS", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        port, users, seconds = options.client
        done = asyncio.run(_reference(int(port), int(users), float(seconds)))
        print(done.requests, done.failed)
        return 0
    return _measure(options)


def _ratio(rounds: Rounds, own: Tool) -> float:
    pairs = zip(rounds[K6.name], rounds[own.name], strict=True)
    return median(one.steady_cost / other.steady_cost for one, other in pairs)


def _measure(options: argparse.Namespace) -> int:
    core, server_core = machine.two_cores()
    k6 = tools.find("k6")
    chosen = [OURS, OURS_READING, REFERENCE, *([K6] if k6 else [])]
    loadgate = tools.find("loadgate")
    if loadgate is None:
        raise BenchError(
            "loadgate is not installed in this environment: start this with scripts/bench, which does that"
        )
    programs = {"loadgate": loadgate, sys.executable: sys.executable, "k6": k6 or ""}
    bars = []
    parts = []
    with machine.alone(), tempfile.TemporaryDirectory(prefix="loadgate-bench-") as folder:
        # CPU is measured without asking the server
        bench = compare.Bench(cast(Nginx, None), core, programs, Path(folder))
        for server in greeter.SERVERS:
            print(f"{server} server")
            with greeter.running(server, server_core) as port:
                load = Load(f"127.0.0.1:{port}", options.users, options.seconds)
                rounds = compare.measure_cpu(bench, chosen, load, options.rounds)
            bars += [
                Bar(
                    f"{server} server: CPU per call, k6 / {own.name}",
                    _ratio(rounds, own) if k6 else None,
                    K6_BAR,
                    least=True,
                )
                for own in (OURS, OURS_READING)
            ]
            parts.append(f"The {server} server:\n\n{_table(rounds)}")
    promises = results.table(["bar", "measured", "limit", ""], [bar.row() for bar in bars])
    found = "\n\n".join([*parts, promises])
    print(f"\n{found}\n")
    if options.write:
        setting = (
            f"A unary call with one short string each way over {options.users} connections, closed loop, {options.seconds} s "
            f"a client, {options.rounds} rounds (one\nfigure each). The `plain` server answers in constant bytes, so that the "
            "client is what is busy. The `grpcio` server (grpc.aio\n"
            f"{version('grpcio')}) is busy all the time and its clients wait: what they use is then mostly what it costs to be "
            "woken. CPU is user and\nsystem time of the whole process; `under way` leaves start and end out, as the bars do; "
            "`others` is the share of a core that\nprograms outside the benchmark had."
        )
        about = f"Machine: {machine.description()}; commit {machine.commit()}.\nCommand: `python -m bench.grpc`."
        results.write(f"CPU per gRPC call, {machine.cpu()}", f"{setting}\n\n{found}\n\n{about}")
    return exit_code(bars)


def _table(rounds: Rounds) -> str:
    head = ["client", "CPU us/call under way", "with start and end", "calls/s", "peak MB", "others"]
    rows = [
        [
            name,
            " ".join(f"{one.steady_cost:.1f}" for one in found),
            " ".join(f"{one.cost:.1f}" for one in found),
            " ".join(f"{one.rate:,.0f}" for one in found),
            f"{max(one.peak for one in found) / MB:.0f}",
            f"{median(one.others for one in found):.0%}",
        ]
        for name, found in rounds.items()
    ]
    return results.table(head, rows)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
