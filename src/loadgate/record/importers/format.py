"""The seam to a foreign format: how it is told from others, and what is read from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loadgate.record.importers.source import Source
from loadgate.record.result import Result


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file. `detect` looks at the contents, never at the name alone; `read` raises LoadgateError."""

    name: str
    """As users know it: "k6 summary", "Google Benchmark JSON"."""
    detect: Callable[[Source], bool]
    read: Callable[[Source], list[Result]]
