"""A list of steps. What kind a step is, its key says: each kind registers its key and its reader in `KINDS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from loadgate.config import fields
from loadgate.config.fields import Fields, Place
from loadgate.config.source import Listing, Node
from loadgate.config.steps.exchange import ExchangeStep, Think, read_think
from loadgate.config.steps.graphql import read_graphql_step
from loadgate.config.steps.grpc import read_grpc_step
from loadgate.config.steps.http import METHODS, RequestStep, read_request
from loadgate.errors import Span

KINDS: Final[Mapping[str, Callable[[str, Fields], ExchangeStep]]] = {
    **dict.fromkeys(METHODS, read_request),
    "graphql": read_graphql_step,
    "grpc": read_grpc_step,
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


def read_steps(node: Node, place: Place) -> tuple[Step, ...]:
    """A list of steps; what cannot be read is reported and left out."""
    if isinstance(node, Listing) and not node.items:
        raise place.refuse(node, "a list of at least one step", "this list is empty")
    return tuple(step for step in fields.items(_step)(node, place) if step is not None)


def exchanges_of(steps: tuple[Step, ...]) -> Iterator[ExchangeStep]:
    """The exchanges among `steps`, those in groups too, in order."""
    for step in steps:
        if isinstance(step, GroupStep):
            yield from exchanges_of(step.steps)
        elif isinstance(step, ExchangeStep):
            yield step


def requests_of(steps: tuple[Step, ...]) -> Iterator[RequestStep]:
    """The HTTP requests among `steps`, those in groups too, in order."""
    return (step for step in exchanges_of(steps) if isinstance(step, RequestStep))


def _step(node: Node, place: Place) -> Step | None:
    own = Fields(node, Place("a step", place.context), "in a step")
    exchanges = [kind for kind in KINDS if kind in own]
    kinds = exchanges or [kind for kind in ("group", "think") if kind in own]
    if "group" in own and exchanges:
        kinds = [*exchanges, "group"]
    if len(kinds) > 1 and kinds != ["group", "think"]:
        own.report(f"a step does one thing, but this one has `{kinds[0]}` and `{kinds[1]}`", kinds[1])
    if exchanges:
        return KINDS[exchanges[0]](exchanges[0], own)
    if "group" in own:
        own.where = "in a group"
        return _group(own)
    if "think" in own:
        think = own.take("think", read_think, None)
        own.done()
        return None if think is None else ThinkStep(think, own.node.span)
    own.done()
    if own.node.entries.keys() <= {*KINDS, "group", "think"}:
        own.report(f"a step needs one of {', '.join((*KINDS, 'group', 'think'))}")
    return None


def _group(own: Fields) -> GroupStep:
    name = own.take("group", fields.plain, "")
    own.where = f"in group `{name}`"
    steps: tuple[Step, ...] = own.need("steps", read_steps, ())
    own.done()
    return GroupStep(name, steps, own.node.span)
