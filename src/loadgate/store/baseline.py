"""A baseline: a run somebody gave a name to, to compare others with. It is never changed, only removed.

A run that failed, was invalid or unsure is none, unless somebody says why it is all the same; that is kept with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from loadgate.errors import LoadgateError
from loadgate.record.result import Result
from loadgate.record.verdict import Word
from loadgate.store.selection import StoredRun

_UNFIT: Final = frozenset((Word.FAIL, Word.INVALID, Word.UNSURE))
_NAME: Final = re.compile(r"\w[\w./+@-]{0,99}")
_TAKEN: Final = re.compile(r"latest(?:~\d*)?|none")


@dataclass(frozen=True, slots=True)
class StoredBaseline:
    """A baseline in a store, without its figures."""

    name: str
    run: StoredRun
    created: float
    """Unix seconds, whole."""
    reason: str
    """Why it was made; of one that was forced, never ""."""
    forced: bool
    """Whether its run would have been refused."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline whole: its run's figures, and the run record with the histograms (None: of another tool)."""

    name: str
    created: float
    """Unix seconds, whole."""
    reason: str
    forced: bool
    result: Result
    record: bytes | None


def check_baseline(name: str, word: Word | None, *, reason: str, force: bool) -> bool:
    """Whether a run with this verdict is a baseline only because it is forced. Raises LoadgateError where it cannot be one."""
    check_name(name)
    if word is None or word not in _UNFIT:
        return False
    if not force:
        raise LoadgateError(
            f"the verdict of this run is {word.value.upper()}: it cannot be baseline `{name}`",
            "take a run that passed, or force it with a reason",
        )
    if not reason.strip():
        raise LoadgateError(
            f"the verdict of this run is {word.value.upper()}: to make it baseline `{name}` takes a reason",
            "say why this run is what later ones are to be compared with",
        )
    return True


def check_name(name: str) -> None:
    """Raises LoadgateError where `name` cannot be that of a baseline."""
    if not _NAME.fullmatch(name) or _TAKEN.fullmatch(name):
        raise LoadgateError(
            f"`{name}` cannot be the name of a baseline",
            "letters, digits and . _ - + / @, at most 100, beginning with a letter or digit; `latest` is the newest run, "
            "`none` no baseline at all",
        )
