"""An A/B test as a record: how it was done, what each pair left, what came of it. `docs/ab.md` describes `ab.json`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec

from loadgate.record.calibration import Calibrated, calibrated_form
from loadgate.record.comparison import Comparison
from loadgate.record.comparison_json import comparison_form, known
from loadgate.record.environment import Environment
from loadgate.record.explained import Explained, explained_form
from loadgate.record.result import SeriesName
from loadgate.record.run import RunState
from loadgate.record.verdict import INTERRUPTED_EXIT, Verdict

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class PairRecord:
    """One pair. `started` are the arms in the order of their starts; values are by series, `requests` of base and head.

    `faults` are whole sentences that say why it is no evidence.
    """

    number: int
    started: tuple[str, ...]
    base: Mapping[SeriesName, float]
    head: Mapping[SeriesName, float]
    requests: tuple[int, int]
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AbRecord:
    """`rate` is starts a second over both arms; `length` and `warmup` are seconds of a pair; `most` is how many pairs there
    might have been. The last `confirming` of the pairs that are evidence are fresh ones. `comparison` None: no pair was.
    `state` RUNNING: the process was killed after this was written.
    """

    started: float
    command: str
    environment: Environment
    seed: int
    rate: float
    length: float
    warmup: float
    most: int
    restarts: bool
    pairs: tuple[PairRecord, ...]
    confirming: int
    comparison: Comparison | None
    verdict: Verdict
    state: RunState = RunState.COMPLETE
    arms: tuple[str, str] = ("", "")
    """The commands or URLs of base and head, without secrets."""
    capacity: float = 0.0
    """Seconds of a pair in which the arms were asked as fast as they answer; 0: they were not."""
    cores: tuple[int, tuple[int, ...]] | None = None
    """That of the generator, and those of the arms; None: nothing kept them apart."""
    explained: Explained | None = None
    """What made the head worse; None where it is not, or nobody asked."""
    commits: tuple[str, str] | None = None
    """Full names of those that base and head were built from, where that is known."""
    calibration: Calibrated | None = None
    """What is known of the machine; None: it was never calibrated."""

    @property
    def evidence(self) -> int:
        """Pairs that count, fresh ones aside."""
        return sum(not pair.faults for pair in self.pairs) - self.confirming

    @property
    def exit_code(self) -> int:
        return INTERRUPTED_EXIT if self.state is RunState.INTERRUPTED else self.verdict.exit_code


@dataclass(frozen=True, slots=True)
class AbProgress:
    """Where a test stands when a pair begins: number `pair` of up to `most`; where `confirming`, of the fresh ones.

    `left` is how long it takes at most from here on (s), without what there is to confirm. `comparison` is of the pairs so far,
    with nothing decided; None before the first. `explaining`: all is decided, and it is the pair that is looked into.
    `title` is what it is a test of.
    """

    pair: int
    most: int
    confirming: bool
    left: float
    comparison: Comparison | None
    explaining: bool = False
    title: str = "ab"


def encode_ab(record: AbRecord) -> bytes:
    """The record as JSON."""
    return msgspec.json.format(msgspec.json.encode(ab_form(record)), indent=1)


def ab_form(record: AbRecord) -> dict[str, Any]:
    """`record` as what msgspec encodes. Keys may be added, never renamed."""
    verdict = record.verdict
    return {
        "version": VERSION,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.started)),
        "command": record.command,
        "base": record.arms[0],
        "head": record.arms[1],
        "base_commit": None if record.commits is None else record.commits[0],
        "head_commit": None if record.commits is None else record.commits[1],
        "environment": asdict(record.environment),
        "seed": record.seed,
        "rate": record.rate,
        "length": record.length,
        "warmup": record.warmup,
        "capacity": record.capacity,
        "cores": None if record.cores is None else {"generator": record.cores[0], "arms": list(record.cores[1])},
        "most_pairs": record.most,
        "fresh_starts": record.restarts,
        "confirming": record.confirming,
        "state": record.state,
        "verdict": verdict.word,
        "exit_code": record.exit_code,
        "reasons": list(verdict.reasons),
        "comparison": None if record.comparison is None else comparison_form(record.comparison),
        "explained": None if record.explained is None else explained_form(record.explained),
        "calibration": calibrated_form(record.calibration),
        "pairs": [_pair_form(pair) for pair in record.pairs],
    }


def _pair_form(pair: PairRecord) -> dict[str, Any]:
    return {
        "number": pair.number,
        "started": list(pair.started),
        "requests": list(pair.requests),
        "faults": list(pair.faults),
        "base": {str(series): known(value) for series, value in pair.base.items()},
        "head": {str(series): known(value) for series, value in pair.head.items()},
    }
