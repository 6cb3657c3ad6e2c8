"""A step that makes one gRPC call: its method is fixed, so that it can be checked; what varies are messages and metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from loadgate.config import fields
from loadgate.config.expect import ExpectSpec, read_expectations
from loadgate.config.fields import Fields, Place
from loadgate.config.source import Listing, Node, Scalar, Table
from loadgate.config.steps.exchange import ExchangeStep, read_common
from loadgate.config.template import JsonTemplate, Template, json_template, template
from loadgate.errors import Span, nearest

STATUSES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""Names of gRPC's statuses, each at the place of its number (gRPC's `statuscodes.md`)."""

METHOD: Final = re.compile(r"/?(?:\w+\.)*\w+/\w+", re.ASCII)
"""`package.Service/Method`."""


@dataclass(frozen=True, slots=True)
class MessageSpec:
    """The fields of one message and where their names are written."""

    fields: Mapping[str, JsonTemplate] = field(default_factory=dict)
    spans: Mapping[str, Span] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcStep(ExchangeStep):
    """One call of `package.Service/Method`. `listed`: its messages were written as a list.

    `expect.status` holds numbers of gRPC's statuses; None: OK, without a check of its own.
    """

    method: str
    method_span: Span
    messages: tuple[MessageSpec, ...] = (MessageSpec(),)
    message_span: Span
    listed: bool = False
    metadata: Mapping[str, Template] = field(default_factory=dict)

    @property
    def needs_target(self) -> Span | None:
        return None  # the gRPC server has an address of its own


def read_grpc_step(key: str, own: Fields) -> GrpcStep:
    """The step whose key is `grpc`."""
    written = own.node.entries[key].value
    method = own.take(key, _method, "")
    common = read_common(own, method)
    for other, advice in (
        ("headers", "a call has `metadata`"),
        ("auth", "write `authorization` in `metadata`"),
    ):
        own.deny(other, f"`{other}` cannot be used {own.where}, which is a gRPC call", advice)
    message = own.node.entries.get("message")
    step = GrpcStep(
        **common,
        method=method,
        method_span=written.span,
        messages=own.take("message", fields.one_or_more(_message), (MessageSpec(),)),
        message_span=written.span if message is None else message.key_span,
        listed=message is not None and isinstance(message.value, Listing),
        metadata=own.take("metadata", fields.mapping(template), {}),
        expect=own.take("expect", _expect, ExpectSpec()),
    )
    own.done()
    return step


def read_grpc_status(node: Node, place: Place) -> frozenset[int]:
    """A name of a status in any case, its number, or a list of them, as the set of numbers."""
    return frozenset(fields.some(_status)(node, place))


def _method(node: Node, place: Place) -> str:
    method = fields.plain(node, place)
    if METHOD.fullmatch(method) is None:
        raise place.refuse(node, "a method as `package.Service/Method`", "no such name")
    return method.removeprefix("/")


def _message(node: Node, place: Place) -> MessageSpec:
    if not isinstance(node, Table):
        raise place.refuse(node, "a mapping of fields to values, or a list of such mappings")
    entries = node.entries.values()
    return MessageSpec(
        {entry.key: json_template(entry.value, place) for entry in entries},
        {entry.key: entry.key_span for entry in entries},
    )


def _expect(node: Node, place: Place) -> ExpectSpec:
    own = Fields(node, place, f"in {place.what}")
    spec = read_expectations(own, read_grpc_status)
    own.done()
    return spec


def _status(node: Node, place: Place) -> int:
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(STATUSES):
        return value
    name = value.upper() if isinstance(value, str) else ""
    if name in STATUSES:
        return STATUSES.index(name)
    likely = nearest(name, STATUSES) if name else None
    raise place.refuse(node, "a status of gRPC, such as OK or NOT_FOUND", f"did you mean {likely}?" if likely else "")
