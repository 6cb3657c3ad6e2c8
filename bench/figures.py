"""What was measured of each tool, brought together: medians of rounds, ratios taken within a round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

MB = 1e6


@dataclass(frozen=True, slots=True)
class Figures:
    """One call of one tool.

    `cpu` is CPU seconds of the whole process; `steady_share` the share of a core it used once under way; `seconds` how
    long the load was to last; `peak` in bytes; `others` the share of a core that went to other programs.
    """

    requests: int
    cpu: float
    steady_share: float
    seconds: float
    peak: int
    others: float = 0.0

    @property
    def cost(self) -> float:
        """CPU microseconds per request, start and end of the process included."""
        return self.cpu / self.requests * 1e6

    @property
    def steady_cost(self) -> float:
        """CPU microseconds per request while under way: what the share of a core says at the mean rate."""
        return self.steady_share / self.rate * 1e6

    @property
    def rate(self) -> float:
        """Requests per second of load."""
        return self.requests / self.seconds


Rounds = Mapping[str, Sequence[Figures]]
"""Of each tool one entry a round, all tools in the same order of rounds."""


def ratio(rounds: Rounds, of: str, to: str) -> float:
    """How many times the CPU per request of `to` that of `of` is: median of the ratios within each round."""
    return median(one.cost / other.cost for one, other in zip(rounds[of], rounds[to], strict=True))


def per_user(many: int, one: int, users: int) -> float:
    """Bytes each further user costs, from the peaks of a run with `users` and one with a single user."""
    return (many - one) / (users - 1)


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise and what came of it. `value` is None where it could not be measured; lower is better, unless `least`."""

    name: str
    value: float | None
    limit: float
    unit: str = ""
    least: bool = False

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.limit if self.least else self.value <= self.limit

    def row(self) -> list[str]:
        word = "at least" if self.least else "at most"
        value = "not measured" if self.value is None else f"{self.value:,.4g}{self.unit}"
        return [self.name, value, f"{word} {self.limit:,.4g}{self.unit}", VERDICTS[self.met]]


VERDICTS = {True: "met", False: "**missed**", None: "**unknown**"}


def exit_code(bars: Sequence[Bar]) -> int:
    """0 all met, 1 one missed, 3 none missed but not all could be measured."""
    if any(bar.met is False for bar in bars):
        return 1
    return 3 if any(bar.met is None for bar in bars) else 0
