"""Looking into both arms with profilers that are absent, fail, or take their time: what is said, and that nothing is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgate.ab import profilers
from loadgate.ab.explain import INTERRUPTED, explain
from loadgate.ab.pair import Pace
from loadgate.ab.plan import AbFlags, make_ab_plan
from loadgate.clock import SystemClock
from loadgate.interruption import Signals
from loadgate.record.explained import Explained
from loadgate.script.loop import run_loop
from tests.support.processes import with_word

SERVICE = Path(__file__).parent.parent / "support" / "service.py"
FOREVER = "sleep 61.5927"


@pytest.fixture(autouse=True)
def only_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No tools but those of the test, whose working files are in its folder; and nothing is left of either."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(profilers, "NEAR", str(tmp_path / "bin"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    heard = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)
    assert not with_word(str(tmp_path)), "a process is left"
    assert not with_word(FOREVER.split()[1]), "a process of a profiler is left"
    assert not list(tmp_path.glob("loadgate-*")), "a folder is left"


def tool(folder: Path, name: str, lines: str) -> None:
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)


def found(folder: Path, base: str, head: str) -> Explained:
    """What is explained of two arms, with the tools in `folder`."""
    plan = make_ab_plan(AbFlags(base=base, head=head), {})

    async def explained() -> Explained:
        clock = SystemClock()
        try:
            with Signals() as signals:
                return await explain(
                    plan,
                    1,
                    Pace(rate=100.0, length=0.2, warmup=0.1),
                    seed=7,
                    clock=clock,
                    env={"PATH": str(folder / "bin")},
                    agent="loadgate",
                    signals=signals,
                    folder=folder,
                )
        finally:
            clock.close()

    began = time.monotonic()
    result = run_loop(explained(), "test")
    assert time.monotonic() - began < 20.0, "the load went on though nobody looked any more"
    return result


def python(folder: Path, options: str = "") -> str:
    return f"{sys.executable} -S -E {SERVICE} {{port}} --note-password {folder} {options}"


def both(folder: Path, head: str = "") -> Explained:
    return found(folder, python(folder), python(folder, head))


def test_two_urls_cannot_be_looked_into(tmp_path: Path) -> None:
    said = found(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2").missing
    assert said == ("base and head are URLs: only programs that are started here can be looked into",)


@pytest.mark.slow
def test_without_a_tool_it_says_which_to_install(tmp_path: Path) -> None:
    assert both(tmp_path).missing == ("py-spy is not installed: `pip install 'loadgate[explain]'`",)


@pytest.mark.slow
def test_a_profiler_that_fails_is_quoted_with_the_arm(tmp_path: Path) -> None:
    tool(tmp_path, "py-spy", "echo 'Error: Operation not permitted' >&2; exit 1")
    (said,) = both(tmp_path).missing
    assert "py-spy failed with exit code 1: Error: Operation not permitted" in said
    assert said.startswith(("base: ", "head: "))


@pytest.mark.slow
def test_a_profiler_that_may_not_look_says_what_allows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = tmp_path / "ptrace_scope"
    scope.write_text("1\n")
    monkeypatch.setattr(profilers, "_PTRACE", str(scope))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    tool(tmp_path, "py-spy", "echo 'Error: Permission Denied' >&2; exit 1")
    (said,) = both(tmp_path).missing
    assert "kernel.yama.ptrace_scope is 1: as root `sysctl kernel.yama.ptrace_scope=0` allows it" in said


def test_a_profiler_that_ends_early_has_seen_too_little(tmp_path: Path) -> None:
    tool(tmp_path, "py-spy", "exit 0")
    (said,) = both(tmp_path).missing
    assert "py-spy ended after" in said


def test_a_profiler_that_cannot_be_executed(tmp_path: Path) -> None:
    tool(tmp_path, "py-spy", "")
    (tmp_path / "bin" / "py-spy").write_text("#!/nowhere/sh\n")
    (said,) = both(tmp_path).missing
    assert "py-spy could not be started" in said


@pytest.mark.slow
def test_an_arm_that_dies_under_it_is_named(tmp_path: Path) -> None:
    tool(tmp_path, "py-spy", f"/bin/{FOREVER}")
    (said,) = both(tmp_path, "--die-after 30").missing
    assert said.startswith("head: the target ended before the run did")
    assert "fatal: out of cheese" in said


def test_an_arm_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    tool(tmp_path, "py-spy", f"/bin/{FOREVER}")
    (said,) = both(tmp_path, "--child none").missing
    assert said.startswith("head: the target ended before it was ready")


@pytest.mark.slow
def test_ctrl_c_ends_it_and_nothing_else(tmp_path: Path) -> None:
    tool(tmp_path, "py-spy", f"kill -INT {os.getpid()}; /bin/{FOREVER}")
    assert both(tmp_path).missing == (INTERRUPTED,)


def test_ctrl_c_before_the_load_ends_it_and_nothing_else(tmp_path: Path) -> None:
    command = f"sh -c 'kill -INT {os.getpid()}; exec /bin/{FOREVER}' {{port}} {tmp_path}"
    assert found(tmp_path, command, command).missing == (INTERRUPTED,)


@pytest.fixture
def sleeper() -> Iterator[int]:
    """The PID of a program that is not Python."""
    with subprocess.Popen(["sleep", "60"]) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def test_programs_that_are_not_python_need_perf(tmp_path: Path, sleeper: int) -> None:
    profiler, said = profilers.choose_profiler([sleeper], {"PATH": str(tmp_path / "bin")})
    assert profiler is None
    assert said == ("perf is not installed; it is what can look into programs that are not Python",)


def test_perf_that_is_forbidden_says_what_allows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sleeper: int
) -> None:
    paranoid = tmp_path / "paranoid"
    paranoid.write_text("4\n")
    monkeypatch.setattr(profilers, "_PARANOID", str(paranoid))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    tool(tmp_path, "perf", "")
    profiler, (said,) = profilers.choose_profiler([sleeper], {"PATH": str(tmp_path / "bin")})
    assert profiler is None
    assert "perf is not permitted: kernel.perf_event_paranoid is 4" in said


def test_python_is_left_to_perf_where_there_is_no_py_spy(tmp_path: Path) -> None:
    tool(tmp_path, "perf", "")
    profiler, (note,) = profilers.choose_profiler([os.getpid()], {"PATH": str(tmp_path / "bin")})
    assert isinstance(profiler, profilers.Perf)
    assert "functions of the interpreter" in note


@pytest.mark.slow
def test_what_perf_has_seen_is_judged_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadgate.ab.explain.LEAST", 1)
    busy = "server 1/1\\n\\t 1 grown (/opt/server)\\n\\t 2 main (/opt/server)\\n"
    tool(
        tmp_path,
        "perf",
        f'case "$*" in *script*head*) n=900 ;; *script*) n=300 ;; *) exec {shutil.which("sleep")} 1 ;; esac\n'
        f"while [ $n -gt 0 ]; do printf '{busy}\\n'; n=$((n-1)); done",
    )
    explained = both(tmp_path)
    assert explained.missing == ()
    assert (explained.tool, explained.samples, explained.counts) == ("perf", (300, 900), "of CPU time")
    asked = 50  # times a second, each arm
    assert explained.times[0] == pytest.approx(300 / 499 / asked, rel=0.3)
    assert explained.times[1] == pytest.approx(900 / 499 / asked, rel=0.3)
    assert [(str(one.function), one.head_share) for one in explained.functions] == [("grown (server)", 1.0)]
    assert (tmp_path / "head.stacks").read_text() == "main (server);grown (server) 900\n"
