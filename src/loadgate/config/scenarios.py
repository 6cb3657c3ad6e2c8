"""Scenarios: what users do, as declarative steps or as a Python function, and how often each is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loadgate.config import fields
from loadgate.config.fields import Fields, Place, Refusal
from loadgate.config.source import Node
from loadgate.config.steps import Step, read_steps
from loadgate.errors import Problem, Span


@dataclass(frozen=True, slots=True)
class PythonSource:
    """A function marked with `@scenario` in a Python file; the file exists, the function was not looked for."""

    path: Path
    function: str
    span: Span


@dataclass(frozen=True, slots=True)
class ScenarioSpec:
    """One scenario: either `steps` or `python`.

    `weight` is its share of the weighted mix, relative to the other scenarios'; None: not given, which is 1 or what
    the Python function says.
    """

    name: str
    span: Span
    weight: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    python: PythonSource | None = None


def read_scenario(name: str, node: Node, place: Place) -> ScenarioSpec:
    """The scenario called `name`."""
    own = Fields(node, place, f"in scenario `{name}`")
    spec = ScenarioSpec(
        name=name,
        span=own.node.span,
        weight=own.take("weight", fields.whole(1), None),
        tags=own.take("tags", fields.mapping(fields.plain), {}),
        steps=own.take("steps", read_steps, ()),
        python=own.take("python", _python, None),
    )
    if "steps" in own and "python" in own:
        own.report(f"`steps` and `python` cannot be given together {own.where}", "python")
    elif "steps" not in own and "python" not in own:
        own.report(f"scenario `{name}` does nothing", None, "", "give `steps` or `python: file.py:function`")
    own.done()
    return spec


def _python(node: Node, place: Place) -> PythonSource:
    written = fields.plain(node, place)
    file, colon, function = written.rpartition(":")
    if not colon or not file.endswith(".py") or not function.isidentifier():
        raise place.refuse(node, "file.py:function", "for example load.py:checkout")
    path = place.context.folder / file
    if not path.is_file():
        raise Refusal(Problem(f"{place.what}: there is no file {path}", node.span.part(written, 0, len(file))))
    return PythonSource(path, function, node.span)
