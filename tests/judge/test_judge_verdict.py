from __future__ import annotations

import math
from dataclasses import replace

import pytest

from loadgate.judge.facts import Facts, facts
from loadgate.judge.verdict import decide
from loadgate.measure.health import NOTHING_SEEN, Health
from loadgate.record.run import LoadRecord, RunState
from loadgate.record.verdict import ThresholdResult, Word
from tests.support.made_up import MadeUp

FINE = Facts(
    state=RunState.COMPLETE,
    elapsed=30.2,
    planned=30.0,
    iterations=100,
    raised=0,
    exchanges=100,
    answered=100,
    failed=0,
    service_ms=5.0,
    trouble="",
    script_error="",
    loads=(),
)
HONEST = Health(True, 0.3, 0.2, 0, 0, 0, ())
LATE = replace(HONEST, healthy=False, reasons=("the generator was late",))
SLOW_TARGET = replace(HONEST, missed="achieved 1/s of 9/s planned")
HOLDS = ThresholdResult("http_req_duration", "p(95)<500", "p(95)", "<", 500.0, "ms", 312.0, passed=True)
BROKEN = replace(HOLDS, observed=612.0, passed=False)
MISSING = ThresholdResult("checks", "rate>0.9", "rate", ">", 0.9, "share", math.nan, passed=False)
FAILING = ThresholdResult("http_req_failed", "rate<0.01", "rate", "<", 0.01, "share", 0.5, passed=False)
FAILING_TEXT = "http_req_failed rate<0.01: 50.0 %"
ENDED = replace(BROKEN, key="iteration_duration", aborted=True)
COUNTED = LoadRecord(
    "default", "shared-iterations", "", started=320, completed=320, interrupted=0, dropped=180, vus=1, max_vus=1
)

BROKEN_TEXT = "http_req_duration p(95)<500: 612 ms"
MISSING_TEXT = "checks rate>0.9: no data: nothing was measured under this name"
NOTHING_TEXT = "nothing was measured: no request and no iteration ended after the warm-up"
SILENT = replace(FINE, answered=0, failed=100, trouble="connect: refused (GET /, 100 times)")
SILENT_TEXT = "no request got a reply: all 100 failed, most often connect: refused (GET /, 100 times)"
FAILED = replace(FINE, failed=100, trouble="status 503 (GET /, 100 times)")
FAILED_TEXT = "not one request succeeded: all 100 failed, most often status 503 (GET /, 100 times)"
NOTHING = replace(FINE, iterations=0, exchanges=0, answered=0, service_ms=math.nan)
STOPPED = replace(FINE, state=RunState.INTERRUPTED, elapsed=12.34)
STOPPED_TEXT = "the run was interrupted after 12.3s, before its load had ended"
DRAINING_TEXT = "the run was interrupted after 30.2s, while its last iterations were under way"
TEARDOWN_TEXT = "the run was interrupted after 12.3s, while its teardown was running: all figures are whole"
MISSED_TEXT = "achieved 1/s of 9/s planned"


@pytest.mark.parametrize(
    ("seen", "thresholds", "health", "word", "reasons"),
    [
        (FINE, (), HONEST, Word.PASS, ()),
        (FINE, (HOLDS,), HONEST, Word.PASS, ()),
        (FINE, (HOLDS,), replace(HONEST, warnings=("warm",)), Word.PASS, ()),
        (replace(FINE, exchanges=0, answered=0), (HOLDS,), HONEST, Word.PASS, ()),
        (replace(FINE, iterations=0), (HOLDS,), HONEST, Word.PASS, ()),
        (replace(FINE, failed=99), (HOLDS,), HONEST, Word.PASS, ()),
        # a late generator voids times, but it makes no reply wrong
        (FINE, (BROKEN,), LATE, Word.INVALID, LATE.reasons),
        (FINE, (FAILING,), LATE, Word.FAIL, (FAILING_TEXT, *LATE.reasons)),
        (FINE, (MISSING,), LATE, Word.INVALID, LATE.reasons),
        # nothing was measured
        (NOTHING, (HOLDS,), HONEST, Word.INVALID, (NOTHING_TEXT,)),
        (NOTHING, (BROKEN, MISSING), HONEST, Word.INVALID, (NOTHING_TEXT,)),
        (NOTHING, (), replace(LATE, reasons=(NOTHING_SEEN,)), Word.INVALID, (NOTHING_TEXT,)),
        (NOTHING, (), LATE, Word.INVALID, (NOTHING_TEXT, "the generator was late")),
        (
            replace(NOTHING, trouble="connect: refused (GET /, 7 times)"),
            (),
            HONEST,
            Word.INVALID,
            (f"{NOTHING_TEXT}; most often connect: refused (GET /, 7 times)",),
        ),
        (
            replace(NOTHING, loads=(replace(COUNTED, executor="constant-vus", interrupted=10),)),
            (),
            HONEST,
            Word.INVALID,
            (f"{NOTHING_TEXT}; 10 iterations were cut off at the end of the run, so give it more time than one takes",),
        ),
        (
            replace(FINE, state=RunState.RUNNING),
            (HOLDS,),
            HONEST,
            Word.INVALID,
            ("the run has no end: this is what was measured until the record was last written",),
        ),
        # nothing succeeded
        (SILENT, (HOLDS,), HONEST, Word.INVALID, (SILENT_TEXT,)),
        (SILENT, (BROKEN,), LATE, Word.INVALID, (SILENT_TEXT, "the generator was late")),
        (replace(SILENT, state=RunState.ABORTED), (ENDED,), HONEST, Word.INVALID, (SILENT_TEXT,)),
        (FAILED, (HOLDS,), HONEST, Word.INVALID, (FAILED_TEXT,)),
        (
            replace(FINE, raised=100, script_error="script: KeyError: 'id' (buy, 100 times)"),
            (HOLDS,),
            HONEST,
            Word.INVALID,
            ("every iteration ended with an error: script: KeyError: 'id' (buy, 100 times)",),
        ),
        (replace(FINE, raised=99), (HOLDS,), HONEST, Word.PASS, ()),
        # the generator was not honest
        (FINE, (HOLDS,), LATE, Word.INVALID, ("the generator was late",)),
        (FINE, (BROKEN,), LATE, Word.INVALID, ("the generator was late",)),
        # a threshold is broken, or has no data
        (FINE, (HOLDS, BROKEN), HONEST, Word.FAIL, (BROKEN_TEXT,)),
        (FINE, (HOLDS, MISSING), HONEST, Word.FAIL, (MISSING_TEXT,)),
        (
            replace(FINE, state=RunState.ABORTED),
            (MISSING, BROKEN, ENDED),
            HONEST,
            Word.FAIL,
            ("iteration_duration p(95)<500: 612 ms, which ended the run", BROKEN_TEXT, MISSING_TEXT),
        ),
        (FINE, (BROKEN,), SLOW_TARGET, Word.FAIL, (BROKEN_TEXT, MISSED_TEXT)),
        (FINE, (BROKEN,), replace(HONEST, warnings=("warm",)), Word.FAIL, (BROKEN_TEXT, "warm")),
        (STOPPED, (BROKEN,), HONEST, Word.FAIL, (BROKEN_TEXT, STOPPED_TEXT)),
        # not the run that was asked for
        (FINE, (HOLDS,), SLOW_TARGET, Word.INVALID, (MISSED_TEXT,)),
        (STOPPED, (HOLDS,), HONEST, Word.INVALID, (STOPPED_TEXT,)),
        (replace(STOPPED, loads=(COUNTED,)), (HOLDS,), HONEST, Word.INVALID, (STOPPED_TEXT,)),
        (STOPPED, (HOLDS,), SLOW_TARGET, Word.INVALID, (STOPPED_TEXT, MISSED_TEXT)),
        (replace(STOPPED, elapsed=30.2), (HOLDS,), HONEST, Word.INVALID, (DRAINING_TEXT,)),
        (replace(STOPPED, ended=True), (HOLDS,), HONEST, Word.INVALID, (TEARDOWN_TEXT,)),
        (
            replace(FINE, state=RunState.ABORTED, elapsed=9.0),
            (HOLDS,),
            HONEST,
            Word.INVALID,
            ("the run was stopped after 9s, before its load had ended",),
        ),
        (
            replace(FINE, loads=(COUNTED,)),
            (HOLDS,),
            HONEST,
            Word.INVALID,
            (
                "load `default`: 320 of 500 iterations were started before its time was over; "
                "raise maxDuration, or ask for fewer",
            ),
        ),
        (replace(FINE, loads=(replace(COUNTED, started=500, dropped=1),)), (HOLDS,), HONEST, Word.PASS, ()),
        (replace(FINE, loads=(replace(COUNTED, executor="constant-arrival-rate"),)), (HOLDS,), HONEST, Word.PASS, ()),
    ],
)
def test_the_verdict(
    seen: Facts, thresholds: tuple[ThresholdResult, ...], health: Health, word: Word, reasons: tuple[str, ...]
) -> None:
    verdict = decide(seen, thresholds, health)
    assert (verdict.word, verdict.reasons) == (word, reasons)


def test_the_facts_of_a_run_are_those_after_its_warmup() -> None:
    run = MadeUp(warmup=1.0)
    run.requests([900.0] * 5, status=500)
    run.iterations(5, failed=5)
    run.close()
    run.requests([10.0] * 6)
    run.requests([30.0] * 2, status=503, name="POST /")
    run.requests([50.0], error="reset")
    run.iterations(9, failed=2)
    run.close()
    found = facts(run.recorder, state=RunState.COMPLETE, elapsed=2.0, planned=2.0)
    assert (found.iterations, found.raised) == (9, 2)
    assert (found.exchanges, found.answered, found.failed) == (9, 8, 3)
    assert found.service_ms == pytest.approx(10.0, rel=0.01)
    assert found.trouble == "status 503 (POST /, 2 times)"


def test_the_trouble_of_two_protocols_is_not_added_up() -> None:
    run = MadeUp()
    run.requests([5.0] * 3, name="user", status=503)
    run.requests([5.0] * 4, name="user", status=503, protocol="graphql")
    run.requests([5.0] * 5, name="other", status=500)
    run.close()
    found = facts(run.recorder, state=RunState.COMPLETE, elapsed=1.0, planned=1.0)
    assert found.trouble == "status 500 (other, 5 times)"


def test_the_trouble_of_a_run_without_replies_is_shown_with_a_sample_of_the_same_kind() -> None:
    run = MadeUp()
    run.requests([1.0] * 3, error="connect")
    run.requests([1.0], error="timeout", name="GET /slow")
    for _ in range(9):
        run.recorder.error("check", "GET /", "got nothing")
        run.recorder.error("connect", "GET /other", "127.0.0.1:8 refused the connection")
    run.recorder.error("timeout", "GET /slow", "no reply within 60 s")
    run.recorder.error("connect", "GET /", "127.0.0.1:9 refused the connection")
    run.recorder.error("connect", "GET /third", "127.0.0.1:7 refused the connection")
    run.close()
    found = facts(run.recorder, state=RunState.COMPLETE, elapsed=1.0, planned=1.0)
    assert (found.exchanges, found.answered) == (4, 0)
    assert found.trouble == "connect: 127.0.0.1:9 refused the connection (GET /, 3 times)"


def test_a_run_in_which_nothing_ended_has_no_facts_but_its_errors() -> None:
    run = MadeUp()
    run.recorder.error("stopped", "buy", "no row is left")
    run.close()
    found = facts(run.recorder, state=RunState.COMPLETE, elapsed=1.0, planned=1.0)
    assert (found.iterations, found.exchanges, found.failed) == (0, 0, 0)
    assert math.isnan(found.service_ms)
    assert found.trouble == "stopped: no row is left (buy, 1 times)"
    assert decide(found, (), HONEST).word is Word.INVALID


def test_replies_that_were_expected_are_no_failures_whatever_their_status() -> None:
    run = MadeUp()
    run.requests([5.0] * 4, status=200)
    series = run.recorder.exchange_series(
        "http", {"name": "GET /gone", "status": "404", "expected_response": "true"}, failed=False
    )
    run.recorder.exchange(series, 1, 1, 1000.0, 1000.0, 1000.0, 1000.0)
    run.close()
    found = facts(run.recorder, state=RunState.COMPLETE, elapsed=1.0, planned=1.0)
    assert (found.exchanges, found.answered, found.failed, found.trouble) == (5, 5, 0, "")


@pytest.mark.parametrize(("refused", "word"), [(0, Word.PASS), (2, Word.PASS), (3, Word.INVALID)])
def test_a_target_that_refuses_at_the_end_has_stopped_answering(refused: int, word: Word) -> None:
    verdict = decide(replace(FINE, silence=4.0, refused=refused), [HOLDS], HONEST)
    assert verdict.word is word
    assert decide(replace(FINE, silence=2.0, refused=refused), [HOLDS], HONEST).word is Word.PASS
