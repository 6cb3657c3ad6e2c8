"""Texts and values that are filled in while a VU runs: `/users/${user_id}`.

They are kept as written, with their place, so that whoever knows the names (the script part) can point into the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from loadgate.config import fields
from loadgate.config.fields import Place
from loadgate.config.source import Listing, Node, Scalar, Table
from loadgate.errors import Span


@dataclass(frozen=True, slots=True)
class Template:
    """Text that may hold `${...}`; `span` covers it in the file (`span.part` points into it)."""

    text: str
    span: Span | None = None


JsonTemplate: TypeAlias = "bool | int | float | Template | list[JsonTemplate] | dict[str, JsonTemplate] | None"
"""A JSON value whose strings are templates."""


def template(node: Node, place: Place) -> Template:
    """Any scalar as a template."""
    return Template(fields.text(node, place), node.span)


def json_template(node: Node, place: Place) -> JsonTemplate:
    """Any tree as JSON. Raises Refusal for NaN and infinities, which JSON has not."""
    if isinstance(node, Table):
        return {entry.key: json_template(entry.value, place) for entry in node.entries.values()}
    if isinstance(node, Listing):
        return [json_template(item, place) for item in node.items]
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return Template(node.text, node.span)
    if isinstance(node.value, float) and not abs(node.value) < float("inf"):
        raise place.refuse(node, "JSON", "JSON has no such number")
    return node.value


def is_fixed(value: JsonTemplate) -> bool:
    """Whether there is nothing to fill in in a JSON value."""
    if isinstance(value, Template):
        return "${" not in value.text
    if isinstance(value, dict):
        return all(map(is_fixed, value.values()))
    return all(map(is_fixed, value)) if isinstance(value, list) else True


def as_written(value: JsonTemplate) -> Any:
    """A JSON value as the user wrote it: templates are not filled in, they may be secret."""
    if isinstance(value, Template):
        return value.text
    if isinstance(value, dict):
        return {key: as_written(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_written(item) for item in value]
    return value
