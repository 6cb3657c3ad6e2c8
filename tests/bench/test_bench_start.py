"""The benchmark of the target's start asks every port and names what it found."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import machine, start
from bench.figures import MB


@pytest.mark.slow
def test_every_kind_of_target_is_started_and_answers(tmp_path: Path) -> None:
    _, core = machine.two_cores()
    found = {kind: [start.start(kind, core, tmp_path) for _ in range(2)] for kind in start.KINDS}
    assert all(one.cpu > 0.0 and 10 * MB < one.resident < 200 * MB for starts in found.values() for one in starts)
    text = start.table(found)
    assert text.count("\n") == 3 and "gRPC" in text
    assert [bar.unit for bar in start.bars(found)] == [" ms", " MB"] * 2
