"""The generator's own windows, in fixed memory: when there are too many, neighbours are joined in pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from loadgate.measure.health import HealthSample

MOST_SAMPLES: Final = 720
"""Twelve minutes of seconds; joining all of them is half a millisecond, and seldom."""


class HealthLog:
    """All samples so far, oldest first. A warm-up's end may fall into a joined one: it then counts as warm-up whole."""

    def __init__(self) -> None:
        self._samples: list[HealthSample] = []

    def append(self, sample: HealthSample) -> None:
        self._samples.append(sample)
        if len(self._samples) > MOST_SAMPLES:
            starts = [0.0, *(each.at for each in self._samples)]
            pairs = zip(starts[::2], self._samples[::2], self._samples[1::2], strict=False)
            joined = [_joined(start, first, second) for start, first, second in pairs]
            self._samples = joined + self._samples[len(joined) * 2 :]

    def __iter__(self) -> Iterator[HealthSample]:
        return iter(self._samples)

    def __len__(self) -> int:
        return len(self._samples)


def _joined(start: float, first: HealthSample, second: HealthSample) -> HealthSample:
    """Both as one, from `start` on: counts add up, shares are weighted by time, the worst lag stays."""
    whole = second.at - start
    share = (first.at - start) / whole if whole > 0.0 else 0.5

    def mean(before: float, after: float) -> float:
        return before * share + after * (1.0 - share)

    return HealthSample(
        at=second.at,
        cpu_share=mean(first.cpu_share, second.cpu_share),
        loop_lag_ms=max(first.loop_lag_ms, second.loop_lag_ms),
        planned=first.planned + second.planned,
        started=first.started + second.started,
        dropped=first.dropped + second.dropped,
        late=tuple(mean(before, after) for before, after in zip(first.late, second.late, strict=True)),
    )
