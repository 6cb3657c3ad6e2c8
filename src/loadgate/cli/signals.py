"""Ctrl-C and SIGTERM where no event loop looks after them: an exception, so that what was opened is closed on the way out."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn


class Interruption(BaseException):
    """Somebody asked the process to end.

    No KeyboardInterrupt: of one that comes while a module is imported Python remembers that it came, though it is caught, and
    ends the process by SIGINT instead of with the exit code.
    """


_asked = False


def heed_signals() -> None:
    """Let SIGINT and SIGTERM raise Interruption. An event loop that had handlers of its own leaves the default ones behind."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    global _asked
    _asked = True
    raise Interruption


def end_if_asked() -> None:
    """Raise Interruption if a signal has come. Python drops what is raised in a finalizer, and imports run many."""
    if _asked:
        raise Interruption
