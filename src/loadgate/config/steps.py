"""The declarative steps of a scenario: a request, a think time, or a named group of steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from loadgate.config import fields
from loadgate.config.body import Body, read_body
from loadgate.config.expect import CaptureSpec, ExpectSpec, read_captures, read_expect
from loadgate.config.fields import Fields, Place
from loadgate.config.source import Listing, Node, Scalar
from loadgate.config.target import Auth, auth, headers
from loadgate.config.template import Template, template
from loadgate.errors import Span, redact_url

METHODS: Final = ("get", "post", "put", "patch", "delete", "head", "options")

_URL_START: Final = re.compile(r"/|\$\{|https?://|http\+unix://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Think:
    """A pause between `low` and `high` seconds, evenly drawn; a fixed one if they are equal."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RequestStep:
    """One named request. None (or empty) means the target's setting. Times in seconds; `think` comes after."""

    method: str
    url: Template
    name: str
    span: Span
    headers: Mapping[str, Template] = field(default_factory=dict)
    query: Mapping[str, Template] = field(default_factory=dict)
    body: Body | None = None
    auth: Auth[Template] | None = None
    timeout: float | None = None
    redirects: int | None = None
    expect: ExpectSpec = field(default_factory=ExpectSpec)
    captures: tuple[CaptureSpec, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    think: Think | None = None


@dataclass(frozen=True, slots=True)
class ThinkStep:
    """A pause on its own."""

    think: Think
    span: Span


@dataclass(frozen=True, slots=True)
class GroupStep:
    """Steps that are measured together as `group_duration`."""

    name: str
    steps: tuple[Step, ...]
    span: Span


Step: TypeAlias = RequestStep | ThinkStep | GroupStep


def read_steps(node: Node, place: Place) -> tuple[Step, ...]:
    """A list of steps; what cannot be read is reported and left out."""
    if isinstance(node, Listing) and not node.items:
        raise place.refuse(node, "a list of at least one step", "this list is empty")
    return tuple(step for step in fields.items(_step)(node, place) if step is not None)


def requests_of(steps: tuple[Step, ...]) -> Iterator[RequestStep]:
    """The requests among `steps`, those in groups too, in order."""
    for step in steps:
        if isinstance(step, GroupStep):
            yield from requests_of(step.steps)
        elif isinstance(step, RequestStep):
            yield step


def _step(node: Node, place: Place) -> Step | None:
    own = Fields(node, Place("a step", place.context), "in a step")
    methods = [method for method in METHODS if method in own]
    kinds = methods or [kind for kind in ("group", "think") if kind in own]
    if "group" in own and methods:
        kinds = [*methods, "group"]
    if len(kinds) > 1 and kinds != ["group", "think"]:
        own.report(f"a step does one thing, but this one has `{kinds[0]}` and `{kinds[1]}`", kinds[1])
    if methods:
        return _request(methods[0], own)
    if "group" in own:
        own.where = "in a group"
        return _group(own)
    if "think" in own:
        think = own.take("think", _think, None)
        own.done()
        return None if think is None else ThinkStep(think, own.node.span)
    own.done()
    if own.node.entries.keys() <= {*METHODS, "group", "think"}:
        own.report(f"a step needs one of {', '.join((*METHODS, 'group', 'think'))}")
    return None


def _group(own: Fields) -> GroupStep:
    name = own.take("group", fields.plain, "")
    own.where = f"in group `{name}`"
    steps: tuple[Step, ...] = own.need("steps", read_steps, ())
    own.done()
    return GroupStep(name, steps, own.node.span)


def _request(method: str, own: Fields) -> RequestStep:
    written = own.node.entries[method].value
    title = f"{method.upper()} {written.text if isinstance(written, Scalar) else ''}".rstrip()
    # As k6, the name is the URL as written: few distinct names, whatever the templates turn into.
    name = own.take("name", fields.plain, redact_url(title))
    own.where = f"in step `{name}`"
    step = RequestStep(
        method=method.upper(),
        url=own.take(method, _url, Template("")),
        name=name,
        span=own.node.span,
        headers=own.take("headers", headers(template), {}),
        query=own.take("query", fields.mapping(template), {}),
        body=read_body(own),
        auth=own.take("auth", auth(template), None),
        timeout=own.take("timeout", fields.positive(fields.duration), None),
        redirects=own.take("redirects", fields.whole(0), None),
        expect=own.take("expect", read_expect, ExpectSpec()),
        captures=own.take("capture", read_captures, ()),
        tags=own.take("tags", fields.mapping(fields.plain), {}),
        think=own.take("think", _think, None),
    )
    own.done()
    return step


def _url(node: Node, place: Place) -> Template:
    url = template(node, place)
    if not _URL_START.match(url.text):
        raise place.refuse(
            node,
            "a path or a whole URL",
            f"did you mean /{url.text}?" if url.text else "write / for the root",
        )
    if any(character < " " or character == "\x7f" for character in url.text):
        raise place.refuse(node, "a path or a whole URL", "a control character is not allowed")
    return url


def _think(node: Node, place: Place) -> Think:
    if not isinstance(node, Scalar) or node.value is None:
        raise place.refuse(node, "a duration or a range, for example 1s or 1s..3s")
    first, dots, last = node.text.partition("..")
    low = fields.duration_of(first, node, place)
    high = fields.duration_of(last, node, place) if dots else low
    if high < low:
        raise place.refuse(node, "a range from low to high", "the first is larger than the second")
    return Think(low, high)
