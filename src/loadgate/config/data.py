"""Data files that feed templates: `data: {people: {file: people.csv, order: unique}}`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from loadgate.config import fields
from loadgate.config.fields import Fields, Place
from loadgate.config.source import Node
from loadgate.errors import Span

SUFFIXES: Final = (".csv", ".json")


class Order(StrEnum):
    """How rows are handed out: in turn and again, at random, or each once until none is left."""

    SEQUENTIAL = "sequential"
    RANDOM = "random"
    UNIQUE = "unique"


class Share(StrEnum):
    """Who takes from the same place in the file: all VUs together, or each VU for itself."""

    ALL = "all"
    VU = "vu"


@dataclass(frozen=True, slots=True)
class DataSpec:
    """One data file, .csv or .json; `span` is where its name stands in the configuration."""

    name: str
    path: Path
    order: Order
    share: Share
    span: Span


def read_data(name: str, node: Node, place: Place) -> DataSpec:
    """The data file called `name`."""
    own = Fields(node, place, f"in data `{name}`")
    spec = DataSpec(
        name=name,
        path=own.need("file", _data_file, Path()),
        order=own.take("order", fields.choice(Order), Order.SEQUENTIAL),
        share=own.take("share", fields.choice(Share), Share.ALL),
        span=node.span,
    )
    own.done()
    return spec


def _data_file(node: Node, place: Place) -> Path:
    path = fields.file(node, place)
    if path.suffix.lower() not in SUFFIXES:
        raise place.refuse(node, f"a file that ends in {' or '.join(SUFFIXES)}", "this format is not known")
    return path
