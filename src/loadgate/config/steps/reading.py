"""A list of steps. What kind a step is, its key says: each kind registers its key and its reader in `KINDS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from loadgate.config import fields
from loadgate.config.fields import Fields, Place
from loadgate.config.source import Listing, Node
from loadgate.config.steps.exchange import ExchangeStep, Think, read_think
from loadgate.config.steps.graphql import read_graphql_step
from loadgate.config.steps.grpc import read_grpc_step
from loadgate.config.steps.http import METHODS, RequestStep, read_request
from loadgate.config.steps.websocket import Deed, SessionStep, read_message, read_session
from loadgate.errors import Span

Kinds: TypeAlias = Mapping[str, Callable[[str, Fields], ExchangeStep]]

KINDS: Final[Kinds] = {
    **dict.fromkeys(METHODS, read_request),
    "graphql": read_graphql_step,
    "grpc": read_grpc_step,
    "ws": lambda key, own: read_session(key, own, _read_within),
}
"""By the key that makes a step an exchange of that kind: its reader, which is given the key and all of the step's fields."""


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


Step: TypeAlias = ExchangeStep | ThinkStep | GroupStep


def read_steps(node: Node, place: Place, kinds: Kinds = KINDS) -> tuple[Step, ...]:
    """A list of steps; what cannot be read is reported and left out."""
    if isinstance(node, Listing) and not node.items:
        raise place.refuse(node, "a list of at least one step", "this list is empty")
    read = fields.items(partial(_step, kinds=kinds))
    return tuple(step for step in read(node, place) if step is not None)


def exchanges_of(steps: tuple[Step, ...]) -> Iterator[ExchangeStep]:
    """The exchanges among `steps`, those in groups and sessions too, in order."""
    for step in steps:
        if isinstance(step, ExchangeStep):
            yield step
        if isinstance(step, GroupStep | SessionStep):
            yield from exchanges_of(step.steps)


def requests_of(steps: tuple[Step, ...]) -> Iterator[RequestStep]:
    """The HTTP requests among `steps`, those in groups and sessions too, in order."""
    return (step for step in exchanges_of(steps) if isinstance(step, RequestStep))


def _read_within(own: Fields, session: str) -> tuple[Step, ...]:
    """The steps within the session of that name, whose fields are `own`."""
    read = partial(read_message, session=session)
    return own.need("steps", partial(read_steps, kinds={**KINDS, **dict.fromkeys(Deed, read)}), ())


def _step(node: Node, place: Place, kinds: Kinds) -> Step | None:
    own = Fields(node, Place("a step", place.context), "in a step")
    entries = own.node.entries
    exchanges = [kind for kind in kinds if kind in entries]
    things = exchanges or [kind for kind in ("group", "think") if kind in own]
    if "group" in entries and exchanges:
        things = [*exchanges, "group"]
    own.allow(things)
    if len(things) > 1 and things != ["group", "think"]:
        own.report(f"a step does one thing, but this one has `{things[0]}` and `{things[1]}`", things[1])
    if exchanges:
        return kinds[exchanges[0]](exchanges[0], own)
    if "group" in own:
        own.where = "in a group"
        return _group(own, kinds)
    if "think" in own:
        think = own.take("think", read_think, None)
        own.done()
        return None if think is None else ThinkStep(think, own.node.span)
    stray = next((deed for deed in Deed if deed in own.node.entries), None)
    if stray is not None:
        own.report(f"there is no session here for `{stray}`", stray, "write it in the `steps` of a `ws` step")
        return None
    own.allow(kinds)
    own.done()
    if own.node.entries.keys() <= {*kinds, "group", "think"}:
        own.report(f"a step needs one of {', '.join((*kinds, 'group', 'think'))}")
    return None


def _group(own: Fields, kinds: Kinds) -> GroupStep:
    name = own.take("group", fields.plain, "")
    own.where = f"in group `{name}`"
    steps: tuple[Step, ...] = own.need("steps", partial(read_steps, kinds=kinds), ())
    own.done()
    return GroupStep(name, steps, own.node.span)
