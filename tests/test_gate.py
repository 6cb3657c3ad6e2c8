from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loadgate.config.gate import GateSpec
from loadgate.gate import Gate
from loadgate.record.comparison import Change, Learned
from loadgate.record.result import Result
from loadgate.record.verdict import Word
from loadgate.store.store import Store
from tests.support.results import P95, RATE, result

BASE = result({P95: 100.0, RATE: 500.0}, id="base", machine="2 cpus", definition="d1")


def head(p95: float, id: str = "head") -> Result:
    return result({P95: p95, RATE: 500.0}, id=id, machine="2 cpus", definition="d1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "history.db") as opened:
        yield opened


def fill(store: Store, values: list[float], **differs: str) -> None:
    """Runs of the same kind as `BASE`, but for what `differs`."""
    for at, value in enumerate(values):
        run = result({P95: value, RATE: 500.0}, id=f"{at}-{differs}", started=1000.0 + at)
        store.add(replace(run, **{"machine": "2 cpus", "definition": "d1", **differs}))  # type: ignore[arg-type]


# -- noise


def test_noise_is_learned_from_runs_of_the_same_kind_alone(store: Store) -> None:
    random = np.random.default_rng(1)
    fill(store, (100.0 * np.exp(random.normal(0.0, 0.02, 40))).tolist())
    fill(store, (100.0 * np.exp(random.normal(0.0, 0.50, 40))).tolist(), machine="8 cpus")
    fill(store, (100.0 * np.exp(random.normal(0.0, 0.50, 40))).tolist(), definition="d2")
    noise = Gate(GateSpec(), store).noise(BASE, ())[P95]
    assert noise.spread == pytest.approx(0.02, rel=0.3)
    assert noise.runs == 40


def test_invalid_runs_and_those_compared_teach_nothing(store: Store) -> None:
    fill(store, [100.0, 101.0, 99.0, 100.0, 102.0, 98.0])
    store.add(replace(head(900.0, "broken"), word=Word.INVALID))
    store.add(head(900.0, "compared"))
    noise = Gate(GateSpec(), store).noise(BASE, {"compared"})[P95]
    assert noise.spread == pytest.approx(0.0141, rel=0.05)


def test_a_change_in_history_is_no_noise(store: Store) -> None:
    random = np.random.default_rng(2)
    levels = np.repeat([100.0, 200.0], 30)
    fill(store, (levels * np.exp(random.normal(0.0, 0.02, 60))).tolist())
    assert Gate(GateSpec(), store).noise(BASE, ())[P95].spread == pytest.approx(0.02, rel=0.3)


def test_a_build_that_failed_does_not_pass_by_being_run_again(store: Store) -> None:
    """What failed, and what was unsure of the same commit, is not the noise that the next try is excused with."""
    random = np.random.default_rng(3)
    for at, value in enumerate((100.0 * np.exp(random.normal(0.0, 0.01, 10))).tolist()):
        store.add(replace(head(value, f"good-{at}"), word=Word.PASS, started=1000.0 + at))
    gate = Gate(GateSpec(), store)
    for at, word in enumerate([Word.FAIL, Word.FAIL, Word.UNSURE, Word.UNSURE]):
        store.add(replace(head(140.0, f"bad-{at}"), word=word, started=2000.0 + at, commit="abc"))
        (found, _) = gate.compare([BASE], [replace(head(140.0, f"try-{at}"), commit="abc")]).rows
        assert found.word is Change.WORSE


def test_two_runs_of_a_slower_build_that_nobody_judged_are_no_noise(store: Store) -> None:
    random = np.random.default_rng(4)
    fill(store, [*(100.0 * np.exp(random.normal(0.0, 0.02, 10))).tolist(), 150.0, 150.0])
    (found, _) = Gate(GateSpec(), store).compare([BASE], [head(150.0)]).rows
    assert found.word is Change.WORSE


def test_where_all_was_unsure_so_far_it_teaches_the_noise(store: Store) -> None:
    for at, value in enumerate([100.0, 101.0, 99.0, 100.0, 102.0]):
        store.add(replace(head(value, f"unsure-{at}"), word=Word.UNSURE, started=1000.0 + at))
    assert Gate(GateSpec(), store).noise(BASE, ())[P95].runs == 5


def test_four_runs_are_no_history(store: Store) -> None:
    fill(store, [100.0, 101.0, 99.0, 100.0])
    gate = Gate(GateSpec(), store)
    assert gate.noise(BASE, ()) == {}
    assert {row.noise for row in gate.compare([BASE], [head(100.0)]).rows} == {Learned.ASSUMED}


def test_a_history_without_noise_says_so_and_divides_by_nothing(store: Store) -> None:
    fill(store, [100.0] * 8)
    (moved, same) = Gate(GateSpec(), store).compare([BASE], [head(120.0)]).rows
    assert (moved.word, same.word) == (Change.WORSE, Change.SAME)


# -- confirmation


def confirmed(*fresh: float | None, confirm: int = 2) -> tuple[Change, str, int]:
    """The word for p95 after a first run at twice the base's and `fresh` ones, the note, and how many of these were made."""
    gate, made = Gate(GateSpec(confirm=confirm)), []
    runs = iter(fresh)

    def again() -> Result | None:
        value = next(runs)
        made.append(value)
        return None if value is None else head(value, f"fresh-{len(made)}")

    first = head(200.0)
    compared = gate.compare([BASE], [first])
    assert [row.series for row in compared.having(Change.WORSE)] == [P95]
    after = gate.confirm(compared, [BASE], [first], again)
    (row,) = (row for row in after.rows if row.series == P95)
    return row.word, " ".join(after.notes), len(made)


def test_what_a_fresh_run_shows_again_is_confirmed() -> None:
    assert confirmed(210.0) == (Change.WORSE, "1 suspected to be worse, measured again in 1 fresh run: 1 confirmed", 1)


def test_what_fresh_runs_do_not_show_is_no_regression() -> None:
    word, note, made = confirmed(101.0, 99.0)
    assert word is Change.UNSURE
    assert note == "1 suspected to be worse, measured again in 2 fresh runs: none confirmed"
    assert made == 2


def test_a_second_fresh_run_may_confirm_what_the_first_did_not() -> None:
    assert confirmed(112.0, 260.0)[0] is Change.WORSE


def test_a_fresh_run_that_came_to_nothing_confirms_nothing() -> None:
    word, note, made = confirmed(None)
    assert (word, made) == (Change.UNSURE, 1)
    assert "came to nothing" in note


def test_without_confirmation_the_first_run_decides() -> None:
    assert confirmed(confirm=0) == (Change.WORSE, "", 0)


def test_nothing_is_measured_again_where_nothing_looks_worse() -> None:
    gate = Gate(GateSpec())
    compared = gate.compare([BASE], [head(100.0)])

    def again() -> Result | None:
        raise AssertionError("nobody asked for a fresh run")

    assert gate.confirm(compared, [BASE], [head(100.0)], again) == compared


def test_the_share_of_false_alarms_falls_by_confirmation() -> None:
    """Noise of 6 % between runs where 3 % are assumed: the first look is too often wrong, both looks are not."""
    random = np.random.default_rng(5)
    gate = Gate(GateSpec())
    first = second = 0
    for _ in range(2000):
        base, *heads = (100.0 * math.exp(random.normal(0.0, 0.06)) for _ in range(4))
        origin = result({P95: base}, id="base")
        fresh = iter(heads[1:])
        compared = gate.compare([origin], [result({P95: heads[0]}, id="head")])
        first += bool(compared.having(Change.WORSE))
        after = gate.confirm(
            compared,
            [origin],
            [result({P95: heads[0]}, id="head")],
            lambda fresh=fresh: result({P95: next(fresh)}, id="fresh"),  # type: ignore[misc]
        )
        second += bool(after.having(Change.WORSE))
    assert first > 60
    assert second < first / 2
