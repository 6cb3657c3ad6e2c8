"""The load generators: how each is told to do the same thing, and how each says what it did.

A tool is left as its documentation shows it, except for what only costs: live screens, usage reports, logs.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.machine import BenchError

SCENARIOS: Final = Path(__file__).parent / "scenarios"


@dataclass(frozen=True, slots=True)
class Load:
    """`users` of the server at `base` for `seconds`; `waiting` ones think for a second after each request."""

    base: str
    users: int
    seconds: int
    waiting: bool = False

    @property
    def scenario(self) -> str:
        return "waiting" if self.waiting else "status"


@dataclass(frozen=True, slots=True)
class Done:
    """What a tool says it did: requests, and how many of them failed or did not pass their check."""

    requests: int
    failed: int


@dataclass(frozen=True, slots=True)
class Job:
    """One call of a tool. `read` gets what it printed; exit codes other than `codes` are failures."""

    command: list[str]
    read: Callable[[str], Done]
    environment: Mapping[str, str] = field(default_factory=dict)
    codes: frozenset[int] = frozenset({0})


@dataclass(frozen=True, slots=True)
class Tool:
    """`job` makes a call; it may leave its files in the folder it is given. `waits`: it knows users who wait."""

    name: str
    program: str
    version: Callable[[str], str]
    job: Callable[[str, Load, Path], Job]
    waits: bool = True


def loadgate_script(program: str, load: Load, folder: Path) -> Job:
    return _loadgate(program, [str(SCENARIOS / f"{load.scenario}.py"), "--url", load.base], load, folder)


def loadgate_url(program: str, load: Load, folder: Path) -> Job:
    return _loadgate(program, ["--url", f"{load.base}/file"], load, folder)


def _loadgate(program: str, what: list[str], load: Load, folder: Path) -> Job:
    summary = folder / "summary.json"
    command = [program, "run", *what, "--vus", str(load.users), "--duration", f"{load.seconds}s"]
    command += ["--quiet", "--summary", str(summary), "--out", str(folder / "run")]
    # 3: a generator that fills its core is what is measured here, and what a run is rightly called invalid for
    return Job(command, lambda _: read_loadgate(summary.read_text()), codes=frozenset({0, 3}))


def k6(program: str, load: Load, folder: Path) -> Job:
    return _k6(program, load, folder, "0")


def k6_without_bodies(program: str, load: Load, folder: Path) -> Job:
    return _k6(program, load, folder, "1")


def _k6(program: str, load: Load, folder: Path, discard: str) -> Job:
    summary = folder / "k6.json"
    command = [program, "run", "--quiet", "--no-usage-report", "--vus", str(load.users)]
    command += ["--duration", f"{load.seconds}s", "--summary-export", str(summary)]
    command += ["-e", f"URL={load.base}", "-e", f"DISCARD={discard}", str(SCENARIOS / f"{load.scenario}.js")]
    return Job(command, lambda _: read_k6(summary.read_text()))


def locust(program: str, load: Load, folder: Path) -> Job:
    summary = folder / "locust.json"  # Locust adds the ending itself
    command = [program, "-f", str(SCENARIOS / "locustfile.py"), "--headless", "--only-summary", "--loglevel", "ERROR"]
    command += ["--users", str(load.users), "--spawn-rate", str(load.users), "--run-time", f"{load.seconds}s"]
    command += ["--host", load.base, "--json-file", str(summary.with_suffix("")), load.scenario.capitalize()]
    return Job(command, lambda _: read_locust(summary.read_text()))


def wrk(program: str, load: Load, folder: Path) -> Job:
    command = [program, "-t1", f"-c{load.users}", f"-d{load.seconds}s", f"{load.base}/file"]
    return Job(command, read_wrk)


def hey(program: str, load: Load, folder: Path) -> Job:
    command = [program, "-z", f"{load.seconds}s", "-c", str(load.users), f"{load.base}/file"]
    return Job(command, read_hey, {"GOMAXPROCS": "1"})


def read_loadgate(text: str) -> Done:
    metrics = json.loads(text)["metrics"]
    requests = int(metrics["http_reqs"])
    return Done(requests, round((metrics["http_req_failed"] + 1 - metrics["checks"]) * requests))


def read_k6(text: str) -> Done:
    metrics: dict[str, Any] = json.loads(text)["metrics"]
    return Done(metrics["http_reqs"]["count"], metrics["checks"]["fails"])


def read_locust(text: str) -> Done:
    entries = json.loads(text)
    return Done(sum(entry["num_requests"] for entry in entries), sum(entry["num_failures"] for entry in entries))


def read_wrk(text: str) -> Done:
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    failed = int(refused[1]) if refused else 0
    failed += sum(map(int, broken.groups())) if broken else 0
    return Done(_number(r"(\d+) requests in", text, "wrk"), failed)


def read_hey(text: str) -> Done:
    by_status = {status: int(count) for status, count in re.findall(r"\[(\d{3})\]\t(\d+) responses", text)}
    _, _, errors = text.partition("Error distribution:")
    failed = sum(int(count) for count in re.findall(r"^\s+\[(\d+)\]\t", errors, re.MULTILINE))
    failed += sum(count for status, count in by_status.items() if status != "200")
    return Done(sum(by_status.values()), failed)


def _number(pattern: str, text: str, tool: str) -> int:
    found = re.search(pattern, text)
    if found is None:
        raise BenchError(f"{tool} did not say how many requests it did:\n{text[-2000:]}")
    return int(found[1])


def _said(*arguments: str) -> Callable[[str], str]:
    """The first line a program prints when asked for its version."""

    def version(program: str) -> str:
        said = subprocess.run([program, *arguments], capture_output=True, text=True)
        lines = (said.stdout + said.stderr).strip().splitlines() or ["version not stated"]
        return re.split(r" \(| from | \[|  Copyright", lines[0])[0].strip()

    return version


LOADGATE: Final = Tool("loadgate, script", "loadgate", _said("--version"), loadgate_script)
LOADGATE_URL: Final = Tool("loadgate, --url", "loadgate", _said("--version"), loadgate_url, waits=False)
K6: Final = Tool("k6", "k6", _said("version"), k6)
K6_WITHOUT_BODIES: Final = Tool("k6, bodies discarded", "k6", _said("version"), k6_without_bodies, waits=False)
LOCUST: Final = Tool("Locust FastHttpUser", "locust", _said("--version"), locust)
WRK: Final = Tool("wrk", "wrk", _said("-v"), wrk, waits=False)
HEY: Final = Tool("hey", "hey", lambda _: "hey (states no version)", hey, waits=False)

ALL: Final = (LOADGATE, LOADGATE_URL, WRK, HEY, K6, K6_WITHOUT_BODIES, LOCUST)


def find(program: str) -> str | None:
    """The path of `program`: beside this Python, else on the PATH."""
    beside = Path(sys.executable).parent / program
    return str(beside) if beside.exists() else shutil.which(program)
