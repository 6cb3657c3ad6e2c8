"""Loadgate beside other load generators, on one machine in one run: `scripts/bench`, or `python -m bench.compare`.

CPU per request: every tool sends GETs of a 1 kB file over 64 kept-alive connections to nginx and checks the status. The
generator has one core to itself, nginx another; tools take turns, each once a round. CPU is user and system time of the
whole process, start included. Memory: many users that think for a second after each request.

Exit code 0: all bars met; 1: one missed; 2: it could not be run; 3: none missed, but some not measured.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import machine, results, tools
from bench.figures import MB, Bar, Figures, Rounds, exit_code, per_user, ratio
from bench.machine import BenchError
from bench.nginx import Nginx, Served
from bench.process import Others, Usage, run
from bench.tools import Load, Tool

OURS = (tools.LOADGATE, tools.LOADGATE_URL)
CPU_BARS = ((tools.K6, 7.0), (tools.LOCUST, 9.0))
"""How many times ours the CPU per request of these is to be at least."""
WRK_BAR = 1.9
"""How many times wrk's CPU per request ours may be."""
MEMORY_BAR = 120 * MB
MEMORY_TOOLS = (tools.LOADGATE, tools.K6, tools.LOCUST)
START, END = 0.35, 0.9
"""The part of a load in which a tool is taken to be under way."""
DISTURBED = 0.05
"""The share of a core that other programs may have before it is worth a word."""
GRACE = 90.0
"""Seconds beyond its load a tool may take to start and to end."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all measurements share."""

    server: Nginx
    core: int
    programs: dict[str, str]
    folder: Path

    def call(self, tool: Tool, load: Load) -> Figures:
        """Have `tool` do `load`. Raises BenchError if it failed, or if a request did."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        job = tool.job(self.programs[tool.program], load, folder)
        others = Others()
        usage = run(
            job.command,
            core=self.core,
            patience=load.seconds + GRACE,
            window=(load.seconds * START, load.seconds * END),
            environment=job.environment,
        )
        share = others.share()
        if usage.status not in job.codes:
            raise BenchError(f"{tool.name} ended with exit code {usage.status}:\n{usage.output[-3000:]}")
        done = self._read(tool, job, usage)
        if not done.requests or done.failed:
            failed = f"{done.failed:,} of {done.requests:,} requests failed"
            raise BenchError(f"{tool.name}: {failed}, so its figures say nothing:\n{usage.output[-3000:]}")
        return Figures(done.requests, usage.cpu, usage.steady_share, load.seconds, usage.peak, share)

    @staticmethod
    def _read(tool: Tool, job: tools.Job, usage: Usage) -> tools.Done:
        try:
            return job.read(usage.output)
        except (OSError, ValueError, KeyError, TypeError) as error:
            text = usage.output[-3000:]
            raise BenchError(f"{tool.name}: cannot read what it did ({error!r}); it printed:\n{text}") from error


def measure_cpu(bench: Bench, chosen: Sequence[Tool], load: Load, rounds: int) -> Rounds:
    """`rounds` rounds of `chosen`; each round begins with another tool, so that no place in line is always the same's."""
    found: dict[str, list[Figures]] = {tool.name: [] for tool in chosen}
    for number in range(rounds):
        first = number % len(chosen)
        for tool in [*chosen[first:], *chosen[:first]]:
            figures = bench.call(tool, load)
            found[tool.name].append(figures)
            others = f"  (others had {figures.others:.0%} of a core)" if figures.others > DISTURBED else ""
            print(
                f"  round {number + 1}  {tool.name:<22} {figures.cost:7.2f} us  {figures.rate:9,.0f}/s{others}",
                flush=True,
            )
    return found


def cpu_bars(rounds: Rounds) -> list[Bar]:
    bars: list[Bar] = []
    for own in OURS:
        for peer, times in CPU_BARS:
            value = ratio(rounds, peer.name, own.name) if peer.name in rounds else None
            bars.append(Bar(f"CPU per request, {peer.name} / {own.name}", value, times, least=True))
        value = ratio(rounds, own.name, tools.WRK.name) if tools.WRK.name in rounds else None
        bars.append(Bar(f"CPU per request, {own.name} / wrk", value, WRK_BAR))
    return bars


def cpu_table(rounds: Rounds) -> str:
    head = [
        "tool",
        "CPU us/request",
        "least to most",
        "under way",
        "requests/s",
        "peak MB",
        "others",
        *(f"/ {o.name}" for o in OURS),
    ]
    rows = []
    for name, all_figures in sorted(rounds.items(), key=lambda item: median(one.cost for one in item[1])):
        costs = [one.cost for one in all_figures]
        rows.append(
            [
                name,
                f"{median(costs):.2f}",
                f"{min(costs):.2f} to {max(costs):.2f}",
                f"{median(one.steady_cost for one in all_figures):.2f}",
                f"{median(one.rate for one in all_figures):,.0f}",
                f"{median(one.peak for one in all_figures) / MB:.0f}",
                f"{median(one.others for one in all_figures):.0%}",
                *(f"{ratio(rounds, name, own.name):.2f}" for own in OURS),
            ]
        )
    return results.table(head, rows)


@dataclass(frozen=True, slots=True)
class Crowd:
    """One tool with many waiting users, and with one. `served` is what the server itself logged of the many."""

    tool: str
    many: Figures
    one: Figures
    served: Served


def measure_memory(bench: Bench, chosen: Sequence[Tool], users: int, seconds: int) -> list[Crowd]:
    crowds = []
    for tool in chosen:
        one = bench.call(tool, Load(bench.server.url, 1, min(5, seconds), waiting=True))
        bench.server.served()
        many = bench.call(tool, Load(bench.server.url, users, seconds, waiting=True))
        crowd = Crowd(tool.name, many, one, bench.server.served())
        crowds.append(crowd)
        each = per_user(many.peak, one.peak, users)
        print(f"  {tool.name:<22} {many.peak / MB:7,.0f} MB  {each / 1e3:7.1f} kB a user", flush=True)
    return crowds


def memory_bars(crowds: Sequence[Crowd], users: int, seconds: int) -> list[Bar]:
    own = next((crowd for crowd in crowds if crowd.tool == tools.LOADGATE.name), None)
    who = f"{tools.LOADGATE.name}, {users:,} waiting users"
    if own is None:
        return [Bar(f"{who}: peak resident memory", None, MEMORY_BAR / MB, " MB")]
    served = own.served
    return [
        Bar(f"{who}: peak resident memory", own.many.peak / MB, MEMORY_BAR / MB, " MB"),
        Bar(
            f"{who}: requests served of those expected",
            served.requests / (users * seconds) * 100,
            99.0,
            " %",
            least=True,
        ),
        Bar(f"{who}: requests it counted but the server did not", abs(own.many.requests - served.requests), 0.0),
        Bar(f"{who}: connections opened for each user", served.connections / users, 1.0),
        Bar(f"{who}: replies that were not 200", served.failed, 0.0),
    ]


def memory_table(crowds: Sequence[Crowd], users: int, seconds: int) -> str:
    head = [
        "tool",
        "peak MB",
        "with 1 user, MB",
        "kB a user",
        "requests",
        "of expected",
        "connections",
        "CPU us/request",
    ]
    rows = [
        [
            crowd.tool,
            f"{crowd.many.peak / MB:,.0f}",
            f"{crowd.one.peak / MB:,.0f}",
            f"{per_user(crowd.many.peak, crowd.one.peak, users) / 1e3:,.1f}",
            f"{crowd.served.requests:,}",
            f"{crowd.served.requests / (users * seconds):.1%}",
            f"{crowd.served.connections:,}",
            f"{crowd.many.cost:.1f}",
        ]
        for crowd in crowds
    ]
    return results.table(head, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    core, server_core = machine.two_cores()
    programs, missing = _programs(options.loadgate)
    chosen = [tool for tool in tools.ALL if tool.program in programs]
    if missing:
        print(f"missing, so not measured: {', '.join(missing)} (wrk and hey come with the system's packages)")
    machine.raise_file_limit()
    bars: list[Bar] = []
    with (
        machine.alone(),
        tempfile.TemporaryDirectory(prefix="loadgate-bench-") as folder,
        Nginx(server_core) as server,
    ):
        bench = Bench(server, core, programs, Path(folder))
        about = _about(chosen, programs, server, options)
        if options.only in (None, "cpu"):
            print(
                f"CPU per request: {options.connections} connections, {options.seconds} s a tool, {options.rounds} rounds"
            )
            rounds = measure_cpu(bench, chosen, Load(server.url, options.connections, options.seconds), options.rounds)
            found = cpu_bars(rounds)
            setting = (
                f"GET of 1 kB with a check of the status over {options.connections} kept-alive connections, closed loop, "
                f"{options.seconds} s a tool,\nmedian of {options.rounds} rounds; ratios are taken within a round. CPU is "
                "user and system time of the whole process over all requests;\n`under way` leaves start and end out; `others` "
                "is the share of a core that programs outside the benchmark had meanwhile."
            )
            _show("CPU per request", setting, cpu_table(rounds), found, about, options)
            bars += found
        if options.only in (None, "memory"):
            users, seconds = options.users, options.waiting_seconds
            print(f"Memory: {users:,} users that think for a second, {seconds} s")
            crowds = measure_memory(bench, [tool for tool in MEMORY_TOOLS if tool in chosen], users, seconds)
            found = memory_bars(crowds, users, seconds)
            setting = (
                f"{users:,} users, each a GET with a check of the status and a second of thinking, for {seconds} s. Requests "
                "and connections are\nwhat the server logged. `kB a user` is the difference of the two peaks over the users."
            )
            _show("Memory per waiting user", setting, memory_table(crowds, users, seconds), found, about, options)
            bars += found
    return exit_code(bars)


def _show(title: str, setting: str, table: str, bars: Sequence[Bar], about: str, options: argparse.Namespace) -> None:
    promises = results.table(["bar", "measured", "limit", ""], [bar.row() for bar in bars])
    print(f"\n{table}\n\n{promises}\n")
    if options.write:
        results.write(f"{title}, {machine.cpu()}", f"{setting}\n\n{table}\n\n{promises}\n\n{about}")


def _programs(loadgate: str | None) -> tuple[dict[str, str], list[str]]:
    """Where each program is, and which are missing. Raises BenchError if Loadgate itself is."""
    places = {tool.program: tools.find(tool.program) for tool in tools.ALL}
    places["loadgate"] = loadgate or places["loadgate"]
    if places["loadgate"] is None:
        raise BenchError(
            "loadgate is not installed in this environment: start this with scripts/bench, which does that"
        )
    programs = {program: place for program, place in places.items() if place is not None}
    return programs, [program for program, place in places.items() if place is None]


def _about(chosen: Sequence[Tool], programs: dict[str, str], server: Nginx, options: argparse.Namespace) -> str:
    versions = dict.fromkeys(tool.version(programs[tool.program]) for tool in chosen)
    command = "python -m bench.compare" + (f" --rounds {options.rounds}" if options.rounds != 3 else "")
    return (
        f"Machine: {machine.description()}.\n"
        f"Versions: {', '.join(versions)}, {server.version()} (1 worker), {platform.python_implementation()} "
        f"{platform.python_version()}; commit {machine.commit()}.\n"
        f"Command: `{command}` (as `scripts/bench` runs it)."
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("cpu", "memory"), help="measure one of the two only")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of all tools (default 3)")
    parser.add_argument("--seconds", type=int, default=8, help="length of each tool's load (default 8)")
    parser.add_argument("--connections", type=int, default=64, help="connections of each tool (default 64)")
    parser.add_argument("--users", type=int, default=5000, help="waiting users (default 5000)")
    parser.add_argument("--waiting-seconds", type=int, default=15, help="how long they stay (default 15)")
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
