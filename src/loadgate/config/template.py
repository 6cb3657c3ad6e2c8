"""Texts and values that are filled in while a VU runs: `/users/${user_id}`.

They are kept as written, with their place, so that whoever knows the names (the script part) can point into the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

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
