from __future__ import annotations

from loadgate.measure.errors import MOST_KEYS, MOST_TEXT, OTHER, ErrorCount, ErrorLog
from loadgate.measure.names import MOST_NAME, fitting


def test_errors_are_counted_by_kind_and_step_with_the_first_sample_of_each() -> None:
    log = ErrorLog()
    log.add("reset", "login", "first", 0.0)
    log.add("timeout", "login", "slow", 1.0)
    log.add("reset", "login", "second", 2.0)
    log.add("reset", "search", "other", 2.0)
    assert list(log) == [
        ErrorCount("reset", "login", "first", 0.0, 2.0, 2),
        ErrorCount("reset", "search", "other", 2.0, 2.0, 1),
        ErrorCount("timeout", "login", "slow", 1.0, 1.0, 1),
    ]
    assert (len(log), log.total) == (3, 4)


def test_a_sample_is_cut_to_a_length_that_can_be_shown() -> None:
    log = ErrorLog()
    log.add("reset", "login", "x" * 10_000, 0.0)
    assert [error.sample for error in log] == ["x" * (MOST_TEXT - 1) + "…"]


def test_a_step_has_the_name_its_series_has_however_long() -> None:
    log = ErrorLog()
    for _ in range(2):
        log.add("reset", "/users?" + "x" * 10_000, "gone", 0.0)
    assert [(error.step, error.count) for error in log] == [(fitting("/users?" + "x" * 10_000), 2)]
    assert [len(error.step) for error in log] == [MOST_NAME]


def test_pairs_past_the_limit_are_counted_together_for_their_kind() -> None:
    log = ErrorLog()
    for number in range(MOST_KEYS):
        log.add("reset", f"/users/{number}", "gone", 0.0)
    for number in range(1000):
        log.add("reset", f"/posts/{number}", f"post {number}", 1.0)
        log.add("timeout", f"/posts/{number}", "slow", 2.0)
    log.add("reset", "/users/3", "gone", 3.0)
    assert len(log) == MOST_KEYS + 2
    assert log.total == MOST_KEYS + 2001
    counts = {(error.kind, error.step): error for error in log}
    assert counts["reset", OTHER] == ErrorCount("reset", OTHER, "post 0", 1.0, 1.0, 1000)
    assert counts["timeout", OTHER].count == 1000
    assert (counts["reset", "/users/3"].count, counts["reset", "/users/3"].last) == (2, 3.0)


def test_a_log_without_errors_is_empty() -> None:
    assert (list(ErrorLog()), len(ErrorLog()), ErrorLog().total) == ([], 0, 0)
