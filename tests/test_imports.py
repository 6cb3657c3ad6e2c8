"""Data flows one way: a part may import from lines before its own only. The lines stand in ARCHITECTURE.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "src" / "loadgate"
LINES = (
    ("_version", "masks"),
    ("errors",),
    ("units", "clock"),
    ("config", "measure", "probe", "http2"),
    ("clients", "record"),
    ("script", "store", "judge"),
    ("load", "report"),
    ("flags",),
    ("plan", "program", "interruption"),
    ("session", "reference", "gate", "history", "importing"),
    ("bench", "ab"),
    ("baselines",),
    ("cli",),
    ("__main__",),
)
RANK = {part: rank for rank, line in enumerate(LINES) for part in line}
NEVER = {
    "judge": {"clients", "script", "load"},
    "report": {"clients", "script", "load"},
}
ONLY = {"target": {"errors", "units", "clock", "http2", "_version"}}


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and part of every import of ours, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            names = [node.module]
            if node.module == "loadgate":
                names = [f"loadgate.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            head, _, rest = name.partition(".")
            if head == "loadgate" and rest:
                yield node.lineno, rest.partition(".")[0]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    here = part_of(path)
    wrong = []
    for line, there in imported(path):
        if there == here:
            continue
        if here in ONLY:
            allowed = there in ONLY[here]
        elif there in ONLY:
            allowed = here == "cli"
        else:
            allowed = RANK[there] < RANK[here] and there not in NEVER.get(here, set())
        if not allowed:
            wrong.append(f"line {line}: {here} must not import {there}")
    assert not wrong, "\n".join(wrong)


def test_every_part_has_a_line() -> None:
    parts = {part_of(path) for path in modules()}
    assert parts <= RANK.keys() | ONLY.keys()
