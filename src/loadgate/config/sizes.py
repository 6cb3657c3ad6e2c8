"""Latency by payload size: what is sent, in which sizes, and how fast. `sizes` in `bench`, one mapping or a list of them:

    sizes:
      - {request: POST /echo, bytes: [100, 1000, 10000], rates: [50/s], vus: 1, duration: 3s}
      - {grpc: greet.Greeter/SayHello, message: {name: "${payload}"}}
      - {graphql: "query Find($id: ID!) { user(id: $id) { id } }", variables: {id: "${payload}"}}
      - {ws: /ws, message: "${payload}"}              # or binary: true

What is not a `request` is a step as scenarios have it, with something of the size in its messages (`payload`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from loadgate.config import fields
from loadgate.config.body import TextBody
from loadgate.config.fields import Fields, Place, Refusal
from loadgate.config.load import VU_LIMIT
from loadgate.config.payload import PAYLOAD, PAYLOAD_BASE64, SizedStep, holes
from loadgate.config.source import Node
from loadgate.config.steps import MessageStep, SessionStep, Step
from loadgate.config.steps.graphql import read_graphql_step
from loadgate.config.steps.grpc import read_grpc_step
from loadgate.config.steps.websocket import (
    BinaryMessage,
    Deed,
    Message,
    read_binary_message,
    read_session,
    read_text_message,
)
from loadgate.config.template import Template, template
from loadgate.errors import Problem, Span
from loadgate.units import UnitError, parse_rate

SIZES: Final = (100, 1_000, 10_000)
SIZE_LIMIT: Final = 1_000_000_000
BLANK: Final = "{size}"
"""What stands in a path for the number of bytes."""

_REQUEST: Final = re.compile(r"(?:([A-Za-z]+) +)?(/\S*)")
_BODIES: Final = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class RequestText:
    """A method and a path on the target."""

    method: str
    path: str

    @property
    def carries(self) -> bool:
        """Whether it has a body."""
        return self.method in _BODIES


Sent: TypeAlias = RequestText | SizedStep


@dataclass(frozen=True, slots=True)
class SizesSpec:
    """`request` at each of `sizes` (bytes): closed loop with `vus`, then at each of `rates` (1/s), `duration` s each.

    Of an HTTP request the size is that of the body of a POST, PUT or PATCH, and stands in the path for `{size}`; of a step it
    is that of the payload in its messages. `name` "": what it is called where nobody says.
    """

    request: Sent
    sizes: tuple[int, ...] = SIZES
    rates: tuple[float, ...] = ()
    vus: int = 1
    duration: float = 3.0
    name: str = ""
    span: Span | None = field(default=None, repr=False, compare=False)

    @property
    def title(self) -> str:
        """What its steps' names begin with."""
        if self.name:
            return self.name
        if isinstance(self.request, RequestText):
            return f"{self.request.method} {self.request.path.replace(BLANK, 'N')}"
        return self.request.name

    @property
    def needs_url(self) -> bool:
        """Whether it goes to the target's URL."""
        return isinstance(self.request, RequestText) or self.request.needs_target is not None


def read_sizes(node: Node, place: Place) -> tuple[SizesSpec, ...]:
    """One mapping or a list of them, whose steps have names of their own."""
    specs = fields.one_or_more(_sizes)(node, place)
    titles = [spec.title for spec in specs]
    for at, spec in enumerate(specs):
        if spec.title in titles[:at]:
            advice = "give one of them a `name`"
            place.report(Problem(f"two `sizes` in `bench` are called `{spec.title}`", spec.span, advice))
    return specs


def elsewhere(written: str) -> str:
    """Where what is typed as another protocol's, such as "WS /ws", is to be written; "" for what is HTTP's."""
    kind = written.split(None, 1)[0].lower() if written.strip() else ""
    if kind in _KINDS and kind != "request":
        return f"a request is one of HTTP: `{kind}` stands in loadgate.yml, in `sizes` in `bench` or in a step"
    return ""


def request_of(written: str) -> RequestText | None:
    """A request as typed, "POST /echo" or "/echo"; None for what is none."""
    match = _REQUEST.fullmatch(written.strip())
    return None if match is None else RequestText((match[1] or "GET").upper(), match[2])


def read_request_text(node: Node, place: Place) -> RequestText:
    """A method and a path, or a path alone for GET."""
    written = fields.plain(node, place)
    found = request_of(written)
    if found is None or elsewhere(written):
        raise place.refuse(node, "a request", elsewhere(written) or "for example POST /echo, or a path alone for GET")
    return found


def check_sizes(spec: SizesSpec) -> str:
    """What is wrong with `spec` as a whole, or ""."""
    request = spec.request
    if isinstance(request, RequestText):
        if request.carries or BLANK in request.path:
            return ""
        written = f"{request.method} {request.path}"
        return f"`{written}` is the same at every size: give a request with a body, or {BLANK} in its path"
    if holes(request):
        return ""
    return f'`{spec.title}` is the same at every size: write "{PAYLOAD}" where the payload goes, in quotes'


def _sizes(node: Node, place: Place) -> SizesSpec:
    own = Fields(node, place, "in `sizes` in `bench`")
    spec = SizesSpec(
        request=RequestText("POST", "/"),
        sizes=own.take("bytes", fields.one_or_more(fields.whole(0, SIZE_LIMIT)), SIZES),
        rates=own.take("rates", fields.one_or_more(read_rate), ()),
        vus=own.take("vus", fields.whole(1, VU_LIMIT), 1),
        duration=own.take("duration", fields.positive(fields.duration), 3.0),
        name=own.take("name", fields.plain, ""),
        span=node.span,
    )
    if len(set(spec.sizes)) < len(spec.sizes):
        own.report("a size is given twice in `bytes` in `sizes` in `bench`", "bytes")
    if len(set(spec.rates)) < len(spec.rates):
        own.report("a rate is given twice in `rates` in `sizes` in `bench`", "rates")
    kinds = [kind for kind in _KINDS if kind in own]
    if not kinds:
        own.report(f"one of {', '.join(_KINDS)} is missing in `sizes` in `bench`")
        own.done()
        return spec
    if len(kinds) > 1:
        message = f"each of `sizes` in `bench` sends one thing, but this one has `{kinds[0]}` and `{kinds[1]}`"
        own.report(message, kinds[1])
    for key, advice in _POINTLESS.items() if kinds[0] != "request" else ():
        if key in own:
            own.report(f"`{key}` cannot be used in `sizes` in `bench`", key, advice)
    before = len(own.context.problems)
    spec = replace(spec, request=_KINDS[kinds[0]](kinds[0], own))
    if len(own.context.problems) == before and (wrong := check_sizes(spec)):
        own.report(wrong, kinds[0])
    own.done()
    return spec


def _http(key: str, own: Fields) -> RequestText:
    return own.take(key, read_request_text, RequestText("POST", "/"))


def _session(key: str, own: Fields) -> SessionStep:
    """A session that each user keeps, in which it asks and is answered."""
    step = read_session(key, own, _asked)
    if "expect" in own:
        own.report(f"`expect` cannot be used {own.where}", "expect", "of a session that is kept nothing is over")
    return replace(step, kept=True)


def _asked(own: Fields, session: str) -> tuple[Step, ...]:
    binary = own.take("binary", fields.flag, False)
    read = read_binary_message if binary else read_text_message
    usual: Message = BinaryMessage(Template(PAYLOAD_BASE64)) if binary else TextBody(Template(PAYLOAD))
    message = own.take("message", read, usual)
    match = own.take("match", template, None)
    return (MessageStep(name=session, span=own.node.span, deed=Deed.ASK, message=message, match=match),)


_KINDS: Final[Mapping[str, Callable[[str, Fields], Sent]]] = {
    "request": _http,
    "grpc": read_grpc_step,
    "graphql": read_graphql_step,
    "ws": _session,
}
"""By the key that says what is sent: its reader, which is given the key and all fields."""

_POINTLESS: Final = {
    "capture": "nothing comes after it that could use what is kept",
    "think": "`rates` say how often it is sent",
}


def read_rate(node: Node, place: Place) -> float:
    """Starts per second, more than 0."""
    try:
        rate = parse_rate(fields.text(node, place))
    except UnitError as error:
        raise Refusal(Problem(f"{place.what}: {error.message}", node.span, error.hint or "")) from None
    if rate <= 0.0:
        raise place.refuse(node, "more than 0", "too small")
    return rate
