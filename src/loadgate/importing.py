"""Taking files into the history, whatever they are: an export, a baseline, a run record, another tool's results."""

from __future__ import annotations

from pathlib import Path

from loadgate.record.file import RECORD_NAME
from loadgate.record.importers import loadgate, read_known
from loadgate.store.baseline_file import is_baseline, read_baseline
from loadgate.store.store import Store
from loadgate.store.transfer import is_export


def import_file(store: Store, path: Path) -> str:
    """Take over what `path` holds; what that was, in words. Raises LoadgateError, with nothing of it taken."""
    if is_export(path):
        taken = store.import_(path)
        return str(taken)
    if is_baseline(path):
        baseline = read_baseline(path)
        added = int(store.add(baseline.result, baseline.record))
        known = any(held.name == baseline.name for held in store.baselines())
        if not known:
            run = store.find(baseline.result.id)
            store.save_baseline(baseline.name, run, reason=baseline.reason, force=baseline.forced)
        return f"baseline {baseline.name}{', which was there already' if known else ''}; {_count(added, 1)}"
    file = path / RECORD_NAME if (path / RECORD_NAME).is_file() else path
    format, results = read_known(file)
    record = file.read_bytes() if format is loadgate.FORMAT else None
    added = store.add_many([(result, record) for result in results])
    return f"{format.name}; {_count(added, len(results))}"


def _count(added: int, of: int) -> str:
    there = of - added
    text = f"{added:,} run{'' if added == 1 else 's'} added"
    return f"{text}, {there:,} there already" if there else text
