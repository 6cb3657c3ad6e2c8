"""One run of a plan as `run` makes it: with a target of our own if the plan has none, shown while it goes on."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from loadgate.cli.embedded import EmbeddedTarget
from loadgate.cli.measuring import under_way
from loadgate.cli.output import Output, invalid
from loadgate.errors import InvalidRun
from loadgate.plan import Plan
from loadgate.record.file import RunFile
from loadgate.record.run import Run
from loadgate.session import Session


class Trial:
    """Runs `plan` once and writes the record to `folder`. Raises LoadgateError where there is nothing to record."""

    def __init__(self, plan: Plan, output: Output, folder: Path, embedded: EmbeddedTarget | None = None) -> None:
        """`embedded` is the target, where it has been started already."""
        self._embedded = embedded
        self._plan = plan
        self._output = output
        self.file = RunFile(folder)
        self.unsaved = ""
        """Why the record is not on the disk, if it is not."""

    def run(self) -> Run:
        """The run, judged by itself."""
        plan, output, embedded = self._plan, self._output, self._embedded
        with ExitStack() as stack:
            if plan.embedded and embedded is None:
                embedded = stack.enter_context(EmbeddedTarget())
            if embedded is not None:
                plan = replace(plan, target=replace(plan.target, url=embedded.url()))
            session = Session(plan, self.file, os.environ, output.command, output.watch(plan))
            try:
                with under_way(output):
                    finished = session.run()
            except InvalidRun:
                if embedded is not None and (lost := embedded.ended()):
                    raise InvalidRun(lost) from None
                raise
            self.unsaved = session.unsaved
            if embedded is not None and (lost := embedded.ended()):
                finished = invalid(finished, lost)
                self.save(finished)
        return finished

    def save(self, run: Run) -> None:
        """Write the record once more, since the verdict of `run` is another one now."""
        self.unsaved = self._output.save(run, self.file)
