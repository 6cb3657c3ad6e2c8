"""What made the head slower, as functions whose time per request grew; or why that is not known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from loadgate.record.stacks import Frame


class Counted(StrEnum):
    """Which time of a function."""

    SELF = "self"
    """In itself."""
    TOTAL = "total"
    """With all that it calls, but for what is listed already."""


@dataclass(frozen=True, slots=True)
class Grown:
    """A function that takes longer in head. `base` and `head` are seconds per request, `error` is the standard error of their
    difference from the numbers of samples; shares are of all samples of a side. `caller`: from where most of it came.
    """

    function: Frame
    counted: Counted
    base: float
    head: float
    error: float
    base_share: float
    head_share: float
    caller: Frame | None = None

    @property
    def growth(self) -> float:
        return self.head - self.base


@dataclass(frozen=True, slots=True)
class Explained:
    """What a sampling profiler saw of base and head under the same load. Pairs are of base and head.

    `seconds` were sampled; `times` are seconds per request in any function, and `counts` says seconds of what. `notes` are what
    a reader should know, `missing` is why nothing is known: whole sentences.
    """

    tool: str = ""
    counts: str = ""
    seconds: float = 0.0
    samples: tuple[int, int] = (0, 0)
    times: tuple[float, float] = (0.0, 0.0)
    functions: tuple[Grown, ...] = ()
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def explained_form(explained: Explained) -> dict[str, Any]:
    """`explained` as what msgspec encodes. Keys may be added, never renamed."""
    return {
        "tool": explained.tool or None,
        "counts": explained.counts,
        "seconds": explained.seconds,
        "samples": list(explained.samples),
        "times": list(explained.times),
        "functions": [_grown_form(one) for one in explained.functions],
        "notes": list(explained.notes),
        "missing": list(explained.missing),
    }


def _grown_form(grown: Grown) -> dict[str, Any]:
    return {
        "function": grown.function.name,
        "file": grown.function.file,
        "line": grown.function.line or None,
        "counted": grown.counted,
        "base": grown.base,
        "head": grown.head,
        "growth": grown.growth,
        "error": grown.error,
        "base_share": grown.base_share,
        "head_share": grown.head_share,
        "caller": None if grown.caller is None else str(grown.caller),
    }
