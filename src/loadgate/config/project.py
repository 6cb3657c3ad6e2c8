"""A whole `loadgate.yml`, read and validated: every problem at once, each where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from loadgate.config import fields
from loadgate.config.bench import BenchSpec, read_bench
from loadgate.config.budget_fields import read_budgets
from loadgate.config.budgets import Budgets
from loadgate.config.data import DataSpec, read_data
from loadgate.config.fields import Context, Fields, Place, Reader, Refusal
from loadgate.config.gate import GateSpec, read_gate
from loadgate.config.profile import Profile, read_profile
from loadgate.config.scenarios import ScenarioSpec, read_scenario
from loadgate.config.source import Listing, Node, Scalar, Source, Table, parse_source, read_source
from loadgate.config.target import TargetSpec, read_target
from loadgate.errors import ConfigError, LoadgateError, nearest

CONFIG_NAME: Final = "loadgate.yml"

T = TypeVar("T")

VarValue: TypeAlias = "bool | int | float | str | list[VarValue] | dict[str, VarValue] | None"


@dataclass(frozen=True, slots=True)
class Project:
    """Everything in one `loadgate.yml`. Mappings keep the order written."""

    path: Path
    target: TargetSpec = field(default_factory=TargetSpec)
    data: tuple[DataSpec, ...] = ()
    vars: Mapping[str, VarValue] = field(default_factory=dict, repr=False)
    scenarios: tuple[ScenarioSpec, ...] = ()
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    gate: GateSpec = field(default_factory=GateSpec)
    budgets: Budgets = field(default_factory=Budgets)
    bench: BenchSpec = field(default_factory=BenchSpec)

    def profile(self, name: str | None) -> Profile:
        """The profile called `name`, or the only one there is. Raises LoadgateError."""
        known = f"profiles in {self.path}: {', '.join(self.profiles) or 'none'}"
        if name is None and len(self.profiles) == 1:
            return next(iter(self.profiles.values()))
        if name is None:
            raise LoadgateError("no profile is named", known)
        if name not in self.profiles:
            likely = nearest(name, self.profiles)
            hint = f"did you mean `{likely}`? {known}" if likely else known
            raise LoadgateError(f"there is no profile `{name}`", hint)
        return self.profiles[name]


def load_project(path: Path, env: Mapping[str, str]) -> Project:
    """The project in the file at `path`; `env` fills in `${env.NAME}`. Raises ConfigError with every problem."""
    return _read(read_source(path), path, env)


def parse_project(text: str, path: Path, env: Mapping[str, str]) -> Project:
    """As `load_project`, from `text`; `path` is the name shown and gives the folder of the files named in it."""
    return _read(parse_source(text, str(path)), path, env)


def _read(source: Source, path: Path, env: Mapping[str, str]) -> Project:
    context = Context(env, path.parent, list(source.problems))
    try:
        own = Fields(source.tree, Place(str(path), context), "at the top level")
    except Refusal as refusal:
        raise ConfigError([*source.problems, refusal.problem]) from None
    scenarios: dict[str, ScenarioSpec] = own.take("scenarios", _named("scenario", read_scenario), {})
    data: dict[str, DataSpec] = own.take("data", _named("data", read_data), {})
    # Names count even if their scenario could not be read: one mistake must not look like two.
    entry = own.node.entries.get("scenarios")
    names = tuple(entry.value.entries) if entry is not None and isinstance(entry.value, Table) else ()
    project = Project(
        path=path,
        target=own.take("target", read_target, TargetSpec()),
        data=tuple(data.values()),
        vars=own.take("vars", fields.mapping(_var), {}),
        scenarios=tuple(scenarios.values()),
        profiles=own.take(
            "profiles", _named("profile", lambda name, node, at: read_profile(name, node, at, names)), {}
        ),
        gate=own.take("gate", read_gate, GateSpec()),
        budgets=own.take("budgets", read_budgets, Budgets()),
        bench=own.take("bench", read_bench, BenchSpec()),
    )
    own.done()
    if context.problems:
        raise ConfigError(context.problems)
    return project


def _named(noun: str, read: Callable[[str, Node, Place], T]) -> Reader[dict[str, T]]:
    """A reader of mappings whose values are read with their name."""

    def read_all(node: Node, place: Place) -> dict[str, T]:
        if not isinstance(node, Table):
            raise place.refuse(node, "a mapping (`name: ...` lines)")
        values: dict[str, T] = {}
        for entry in node.entries.values():
            try:
                at = Place(f"{noun} `{entry.key}`", place.context, entry.key_span)
                values[entry.key] = read(entry.key, entry.value, at)
            except Refusal as refusal:
                place.report(refusal.problem)
        return values

    return read_all


def _var(node: Node, place: Place) -> VarValue:
    if isinstance(node, Table):
        return {entry.key: _var(entry.value, place) for entry in node.entries.values()}
    if isinstance(node, Listing):
        return [_var(item, place) for item in node.items]
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return fields.plain(node, place)
    return node.value
