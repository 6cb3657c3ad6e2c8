"""Where things lie that several commands ask for: the history of runs, and what `loadgate.yml` says of the gate."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from loadgate.errors import LoadgateError

if TYPE_CHECKING:
    from loadgate.config.gate import GateSpec
    from loadgate.store.store import Store

F = TypeVar("F", bound=Callable[..., Any])

VARIABLE: Final = "LOADGATE_STORE"
NOWHERE: Final = "none"

_STORE_HELP: Final = (
    f"History of runs: a SQLite file, or postgresql://... [default: ${VARIABLE}, `gate: store` of loadgate.yml, "
    ".loadgate/history.db]"
)


def store_option(command: F) -> F:
    return click.option("--store", "place", metavar="PLACE", help=_STORE_HELP)(command)


def config_option(command: F) -> F:
    text = "Project file. [default: loadgate.yml, if there is one]"
    return click.option("--config", metavar="FILE", type=Path, help=text)(command)


def format_option(command: F) -> F:
    kinds = click.Choice(["text", "json"])
    return click.option("--format", "form", type=kinds, default="text", show_default=True, help="How to print it.")(
        command
    )


def gate_spec(config: Path | None) -> GateSpec:
    """The `gate` of the project file that is named or lies here; the usual one without a file. Raises LoadgateError."""
    from loadgate.config.gate import GateSpec
    from loadgate.config.project import CONFIG_NAME, load_project

    path = config if config is not None else Path(CONFIG_NAME)
    if config is None and not path.is_file():
        return GateSpec()
    return load_project(path, os.environ).gate


def store_place(place: str | None, spec: GateSpec) -> str:
    """Where the history is: what the command line says, else the environment, else the project file."""
    from loadgate.store.store import PLACE

    return place or os.environ.get(VARIABLE) or spec.store or str(PLACE)


def open_store(place: str | None, spec: GateSpec) -> Store:
    """The history, made where it is missing. Raises LoadgateError, also where it is said to be `none`."""
    from loadgate.store.store import PLACE, Store

    where = store_place(place, spec)
    if where == NOWHERE:
        raise _nowhere()
    if where == str(PLACE):
        _make_folder(PLACE.parent)
    return Store.open(where)


def existing_store(place: str | None, spec: GateSpec) -> Store | None:
    """The history; None where nobody named one and there is none in the usual place. Raises LoadgateError."""
    from loadgate.store.store import PLACE, Store

    where = store_place(place, spec)
    if where == NOWHERE or (where == str(PLACE) and not PLACE.exists()):
        return None
    return Store.open(where, create=False)


def need_store(place: str | None, spec: GateSpec) -> Store:
    """The history. Raises LoadgateError where there is none."""
    store = existing_store(place, spec)
    if store is None and store_place(place, spec) == NOWHERE:
        raise _nowhere()
    if store is None:
        raise LoadgateError(
            "there is no history here: no run has been kept in .loadgate/history.db",
            "`loadgate run` keeps its runs there, `loadgate history import` those of other tools; --store names another place",
        )
    return store


def taken(read: Iterable[Path], spec: GateSpec, store: str | None, baseline: str | None) -> Iterator[tuple[str, Path]]:
    """The files that a run reads (`read`) or keeps things in, each with what it is: no summary may go over them."""
    from loadgate.record.file import RECORD_NAME

    for path in read:
        yield "a file that says what to run", path
    if (place := store_place(store, spec)) != NOWHERE:
        yield "the history", Path(place)
    if name := baseline or spec.baseline:
        yield "the baseline", Path(name)
        yield "the baseline", Path(name) / RECORD_NAME


def _nowhere() -> LoadgateError:
    return LoadgateError(
        f"the history is `{NOWHERE}` (--store, {VARIABLE} or `gate: store`): there is nothing to read or write",
        "name a place with --store; a file of that name is ./none",
    )


def _make_folder(folder: Path) -> None:
    """The folder of what is kept between runs; git is told to leave it alone."""
    try:
        folder.mkdir(exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", "utf-8")
    except OSError as error:
        raise LoadgateError(
            f"cannot keep the history in {folder}: {error.strerror or error}",
            "name another place with --store, or none",
        ) from None
