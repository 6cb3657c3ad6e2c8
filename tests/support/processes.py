"""Which processes there are: to see that none is left behind."""

from __future__ import annotations

import os
from pathlib import Path


def with_word(word: str) -> list[int]:
    """PIDs of processes whose command line holds `word`, but for this one (Linux)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if word.encode() in command and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def parent_of(pid: int) -> int:
    """PID of the parent (Linux)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
