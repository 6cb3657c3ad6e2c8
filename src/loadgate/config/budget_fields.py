"""Reading budgets: from `budgets` of `loadgate.yml`, or from a file of their own such as the guide's `performance-budgets.yml`.

A key says its unit in its name, so a limit is a bare number. All keys and rules: `docs/budgets.md`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from loadgate.config import fields
from loadgate.config.budgets import Budget, BudgetName, Budgets, Missing, Override
from loadgate.config.fields import Context, Fields, Place, Reader, Refusal
from loadgate.config.source import Node, Scalar, Table, read_source
from loadgate.errors import ConfigError

_PERCENTILE: Final = re.compile(r"p([1-9][0-9]?(?:\.[0-9]{1,4})?|9[0-9]{2,5})_latency_ms")
"""`p99.9` and, as many tools write it, `p999`: of three digits and more, two stand before the point."""

_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%")

_REFUSED: Final[float | None] = -1.0
"""Stands for a limit whose mistake has been reported."""


def load_budgets(path: Path, env: Mapping[str, str]) -> Budgets:
    """The budgets in the file at `path`: under a top key `budgets`, or nothing else. Raises ConfigError."""
    context = Context(env, path.parent)
    budgets = _in_file(path, context)
    if context.problems:
        raise ConfigError(context.problems)
    return budgets


def read_budgets(node: Node, place: Place) -> Budgets:
    """The value of `budgets` in `loadgate.yml`: the mapping itself, or the path of a file that holds it."""
    if isinstance(node, Scalar) and isinstance(node.value, str):
        return _in_file(fields.file(node, place), place.context)
    if not isinstance(node, Table):
        raise place.refuse(node, "a mapping (`http: ...` lines) or the path of a file")
    return _mapping(node, place)


def _in_file(path: Path, context: Context) -> Budgets:
    try:
        source = read_source(path)
    except ConfigError as error:
        context.problems.extend(error.problems)
        return Budgets(path=path)
    context.problems.extend(source.problems)
    try:
        top = Fields(source.tree, Place(str(path), context), "at the top level")
        if "budgets" not in top:
            return _mapping(source.tree, Place("`budgets`", context), path)
        budgets = top.take("budgets", lambda node, at: _mapping(node, at, path), Budgets(path=path))
        top.done()
        return budgets
    except Refusal as refusal:
        context.problems.append(refusal.problem)
        return Budgets(path=path)


def _mapping(node: Node, place: Place, path: Path | None = None) -> Budgets:
    own = Fields(node, place, "in `budgets`")
    entries = tuple(limit for _, limit in _groups(own, "`budgets`", removable=False) if limit is not None)
    overrides: dict[str, Override] = own.take("profiles", _overrides, {})
    missing = own.take("missing", fields.choice(Missing), Missing.INVALID)
    own.done()
    return Budgets(entries, missing, overrides, path)


def _overrides(node: Node, place: Place) -> dict[str, Override]:
    if not isinstance(node, Table):
        raise place.refuse(node, "a mapping (`profile: ...` lines)")
    found = {}
    for entry in node.entries.values():
        whose = f"profile `{entry.key}` in `budgets`"
        try:
            own = Fields(entry.value, Place(whose, place.context, entry.key_span), f"in {whose}")
        except Refusal as refusal:
            place.report(refusal.problem)
            continue
        limits = _groups(own, whose, removable=True)
        own.done()
        found[entry.key] = Override(
            tuple(limit for _, limit in limits if limit is not None),
            frozenset(name for name, limit in limits if limit is None),
            entry.key_span,
        )
    return found


# -- groups

_Limits = list[tuple[BudgetName, Budget | None]]
"""Budgets by name, in the order written; None: what a profile does without."""


class _Key(NamedTuple):
    """How the limit at a key is read."""

    unit: str
    read: Reader[float]
    least: bool = False


def _groups(own: Fields, whose: str, *, removable: bool) -> _Limits:
    found: _Limits = []

    def group(group: str, step: str, keys: Mapping[str, _Key]) -> Reader[None]:
        def read(node: Node, place: Place) -> None:
            of = f"`{step}` in `{group}`" if step else f"`{group}`"
            found.extend(_limits(Fields(node, place, f"in {of} of {whose}"), group, step, keys, removable=removable))

        return read

    def named(of: str, keys: Mapping[str, _Key]) -> Reader[None]:
        def read(node: Node, place: Place) -> None:
            if not isinstance(node, Table):
                raise place.refuse(node, "a mapping (`name: ...` lines)")
            for entry in node.entries.values():
                at = Place(f"`{entry.key}` in `{of}` of {whose}", place.context, entry.key_span)
                try:
                    group(of, entry.key, keys)(entry.value, at)
                except Refusal as refusal:
                    place.report(refusal.problem)

        return read

    for name, keys in _GROUPS.items():
        own.take(name, group(name, "", keys), None)
    own.take("steps", named("steps", _EXCHANGES), None)
    own.take("benchmarks", named("benchmarks", _BENCHMARK), None)
    return found


def _limits(own: Fields, group: str, step: str, keys: Mapping[str, _Key], *, removable: bool) -> _Limits:
    """The limits of one group, or of one step."""
    known = dict(keys)
    if "p95_latency_ms" in keys:
        known |= {key: _MILLISECONDS for key in own.node.entries if _PERCENTILE.fullmatch(key)}
    written = sorted((key for key in known if key in own), key=list(own.node.entries).index)
    found: dict[BudgetName, Budget | None] = {}
    keys_of: dict[BudgetName, str] = {}
    for key in written:
        kind = known[key]
        limit = own.take(key, _or_off(kind.read, allowed=removable), _REFUSED)
        budget = Budget(group, step, key, limit or 0.0, kind.unit, kind.least, _percentile(key))
        other = keys_of.setdefault(budget.name, key)
        if other != key:
            own.report(f"`{key}` {own.where} limits the same as `{other}`", key, "leave one of them out")
        elif limit != _REFUSED:
            found[budget.name] = None if limit is None else budget
    own.done()
    return list(found.items())


def _percentile(key: str) -> float | None:
    """The percentile that `key` limits, if it limits one."""
    match = _PERCENTILE.fullmatch(key)
    if match is None:
        return None
    digits = match[1]
    return float(digits if "." in digits or len(digits) < 3 else f"{digits[:2]}.{digits[2:]}")


# -- limits


def _number(what: str, *, zero: bool = False) -> Reader[float]:
    must = f"a number of {what}, {'0 or more' if zero else 'more than 0'}"

    def read(node: Node, place: Place) -> float:
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise place.refuse(node, must)
        if not 0 <= value <= 1e12 or (value == 0 and not zero):
            raise place.refuse(node, must, "not a limit that can be used")
        return float(value)

    return read


def _share(node: Node, place: Place) -> float:
    """0 to 1, or a percentage."""
    must, note = "a share from 0 to 1", "0.01 is 1 %, and can be written `1%`"
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value.strip())) is not None:
        value = float(match[1]) / 100.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.refuse(node, must, note=note)
    if not 0 <= value <= 1:
        raise place.refuse(node, must, "over 1" if value > 1 else "no share", note)
    return float(value)


def _or_off(read: Reader[float], *, allowed: bool) -> Reader[float | None]:
    """`read`, or, where that is allowed, None for `off` and for nothing."""

    def read_or_none(node: Node, place: Place) -> float | None:
        if allowed and isinstance(node, Scalar) and (node.value is None or node.text == "off"):
            return None
        return read(node, place)

    return read_or_none


_MILLISECONDS: Final = _Key("ms", _number("milliseconds"))
_MEGABYTES: Final = _Key("MB", _number("megabytes"))
_BYTES: Final = _Key("bytes", _number("bytes"))
_SERVED: Final = {
    "max_error_rate": _Key("share", _share),
    "min_throughput_rps": _Key("1/s", _number("requests per second"), least=True),
}
_EXCHANGES: Final = {
    **{f"{name}_latency_ms": _MILLISECONDS for name in ("p50", "p90", "p95", "p99", "p99.9", "avg", "max")},
    **_SERVED,
}
_BENCHMARK: Final = {
    "max_time_ms": _MILLISECONDS,
    "max_time_us": _Key("us", _number("microseconds")),
    "max_time_ns": _Key("ns", _number("nanoseconds")),
}
_GROUPS: Final[Mapping[str, Mapping[str, _Key]]] = {
    "startup": {
        "max_time_ms": _MILLISECONDS,
        "max_memory_mb": _MEGABYTES,
        "port_open_ms": _MILLISECONDS,
        "first_request_ms": _MILLISECONDS,
    },
    "shutdown": {"max_time_ms": _MILLISECONDS},
    "http": _EXCHANGES,
    "grpc": _EXCHANGES,
    "graphql": _EXCHANGES,
    "websocket": {"connection_time_ms": _MILLISECONDS, "message_latency_ms": _MILLISECONDS, **_EXCHANGES},
    "resources": {
        "cpu_us_per_request": _Key("us", _number("microseconds")),
        "max_cpu_cores": _Key("cores", _number("cores")),
        "max_memory_mb": _MEGABYTES,
        "max_memory_pss_mb": _MEGABYTES,
        "max_threads": _Key("count", _number("threads")),
        "max_open_files": _Key("count", _number("files")),
        "network_bytes_per_request": _BYTES,
        "disk_bytes_per_request": _Key("bytes", _number("bytes", zero=True)),
    },
}
