"""A step that sends one HTTP request: `get: /path` and its kin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from loadgate.config import fields
from loadgate.config.body import Body, read_body
from loadgate.config.expect import ExpectSpec, read_expect
from loadgate.config.fields import Fields, Place
from loadgate.config.source import Node, Scalar
from loadgate.config.steps.exchange import ExchangeStep, read_common
from loadgate.config.template import Template, template
from loadgate.config.websocket import http_url, is_websocket
from loadgate.errors import Span, redact_url

METHODS: Final = ("get", "post", "put", "patch", "delete", "head", "options")

_URL_START: Final = re.compile(r"/|\$\{|https?://|http\+unix://", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStep(ExchangeStep):
    """One named request."""

    method: str
    url: Template
    query: Mapping[str, Template] = field(default_factory=dict)
    body: Body | None = None
    redirects: int | None = None

    @property
    def needs_target(self) -> Span | None:
        return self.url.span if self.url.text.startswith("/") else None


def read_request(method: str, own: Fields) -> RequestStep:
    """The step whose key is `method`."""
    written = own.node.entries[method].value
    title = f"{method.upper()} {written.text if isinstance(written, Scalar) else ''}".rstrip()
    # As k6, the name is the URL as written: few distinct names, whatever the templates turn into.
    common = read_common(own, redact_url(title))
    step = RequestStep(
        **common,
        method=method.upper(),
        url=own.take(method, read_url, Template("")),
        query=own.take("query", fields.mapping(template), {}),
        body=read_body(own),
        redirects=own.take("redirects", fields.whole(0), None),
        expect=own.take("expect", read_expect, ExpectSpec()),
    )
    own.done()
    return step


def read_url(node: Node, place: Place) -> Template:
    """A path or a whole URL, which may begin with a template."""
    url = template(node, place)
    if not _URL_START.match(url.text):
        raise place.refuse(
            node,
            "a path or a whole URL",
            _likely(url.text),
        )
    if any(character < " " or character == "\x7f" for character in url.text):
        raise place.refuse(node, "a path or a whole URL", "a control character is not allowed")
    return url


def _likely(written: str) -> str:
    """What may be meant by `written`, which is no URL of a request."""
    if is_websocket(written):
        return f"did you mean {redact_url(http_url(written))}? only sessions (`ws`) and subscriptions go over WebSocket"
    if "://" in written:
        return "can be http, https, http+unix"
    return f"did you mean /{written}?" if written else "write / for the root"
