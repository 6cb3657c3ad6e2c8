"""Sampled call stacks: of a sampling profiler's output, and as lines that tools for flame graphs read.

    root (file.py:1);caller (file.py:7);leaf (other.py:3) 25

is a stack that was seen 25 times, its root first (Gregg's collapsed stacks, as py-spy's `--format raw` writes them).

Rules:
* Of a process nothing is kept but the names of its functions and their files: its command may hold a secret.
* Of a file outside any package the last two parts of its path are kept, so that the same function has one name in two folders.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_FRAME: Final = re.compile(r"(?P<name>.+) \((?P<file>.+?)(?::(?P<line>\d+))?\)")
_PERF_FRAME: Final = re.compile(r"\s+[0-9a-f]+ (?P<name>.+?)(?:\+0x[0-9a-f]+)? \((?P<file>[^()]*(?:\([^()]*\))?)\)")
_UNKNOWN: Final = "[unknown]"
_KEPT: Final = 2
"""Parts of a path."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A function. `file` is its source or its library; `line` is the one it begins at, 0 where that is not known."""

    name: str
    file: str
    line: int = 0

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        return f"{self.name} ({self.place})"


Stack = tuple[Frame, ...]
"""The root first, never empty."""
Stacks = Mapping[Stack, int]
"""How often each stack was seen."""


def read_collapsed(text: str) -> Stacks:
    """What py-spy wrote. Whatever is no stack is passed over, such as a command that has several lines."""
    found: Counter[Stack] = Counter()
    for line in text.splitlines():
        words, _, count = line.rpartition(" ")
        pieces = words.split(";")
        # processes come first, as `process 7:"COMMAND"`, and a command may hold semicolons
        last = max((at for at, piece in enumerate(pieces) if piece.endswith('"')), default=-1)
        stack = tuple(_frame(match) for piece in pieces[last + 1 :] if (match := _FRAME.fullmatch(piece)))
        if stack and count.isdecimal():
            found[stack] += int(count)
    return found


def read_perf_script(text: str) -> Stacks:
    """What `perf script -F comm,tid,ip,sym,dso` printed. Frames without a name are left out."""
    found: Counter[Stack] = Counter()
    for block in text.split("\n\n"):
        stack = tuple(_perf_frames(block))[::-1]
        if stack:
            found[stack] += 1
    return found


def collapsed(stacks: Stacks) -> str:
    """`stacks` as lines, those seen most first."""
    lines = sorted(stacks.items(), key=lambda item: (-item[1], str(item[0])))
    return "".join(f"{';'.join(map(str, stack))} {count}\n" for stack, count in lines)


def _frame(match: re.Match[str]) -> Frame:
    return Frame(match["name"], _shortened(match["file"]), int(match["line"] or 0))


def _perf_frames(block: str) -> Iterator[Frame]:
    """The frames of one sample, the leaf first."""
    for line in block.splitlines():
        match = _PERF_FRAME.fullmatch(line)
        if match is not None and match["name"] != _UNKNOWN:
            yield Frame(match["name"].replace(";", ":"), match["file"].rpartition("/")[2])


def _shortened(path: str) -> str:
    return "/".join(path.split("/")[-_KEPT:]) if path.startswith("/") else path
