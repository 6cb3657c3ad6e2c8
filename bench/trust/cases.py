"""What is planted where, and for how long it is looked for: the grid of the trust bench."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.machine import BenchError
from bench.trust.disturbance import NAMES

_HERE: Final = Path(__file__).parent
_KINDS: Final = ("work", "one-of-ten", "tail", "memory", "startup")
SUBJECTS: Final = {"service": _KINDS, "target": ("work", "tail")}
"""What is changed, and what can be planted in it: the bench's own service, and the embedded target (`target/work:5`)."""
ONE: Final = {"service": "9", "target": "/users/1"}
"""The endpoint of ten that has what is planted in one."""
REQUESTS: Final = {"service": "GET /0", "target": "GET /users/2"}
WORK: Final = ("work", "one-of-ten")

GRID: Final = {
    **{("work:0", name, 45.0): 100 if name in ("idle", "burner") else 20 for name in NAMES},
    **{(f"work:{percent}", "idle", 90.0): 20 for percent in (2, 5, 10, 20)},
    **{(f"work:{percent}", name, 90.0): 10 for name in ("burner", "bursts") for percent in (2, 5, 10, 20)},
    **{("work:10", name, 90.0): 10 for name in ("burners", "quota", "drift")},
    **{(case, "idle", 90.0): 10 for case in ("tail:20", "one-of-ten:20", "memory:20", "startup:100")},
    **{(case, "idle", 45.0): 20 for case in ("one-of-ten:0", "target/work:0")},
    **{(f"target/{case}", "idle", 90.0): 10 for case in ("work:2", "work:5", "work:10", "work:20", "tail:20")},
}
"""Case, disturbance and seconds of each cell, and how many jobs it is to have; some 11 hours."""


@dataclass(frozen=True, slots=True)
class Case:
    """`amount` (%, ms or MB) of `kind` in the head of `subject`; of work `units` a request."""

    subject: str
    kind: str
    amount: int
    units: int = 0

    @property
    def name(self) -> str:
        return f"{'' if self.subject == 'service' else f'{self.subject}/'}{self.kind}:{self.amount}"

    @property
    def script(self) -> Path | None:
        """What users do, where it is more than `REQUESTS`."""
        return _HERE / "ten.py" if self.kind == "one-of-ten" else None

    @property
    def config(self) -> Path | None:
        """The project, where its limits are others than usual."""
        return _HERE / "startup.yml" if self.kind == "startup" else None

    @property
    def head(self) -> str:
        """The head's command."""
        return self._command(self.units if self.kind in WORK else self.amount)

    @property
    def base(self) -> str:
        """The base's. It has as many letters, for where a program's memory lies depends on that."""
        return self._command(0)

    def planted(self, units: int) -> Case:
        """The same with so many units of work a request."""
        return replace(self, units=units)

    def _command(self, amount: int) -> str:
        option = "--extra" if self.kind in WORK else f"--{self.kind}"
        words = [sys.executable, "-m", f"bench.trust.{self.subject}", option, f"{amount:06}"]
        only = ["--on", ONE[self.subject]] if self.kind == "one-of-ten" else []
        return f"{shlex.join([*words, *only])} --port {{port}}"


def case_of(name: str) -> Case:
    """`work:PERCENT`, `one-of-ten:PERCENT`, `tail:MS`, `memory:MB` or `startup:MS`; of the embedded target
    `target/work:PERCENT` or `target/tail:MS`. Raises BenchError for another.
    """
    subject, slash, rest = name.rpartition("/")
    subject = subject if slash else "service"
    kind, _, text = rest.partition(":")
    if kind not in SUBJECTS.get(subject, ()) or not (text.isascii() and text.isdecimal() and len(text) < 6):
        known = "work:5, one-of-ten:20, tail:20, memory:20, startup:100, target/work:5 or target/tail:20"
        raise BenchError(f"no case is called `{name}`: say {known}")
    return Case(subject, kind, int(text))


def sized(case: Case, units: Mapping[str, float]) -> Case:
    """`case` with its work, where it is any. `units`: those that make a request of a subject cost 1 % more, where any does."""
    return case.planted(round(units.get(case.subject, 0.0) * case.amount)) if case.kind in WORK else case
