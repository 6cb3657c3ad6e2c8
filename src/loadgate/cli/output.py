"""What `run` and `report` show and leave behind: the live view, the summary, the files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from loadgate.cli.page import page_width
from loadgate.errors import LoadgateError, redact_url
from loadgate.plan import Plan
from loadgate.record.file import RECORD_NAME, RunFile, probe_folder, write_atomically
from loadgate.record.redact import redact_command
from loadgate.record.run import Run, RunState
from loadgate.record.summary import encode_summary
from loadgate.record.verdict import INTERRUPTED_EXIT, Verdict, Word
from loadgate.report.live import LiveModel
from loadgate.report.model import build_report
from loadgate.report.screen import PlainLog, Screen, Watcher
from loadgate.report.style import colour_wanted, glyphs_fit
from loadgate.report.terminal import render_summary, render_verdict
from loadgate.session import View


def recorded_command() -> str:
    """The command line, as it may be recorded."""
    return redact_command(sys.argv).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class Output:
    """The output of one run. The live view goes to standard error, what is left at the end to standard output."""

    def __init__(
        self, home: Path, folder: Path, summary: Path | None, taken: Iterable[tuple[str, Path]] = (), *, quiet: bool
    ) -> None:
        """`home` is the folder the command was given in, where relative paths begin: a script may change to another.

        `taken` names the files that no summary may be written over, and where they are.
        """
        self._home = home
        self._folder = folder
        self._summary = summary
        self._quiet = quiet
        self._watcher: Watcher | None = None
        self.command = recorded_command()
        if summary is not None:
            check_summary(summary, home)
            if _same(home / summary, home / folder / RECORD_NAME):
                raise LoadgateError(f"--summary {summary} is where the record goes", "give it another name")
            for what, path in taken:
                if _same(home / summary, path):
                    raise LoadgateError(f"--summary {summary} would overwrite {what}", "give it another name")

    def watch(self, plan: Plan) -> Callable[[View], None]:
        """What is to be called at the end of each window of a run of `plan`."""
        if self._quiet:
            return lambda view: None
        watcher = self._watcher = _watcher(sys.stderr)
        profile = plan.profile
        target = redact_url(plan.target.place or plan.script.name)
        model = LiveModel(profile=profile.name, target=target, loads=profile.loads, warmup=profile.warmup)

        def update(view: View) -> None:
            progress = view.progress
            seconds = max(0.0, progress.elapsed - profile.warmup)
            frame = model.update(
                progress.window,
                progress.health,
                active=sum(stats.active for stats in progress.stats.values()),
                thresholds=view.judge.results(seconds),
                errors=view.recorder.errors,
                series=view.recorder.describe,
            )
            watcher.update(frame)

        return update

    def close(self) -> None:
        """Take the live view off the screen. Harmless when there is none, or twice."""
        if self._watcher is not None:
            self._watcher.close()
            self._watcher = None

    def say(self, text: str) -> None:
        """One line for whoever watches, between two runs."""
        if not self._quiet:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def save(self, run: Run, file: RunFile) -> str:
        """Write the record of `run` once more, since its verdict is another one now; why that could not be done, or ""."""
        try:
            file.write(file.encode(run), final=True)
        except LoadgateError as error:
            return str(error)
        return ""

    def conclude(self, run: Run, unsaved: str) -> int:
        """Show the end of `run` and write what was asked for; the exit code. `unsaved`: why its record is not on the disk."""
        files: list[tuple[str, str]] = []
        if unsaved:
            run = _without(run, unsaved)
        else:
            files.append(("record", str(self._folder / RECORD_NAME)))
        if self._summary is not None:
            try:
                write_summary(run, self._home / self._summary)
                files.append(("summary", str(self._summary)))
            except LoadgateError as error:
                run = _without(run, str(error))
        print_summary(run, files, quiet=self._quiet)
        return INTERRUPTED_EXIT if run.state is RunState.INTERRUPTED else run.verdict.exit_code


def check_summary(path: Path, home: Path = Path(), *, option: str = "--summary") -> None:
    """Raise LoadgateError where `path`, as given with `option` in the folder `home`, cannot be written: before there
    is anything to lose.
    """
    place = home / path
    hint = f"give a file for {option}"
    if place.is_dir():
        raise LoadgateError(f"cannot write {path}: it is a folder", hint)
    if not place.parent.is_dir():
        raise LoadgateError(f"cannot write {path}: there is no folder {path.parent}", hint)
    if place.is_file() or not place.exists():
        try:
            probe_folder(Path(os.path.realpath(place)).parent)
        except OSError as error:
            raise LoadgateError(f"cannot write {path}: {error.strerror or error}", hint) from None


def _same(one: Path, other: Path) -> bool:
    """Whether both are one file, which need not be there yet. A terminal or a pipe may be read and written."""
    if one.exists() and not one.is_file():
        return False
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    return one.exists() and other.exists() and one.samefile(other)  # names may differ in case, or be hard links


def invalid(run: Run, reason: str) -> Run:
    """`run` as one that cannot be judged, whatever it came to: `reason` weighs most."""
    return replace(run, verdict=Verdict(Word.INVALID, (reason, *run.verdict.reasons), run.verdict.strict))


def _without(run: Run, reason: str) -> Run:
    """`run` when something that was to be left of it is not there: that is no pass."""
    return replace(run, verdict=run.verdict.lacking(reason.partition("\n")[0]))


def print_summary(run: Run, files: Sequence[tuple[str, str]], *, quiet: bool = False) -> None:
    """The summary of `run` on standard output; `quiet`: its verdict alone."""
    stream = sys.stdout
    color = colour_wanted(stream, os.environ)
    unicode = glyphs_fit(stream.encoding)
    width = page_width(stream)
    report = build_report(run)
    if quiet:
        text = render_verdict(report, width=width, color=color, unicode=unicode)
    else:
        text = render_summary(report, width=width, color=color, unicode=unicode, files=files)
    stream.write(text)
    stream.flush()


def write_summary(run: Run, path: Path) -> None:
    """Write the flat summary. Raises LoadgateError."""
    write_atomically(path, encode_summary(run))


def _watcher(stream: TextIO) -> Watcher:
    if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        return Screen(stream, color=colour_wanted(stream, os.environ))
    return PlainLog(stream)
