"""A step that opens a WebSocket session, and the steps within it that send messages and read what comes.

Within a session every other step may stand too: what a request of HTTP sets off is often told over the user's WebSocket.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from loadgate.config import fields
from loadgate.config.body import JsonBody, TextBody
from loadgate.config.expect import ExpectSpec, read_content
from loadgate.config.fields import Fields, Place, Refusal
from loadgate.config.source import Listing, Node, Scalar, Table
from loadgate.config.steps.exchange import COUNT_LIMIT, ExchangeStep, read_common, refuse, refuse_captured_headers
from loadgate.config.target import HEADER_NAME, url_mistake
from loadgate.config.template import Template, json_template, template
from loadgate.config.websocket import http_url, is_of_handshake
from loadgate.errors import Problem, Span, redact_url

if TYPE_CHECKING:
    from loadgate.config.steps.reading import Step

CLOSE_CODES: Final = (1000, 4999)
"""What a server may close with: RFC 6455 section 7.4."""

_SERVER: Final = re.compile(r"[a-z+]+://[^/?#]*", re.IGNORECASE)
_URL_START: Final = re.compile(r"/|\$\{|(?:wss?|https?|ws\+unix|http\+unix)://", re.IGNORECASE)


class Deed(StrEnum):
    """What a step within a session does; the value is its key."""

    ASK = "ask"
    """Send a message and wait for the one that answers it."""
    SEND = "send"
    RECEIVE = "receive"
    """Wait for messages that answer none."""
    PING = "ping"


@dataclass(frozen=True, slots=True)
class BinaryMessage:
    """Bytes, written in base64."""

    base64: Template


Message: TypeAlias = TextBody | JsonBody | BinaryMessage
"""JSON goes as text."""


@dataclass(frozen=True, slots=True)
class SessionExpect(ExpectSpec):
    """What holds of a session when it is over. `max_duration` is that of the opening. `close_codes` are the server's."""

    subprotocol: str | None = None
    close_codes: frozenset[int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStep(ExchangeStep):
    """One deed within a session. `named`: its exchange has a name of its own, else it counts for the session's.

    `count` is how many messages are received, or pings sent; `match` the field by which the answer to `message` is known.
    """

    deed: Deed
    named: bool = False
    message: Message | None = None
    match: Template | None = None
    count: int = 1

    @property
    def needs_target(self) -> Span | None:
        return None  # its session does


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStep(ExchangeStep):
    """A session that is open while `steps` run. `timeout` is over its opening, and again for each answer.

    `kept`: a user opens it once and goes on in it at its next iteration.
    """

    url: Template
    query: Mapping[str, Template] = field(default_factory=dict)
    subprotocols: tuple[str, ...] = ()
    compress: bool = False
    steps: tuple[Step, ...] = ()
    kept: bool = False
    expect: SessionExpect = field(default_factory=SessionExpect)

    @property
    def needs_target(self) -> Span | None:
        return self.url.span if self.url.text.startswith("/") else None


def read_session(key: str, own: Fields, steps: Callable[[Fields, str], tuple[Step, ...]]) -> SessionStep:
    """The step whose key is `ws`. `steps` reads those within, given all fields and the name of the session."""
    written = own.node.entries[key].value
    title = f"WS {written.text if isinstance(written, Scalar) else ''}".rstrip()
    common = read_common(own, redact_url(title))
    refuse(own, "capture", "its messages have what is to be kept")
    for name in common["headers"]:
        if is_of_handshake(name):
            advice = "give `subprotocols`" if name.lower().endswith("protocol") else "Loadgate writes it itself"
            table = own.node.entries["headers"].value
            span = table.entries[name].key_span if isinstance(table, Table) else table.span
            own.context.problems.append(Problem(f"`{name}` in `headers` {own.where} cannot be set", span, advice))
    step = SessionStep(
        **common,
        url=own.take(key, read_ws_url, Template("")),
        query=own.take("query", fields.mapping(template), {}),
        subprotocols=own.take("subprotocols", _subprotocols, ()),
        compress=own.take("compress", fields.flag, False),
        steps=steps(own, common["name"]),
        expect=own.take("expect", _session_expect, SessionExpect()),
    )
    if step.expect.subprotocol is not None and step.expect.subprotocol not in step.subprotocols:
        message = f"the subprotocol `{step.expect.subprotocol}` is expected {own.where} and not offered"
        own.report(message, "expect", "write it in `subprotocols`: a server chooses among those")
    own.done()
    return step


def read_message(key: str, own: Fields, session: str) -> MessageStep:
    """The step whose key is a `Deed`, within the session of that name."""
    deed = Deed(key)
    common = read_common(own, session)
    named = "name" in own
    asks, sends = deed is Deed.ASK, deed in (Deed.ASK, Deed.SEND)
    for other in ("headers", "auth"):
        refuse(own, other, "its session has them")
    if deed is Deed.SEND:
        for other in ("expect", "capture", "timeout"):
            refuse(own, other, "`send` waits for nothing: write `ask`, or `receive` after it")
    if deed is Deed.PING:
        refuse(own, "capture", "a pong holds nothing")
    refuse_captured_headers(own, common, "messages have none")
    binary = sends and own.take("binary", fields.flag, False)
    step = MessageStep(
        **common,
        deed=deed,
        named=named,
        message=own.take(key, read_binary_message if binary else read_text_message, None) if sends else None,
        match=own.take("match", template, None) if asks else None,
        count=1 if sends else own.take(key, fields.whole(1, COUNT_LIMIT), 1),
        expect=own.take("expect", _pong_expect if deed is Deed.PING else _message_expect, ExpectSpec()),
    )
    own.done()
    return step


def read_ws_url(node: Node, place: Place) -> Template:
    """A path or a whole URL of a WebSocket server, which may begin with a template."""
    url = template(node, place)
    if not _URL_START.match(url.text):
        advice = f"did you mean /{url.text}?" if url.text and "://" not in url.text else "write / for the root"
        raise place.refuse(node, "a path, or a URL with ws:// or wss://", advice)
    if any(character < " " or character == "\x7f" for character in url.text):
        raise place.refuse(node, "a path, or a URL with ws:// or wss://", "a control character is not allowed")
    server = _SERVER.match(url.text)
    if server is not None and "${" not in server[0] and (wrong := url_mistake(http_url(server[0]))) is not None:
        raise place.refuse(node, "a path, or a URL with ws:// or wss://", f"`{redact_url(server[0])}` {wrong[0]}")
    return url


def _subprotocols(node: Node, place: Place) -> tuple[str, ...]:
    names = fields.some(_subprotocol)(node, place)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise place.refuse(node, "a list of different names", f"{twice} is there twice")
    return names


def _subprotocol(node: Node, place: Place) -> str:
    name = fields.plain(node, place)
    if HEADER_NAME.fullmatch(name) is None:
        raise place.refuse(node, "a name, or a list of names", "a name has no blanks and no separators (RFC 6455)")
    return name


def read_text_message(node: Node, place: Place) -> Message:
    """A text message, or a mapping or list that becomes one as JSON."""
    if isinstance(node, Table | Listing):
        return JsonBody(json_template(node, place))
    if node.value is None:
        raise place.refuse(node, "a text, or a mapping or list that is sent as JSON", "nothing is given here")
    return TextBody(template(node, place))


def read_binary_message(node: Node, place: Place) -> Message:
    """A binary message, in base64."""
    written = template(node, place)
    if "${" not in written.text:
        try:
            b64decode(written.text, validate=True)
        except ValueError as error:
            label = str(error)
            raise Refusal(Problem(f"{place.what} is not base64, as `binary` says", node.span, label)) from None
    return BinaryMessage(written)


def _message_expect(node: Node, place: Place) -> ExpectSpec:
    own = Fields(node, place, f"in {place.what}")
    spec = ExpectSpec(**read_content(own), text=own.take("text", template, None))
    own.done()
    return spec


def _pong_expect(node: Node, place: Place) -> ExpectSpec:
    own = Fields(node, place, f"in {place.what}")
    spec = ExpectSpec(max_duration=own.take("max_duration", fields.positive(fields.duration), None))
    own.done()
    return spec


def _session_expect(node: Node, place: Place) -> SessionExpect:
    own = Fields(node, place, f"in {place.what}")
    codes = own.take("close_code", fields.some(_close_code), None)
    spec = SessionExpect(
        max_duration=own.take("max_duration", fields.positive(fields.duration), None),
        subprotocol=own.take("subprotocol", _subprotocol, None),
        close_codes=None if codes is None else frozenset(codes),
    )
    own.done()
    return spec


def _close_code(node: Node, place: Place) -> int:
    value = node.value if isinstance(node, Scalar) else None
    low, high = CLOSE_CODES
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise place.refuse(node, f"a close code from {low} to {high}, or a list of them")
    return value
