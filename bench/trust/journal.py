"""The jobs that are done: a JSON line each, appended when it ends. A last line that was cut off is one that never was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from bench.machine import BenchError
from loadgate.measure.histogram import Histogram

NAME: Final = "jobs.jsonl"


Cell = tuple[str, str, float]
"""Case, disturbance and seconds: jobs that have these in common are counted together."""


@dataclass(frozen=True, slots=True)
class Block:
    """One start of one arm: its figures by the text of their series, and its service times (ms)."""

    figures: Mapping[str, float]
    service: Histogram


@dataclass(frozen=True, slots=True)
class Done:
    """One job. `seconds` is the time it was given, `minutes` what it took; `words` are changes by series.

    `units` of work were planted, `base` and `head` are its pairs in order; an INVALID one may have none.
    """

    case: str
    disturbance: str
    seconds: float
    seed: int
    minutes: float
    verdict: str
    words: Mapping[str, str]
    reasons: tuple[str, ...]
    units: int
    base: tuple[Block, ...]
    head: tuple[Block, ...]
    machine: str
    commit: str = ""
    others: float = 0.0
    """The share of a core that went to programs beside the job and its disturbance."""

    @property
    def cell(self) -> Cell:
        return self.case, self.disturbance, self.seconds


def encode(job: Done) -> bytes:
    """The line of `job`, with its end."""
    return json.dumps({**_plain(job), "base": _blocks(job.base), "head": _blocks(job.head)}).encode() + b"\n"


def decode(line: bytes) -> Done:
    """Raises ValueError for what is no JSON, KeyError or TypeError, too, for what is no job."""
    return _job(json.loads(line))


def append(path: Path, job: Done) -> None:
    """Add `job` to the file."""
    append_line(path, encode(job))


def append_line(path: Path, line: bytes) -> None:
    """Add `line`, which has its end, on a line of its own whatever the file ends with."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell() and _last(path) != b"\n":
            file.write(b"\n")
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> Iterator[Done]:
    """The jobs in the file, none where there is no file. Lines that are no whole JSON were cut off, and left out.

    Raises BenchError for a line that is JSON, but no job.
    """
    for number, data in read_lines(path):
        try:
            yield _job(data)
        except (KeyError, TypeError, ValueError) as error:
            raise BenchError(f"{path}, line {number} is no job ({error!r}): delete the line") from None


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """The lines of a file that may not be there, numbered from 1, without those that are no whole JSON."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield number, json.loads(line)
            except ValueError:
                continue


def _plain(job: Done) -> dict[str, Any]:
    names = [field.name for field in fields(Done) if field.name not in ("base", "head")]
    return {name: getattr(job, name) for name in names}


def _blocks(blocks: tuple[Block, ...]) -> list[dict[str, Any]]:
    return [{"figures": block.figures, "service": block.service.to_sparse()} for block in blocks]


def _job(data: dict[str, Any]) -> Done:
    arms = {
        arm: tuple(Block(one["figures"], Histogram.from_sparse(one["service"])) for one in data[arm])
        for arm in ("base", "head")
    }
    return Done(**{**data, **arms, "reasons": tuple(data["reasons"])})


def _last(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)
