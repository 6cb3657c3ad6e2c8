"""What docs/store.md says of the store's files is so."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest
import zstandard

from loadgate.store.store import Store
from tests.store.test_store_transfer import filled

DOCS = (Path(__file__).parents[2] / "docs" / "store.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with filled(tmp_path / "history.db") as store:
        store.export(tmp_path / "history.jsonl")
    return tmp_path


def test_the_keys_of_an_export_are_those_that_are_described(folder: Path) -> None:
    told = {
        kind: set(re.findall(r"`(\w+)`", keys)) for kind, keys in re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCS, re.M)
    }
    figure_keys = {"step", "metric", "statistic", "value", "error", "unit", "direction", "freedom", "count"}
    seen: dict[str, set[str]] = {}
    for line in (folder / "history.jsonl").read_bytes().splitlines()[1:]:
        ((kind, content),) = msgspec.json.decode(line).items()
        seen.setdefault(kind, set()).update(content)
        if kind != "calibration":  # whose figures docs/ab.md describes
            assert all(figure.keys() <= figure_keys for figure in content.get("figures", ()))
    assert told == seen
    described = DOCS.partition("A figure has")[2].partition("`record`")[0]
    assert figure_keys <= set(re.findall(r"`(\w+)`", described))


def test_the_sql_works(folder: Path) -> None:
    _, select = blocks("sql")
    with Store.open(folder / "history.db"):
        connection = sqlite3.connect(folder / "history.db")
        assert connection.execute(select).fetchall() == [("main", 6, 1767225600.25 + 4 * 3600.0)]
        figures, record = connection.execute("SELECT figures, record FROM runs WHERE record IS NOT NULL").fetchone()
        connection.close()
    assert len(figures) % 36 == 0
    assert np.frombuffer(figures[4:12], "<f8")[0] > 0.0
    assert msgspec.json.decode(zstandard.ZstdDecompressor().decompress(record))["schema"] == 1


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_jq_works(folder: Path) -> None:
    (command,) = blocks("jq")
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[:2] == ["r0000\t12.5", "r0001\t12.5"]
