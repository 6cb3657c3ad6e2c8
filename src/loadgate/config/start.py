"""How a target is started, when it is ready, how it is stopped, and what is watched of it: part of the `target` mapping.

    target:
      url: http://127.0.0.1:3000
      start: node server.js                    # or a list of words, or {command, folder, env}
      ready: /health/ready                     # or {path, status, within}
      stop: 10s                                # from SIGTERM to SIGKILL
      watch: {container: web, every: 1s}       # instead of the started program: pid, container, unit, cgroup

A command is split into words as a shell does, and run without one: then the program that is watched is the program itself.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from loadgate.config import fields
from loadgate.config.fields import Fields, Place, Refusal
from loadgate.config.source import Listing, Node, Scalar, Table
from loadgate.errors import ConfigError, Problem, nearest

WITHIN: Final = 30.0
"""Seconds a target may take until it is ready."""
STOP: Final = 10.0
"""Seconds between SIGTERM and SIGKILL: Docker's."""
EVERY: Final = 1.0
"""Seconds between two readings of what a target uses."""
_LEAST_EVERY: Final = 0.1
_OPERATORS: Final = frozenset("|&;<>()")


@dataclass(frozen=True, slots=True)
class StartSpec:
    """A command and what it is run with: `env` is added to ours. Values of variables are in no repr."""

    argv: tuple[str, ...]
    folder: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ReadySpec:
    """A GET of `path` says whether the target is ready: by one of `statuses`, or if there are none by any below 400.

    `path` "": the target's own URL, and any reply at all below 500 will do. `within` is in seconds from the start.
    """

    path: str = ""
    statuses: tuple[int, ...] = ()
    within: float = WITHIN

    def accepts(self, status: int) -> bool:
        """Whether a reply with `status` (0: there was none) says that the target is ready."""
        if self.statuses:
            return status in self.statuses
        return 100 <= status < (400 if self.path else 500)


class Watched(StrEnum):
    """What can be watched besides a program we started."""

    PID = "pid"
    CONTAINER = "container"
    UNIT = "unit"
    CGROUP = "cgroup"


@dataclass(frozen=True, slots=True)
class WatchSpec:
    """What is watched, read every so many seconds. `kind` None: the program that was started."""

    kind: Watched | None = None
    value: str = ""
    every: float = EVERY


def read_start(node: Node, place: Place) -> StartSpec:
    """`start`: a command, or a mapping with one."""
    if not isinstance(node, Table):
        return StartSpec(read_command(node, place), place.context.folder.absolute())
    own = Fields(node, place, f"in {place.what}")
    nothing: tuple[str, ...] = ()
    argv = own.need("command", read_command, nothing)
    spec = StartSpec(
        argv=argv,
        folder=own.take("folder", _folder, place.context.folder.absolute()),
        env=own.take("env", _variables, {}),
    )
    own.done()
    return spec


def start_from_flag(written: str, flag: str = "--start") -> StartSpec:
    """The command that `flag` says. Raises ConfigError."""
    try:
        return StartSpec(_words(written))
    except ValueError as error:
        raise ConfigError([Problem(f"{flag}: {error}", note=_ADVICE)]) from None


def read_ready(node: Node, place: Place) -> ReadySpec:
    """`ready`: a path, or a mapping with one."""
    if not isinstance(node, Table):
        return ReadySpec(read_path(node, place))
    own = Fields(node, place, "in `ready` in `target`")
    spec = ReadySpec(
        path=own.take("path", read_path, ""),
        statuses=own.take("status", fields.some(_status), ()),
        within=own.take("within", fields.positive(fields.duration), WITHIN),
    )
    own.done()
    return spec


def ready_from_flag(path: str) -> ReadySpec:
    """The path said by `--ready`. Raises ConfigError."""
    if not path.startswith("/"):
        raise ConfigError([Problem(f"--ready: `{path}` is no path", note="for example --ready /health")])
    return ReadySpec(path)


def read_watch(node: Node, place: Place) -> WatchSpec:
    """`watch`: one of pid, container, unit, cgroup, and how often."""
    own = Fields(node, place, "in `watch` in `target`")
    found = [(kind, own.take(kind.value, fields.plain, "")) for kind in Watched if kind.value in own]
    every = own.take("every", fields.positive(fields.duration), EVERY)
    own.done()
    if every < _LEAST_EVERY:
        own.report(
            "`every` in `watch` is too short", "every", f"{_LEAST_EVERY:g}s or more: reading costs the target, too"
        )
    if len(found) > 1:
        own.report("`watch` has more than one thing to watch", found[1][0].value, "give one of them")
    kind, value = found[0] if found else (None, "")
    if kind is Watched.PID and not _is_pid(value):
        own.report("`pid` in `watch` must be a process id", "pid", "a whole number, as `ps` shows it")
    return WatchSpec(kind, value, max(every, _LEAST_EVERY))


def watch_from_flag(written: str) -> WatchSpec:
    """What `--watch` says: `pid:4711`, `container:web`, `unit:web.service`, `cgroup:/path`. Raises ConfigError."""
    kind, colon, value = written.partition(":")
    kinds = [each.value for each in Watched]
    if not colon or not value or kind not in kinds or (kind == Watched.PID and not _is_pid(value)):
        likely = nearest(kind, kinds)
        note = f"did you mean `{likely}:...`?" if likely and likely != kind else "for example --watch pid:4711"
        raise ConfigError(
            [Problem(f"--watch: `{written}` is none of pid:N, container:ID, unit:NAME, cgroup:PATH", note=note)]
        )
    return WatchSpec(Watched(kind), value)


def _is_pid(value: str) -> bool:
    """Linux counts to 2**22 (PID_MAX_LIMIT)."""
    return value.isascii() and value.isdecimal() and len(value) <= 7 and 0 < int(value) <= 2**22


_ADVICE: Final = 'it is run without a shell; where one is needed, say so: sh -c "..."'


def read_command(node: Node, place: Place) -> tuple[str, ...]:
    """The words of a command, of which there is one at least: as text, or as a list."""
    if isinstance(node, Listing):
        words = fields.items(fields.plain)(node, place)
        if not words or not words[0]:
            raise place.refuse(node, "a command", "there is no program in it")
        if any("\0" in word for word in words):
            raise place.refuse(node, "a command", "a null character is in it")
        return words
    written = fields.plain(node, place)
    try:
        return _words(written)
    except ValueError as error:
        raise Refusal(Problem(f"{place.what}: {error}", node.span, "", _ADVICE)) from None


def _words(written: str) -> tuple[str, ...]:
    """The words of a command. Raises ValueError for what only a shell could do."""
    lexer = shlex.shlex(written, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        words = tuple(lexer)
    except ValueError:
        raise ValueError("a quotation mark is not closed") from None
    for word in words:
        if word and _OPERATORS.issuperset(word):
            raise ValueError(f"`{word}` is for a shell")
    if not words or not words[0]:
        raise ValueError("there is no program in it")
    if "\0" in written:
        raise ValueError("a null character is in it")
    name, equals, _ = words[0].partition("=")
    if equals and name.isidentifier():
        raise ValueError(f"`{name}=...` before a command is for a shell; give variables under `env`")
    return words


def _variables(node: Node, place: Place) -> dict[str, str]:
    values = fields.mapping(fields.plain)(node, place)
    for entry in node.entries.values() if isinstance(node, Table) else ():
        if not entry.key or "=" in entry.key or "\0" in entry.key:
            place.report(Problem(f"`{entry.key}` in {place.what} is no name of a variable", entry.key_span))
    return values


def _folder(node: Node, place: Place) -> Path:
    path = place.context.folder.absolute() / fields.plain(node, place)
    if not path.is_dir():
        raise place.refuse(node, "a folder", f"there is no folder {path}")
    return path


def read_path(node: Node, place: Place) -> str:
    """A path on the target."""
    path = fields.plain(node, place)
    if not path.startswith("/") or any(character <= " " for character in path):
        raise place.refuse(node, "a path that begins with /", "it is asked of the target's own URL")
    return path


def _status(node: Node, place: Place) -> int:
    value = node.value if isinstance(node, Scalar) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 100 <= value <= 599:
        raise place.refuse(node, "an HTTP status", "100 to 599")
    return value
