"""What `ab` says while it measures, to a terminal and to a pipe; and where its Markdown cannot go."""

from __future__ import annotations

import io
import os
import select
from pathlib import Path

import pytest

from loadgate.cli.ab_view import AbView
from loadgate.record.ab import AbProgress
from tests.support.command import loadgate

FIRST = AbProgress(1, 12, False, 90.0, None)
SECOND = AbProgress(2, 12, False, 83.0, None)


def test_a_pipe_gets_lines_that_stay_and_no_escape_codes() -> None:
    stream = io.StringIO()
    view = AbView(stream, quiet=False)
    view.say("up to 12 pairs")
    view.watch(FIRST)
    view.say("head: \x1b[2J")
    view.close()
    assert stream.getvalue() == "up to 12 pairs\nhead: \ufffd[2J\n"


def test_quiet_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    view = AbView(stream, quiet=True)
    view.say("up to 12 pairs")
    view.watch(FIRST)
    view.close()
    assert stream.getvalue() == ""


def test_a_terminal_has_one_line_kept_current_below_those_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    ours, theirs = os.openpty()
    try:
        with open(theirs, "w", encoding="utf-8", closefd=False) as stream:
            view = AbView(stream, quiet=False)
            view.say("up to 12 pairs")
            view.watch(FIRST)
            first = _read(ours, "01:30 left")
            while not _waiting(ours):  # while the first is still being written, the second is refused
                view.watch(SECOND)
            second = _read(ours, "01:23 left")
            view.say("pair 2 counts nothing")
            view.close()
            view.close()
            last = _read(ours, "nothing\r\n")
    finally:
        os.close(theirs)
        os.close(ours)
    assert first == "\r\x1b[Kup to 12 pairs\r\nab  pair 1 of up to 12  01:30 left"
    assert second == "\r\x1b[Kab  pair 2 of up to 12  01:23 left"
    assert last == "\r\x1b[Kpair 2 counts nothing\r\n"


def _waiting(descriptor: int) -> bool:
    """Whether there is, or soon comes, something to read."""
    return bool(select.select([descriptor], [], [], 0.5)[0])


def _read(descriptor: int, end: str) -> str:
    """What is written there up to `end`."""
    text = ""
    while not text.endswith(end):
        assert select.select([descriptor], [], [], 5.0)[0], (
            f"nothing more after {text!r}, which does not end with {end!r}"
        )
        text += os.read(descriptor, 4096).decode()
    return text


@pytest.mark.parametrize(
    ("markdown", "said"),
    [
        ("nowhere/ab.md", "there is no folder nowhere"),
        (".", "it is a folder"),
        ("loadgate-out/ab.json", "is where the record goes"),
    ],
)
def test_markdown_that_cannot_be_written_is_refused_before_anything_is_started(
    tmp_path: Path, markdown: str, said: str
) -> None:
    (tmp_path / "loadgate-out").mkdir()
    arm = "touch started {port}"
    done = loadgate("ab", "--base", arm, "--head", arm, "--markdown", markdown, cwd=tmp_path)
    assert done.code == 2, done.out + done.err
    assert said in done.err
    assert "--markdown" in done.err
    assert not (tmp_path / "started").exists()
