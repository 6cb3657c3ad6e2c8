"""What went wrong in a run, by kind and step, the most frequent first."""

from __future__ import annotations

from dataclasses import dataclass, replace

from loadgate.measure.protocols import PROTOCOLS
from loadgate.measure.tally import RateTally
from loadgate.record.run import Run
from loadgate.report.steps import STATUS, failure_of


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


def fault_rows(run: Run, *, mixed: bool) -> tuple[FaultRow, ...]:
    """Errors of the record, and the replies with an unexpected status, which count as failed but carry no error.

    `mixed`: steps are named with their protocols. Errors of several protocols that the record counts together, because kind and
    step are the same, are told apart by their exchanges.
    """
    failures = _failures(run)
    rows: list[tuple[str, FaultRow]] = []
    for error in run.errors:
        own = failures.pop((error.kind, error.step), {})
        row = FaultRow(error.kind, error.step, error.count, error.first, error.last, error.sample)
        if len(own) > 1:
            rows += [(protocol, replace(each, sample=error.sample)) for protocol, each in own.items()]
        else:
            rows.append((next(iter(own), ""), row))
    rows += [each for own in failures.values() for each in own.items() if each[1].kind.startswith(STATUS)]
    named = [replace(row, step=f"{protocol} {row.step}") if mixed and protocol else row for protocol, row in rows]
    return tuple(sorted(named, key=lambda row: (-row.count, row.kind, row.step)))


def _failures(run: Run) -> dict[tuple[str, str], dict[str, FaultRow]]:
    """Failed exchanges by kind and step, then by protocol."""
    protocols = {protocol.failed: protocol.name for protocol in PROTOCOLS}
    failed = {
        number: (protocols[series.metric.name], series.tags)
        for number, series in enumerate(run.series)
        if series.metric.name in protocols
        and ("error" in series.tags or series.tags.get("expected_response") == "false")
    }
    found: dict[tuple[str, str], dict[str, FaultRow]] = {}
    for window in run.windows:
        for number in failed.keys() & window.tallies.keys():
            tally = window.tallies[number]
            if not isinstance(tally, RateTally) or not tally.passes:
                continue
            protocol, tags = failed[number]
            key = (failure_of(tags), tags.get("name", ""))
            row = FaultRow(*key, count=0, first=window.start, last=window.start)
            row = found.setdefault(key, {}).setdefault(protocol, row)
            row.count += tally.passes
            row.first, row.last = min(row.first, window.start), max(row.last, window.start)
    return found
