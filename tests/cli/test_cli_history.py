"""`history` and `baseline` on a history that was imported: what is refused leaves with 2, a message and nothing done."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command import LOADGATE, Done, environment, loadgate

ROWS = "timestamp,commit,series,value,unit,direction\n" + "".join(
    f"{1_767_225_600 + day * 86_400},c{day},parse,{12 + day % 3},ms,lower\n" for day in range(6)
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with six runs in its history."""
    (tmp_path / "rows.csv").write_text(ROWS)
    assert loadgate("history", "import", "rows.csv", cwd=tmp_path).code == 0
    return tmp_path


def refused(done: Done, says: str) -> None:
    assert done.code == 2, done
    assert says in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [("history", "import", "rows.csv"), ("baseline", "save", "v1"), ("history", "list")], ids=" ".join
)
def test_a_history_that_is_none_is_not_written_to(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    refused(loadgate(*words, "--store", "none", cwd=tmp_path), "the history is `none`")
    refused(loadgate(*words, cwd=tmp_path, env={"LOADGATE_STORE": "none"}), "the history is `none`")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


BEYOND = "9223372036854775808"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("changes", "--alpha", "nan"), "nan is not a number"),
        (("list", "--limit", BEYOND), f"{BEYOND} is not in the range"),
        (("changes", "--limit", BEYOND), f"{BEYOND} is not in the range"),
        (("prune", "--keep", BEYOND), f"{BEYOND} is not in the range"),
        (("acknowledge", "latest", "--reason", ""), "it is blank"),
        (("acknowledge", "latest", "--reason", " \t"), "it is blank"),
    ],
)
def test_what_can_not_be_meant(folder: Path, words: tuple[str, ...], says: str) -> None:
    refused(loadgate("history", *words, cwd=folder), says)


@pytest.mark.slow
def test_none_is_no_name_of_a_baseline(folder: Path) -> None:
    refused(loadgate("baseline", "save", "none", cwd=folder), "`none` cannot be the name of a baseline")
    assert loadgate("baseline", "save", "none-of-these", cwd=folder).code == 0


@pytest.mark.slow
@pytest.mark.parametrize("file", ["here", "rows.csv/base.json", "/proc/base.json"])
def test_a_baseline_whose_file_cannot_be_written_is_not_saved(folder: Path, file: str) -> None:
    (folder / "here").mkdir()
    refused(loadgate("baseline", "save", "v1", "--file", file, cwd=folder), f"cannot write {file}: ")
    assert loadgate("baseline", "list", "--format", "json", cwd=folder).out.strip() == "[]"
    assert loadgate("baseline", "save", "v1", "--file", "new/folder/base.json", cwd=folder).code == 0
    assert (folder / "new" / "folder" / "base.json").is_file()


@pytest.mark.slow
def test_a_baseline_whose_file_finds_no_room_is_not_saved(folder: Path) -> None:
    command = [*LOADGATE, "baseline", "save", "v1", "--file", "/dev/full"]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=30, check=False
    )
    refused(Done(done.returncode, done.stdout, done.stderr), "cannot write /dev/full: No space left")
    assert loadgate("baseline", "list", "--format", "json", cwd=folder).out.strip() == "[]"


@pytest.mark.slow
def test_a_text_that_is_damaged_is_called_so(folder: Path) -> None:
    with closing(sqlite3.connect(folder / ".loadgate" / "history.db")) as connection, connection:
        connection.execute("UPDATE runs SET branch = CAST(x'ff' AS TEXT)")
    refused(loadgate("history", "list", cwd=folder), f"{os.path.join('.loadgate', 'history.db')} is damaged: ")


@pytest.mark.slow
@pytest.mark.parametrize("when", ["1e300", "-1e12"])
def test_an_export_with_times_of_no_calendar_spoils_no_history(folder: Path, when: str) -> None:
    assert loadgate("history", "export", "all.jsonl", cwd=folder).code == 0
    data = (folder / "all.jsonl").read_text().replace('"started":1767225600.0', f'"started":{when}')
    (folder / "bad.jsonl").write_text(data)
    done = loadgate("history", "import", "bad.jsonl", "--store", "other.db", cwd=folder)
    refused(done, "bad.jsonl:2: not a whole line of an export: `started` is no time in the years 1 to 9999")
    assert loadgate("history", "import", "all.jsonl", "--store", "other.db", cwd=folder).code == 0
    for words in (["list"], ["show"], ["changes"]):
        assert loadgate("history", *words, "--store", "other.db", cwd=folder).code == 0
