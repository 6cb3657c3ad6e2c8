"""The samples of load tools, and their figures by name."""

from __future__ import annotations

import re
from pathlib import Path

from loadgate.record.importers import read_results
from loadgate.record.result import Figure, Result

DATA = Path(__file__).parent.parent / "data"


def only(path: Path) -> Result:
    """The one result in `path`."""
    (result,) = read_results(path)
    return result


def by_name(result: Result) -> dict[str, Figure]:
    return {str(figure.series): figure for figure in result.figures}


def values(path: Path) -> dict[str, float]:
    """The figures of the one result in `path`."""
    return {name: figure.estimate.value for name, figure in by_name(only(path)).items()}


def number(text: str, pattern: str) -> float:
    """What the one group of `pattern` is in `text`."""
    found = re.search(pattern, text, re.MULTILINE)
    assert found is not None, pattern
    return float(found[1])
