"""A command as a benchmark: started afresh, waited for, and what it took of time, CPU and memory.

Its output is read and thrown away but for the last lines, which a failure shows; its input is empty. CPU time and memory are
the kernel's own account of that process and of the children it waited for (wait4). See `launcher` for who waits.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import join
from typing import Final

from loadgate.bench import launcher
from loadgate.bench.child import ending, quoted, run_child
from loadgate.errors import InvalidRun, LoadgateError

_UNIT: Final = 1 if sys.platform == "darwin" else 1024
"""Bytes in what the kernel counts peaks in."""

_ALONE: Final = 1.1
"""A peak up to this multiple of the launcher's own may be the launcher's: it goes on a few pages from there."""

_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class CommandResult:
    """`wall`, `user` and `system` in seconds."""

    wall: float
    """From before the process was made until it had ended."""
    user: float
    system: float
    peak: int | None
    """Most resident bytes of the process, or of the greatest of its children; None: too few to be known (11 MB or less)."""

    @property
    def cpu(self) -> float:
        """CPU seconds, user and system."""
        return self.user + self.system


async def run_command(
    argv: Sequence[str],
    *,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
    limit: float,
    codes: Collection[int] = frozenset({0}),
) -> CommandResult:
    """Run `argv` once. `limit` is in seconds; `codes` are the exit codes that are no failure.

    At its limit it is killed with its whole process group, and so is what it leaves running. Raises LoadgateError, with its
    last lines, where it cannot be started; InvalidRun where it does not end in time, or otherwise than with one of `codes`.
    """
    shown = _shown(argv)
    here = [sys.executable, "-I", "-S", launcher.__file__, *argv]
    ended = await run_child(here, limit=limit, folder=folder, env=env)
    if ended.code is None:
        message = f"`{shown}` did not end within {limit:g} s and was killed{quoted(ended.said)}"
        raise InvalidRun(message, "allow it more time, or see what it waits for")
    fields = ended.answer.split()
    if len(fields) != 7:
        raise InvalidRun(f"`{shown}` ended the process that measures it, which {ended.how}{quoted(ended.said)}")
    wall, user, system = map(float, fields[:3])
    peak, floor, code, error = map(int, fields[3:])
    if error:
        raise LoadgateError(f"`{shown}` cannot be started: {os.strerror(error)}", "check the path, and who may run it")
    if code not in codes:
        allowed = f"{_listed(codes)} was expected" if code >= 0 else None
        raise InvalidRun(f"`{shown}` {ending(code)}{quoted(ended.said)}", allowed)
    return CommandResult(wall, user, system, peak * _UNIT if peak > _ALONE * floor else None)


def _shown(argv: Sequence[str]) -> str:
    text = join(argv)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _listed(codes: Collection[int]) -> str:
    return " or ".join(map(str, sorted(codes)))
