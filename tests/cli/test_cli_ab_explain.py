"""`loadgate ab --explain` with the real py-spy: it names the function that was made slower, though a shell starts Python."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.command import loadgate, read_json
from tests.support.processes import with_word

SERVICE = Path(__file__).parent.parent / "support" / "planted.py"
SHORT = ("--pairs", "8", "--length", "300ms", "--warmup", "100ms", "--rate", "100")


def arm(rounds: int) -> str:
    return f"sh -c '{sys.executable} -S -E {SERVICE} {{port}} 20000 {rounds}; true --password hunter2'"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_function_that_was_made_slower_is_named(tmp_path: Path) -> None:
    done = loadgate(
        *("ab", "--base", arm(2000), "--head", arm(60000), *SHORT, "--explain", "--markdown", "ab.md"),
        cwd=tmp_path,
        env={"TMPDIR": str(tmp_path)},
        timeout=110.0,
    )
    assert done.code == 1, done.out + done.err
    explained = read_json(tmp_path / "loadgate-out" / "ab.json")["explained"]
    assert explained["missing"] == []
    first = explained["functions"][0]
    assert (first["function"], first["file"], first["counted"]) == ("planted", "planted.py", "self")
    assert first["caller"].startswith("Service.answer (planted.py:")
    assert first["head"] > 5.0 * first["base"]
    assert "steady" not in {one["function"] for one in explained["functions"]}
    assert "  planted  " in done.out
    assert "| planted | planted.py:" in (tmp_path / "ab.md").read_text()
    for side, more in (("base", "steady"), ("head", "planted")):
        stacks = (tmp_path / "loadgate-out" / f"{side}.stacks").read_text()
        assert f";{more} (planted.py:" in stacks
        assert "hunter2" not in stacks
    assert not with_word(str(tmp_path)), "a profiler is left"
    assert not list(tmp_path.glob("loadgate-*/*.samples")), "its files are left"
