"""The user's build command, run for one arm after the other.

It runs as programs under test do, by a companion process: when it is interrupted, or we are killed, it ends with all it has
started, and nothing it has left running in the background goes on beside the load.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from loadgate.ab.git import PLACES
from loadgate.ab.order import Arm
from loadgate.ab.refs import SHORT, Commits
from loadgate.errors import InvalidRun
from loadgate.interruption import Interrupted, Signals
from loadgate.masks import redact_text
from loadgate.probe.kept import Command, Keeper
from loadgate.program import end_of
from loadgate.record.file import write_atomically
from loadgate.record.redact import redact_words

_SHOWN: Final = 12
"""Lines of a build's output that its failure shows."""
_QUIETLY: Final = f'unset {" ".join(PLACES)}; exec "$@" >"$0" 2>&1'
"""A build prints into a file, and knows of no repository but the one its folder is in."""


async def build(
    command: tuple[str, ...],
    commits: Commits,
    places: Mapping[Arm, Path],
    *,
    logs: tuple[Path, Path],
    say: Callable[[str], None],
) -> None:
    """Run `command` in each of `places`, one after the other; `commits` are what is said of them.

    What it prints goes as it is to a file in the first folder of `logs`, which is nobody else's, and without secrets to
    build-base.log and build-head.log in the second. Raises InvalidRun where a build fails, Interrupted by Ctrl-C.
    """
    private, out = logs
    with Signals(restores=True):
        try:
            keeper = await Keeper.open()
            try:
                for arm, place in places.items():
                    say(f"{arm}: building {commits[arm][:SHORT]} with {redact_words(command)}")
                    await _build(keeper, command, arm, place, private / f"{arm}.log", out / f"build-{arm}.log")
            finally:
                await _close(keeper)
        except asyncio.CancelledError:
            raise Interrupted("interrupted while the arms were built") from None


async def _build(keeper: Keeper, command: tuple[str, ...], arm: Arm, place: Path, raw: Path, log: Path) -> None:
    try:
        await keeper.start(Command(("sh", "-c", _QUIETLY, str(raw), *command), place))
        ended = await keeper.ended
    finally:
        printed = redact_text(raw.read_text("utf-8", "replace")) if raw.exists() else ""
        write_atomically(log, printed.encode("utf-8", "replace"), sync=False)
    if ended.code != 0:
        last = tuple(printed.splitlines()[-_SHOWN:])
        raise InvalidRun(f"{arm}: the build failed: {end_of(replace(ended, output=last))}", f"all of it is in {log}")


async def _close(keeper: Keeper) -> None:
    try:
        await asyncio.shield(keeper.close())
    except asyncio.CancelledError:
        keeper.kill_now()
        raise
