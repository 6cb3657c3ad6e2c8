"""What `baseline`, `history` and `compare` print, as text and as JSON. `docs/history.md` describes the keys."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loadgate.cli.page import page_width, print_json, print_lines
from loadgate.judge.changes import ChangePoint, by_commit
from loadgate.record.comparison import Comparison
from loadgate.record.comparison_json import comparison_form, known
from loadgate.record.result import Figure, Result
from loadgate.record.verdict import Verdict
from loadgate.report.baselines import baseline_page, baseline_rows, figure_rows, finding_lines
from loadgate.report.comparison import comparison_lines
from loadgate.report.ending import ending_lines, ending_of_comparison
from loadgate.report.history import change_lines, run_rows
from loadgate.report.style import Ink
from loadgate.report.times import iso
from loadgate.store.baseline import Baseline, StoredBaseline
from loadgate.store.selection import StoredRun

if TYPE_CHECKING:
    from loadgate.baselines import Finding
    from loadgate.history import Overview


def print_comparison(
    comparison: Comparison, verdict: Verdict, *, form: str, every: bool, exit_code: int | None = None
) -> None:
    """A comparison and the verdict it comes to; `exit_code` None: the verdict's."""
    code = verdict.exit_code if exit_code is None else exit_code
    if form == "json":
        head = {"verdict": verdict.word, "exit_code": code, "reasons": verdict.reasons}
        print_json(head | comparison_form(comparison))
        return
    width = page_width(sys.stdout)
    ending = ending_of_comparison(comparison, verdict, code)
    print_lines([*comparison_lines(comparison, width, every=every), [("", Ink.PLAIN)], *ending_lines(ending, width)])


def print_runs(runs: Sequence[StoredRun], baselines: Sequence[StoredBaseline], *, form: str) -> None:
    """Runs, one below the other."""
    names = [(held.name, held.run.id) for held in baselines]
    if form == "json":
        print_json([_run_form(run) | {"baselines": [name for name, id in names if id == run.id]} for run in runs])
    else:
        print_lines(run_rows(runs, names, page_width(sys.stdout)))


def print_result(result: Result, *, form: str) -> None:
    """One run with its figures."""
    if form == "json":
        print_json(_result_form(result))
        return
    width = page_width(sys.stdout)
    facts = [result.id, result.tool, result.name, iso(result.started), result.commit, result.machine]
    head = [[("  ".join(fact for fact in facts if fact), Ink.BOLD)]]
    print_lines([*head, *figure_rows(result, width)])


def print_baselines(baselines: Sequence[StoredBaseline], *, form: str) -> None:
    """Baselines, one below the other."""
    if form == "json":
        print_json([_baseline_form(held) for held in baselines])
    else:
        print_lines(baseline_rows(baselines, page_width(sys.stdout)))


def print_baseline(baseline: Baseline, *, form: str) -> None:
    """One baseline with its figures."""
    if form == "json":
        facts = {"name": baseline.name, "created": iso(baseline.created), "reason": baseline.reason}
        print_json(facts | {"forced": baseline.forced, "run": _result_form(baseline.result)})
    else:
        print_lines(baseline_page(baseline, page_width(sys.stdout)))


def print_findings(findings: Sequence[Finding], *, form: str) -> None:
    """What is wrong with baselines."""
    if form == "json":
        print_json([{"baseline": each.baseline.name, "problems": each.problems} for each in findings])
        return
    width = page_width(sys.stdout)
    lines = [line for each in findings for line in finding_lines(each.baseline, each.problems, width)]
    print_lines(lines or [[("no baselines", Ink.FAINT)]])


def print_changes(found: Overview, *, form: str) -> None:
    """Changes in history."""
    if form == "json":
        counts = {"runs": found.runs, "tracks": found.tracks, "breaks": found.breaks}
        print_json(counts | {"changes": [_change_form(change) for change in found.changes]})
        return
    looked = f"{len(found.changes)} changes in {found.tracks:,} series of {found.runs:,} runs"
    if found.breaks:
        looked += f", {found.breaks:,} of them cut where the machine or the definition is another one"
    lines = change_lines(by_commit(found.changes), page_width(sys.stdout))
    print_lines([*lines, *([[("", Ink.PLAIN)]] if lines else []), [(looked, Ink.BOLD)]])


def _run_form(run: StoredRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "tool": run.tool,
        "name": run.name,
        "timestamp": iso(run.time),
        "commit": run.commit,
        "branch": run.branch,
        "machine": run.machine,
        "definition": run.definition,
        "verdict": run.word,
    }


def _baseline_form(held: StoredBaseline) -> dict[str, Any]:
    facts = {"name": held.name, "created": iso(held.created), "reason": held.reason, "forced": held.forced}
    return facts | {"run": _run_form(held.run)}


def _result_form(result: Result) -> dict[str, Any]:
    return {
        "id": result.id,
        "tool": result.tool,
        "name": result.name,
        "timestamp": iso(result.started),
        "commit": result.commit,
        "branch": result.branch,
        "machine": result.machine,
        "definition": result.definition,
        "verdict": result.word,
        "figures": [_figure_form(figure) for figure in result.figures],
    }


def _figure_form(figure: Figure) -> dict[str, Any]:
    found = figure.estimate
    return {
        "series": str(figure.series),
        "step": figure.series.step,
        "metric": figure.series.metric,
        "statistic": figure.series.statistic,
        "unit": figure.unit,
        "direction": figure.direction,
        "value": known(found.value),
        "error": found.error,
        "count": found.count,
    }


def _change_form(change: ChangePoint) -> dict[str, Any]:
    track, after, before = change.track, change.first_after, change.last_before
    return {
        "series": str(track.series),
        "name": track.name,
        "tool": track.tool,
        "machine": track.machine,
        "unit": track.unit,
        "index": change.index,
        "run": after.id,
        "timestamp": iso(after.time),
        "commit": after.commit,
        "blame": {"after": before.commit or before.id, "up_to": after.commit or after.id},
        "before": known(change.before),
        "after": known(change.after),
        "change": known(change.change),
        "interval": [known(bound) for bound in change.interval],
        "p": known(change.p),
        "direction": track.direction,
        "word": "worse" if change.worse else "better",
        "shape": change.shape,
        "state": change.state,
        "reason": change.reason,
    }
