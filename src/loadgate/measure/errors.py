"""What went wrong, counted by kind and step, with one sample of each. Bounded, however much goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from loadgate.errors import redact_url
from loadgate.measure.names import fitting

MOST_KEYS: Final = 200
MOST_TEXT: Final = 300
OTHER: Final = "(other)"


@dataclass(slots=True)
class ErrorCount:
    """`first` and `last` are when the windows began in which it was seen, in seconds since the start of the run."""

    kind: str
    step: str
    sample: str
    first: float
    last: float
    count: int = 0


class ErrorLog:
    """Errors by (kind, step); past `MOST_KEYS` pairs, further ones are counted together for their kind."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], ErrorCount] = {}

    def add(self, kind: str, step: str, text: str, at: float) -> None:
        """Count one; `at` must not decrease. Secrets go before the text is cut: half a password looks like none."""
        key = (kind, fitting(step))
        found = self._counts.get(key)
        if found is None:
            if len(self._counts) >= MOST_KEYS:
                key = (kind, OTHER)
            found = self._counts.get(key)
            if found is None:
                found = self._counts[key] = ErrorCount(key[0], key[1], _shown(text), at, at)
        found.count += 1
        found.last = at

    def __iter__(self) -> Iterator[ErrorCount]:
        """Most frequent first."""
        return iter(sorted(self._counts.values(), key=lambda found: (-found.count, found.kind, found.step)))

    def __len__(self) -> int:
        return len(self._counts)

    @property
    def total(self) -> int:
        return sum(found.count for found in self._counts.values())


def _shown(text: str) -> str:
    text = redact_url(text)
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"
