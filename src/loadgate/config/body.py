"""Request bodies of declarative steps: exactly one of `json`, `form`, `body`, `file`, `multipart`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from loadgate.config import fields
from loadgate.config.fields import Fields, Place, Refusal
from loadgate.config.source import Node, Table
from loadgate.config.template import JsonTemplate, Template, json_template, template

BODY_KEYS: Final = ("json", "form", "body", "file", "multipart")


@dataclass(frozen=True, slots=True)
class JsonBody:
    value: JsonTemplate


@dataclass(frozen=True, slots=True)
class FormBody:
    """Sent as application/x-www-form-urlencoded."""

    fields: tuple[tuple[str, Template], ...]


@dataclass(frozen=True, slots=True)
class TextBody:
    text: Template


@dataclass(frozen=True, slots=True)
class FileBody:
    """The bytes of a file, as they are."""

    path: Path


@dataclass(frozen=True, slots=True)
class FieldPart:
    """A text field of a multipart form."""

    name: str
    value: Template


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file of a multipart form; `content_type` None: by the suffix of `filename`."""

    name: str
    path: Path
    filename: str
    content_type: str | None


@dataclass(frozen=True, slots=True)
class MultipartBody:
    """Sent as multipart/form-data (RFC 7578)."""

    parts: tuple[FieldPart | FilePart, ...]


Body: TypeAlias = JsonBody | FormBody | TextBody | FileBody | MultipartBody


def read_body(own: Fields) -> Body | None:
    """The body among the fields of a step; two are reported."""
    given = [key for key in BODY_KEYS if key in own]
    if len(given) > 1:
        own.report(f"`{given[0]}` and `{given[1]}` cannot be given together {own.where}", given[1], "one body only")
    bodies: tuple[Body | None, ...] = (
        own.take("json", lambda node, place: JsonBody(json_template(node, place)), None),
        own.take("form", _form, None),
        own.take("body", lambda node, place: TextBody(template(node, place)), None),
        own.take("file", lambda node, place: FileBody(fields.file(node, place)), None),
        own.take("multipart", _multipart, None),
    )
    return next((body for body in bodies if body is not None), None)


def _form(node: Node, place: Place) -> FormBody:
    return FormBody(tuple(fields.mapping(template)(node, place).items()))


def _multipart(node: Node, place: Place) -> MultipartBody:
    if not isinstance(node, Table):
        raise place.refuse(node, "a mapping of names to texts or {file: path}")
    parts: list[FieldPart | FilePart] = []
    for entry in node.entries.values():
        at = Place(f"part `{entry.key}`", place.context, entry.key_span)
        try:
            if isinstance(entry.value, Table):
                parts.append(_file_part(entry.key, entry.value, at))
            else:
                parts.append(FieldPart(entry.key, template(entry.value, at)))
        except Refusal as refusal:
            place.report(refusal.problem)
    return MultipartBody(tuple(parts))


def _file_part(name: str, node: Table, place: Place) -> FilePart:
    own = Fields(node, place, f"in {place.what}")
    path = own.need("file", fields.file, Path())
    part = FilePart(
        name=name,
        path=path,
        filename=own.take("filename", fields.plain, path.name),
        content_type=own.take("content_type", fields.plain, None),
    )
    own.done()
    return part
