"""Many processes write to one store while one of them is killed: nothing that was told to be kept is lost, nothing is half."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from loadgate.record.result import Result
from loadgate.store.store import Store
from tests.store.results import figure, result

ROOT = Path(__file__).parents[2]

WRITER = """
import os, sys
from loadgate.store.store import Store
from tests.store.test_store_stress import record_of, result_of

place, process, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with Store.open(place) as store:
    for number in range(count):
        assert store.add(result_of(process, number), record_of(process, number))
        os.write(1, b"%d\\n" % number)
"""


def result_of(process: int, number: int) -> Result:
    """Each process has series of its own, some only in later runs."""
    steps = [f"step {at} of {process}" for at in range(number % 20)]
    made = tuple(figure(float(number + at), step=step) for at, step in enumerate(["", *steps]))
    return result(id_of(process, number), started=1e9 + number, figures=made)


def record_of(process: int, number: int) -> bytes:
    return hashlib.sha512(f"{process} {number}".encode()).digest() * (number % 97)


def id_of(process: int, number: int) -> str:
    return f"{process:02}-{number:06}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processes", "each"),
    [
        pytest.param(4, 50, id="few"),
        pytest.param(10, 1000, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ],
)
def test_of_many_writers_one_is_killed_and_nothing_is_lost(place: str, processes: int, each: int) -> None:
    command = [sys.executable, "-c", WRITER, place]
    writers = [
        subprocess.Popen([*command, str(process), str(each)], stdout=subprocess.PIPE, cwd=ROOT)
        for process in range(processes)
    ]
    try:
        killed = writers[3]
        assert killed.stdout is not None
        told = b""
        while told.count(b"\n") < each // 2:
            told += os.read(killed.stdout.fileno(), 65536)
        killed.send_signal(signal.SIGKILL)
        told += killed.stdout.read()
        kept = told.count(b"\n")
        assert killed.wait() == -signal.SIGKILL
        assert each // 2 <= kept < each
        outputs = [writer.communicate()[0] for writer in writers if writer is not killed]
        assert [output.count(b"\n") for output in outputs] == [each] * (processes - 1)
        assert all(writer.returncode == 0 for writer in writers if writer is not killed)
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
            if writer.stdout is not None:
                writer.stdout.close()

    with Store.open(place) as store:
        runs = {run.id: run for run in store.runs()}
        expected = {
            id_of(process, number): (process, number)
            for process in range(processes)
            for number in range(kept if process == 3 else each)
        }
        unsaid = runs.keys() - expected.keys()  # written, and killed before it could say so
        assert unsaid <= {id_of(3, kept)}
        assert expected.keys() <= runs.keys()
        for id in unsaid:
            expected[id] = (3, kept)
        for id, (process, number) in expected.items():
            assert store.result(runs[id]) == result_of(process, number)
            assert store.record(runs[id]) == record_of(process, number)
        series = [track.series.name for track in store.history().tracks]
        written = {figure.series for made in expected.values() for figure in result_of(*made).figures}
        assert len(series) == len(written)  # none was given two numbers
        assert set(series) == written
    if "://" not in place:
        check = sqlite3.connect(place)
        assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert check.execute("PRAGMA foreign_key_check").fetchall() == []
        check.close()
        assert [file.name for file in Path(place).parent.iterdir()] == ["history.db"]
