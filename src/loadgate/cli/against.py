"""What a run is held against: its baseline, and the history it becomes a part of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from loadgate.cli.places import NOWHERE, open_store, store_place
from loadgate.config.gate import GateSpec
from loadgate.errors import LoadgateError, nearest
from loadgate.record.redact import without_secrets
from loadgate.record.result import Result
from loadgate.record.run import Run
from loadgate.record.verdict import Word
from loadgate.reference import Referent, look_up

NO_BASELINE = "none"
"""What turns off the baseline that a project file names."""


class Against:
    """Opened before there is load, so that what is wrong with history or baseline is said first. Raises LoadgateError."""

    def __init__(self, spec: GateSpec, place: str | None, baseline: str | None, *, strict: bool) -> None:
        self._store = None if store_place(place, spec) == NOWHERE else open_store(place, spec)
        self._spec = spec
        self._strict = strict
        self._base: Referent | None = None
        self._name = baseline or spec.baseline
        if self._name == NO_BASELINE:
            self._name = ""
        if self._name and self._has(self._name):
            self._base = look_up(self._name, self._store)

    def close(self) -> None:
        """Leave the history alone. Harmless twice."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def judge(self, run: Run, again: Callable[[], Run]) -> Run:
        """`run` with its comparison and the verdict that comes of it; `again` makes a fresh run of the same.

        A run that is invalid measured nothing, so it is compared with nothing.
        """
        from loadgate.gate import Gate  # statistics that would keep the first request waiting
        from loadgate.judge.gating import decide_gate, without_baseline
        from loadgate.record.figures import result_of

        gate = Gate(self._spec, self._store)
        if not self._name or run.verdict.word is Word.INVALID:
            return replace(run, verdict=replace(run.verdict, strict=self._strict or run.verdict.strict))
        if self._base is None:
            return replace(run, verdict=without_baseline(run.verdict, self._absent(), strict=self._strict))
        head = result_of(without_secrets(run))
        base = [self._base.result]
        compared = gate.compare(base, [head], (self._base.name, head.id))
        if not compared.mismatches and run.verdict.word is not Word.FAIL:
            compared = gate.confirm(compared, base, [head], lambda: self._fresh(again))
        return replace(run, comparison=compared, verdict=decide_gate(run.verdict, compared, strict=self._strict))

    def keep(self, run: Run, record: bytes) -> str:
        """Put `run` into the history; why that could not be done, or ""."""
        from loadgate.record.figures import result_of

        if self._store is None:
            return ""
        try:
            self._store.add(result_of(without_secrets(run)), record)
        except LoadgateError as error:
            return str(error)
        return ""

    def _fresh(self, again: Callable[[], Run]) -> Result | None:
        from loadgate.record.figures import result_of

        run = again()
        return None if run.verdict.word is Word.INVALID else result_of(without_secrets(run))

    def _has(self, name: str) -> bool:
        """Whether there is a baseline, a run or a file of this name. Raises LoadgateError for a path to nothing."""
        if Path(name).exists() or "/" in name:
            return True
        if self._store is None:
            return False
        try:
            self._store.find(name)
        except LoadgateError:
            return False
        return True

    def _absent(self) -> str:
        known = [] if self._store is None else [held.name for held in self._store.baselines()]
        likely = nearest(self._name, known)
        hint = f"did you mean `{likely}`?" if likely else f"`loadgate baseline save {self._name}` makes this run one"
        return f"there is no baseline `{self._name}`, so nothing was compared: {hint}"
