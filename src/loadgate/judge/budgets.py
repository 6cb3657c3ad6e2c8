"""Budgets: each one's word, and what they do to a verdict. Rules for a budget, the first that applies decides:

1. Never measured: what the policy `missing` says, INVALID or UNSURE, never PASS.
2. Fewer samples than it takes (`judge.evidence`): FAIL if so many lie beyond the limit that chance does not explain it, else
   UNSURE.
3. FAIL if the observed figure is beyond the limit, else PASS.

Rules for the verdict, on top of those of `judge.verdict`:

1. INVALID stays INVALID. One exception: a run that was merely cut short (`trusted`) is a FAIL if a budget is broken, as it is
   with a threshold, because more load would not have mended it.
2. FAIL stays FAIL; FAIL if a budget is broken, also if another one was never measured.
3. INVALID if a budget is.
4. UNSURE if a budget is; and where that is so because it was never measured, the verdict is strict: it never leaves with 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from loadgate.config.budgets import Budget, Budgets, Missing
from loadgate.judge.evidence import beyond_doubt
from loadgate.judge.observed import Observed, observe
from loadgate.judge.wording import against_text, budget_amount
from loadgate.record.run import Run
from loadgate.record.verdict import BudgetResult, Verdict, Word

_WEIGHTS: Final = (Word.PASS, Word.UNSURE, Word.INVALID, Word.FAIL)
_WORDS: Final = {Missing.INVALID: Word.INVALID, Missing.UNSURE: Word.UNSURE}


def judge_budgets(budgets: Budgets, run: Run) -> tuple[BudgetResult, ...]:
    """The budgets of the run's profile, in their order, each with what was observed: the worst where that is several."""
    found = []
    for budget in budgets.of(run.definition.profile):
        results = [_result(budget, seen, budgets.missing) for seen in observe(run, budget)]
        found.append(max(results, key=lambda result: (_WEIGHTS.index(result.word), result.used)))
    return tuple(found)


def decide_budgets(verdict: Verdict, results: Sequence[BudgetResult], *, trusted: bool = False) -> Verdict:
    """The verdict of a run that came to `verdict` without its budgets, its reasons first.

    `trusted`: the figures are good, though the run may be INVALID because it was cut short.
    """
    failed = [result for result in results if result.word is Word.FAIL]
    broken = [budget_text(result) for result in sorted(failed, key=lambda result: -result.used)]
    if verdict.word is Word.INVALID:
        return Verdict(Word.FAIL, (*broken, *verdict.reasons), verdict.strict) if broken and trusted else verdict
    words = {verdict.word, *(result.word for result in results)}
    word = next((word for word in (Word.FAIL, Word.INVALID, Word.UNSURE) if word in words), verdict.word)
    unmeasured = [result for result in results if not result.measured]
    few = [result for result in results if result.measured and result.word is Word.UNSURE]
    reasons = (*verdict.reasons, *broken, *_never_measured(unmeasured), *map(budget_text, few))
    return Verdict(word, reasons, verdict.strict or any(result.word is Word.UNSURE for result in unmeasured))


def with_budgets(run: Run, budgets: Budgets, *, trusted: bool = False) -> Run:
    """`run` with its budgets judged, and the verdict that comes of them (`trusted`: see `decide_budgets`)."""
    results = judge_budgets(budgets, run)
    return replace(run, budgets=results, verdict=decide_budgets(run.verdict, results, trusted=trusted))


def budget_text(result: BudgetResult) -> str:
    """A budget in one line, for a reason: "budget http p95_latency_ms: 812 ms, limit 500 ms"."""
    if not result.measured:
        return f"{_name(result)} was never measured: {result.why}"
    limit = budget_amount(result.limit, result.unit)
    seen = (
        f"{against_text(result.observed, result.limit, result.unit)}, {'at least' if result.least else 'limit'} {limit}"
    )
    if result.word is Word.UNSURE:
        samples = "1 sample is" if result.samples == 1 else f"{result.samples:,} samples are"
        return f"{_name(result)}: {samples} too few, it takes {result.needed:,} ({seen})"
    return f"{_name(result)}: {seen}"


def _result(budget: Budget, observed: Observed, missing: Missing) -> BudgetResult:
    word, why = _word(budget, observed), observed.why
    if word is None:
        word = _WORDS[missing]
        why += f": {_remedies(observed.remedy, missing)}"
    return BudgetResult(
        group=budget.group,
        step=observed.step or budget.step,
        key=budget.key,
        limit=budget.limit,
        observed=observed.value,
        unit=budget.unit,
        word=word,
        samples=observed.samples,
        needed=observed.needed,
        least=budget.least,
        why=why,
    )


def _word(budget: Budget, observed: Observed) -> Word | None:
    """None: never measured."""
    value = observed.value
    if value != value:
        return None
    within = value >= budget.limit if budget.least else value <= budget.limit
    if observed.samples < observed.needed:
        share = observed.share
        broken = not within and share is not None and beyond_doubt(observed.beyond, observed.samples, share)
        return Word.FAIL if broken else Word.UNSURE
    return Word.PASS if within else Word.FAIL


def _remedies(first: str, missing: Missing) -> str:
    """What to do about a budget that could not be judged."""
    remedies = [first] if first else []
    remedies += ["remove the budget", *(["set `missing: unsure`"] if missing is Missing.INVALID else [])]
    return f"{', '.join(remedies[:-1])} or {remedies[-1]}" if len(remedies) > 1 else remedies[0]


def _never_measured(results: Sequence[BudgetResult]) -> list[str]:
    """A sentence for all budgets that have the same reason. Its first clause stands by itself, so it has no comma."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for result in results:
        grouped.setdefault((result.group, result.step, result.why), []).append(result.key)
    found = []
    for (group, step, why), keys in grouped.items():
        named = " and ".join(keys) if len(keys) <= 2 else f"{keys[0]} and {len(keys) - 1} more"
        noun, verb = ("budget", "was") if len(keys) == 1 else ("budgets", "were")
        found.append(f"{noun} {_of(group, step, named)} {verb} never measured: {why}")
    return found


def _name(result: BudgetResult) -> str:
    return f"budget {_of(result.group, result.step, result.key)}"


def _of(group: str, step: str, keys: str) -> str:
    return f"{keys} of {group.removesuffix('s')} {step}" if step else f"{group} {keys}"
