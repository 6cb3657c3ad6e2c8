"""Results of other load tools through the real command line: a service that became slower is found, a broken file is said."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.command import loadgate

DATA = Path(__file__).parent.parent / "data"


def _jtl(path: Path, *, factor: float, seed: int) -> Path:
    """Two minutes of 100 requests a second, as JMeter writes them."""
    chance = random.Random(seed)
    with open(path, "w") as file:
        file.write("timeStamp,elapsed,label,responseCode,success\n")
        for at in range(12_000):
            elapsed = round(chance.lognormvariate(3.0, 0.4) * factor)
            file.write(f"{1_795_826_416_012 + at * 10},{elapsed},GET /page {at % 3},200,true\n")
    return path


@pytest.mark.slow
def test_a_slower_jtl_is_worse_and_an_equal_one_is_not(tmp_path: Path) -> None:
    base = _jtl(tmp_path / "base.jtl", factor=1.0, seed=1)
    slower = loadgate("compare", base, _jtl(tmp_path / "slow.jtl", factor=1.5, seed=2), cwd=tmp_path)
    assert slower.code == 1, slower.out + slower.err
    assert "http_req_duration p95" in slower.out
    assert "worse" in slower.out
    equal = loadgate("compare", base, _jtl(tmp_path / "equal.jtl", factor=1.0, seed=3), cwd=tmp_path)
    assert equal.code == 0, equal.out + equal.err


@pytest.mark.slow
@pytest.mark.parametrize("sample", ["k6/summary-export.json", "wrk/wrk-latency.txt", "gatling/simulation-3.9.log"])
def test_what_is_imported_is_in_the_history(sample: str, tmp_path: Path) -> None:
    done = loadgate("history", "import", DATA / sample, cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    shown = loadgate("history", "show", "latest", cwd=tmp_path)
    assert shown.code == 0, shown.out + shown.err
    assert sample.partition("/")[0] in shown.out
    assert "http_reqs rate" in shown.out


def test_a_file_that_is_cut_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "cut.ndjson"
    path.write_text((DATA / "k6/samples.ndjson").read_text()[:5000])
    line = path.read_text().count("\n") + 1
    done = loadgate("compare", path, path, cwd=tmp_path)
    assert done.code == 2
    assert f"cut.ndjson:{line}: no line of k6's JSON" in done.err
