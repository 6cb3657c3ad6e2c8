"""`.proto` files to a schema, by protobuf's own compiler within this process: nothing is generated for the user to keep."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module, resources
from pathlib import Path
from typing import Any, Final

from loadgate.clients.grpc.schema import Schema
from loadgate.errors import ConfigError, LoadgateError, Problem, Span

_PLACE: Final = re.compile(r"(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+): (?P<text>.+)")
_WARNING: Final = "warning: "
_IMPORT: Final = re.compile(r'Import "(.+)" was not found or had errors\.')
"""Said of a file that has errors too, which are then shown."""
_LOOKED_FOR: Final = "imports are looked for in the folders of `proto_path`, and beside the files of `proto`"


def compile_protos(files: Sequence[Path], paths: Sequence[Path] = ()) -> Schema:
    """The services of `files`. Imports are looked for in `paths`, beside each file, and among protobuf's well-known types.

    Raises ConfigError with the place of each error in a file, LoadgateError for a file or folder that is not there.
    """
    for file in files:
        if not file.is_file():
            raise LoadgateError(f"there is no file {file}", "`.proto` files are named relative to the current folder")
    for path in paths:
        if not path.is_dir():
            raise LoadgateError(f"there is no folder {path} to look for imports in")
    folders = list(dict.fromkeys([*paths, *(file.parent for file in files)]))
    try:
        protoc = import_module("grpc_tools.protoc")
        sets: Any = import_module("google.protobuf.descriptor_pb2").FileDescriptorSet
        known = resources.files("grpc_tools") / "_proto"
    except ImportError:
        raise LoadgateError(
            "`.proto` files need packages that are not installed", "`pip install loadgate[grpc]`"
        ) from None
    with tempfile.TemporaryDirectory(prefix="loadgate-") as folder:
        out = Path(folder) / "set"
        arguments = ["protoc", *(f"--proto_path={one}" for one in folders), f"--proto_path={known}"]
        arguments += ["--include_imports", f"--descriptor_set_out={out}", *map(str, files)]
        status, said = _heard(lambda: int(protoc.main(arguments)))
        if status:
            raise _refusal(said, files, folders)
        found = sets.FromString(out.read_bytes())
    own = [_name_under(file, folders) for file in files]
    services = [
        f"{file.package}.{service.name}".lstrip(".")
        for file in found.file
        if file.name in own
        for service in file.service
    ]
    read = [place for file in found.file if (place := _place(file.name, folders)).is_file()]
    return Schema(found.file, services, ", ".join(str(file) for file in files), read)


def _name_under(file: Path, folders: Sequence[Path]) -> str:
    """What protoc calls `file`: its path from the first folder that holds it."""
    for folder in folders:
        if file.is_relative_to(folder):
            return file.relative_to(folder).as_posix()
    return file.name


def _place(name: str, folders: Sequence[Path]) -> Path:
    """The file that protoc calls `name`; of protobuf's own, which lie in none of `folders`, the name."""
    return next((folder / name for folder in folders if (folder / name).is_file()), Path(name))


def _heard(work: Callable[[], int]) -> tuple[int, str]:
    """What `work` returns, and what it writes to file descriptor 2: the compiler is native code and knows no other."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            status = work()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        return status, file.read().decode("utf-8", "replace")


def _refusal(said: str, files: Sequence[Path], folders: Sequence[Path]) -> LoadgateError:
    problems = []
    for line in said.splitlines():
        found = _PLACE.fullmatch(line)
        if found is None or found["text"].startswith(_WARNING):
            continue
        span = _span(found["file"], int(found["line"]), int(found["column"]), folders)
        imported = _IMPORT.fullmatch(found["text"])
        if imported is None:
            problems.append(Problem(found["text"].rstrip("."), span))
        elif not _place(imported[1], folders).is_file():
            problems.append(Problem(f"there is no file `{imported[1]}` to import", span, "", _LOOKED_FOR))
    if problems:
        return ConfigError(problems)
    named = ", ".join(map(str, files))
    lines = [line for line in said.splitlines() if line.strip()] or ["the compiler says no more"]
    return LoadgateError(f"cannot use {named}: {'; '.join(lines)}", _LOOKED_FOR)


def _span(name: str, line: int, column: int, folders: Sequence[Path]) -> Span:
    place = _place(name, folders)
    try:
        lines = place.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    word = re.match(r"[\w.]+|\S", lines[line - 1][column - 1 :]) if 0 < line <= len(lines) else None
    return Span(str(place), line, column, len(word[0]) if word else 1, lines)
