"""Benchmarks in fresh processes, and what their author reads when one has no result."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from loadgate.bench.functions import WorkerResult, run_worker
from loadgate.errors import LoadgateError
from tests.support.command import until
from tests.support.target import running_target

SCRIPT = """\
import asyncio, ctypes, os, sys, threading, time
from loadgate import benchmark, setup

@benchmark
def quick(): pass

@benchmark(params={"size": [1000, 1000000]})
def add(size): sum(range(size))

@benchmark
def sleeps(): time.sleep(0.002)

@benchmark
def keeps(): keeps.kept = b"x" * 60_000_000

@benchmark
def raises(): {}["id"]

@benchmark
def exits(): sys.exit(0)

@benchmark
def leaves():
    print("so long")
    os._exit(0)

@benchmark
def crashes():
    print("hello")
    ctypes.string_at(0)

@benchmark
def hangs():
    with open("pid", "w") as file:
        print(os.getpid(), file=file)
    time.sleep(300)

@benchmark
def prints():
    print("noise", flush=True)
    os.write(1, b"more noise")

@benchmark
def asks(): input()

@benchmark
def threads(): threading.Thread(target=time.sleep, args=(300,)).start()

@benchmark
def awaits(): return asyncio.sleep(0)

@setup
async def users(user):
    return (await user.http.get("/users?_limit=2")).status

@benchmark(params={"path": {"users": "/users", "nothing": "/nothing-here"}})
async def page(user, path):
    assert user.setup_data == 200
    await user.http.get(path)

@benchmark
async def numbered(user):
    await user.http.get(f"/users/{user.iteration + 1}", name="GET /users/{id}")
    print("iteration", user.iteration)

@benchmark
async def checks(user): user.check(user.iteration < 2, "early enough")

@benchmark
async def async_raises(user): raise ValueError("no")

@benchmark
async def async_exits(user): sys.exit(0)
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    path = tmp_path / "perf.py"
    path.write_text(SCRIPT)
    return path


def worked(script: Path, name: str, **options: Any) -> WorkerResult:
    return asyncio.run(run_worker(script, name, **{"limit": 30.0, **options}))


def refused(script: Path, name: str, **options: Any) -> str:
    with pytest.raises(LoadgateError) as caught:
        worked(script, name, **options)
    return str(caught.value)


def test_a_plain_function_is_called_in_loops(script: Path) -> None:
    found = worked(script, "quick", samples=5)
    assert len(found.values) == 5
    assert found.loops > 1000
    assert found.value == sorted(found.values)[2]
    assert 0.0 < found.value < 10_000.0
    assert found.peak is not None and 5_000_000 < found.peak < 60_000_000


def test_the_number_of_calls_may_be_given(script: Path) -> None:
    assert worked(script, "quick", loops=64).loops == 64


def test_each_value_of_a_parameter_is_measured_by_itself(script: Path) -> None:
    few, many = (worked(script, f"add/{size}").value for size in (1000, 1_000_000))
    assert many > 100 * few


def test_memory_is_that_of_the_process(script: Path) -> None:
    peak = worked(script, "keeps", samples=1, loops=1).peak
    assert peak is not None and 75_000_000 < peak < 160_000_000  # the next one is there before the last one is gone


@pytest.mark.slow
def test_a_function_that_sleeps_two_milliseconds_takes_two(script: Path) -> None:
    until(lambda: 2_000_000 <= worked(script, "sleeps").value <= 4_000_000)


def test_an_exception_is_shown_at_its_line(script: Path) -> None:
    assert refused(script, "raises") == (
        "benchmark `raises` failed: KeyError: 'id'\n"
        '  --> perf.py:17:15\n16 | @benchmark\n17 | def raises(): {}["id"]\n   |               ^^^^^^^^'
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("exits", r"benchmark `exits` failed: SystemExit: 0\n  --> perf.py:20:14\n"),
        ("leaves", r"benchmark `leaves` ended with code 0 before it had a result\n  \| so long$"),
        ("crashes", r"benchmark `crashes` was ended by SIGSEGV before it had a result, at perf.py:30\n  \| hello$"),
        ("asks", r"benchmark `asks` failed: EOFError"),
        ("awaits", r"benchmark `awaits`: it returns something that has to be awaited"),
        ("async_raises", r"benchmark `async_raises` failed: ValueError: no\n  --> perf.py:\d+:"),
        ("async_exits", r"benchmark `async_exits` failed: SystemExit: 0\n  --> perf.py:\d+:"),
        ("checks", r"benchmark `checks`: its check `early enough` failed 2 of 4 times"),
        ("page/nothing", r"benchmark `page/nothing`: 4 of its requests failed, GET /nothing-here: status 404"),
        ("raise", r"perf.py has no benchmark `raise`\n  = did you mean `raises`\?"),
    ],
)
def test_whatever_goes_wrong_is_told_with_the_name(script: Path, name: str, said: str) -> None:
    with running_target() as url:
        found = refused(script, name, url=url)
    assert re.search(said, found), found


@pytest.mark.slow
def test_a_hang_is_told_with_its_line_and_leaves_nothing(script: Path) -> None:
    begun = time.monotonic()
    try:
        found = refused(script, "hangs", limit=4.0)
        assert found.startswith("benchmark `hangs` did not end within 4 s, at perf.py:36\n")
        assert time.monotonic() - begun < 20.0
        pid = int(Path("pid").read_text())
        until(lambda: not Path(f"/proc/{pid}").exists())
    finally:
        with suppress(OSError, ValueError):
            os.kill(int(Path("pid").read_text()), signal.SIGKILL)


def test_what_a_script_prints_is_not_taken_for_the_answer(script: Path) -> None:
    assert worked(script, "prints").loops >= 1


@pytest.mark.slow
def test_a_thread_that_never_ends_holds_nobody_up(script: Path) -> None:
    begun = time.monotonic()
    assert worked(script, "threads", loops=1, samples=1).values
    assert time.monotonic() - begun < 20.0


@pytest.mark.slow
def test_a_user_makes_real_requests_and_each_call_is_a_sample(script: Path) -> None:
    with running_target() as url:
        found = worked(script, "page/users", url=url, samples=5)
        assert (len(found.values), found.loops) == (5, 1)
        assert all(value > 10_000 for value in found.values)
        worked(script, "numbered", url=url)


def test_a_target_that_is_not_there_is_no_result(script: Path) -> None:
    said = refused(script, "numbered", url="http://127.0.0.1:1")
    assert said.startswith("benchmark `numbered`: 4 of its requests failed, GET /users/{id}: ")
    assert "refused" in said.lower()


def test_what_lies_in_the_working_folder_takes_nobodys_place(script: Path) -> None:
    Path("json.py").write_text("raise RuntimeError('not the one')")
    Path("mine").mkdir()
    moved = script.rename(Path("mine") / "perf.py")
    assert worked(moved, "quick").loops > 1
