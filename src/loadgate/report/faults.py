"""What went wrong in a run, by kind and step, the most frequent first."""

from __future__ import annotations

from dataclasses import dataclass

from loadgate.measure.protocols import PROTOCOLS
from loadgate.measure.tally import RateTally
from loadgate.record.run import Run
from loadgate.report.steps import failure_of


@dataclass(slots=True)
class FaultRow:
    """`count` errors of a `kind` in a `step`, over the whole run; `first` and `last` in seconds since its start.

    `sample` is the text of one of them, "" for a reply whose status nobody expected.
    """

    kind: str
    step: str
    count: int
    first: float
    last: float
    sample: str = ""


def fault_rows(run: Run) -> tuple[FaultRow, ...]:
    """Errors of the record, and the replies with an unexpected status, which count as failed but carry no error."""
    rows = [
        FaultRow(error.kind, error.step, error.count, error.first, error.last, error.sample) for error in run.errors
    ]
    rows += _statuses(run)
    return tuple(sorted(rows, key=lambda row: (-row.count, row.kind, row.step)))


def _statuses(run: Run) -> list[FaultRow]:
    failed = {protocol.failed for protocol in PROTOCOLS}
    tags = {
        number: series.tags
        for number, series in enumerate(run.series)
        if series.metric.name in failed
        and "error" not in series.tags
        and series.tags.get("expected_response") == "false"
    }
    found: dict[tuple[str, str], FaultRow] = {}
    for window in run.windows:
        for number in tags.keys() & window.tallies.keys():
            tally = window.tallies[number]
            if not isinstance(tally, RateTally) or not tally.passes:
                continue
            key = (failure_of(tags[number]), tags[number].get("name", ""))
            row = found.setdefault(key, FaultRow(*key, count=0, first=window.start, last=window.start))
            row.count += tally.passes
            row.first, row.last = min(row.first, window.start), max(row.last, window.start)
    return list(found.values())
