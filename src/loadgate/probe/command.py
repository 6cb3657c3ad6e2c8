"""A program to be started, and why it could not be, in words that say what to do."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loadgate.errors import LoadgateError, nearest


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments, the folder it runs in (ours if None), and what is added to our environment.

    A program without a slash is looked for on the PATH, a relative one in `folder`. There is no shell. `env` may hold secrets,
    so it is never shown. It runs on `cores`, and without them where we do.
    """

    argv: tuple[str, ...]
    folder: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cores: tuple[int, ...] = ()


def cannot_start(command: Command, env: Mapping[str, str], stage: str, number: int) -> LoadgateError:
    """The error for `command`, whose `stage` of starting ("fork", "folder" or "program") failed with errno `number`."""
    name, why = command.argv[0], os.strerror(number)
    if stage == "folder":
        return LoadgateError(f"cannot start `{name}` in the folder `{command.folder}`: {why}", "the folder must exist")
    if stage == "fork":
        return LoadgateError(f"cannot start `{name}`: {why}", "the machine has no room for another process")
    return LoadgateError(f"cannot start `{name}`: {why}", _start_hint(command, env, number))


def _start_hint(command: Command, env: Mapping[str, str], number: int) -> str:
    name = command.argv[0]
    path = Path(command.folder or ".", name)
    if number == errno.ENOEXEC:
        return "it is no program for this machine, nor a script whose first line begins with #!"
    if "/" in name and path.is_dir():
        return "it is a folder"
    if number == errno.EACCES:
        return f"it may not be executed: chmod +x {name}" if "/" in name else "it may not be executed by this user"
    if number != errno.ENOENT:
        return "it was found, but the system would not execute it"
    if "/" in name and path.exists():
        return "it is there, but the interpreter its first line (#!) or its header names is not"
    if " " in name:
        return "the whole text was taken for the name of a program: give the arguments apart from it"
    folders = [str(path.parent)] if "/" in name else env.get("PATH", os.defpath).split(os.pathsep)
    close = nearest(path.name, sorted(itertools.chain.from_iterable(map(_names, folders))))
    if close is not None:
        return f"did you mean `{name.removesuffix(path.name)}{close}`?"
    return (
        f"there is no such file in `{path.parent}`"
        if "/" in name
        else "no folder of the PATH holds a program of that name"
    )


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
