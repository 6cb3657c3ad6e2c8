"""What a step of any protocol has: a name, what goes with it, what is expected of its reply and kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypedDict

from loadgate.config import fields
from loadgate.config.expect import CaptureFrom, CaptureSpec, ExpectSpec, read_captures
from loadgate.config.fields import Fields, Place
from loadgate.config.source import Node, Scalar
from loadgate.config.target import Auth, auth, headers
from loadgate.config.template import Template, template
from loadgate.errors import Problem, Span


@dataclass(frozen=True, slots=True)
class Think:
    """A pause between `low` and `high` seconds, evenly drawn; a fixed one if they are equal."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeStep:
    """One named exchange. None (or empty) means the target's setting. Times in seconds; `think` comes after."""

    name: str
    span: Span
    headers: Mapping[str, Template] = field(default_factory=dict)
    auth: Auth[Template] | None = None
    timeout: float | None = None
    expect: ExpectSpec = field(default_factory=ExpectSpec)
    captures: tuple[CaptureSpec, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    think: Think | None = None

    @property
    def needs_target(self) -> Span | None:
        """What says a path and no host, so that a target's URL is needed; None where none is."""
        return self.span


class Common(TypedDict):
    """What `read_common` reads, by the names of `ExchangeStep`'s fields."""

    name: str
    span: Span
    headers: Mapping[str, Template]
    auth: Auth[Template] | None
    timeout: float | None
    captures: tuple[CaptureSpec, ...]
    tags: Mapping[str, str]
    think: Think | None


COUNT_LIMIT: Final = 100_000
"""Messages, events or pings one step may wait for: what came is kept until all of it is there."""


def read_common(own: Fields, name: str) -> Common:
    """The keys that steps of every protocol have, but `expect`, whose keys differ. `name` is for a step without its own.

    From here on, messages say `in step ...`.
    """
    name = own.take("name", fields.plain, name)
    own.where = f"in step `{name}`"
    return Common(
        name=name,
        span=own.node.span,
        headers=own.take("headers", headers(template), {}),
        auth=own.take("auth", auth(template), None),
        timeout=own.take("timeout", fields.timeout, None),
        captures=own.take("capture", read_captures, ()),
        tags=own.take("tags", fields.mapping(fields.plain), {}),
        think=own.take("think", read_think, None),
    )


def refuse(own: Fields, key: str, advice: str) -> None:
    """Report `key`, which steps of this kind have not, where it is given."""
    own.deny(key, f"`{key}` cannot be used {own.where}", advice)


def refuse_captured_headers(own: Fields, common: Common, label: str) -> None:
    """Report captures of headers, where what comes has none."""
    for capture in common["captures"]:
        if capture.source is CaptureFrom.HEADER:
            message = f"capture `{capture.name}` {own.where} is of a header"
            own.context.problems.append(Problem(message, capture.span, label))


def read_think(node: Node, place: Place) -> Think:
    """A duration, or a range of two."""
    if not isinstance(node, Scalar) or node.value is None:
        raise place.refuse(node, "a duration or a range, for example 1s or 1s..3s")
    first, dots, last = node.text.partition("..")
    low = fields.duration_of(first, node, place)
    high = fields.duration_of(last, node, place) if dots else low
    if high < low:
        raise place.refuse(node, "a range from low to high", "the first is larger than the second")
    return Think(low, high)
