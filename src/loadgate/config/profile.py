"""A profile: how load moves over time and which thresholds judge it, from `loadgate.yml` or from flags."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from dataclasses import fields as dataclass_fields
from typing import Final, TypeVar

from loadgate.config import fields
from loadgate.config.fields import Fields, Place, Refusal
from loadgate.config.k6_load import read_k6_load, read_stage
from loadgate.config.load import ITERATION_LIMIT, VU_LIMIT, LoadSpec, parse_stage
from loadgate.config.shorthand import Conflict, Shorthand, load_of
from loadgate.config.source import Node, Scalar, Table
from loadgate.config.threshold_fields import read_thresholds
from loadgate.config.thresholds import Threshold
from loadgate.errors import ConfigError, Problem
from loadgate.units import UnitError, format_duration, parse_duration, parse_rate

T = TypeVar("T")

FLAGS_PROFILE: Final = "flags"
FLAGS_VUS: Final = 10
FLAGS_DURATION: Final = 30.0

_SHORTHAND_KEYS: Final = tuple(field.name for field in dataclass_fields(Shorthand))


@dataclass(frozen=True, slots=True)
class Profile:
    """What `loadgate run NAME` runs. `warmup` (s) is left out of results; `seed` None: chosen at run time."""

    name: str
    loads: tuple[LoadSpec, ...]
    warmup: float = 0.0
    thresholds: tuple[Threshold, ...] = ()
    seed: int | None = None

    @property
    def length(self) -> float:
        """Planned seconds until no load starts another iteration."""
        return max((load.end for load in self.loads), default=0.0)


def read_profile(name: str, node: Node, place: Place, scenarios: Collection[str]) -> Profile:
    """The profile called `name`; `scenarios` are the names `exec` may take. Raises Refusal if it is no mapping."""
    own = Fields(node, place, f"in profile `{name}`")
    problems = len(place.context.problems)
    short = Shorthand(
        vus=own.take("vus", fields.whole(1, VU_LIMIT), None),
        duration=own.take("duration", fields.positive(fields.duration), None),
        rate=own.take("rate", _rate, None),
        stages=own.take("stages", fields.items(read_stage(fields.duration)), ()),
        iterations=own.take("iterations", fields.whole(1, ITERATION_LIMIT), None),
        max_vus=own.take("max_vus", fields.whole(1, VU_LIMIT), None),
        graceful_stop=own.take("graceful_stop", fields.duration, None),
        graceful_ramp_down=own.take("graceful_ramp_down", fields.duration, None),
    )
    loads: tuple[LoadSpec, ...] = own.take("scenarios", lambda inner, at: _k6_loads(inner, at, scenarios), ())
    if "scenarios" in own:
        for key in _SHORTHAND_KEYS:
            if key in own:
                own.report(f"`{key}` and `scenarios` cannot be given together {own.where}", key)
    elif len(place.context.problems) == problems:
        # A setting that was refused is absent from `short`: that is no second mistake.
        loads = _short_load(own, short)
    profile = Profile(
        name,
        loads,
        warmup=own.take("warmup", fields.duration, 0.0),
        thresholds=own.take("thresholds", read_thresholds, ()),
        seed=own.take("seed", fields.whole(0), None),
    )
    if loads and all(not load.executor.counted for load in loads) and profile.warmup >= profile.length > 0.0:
        message = f"`warmup` {own.where} leaves nothing to measure"
        own.report(message, "warmup", f"the load ends after {format_duration(profile.length)}")
    own.done()
    return profile


def profile_from_flags(
    *,
    vus: int | None = None,
    duration: str | None = None,
    rate: str | None = None,
    stages: Sequence[str] = (),
    iterations: int | None = None,
    max_vus: int | None = None,
    warmup: str | None = None,
    seed: int | None = None,
) -> Profile:
    """The profile said by command-line flags, as typed. Without any: 10 VUs for 30 s; without a length: 30 s.

    Raises ConfigError with everything that is wrong with them.
    """
    problems: list[Problem] = []

    def read(flag: str, value: str | None, parse: Callable[[str], T]) -> T | None:
        try:
            return None if value is None else parse(value)
        except UnitError as error:
            problems.append(Problem(f"{flag}: {error.message}", note=error.hint or ""))
            return None

    for name, count in (("vus", vus), ("iterations", iterations), ("max_vus", max_vus)):
        if count is not None and count < 1:
            problems.append(Problem(f"{_flag(name)} must be 1 or more, not {count}"))
        elif count is not None and count > (most := ITERATION_LIMIT if name == "iterations" else VU_LIMIT):
            problems.append(Problem(f"{_flag(name)} must be at most {most:,}, not {count:,}"))
    seconds = read("--duration", duration, parse_duration)
    per_second = read("--rate", rate, parse_rate)
    read_stages = [read("--stage", stage, parse_stage) for stage in stages]
    short = Shorthand(
        vus=vus,
        duration=seconds,
        rate=per_second,
        stages=tuple(stage for stage in read_stages if stage is not None),
        iterations=iterations,
        max_vus=max_vus,
    )
    warm = read("--warmup", warmup, parse_duration) or 0.0
    if problems:
        raise ConfigError(problems)
    given = short.given()
    if not given & {"vus", "rate", "duration", "stages", "iterations"}:
        short = replace(short, vus=FLAGS_VUS)
    if not given & {"duration", "stages", "iterations"}:
        short = replace(short, duration=FLAGS_DURATION)
    try:
        load = load_of(short, _flag)
    except Conflict as conflict:
        raise ConfigError([Problem(conflict.message, note=conflict.note)]) from None
    if not load.executor.counted and warm >= load.end:
        note = f"the load ends after {format_duration(load.end)}"
        raise ConfigError([Problem("--warmup leaves nothing to measure", note=note)])
    return Profile(FLAGS_PROFILE, (load,), warmup=warm, seed=seed)


def _flag(setting: str) -> str:
    """A setting as the command line writes it."""
    return "--stage" if setting == "stages" else f"--{setting.replace('_', '-')}"


def _rate(node: Node, place: Place) -> float:
    if not isinstance(node, Scalar) or node.value is None:
        raise place.refuse(node, "a rate, for example 500/s")
    try:
        return parse_rate(node.text)
    except UnitError as error:
        raise Refusal(Problem(f"{place.what}: {error.message}", node.span, error.hint or "")) from None


def _k6_loads(node: Node, place: Place, scenarios: Collection[str]) -> tuple[LoadSpec, ...]:
    if not isinstance(node, Table) or not node.entries:
        raise place.refuse(node, "a mapping of names to loads")
    loads: list[LoadSpec] = []
    for entry in node.entries.values():
        try:
            loads.append(
                read_k6_load(
                    entry.key,
                    entry.value,
                    Place(f"load `{entry.key}`", place.context, entry.key_span),
                    scenarios,
                )
            )
        except Refusal as refusal:
            place.report(refusal.problem)
    return tuple(loads)


def _short_load(own: Fields, short: Shorthand) -> tuple[LoadSpec, ...]:
    try:
        return (load_of(short, lambda setting: f"`{setting}`"),)
    except Conflict as conflict:
        own.report(f"{conflict.message} {own.where}", conflict.key, "", conflict.note)
        return ()
