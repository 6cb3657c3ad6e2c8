"""Exchanges made up by a seed, and what NumPy says of them: the oracle for the recorder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadgate.measure.exchanges import ROW_TYPE
from loadgate.measure.recorder import Recorder

Floats = NDArray[np.float64]
START = 1000.0
"""A clock does not begin at zero."""


@dataclass(frozen=True)
class Exchanges:
    """Columns of equal length; `series` count from 0, times are clock seconds."""

    series: NDArray[np.int64]
    sent: NDArray[np.int64]
    received: NDArray[np.int64]
    sending: Floats
    planned: Floats
    start: Floats
    first: Floats
    end: Floats

    @classmethod
    def random(cls, seed: int, count: int, series: int, *, late: bool = False, pieces: bool = False) -> Exchanges:
        """Lognormal times around 5 ms. `late` starts lie behind their plan; `pieces` arrive one after the other."""
        random = np.random.default_rng(seed)
        planned = START + random.uniform(0.0, 60.0, count)
        start = planned + random.exponential(1e-3, count) if late else planned
        sending = random.exponential(2e-4, count) if pieces else np.zeros(count)
        first = start + sending + random.lognormal(np.log(0.005), 1.0, count)
        return cls(
            series=random.integers(0, series, count),
            sent=random.integers(0, 2000, count),
            received=random.integers(0, 10_000_000, count),
            sending=sending,
            planned=planned,
            start=start,
            first=first,
            end=first + random.exponential(1e-3, count) if pieces else first,
        )

    def __len__(self) -> int:
        return len(self.series)

    def trends(self) -> dict[str, Floats]:
        """What each metric should hold, in milliseconds."""
        return {
            "http_req_duration": (self.end - self.start) * 1e3,
            "http_req_latency": (self.end - self.planned) * 1e3,
            "http_req_waiting": (self.first - (self.start + self.sending)) * 1e3,
            "http_req_receiving": (self.end - self.first) * 1e3,
            "http_req_sending": self.sending * 1e3,
        }

    def feed(self, recorder: Recorder, ids: list[int]) -> None:
        """Record them, one call each; `ids` are the exchange ids of the series."""
        columns = (self.sent, self.received, self.planned, self.start, self.first, self.end, self.sending)
        series = [ids[number] for number in self.series.tolist()]
        for row in zip(series, *(column.tolist() for column in columns), strict=True):
            recorder.exchange(*row)

    def packed(self, ids: list[int]) -> bytearray:
        """Them as the recorder's own rows."""
        rows = np.zeros(len(self), ROW_TYPE)
        rows["series"] = np.array(ids)[self.series]
        for name in ("sent", "received", "sending", "planned", "start", "first", "end"):
            rows[name] = getattr(self, name)
        return bytearray(rows.tobytes())


def declare(recorder: Recorder, count: int) -> list[int]:
    """Exchange ids of `count` steps s0, s1, ..."""
    return [recorder.exchange_series("http", {"name": f"s{number}"}, failed=False) for number in range(count)]
