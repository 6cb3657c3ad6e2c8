"""Scripts that do what no script should: each run still ends, and with a word or a verdict."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgate.record.file import read_run
from tests.support.command import Done, loadgate
from tests.support.target import running_target

HEAD = """
import asyncio, sys, threading, time
from loadgate import scenario, setup, teardown

options = {"vus": 2, "iterations": 8}

@scenario
async def shop(user):
    await user.http.get("/users")
"""


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    with running_target(process=True) as url:
        yield url


def run(folder: Path, target: str, body: str, head: str = HEAD) -> Done:
    """A run of a script whose scenario goes on with `body`."""
    (folder / "load.py").write_text(head + textwrap.indent(textwrap.dedent(body), "    "))
    return loadgate("run", "load.py", "--url", target, cwd=folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "sample"),
    [
        ("await user.sleep(float('nan'))", "load.py:10: ValueError: cannot wait nan s: give a finite number"),
        ("await user.think(-2, -1)", "ValueError: cannot wait -"),
        ("raise BaseException('x')", "load.py:10: BaseException: x"),
        ("raise GeneratorExit", "load.py:10: GeneratorExit"),
        ("raise KeyboardInterrupt", "load.py:10: KeyboardInterrupt"),
        ("asyncio.current_task().cancel(); await user.http.get('/users')", "load.py:10: CancelledError"),
        (
            """
            class Mute(Exception):
                def __str__(self):
                    raise RuntimeError
            raise Mute
            """,
            "load.py:14: Mute: (its message cannot be shown: RuntimeError)",
        ),
        ("raise ValueError('!' * 5_000_000)", "load.py:10: ValueError: !!!!"),
    ],
    ids=["NaN", "negative", "BaseException", "GeneratorExit", "KeyboardInterrupt", "cancels itself", "mute", "long"],
)
def test_an_iteration_fails_and_the_user_goes_on(tmp_path: Path, target: str, body: str, sample: str) -> None:
    done = run(
        tmp_path, target, "if user.iteration % 2:\n" + textwrap.indent(textwrap.dedent(body), "    ").lstrip("\n")
    )
    recorded = read_run(tmp_path / "loadgate-out" / "run.json")
    assert done.code == 0, done.out + done.err
    (error,) = recorded.errors
    assert (error.kind, error.step) == ("script", "shop")
    assert sample.replace("load.py:10", "load.py:11") in error.sample
    assert sample.partition(": ")[0].split(":")[0] in done.out
    (load,) = recorded.loads
    assert (load.started, load.completed, load.interrupted) == (8, 8, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("asyncio.get_running_loop().stop()", "it stopped the event loop"),
        ("for task in asyncio.all_tasks(): task.cancel()", "it cancelled the task of the run itself"),
        ("asyncio.get_running_loop().call_soon(sys.exit, 0); await user.sleep(9)", "SystemExit: 0"),
        (
            """
            async def leave():
                sys.exit(0)
            task = asyncio.create_task(leave())
            await user.sleep(9)
            """,
            "load.py:12: SystemExit: 0",
        ),
        (
            """
            async def leave():
                raise KeyboardInterrupt
            task = asyncio.create_task(leave())
            await user.sleep(9)
            """,
            "load.py:12: KeyboardInterrupt",
        ),
    ],
    ids=["stop", "cancels all", "exit in a callback", "exit in a task", "KeyboardInterrupt in a task"],
)
def test_a_script_that_breaks_the_loop_is_invalid_and_told_so(
    tmp_path: Path, target: str, body: str, cause: str
) -> None:
    done = run(tmp_path, target, body)
    assert done.code == 3
    assert done.err.splitlines()[-2].startswith("error: load.py broke the run off: ")
    assert cause in done.err


def test_a_script_that_cancels_its_task_as_its_last_act_is_told_so(tmp_path: Path, target: str) -> None:
    head = HEAD.replace('"iterations": 8', '"iterations": 2')
    done = run(tmp_path, target, "asyncio.current_task().cancel()", head)
    assert done.code == 3
    assert "error: the script cancelled the task of its user between two iterations" in done.err


@pytest.mark.slow
@pytest.mark.parametrize(
    "thread",
    [
        "threading.Thread(target=time.sleep, args=(300,)).start()",
        "asyncio.ensure_future(asyncio.to_thread(time.sleep, 300))",
    ],
    ids=["thread", "to_thread"],
)
def test_a_thread_left_behind_does_not_outlive_the_verdict(tmp_path: Path, target: str, thread: str) -> None:
    done = run(tmp_path, target, f"if user.id == 1: {thread}")
    assert done.code == 0, done.err
    assert "PASS" in done.last
    assert "warning: ended with threads of the script still running: " in done.err
    assert read_run(tmp_path / "loadgate-out" / "run.json").verdict.exit_code == 0


def test_a_thread_that_ends_soon_may_end(tmp_path: Path, target: str) -> None:
    work = """
    def work():
        time.sleep(0.3)
        open("done", "w").close()
    if user.iteration == 0:
        threading.Thread(target=work).start()
    """
    done = run(tmp_path, target, work)
    assert (done.code, (tmp_path / "done").exists()) == (0, True)
    assert "warning" not in done.err


@pytest.mark.slow
@pytest.mark.parametrize(
    "error",
    [
        "BaseException('x')",
        "GeneratorExit('x')",
        "SystemExit(0)",
        "KeyboardInterrupt('x')",
        "asyncio.CancelledError('x')",
    ],
)
def test_a_setup_that_fails_in_any_way_is_shown_and_nothing_was_run(tmp_path: Path, target: str, error: str) -> None:
    done = run(tmp_path, target, "", HEAD + f"\n@setup\ndef before():\n    raise {error}\n")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: setup of load.py failed: ")
    assert "  --> load.py:13:5" in done.err


@pytest.mark.parametrize("error", ["BaseException", "KeyboardInterrupt"])
def test_a_script_that_raises_anything_while_it_is_loaded_is_shown(tmp_path: Path, target: str, error: str) -> None:
    done = run(tmp_path, target, "", HEAD + f"\nraise {error}('x')\n")
    assert done.code == 2
    assert done.err.startswith(f"error: load.py cannot be loaded: {error}: x\n  --> load.py:11:1")


def test_setup_and_teardown_cannot_be_limited(tmp_path: Path, target: str) -> None:
    (tmp_path / "load.py").write_text(HEAD)
    limit = "http_req_duration{group:::setup}: p(95)<500"
    done = loadgate("run", "load.py", "--url", target, "--threshold", limit, cwd=tmp_path)
    assert done.code == 2
    assert "error: nothing is measured under `::setup`" in done.err
    assert "^^^^^^^^^^^^^ the load begins after setup and ends before teardown" in done.err
