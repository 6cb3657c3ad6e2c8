"""The user's build command, run for one arm after the other.

It runs as programs under test do, by a companion process: when it is interrupted, or we are killed, it ends with all it has
started, and nothing it has left running in the background goes on beside the load.
"""

from __future__ import annotations

import asyncio
import os
import re
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
_KEPT: Final = 4 << 20
"""Bytes of a build's output that are kept, its last: looking for secrets takes 0.45 s a MB."""
_LINE_END: Final = re.compile(rb"[\r\n]")
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
    build-base.log and build-head.log in the second, of much only the end. Raises InvalidRun where a build fails, Interrupted by
    Ctrl-C.
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
        printed = _printed(raw) if raw.exists() else ""
        write_atomically(log, printed.encode("utf-8", "replace"), sync=False)
    if ended.code != 0:
        last = tuple(printed.splitlines()[-_SHOWN:])
        raise InvalidRun(
            f"{arm}: the build failed: {end_of(replace(ended, output=last))}", f"what it printed is in {log}"
        )


def _printed(raw: Path) -> str:
    """What is in `raw`, without secrets. Of more than `_KEPT` bytes whole lines at the end, for half a line may hold a secret
    without its name, after one that says so.
    """
    with raw.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _KEPT))
        text = file.read(_KEPT)
    if size <= _KEPT:
        return redact_text(text.decode("utf-8", "replace"))
    found = _LINE_END.search(text)
    kept = b"" if found is None else text[found.end() :]
    note = f"... the first {size - len(kept):,} of {size:,} bytes are left out\n"
    return note + redact_text(kept.decode("utf-8", "replace"))


async def _close(keeper: Keeper) -> None:
    try:
        await asyncio.shield(keeper.close())
    except asyncio.CancelledError:
        keeper.kill_now()
        raise
