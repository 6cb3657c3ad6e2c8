"""Reads chaos configurations: JSON from the control route, short texts from the command line.

Rules:
* A configuration is taken whole or not at all, and an error names the field: "faults.status.probability: ...".
* Unknown and repeated fields are errors.
* What `to_plain` gives is accepted again by `from_plain` and means the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from loadgate.errors import LoadgateError, nearest
from loadgate.target.chaos import CONTROL, NO_FAULTS, Chaos, Route, Seed, Stall, is_control
from loadgate.target.faults import Faults, PlainFault, StatusFault
from loadgate.target.shapes import NO_LATENCY, SHAPES, Shape
from loadgate.units import UnitError, parse_duration

MOST_ROUTES: Final = 100

S = TypeVar("S", bound=Struct)
T = TypeVar("T")

_FAULTS: Final[dict[str, type[StatusFault] | type[PlainFault]]] = {
    "status": StatusFault,
    "reset": PlainFault,
    "timeout": PlainFault,
    "partial": PlainFault,
}
_AT: Final = re.compile(r" - at `\$(.*)`$")


class ChaosError(LoadgateError):
    """A chaos configuration that cannot be used; nothing of it was applied."""


def from_plain(value: Any, seed: int) -> Chaos:
    """The configuration a parsed JSON value stands for. Parts left out are off; `seed` holds where none is given.

    Raises ChaosError.
    """
    fields = _known(value, Chaos.__struct_fields__, "")
    return Chaos(
        seed=_convert(Seed, fields.get("seed", seed), "seed"),
        enabled=_convert(bool, fields.get("enabled", True), "enabled"),
        latency=_shape(fields["latency"], "latency") if "latency" in fields else NO_LATENCY,
        faults=_faults(fields["faults"], "faults") if "faults" in fields else NO_FAULTS,
        stall=_struct(Stall, fields["stall"], "stall") if fields.get("stall") is not None else None,
        routes=_routes(fields["routes"]) if "routes" in fields else {},
    )


def merged(chaos: Chaos, change: Any) -> Chaos:
    """`chaos` with the parts that `change` names.

    A part is replaced whole, except that `faults` are replaced by kind and `routes` by path; null takes a part away.
    Raises ChaosError.
    """
    fields = _known(change, Chaos.__struct_fields__, "")
    plain = to_plain(chaos)
    for key, value in fields.items():
        if key in ("faults", "routes") and isinstance(value, dict):
            kept = plain[key]
            for name, part in value.items():
                kept[name] = part
                if part is None:
                    del kept[name]
        elif value is None and key != "stall":
            del plain[key]
        else:
            plain[key] = value
    return from_plain(plain, chaos.seed)


def to_plain(chaos: Chaos) -> dict[str, Any]:
    """The configuration as JSON values, defaults included."""
    plain: dict[str, Any] = msgspec.to_builtins(chaos)
    for route in plain["routes"].values():
        for key in [key for key, part in route.items() if part is None]:
            del route[key]
    return plain


def from_texts(latencies: Iterable[str], faults: Iterable[str], stall: str | None, seed: int) -> Chaos:
    """The configuration of `loadgate serve`'s options.

    latency  [PATH=]fixed:20ms | uniform:10ms,30ms | normal:MEAN,DEVIATION | lognormal:MEDIAN,SIGMA | pareto:LEAST,ALPHA,
             each with ,min=5ms ,max=1s ,probability=0.01 behind
    fault    [PATH=]status:0.01 | status=503,500:0.01 | reset:0.01 | timeout:0.01 | partial:0.01
    stall    1s/10s: out for 1 s once in 10 s

    Raises ChaosError.
    """
    plain: dict[str, Any] = {"seed": seed}
    for text in latencies:
        where, rest = _path_of(text)
        part = _part(plain, where)
        if "latency" in part:
            raise ChaosError(
                f"two latencies for {where or 'all routes'}", "give one, or one per path: /users=fixed:20ms"
            )
        part["latency"] = _latency_text(rest)
    for text in faults:
        where, rest = _path_of(text)
        kind, value = _fault_text(rest)
        part = _part(plain, where).setdefault("faults", {})
        if kind in part:
            raise ChaosError(f"fault {kind} is given twice for {where or 'all routes'}", "give each kind once")
        part[kind] = value
    if stall is not None:
        length, slash, period = stall.partition("/")
        if not slash:
            raise ChaosError(f"`{stall}` is not a stall", "give length and period, for example 1s/10s")
        plain["stall"] = {"for_ms": _milliseconds(length, stall), "every_ms": _milliseconds(period, stall)}
    return from_plain(plain, seed)


def _shape(value: Any, where: str) -> Shape:
    fields = _object(value, where)
    name = fields.get("shape")
    if not isinstance(name, str) or name not in SHAPES:
        if name is None:
            raise ChaosError(f"{where}.shape: missing", f"one of {', '.join(SHAPES)}")
        raise ChaosError(f"{where}.shape: {_unknown('shape', name, SHAPES)}", f"one of {', '.join(SHAPES)}")
    kind = SHAPES[name]
    _known(fields, ("shape", *kind.__struct_fields__), where)
    return _convert(kind, fields, where)


def _faults(value: Any, where: str) -> Faults:
    fields = _known(value, Faults.__struct_fields__, where)
    parts = {kind: _struct(_FAULTS[kind], part, f"{where}.{kind}") for kind, part in fields.items()}
    try:
        return Faults(**parts)  # type: ignore[arg-type]
    except ValueError as error:
        raise ChaosError(f"{where}: {error}") from None


def _routes(value: Any) -> dict[str, Route]:
    routes: dict[str, Route] = {}
    for path, part in _object(value, "routes").items():
        where = f"routes.{path}"
        if not path.startswith("/"):
            raise ChaosError(f"{where}: a path begins with a slash", "for example /users")
        if is_control(path):
            raise ChaosError(f"{where}: {', '.join(CONTROL)} and what is below are never delayed nor broken")
        fields = _known(part, Route.__struct_fields__, where)
        routes[path] = Route(
            _shape(fields["latency"], f"{where}.latency") if "latency" in fields else None,
            _faults(fields["faults"], f"{where}.faults") if "faults" in fields else None,
        )
    if len(routes) > MOST_ROUTES:
        raise ChaosError(f"routes: {len(routes)} paths, at most {MOST_ROUTES} are allowed")
    return routes


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ChaosError(f"{where or 'the configuration'}: expected an object, got {_kind(value)}")
    return value


def _known(value: Any, names: Iterable[str], where: str) -> dict[str, Any]:
    fields = _object(value, where)
    allowed = list(names)
    for key in fields:
        if key not in allowed:
            place = f"{where}.{key}" if where else key
            raise ChaosError(f"{place}: {_unknown('field', key, allowed)}", f"known here: {', '.join(allowed)}")
    return fields


def _unknown(what: str, word: object, candidates: Iterable[str]) -> str:
    like = nearest(str(word), candidates)
    return f"unknown {what} `{word}`" + (f", did you mean `{like}`?" if like else "")


def _struct(kind: type[S], value: Any, where: str) -> S:
    return _convert(kind, _known(value, kind.__struct_fields__, where), where)


def _convert(kind: type[T], value: Any, where: str) -> T:
    """`value` as msgspec takes it for a `kind`, its error told with our names."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message = str(error)
        found = _AT.search(message)
        if found:
            message, where = message[: found.start()], f"{where}{found[1]}"
        raise ChaosError(f"{where}: {message[:1].lower()}{message[1:]}") from None


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a truth value", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _part(plain: dict[str, Any], path: str) -> dict[str, Any]:
    if not path:
        return plain
    part: dict[str, Any] = plain.setdefault("routes", {}).setdefault(path, {})
    return part


def _path_of(text: str) -> tuple[str, str]:
    """The path an option is for ("" for all) and the rest."""
    if not text.startswith("/"):
        return "", text
    path, equals, rest = text.partition("=")
    if not equals:
        raise ChaosError(f"`{text}` names a path and nothing else", "for example /users=fixed:20ms")
    return path, rest


_SHAPE_TEXTS: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "none": ((), "none"),
    "fixed": (("ms",), "fixed:20ms"),
    "uniform": (("low_ms", "high_ms"), "uniform:10ms,30ms"),
    "normal": (("mean_ms", "deviation_ms"), "normal:20ms,5ms (mean, standard deviation)"),
    "lognormal": (("median_ms", "sigma"), "lognormal:20ms,0.5 (median, sigma)"),
    "pareto": (("scale_ms", "alpha"), "pareto:10ms,1.5 (least delay, alpha)"),
}
_EXTRAS: Final = {"min": "min_ms", "max": "max_ms", "probability": "probability"}


def _latency_text(text: str) -> dict[str, Any]:
    name, _, rest = text.partition(":")
    if name not in _SHAPE_TEXTS:
        raise ChaosError(f"latency `{text}`: {_unknown('shape', name, SHAPES)}", f"one of {', '.join(SHAPES)}")
    names, example = _SHAPE_TEXTS[name]
    plain: dict[str, Any] = {"shape": name}
    given = [item.strip() for item in rest.split(",")] if rest else []
    values = [item for item in given if "=" not in item]
    if len(values) != len(names):
        raise ChaosError(
            f"latency `{text}`: {len(names)} value(s) expected, got {len(values)}", f"for example {example}"
        )
    for key, item in zip(names, values, strict=True):
        plain[key] = _value(key, item, text)
    for item in given:
        word, equals, value = item.partition("=")
        if equals:
            if word not in _EXTRAS:
                raise ChaosError(f"latency `{text}`: unknown setting `{word}`", f"one of {', '.join(_EXTRAS)}")
            plain[_EXTRAS[word]] = _value(_EXTRAS[word], value, text)
    return plain


def _fault_text(text: str) -> tuple[str, dict[str, Any]]:
    head, colon, share = text.rpartition(":")
    kind, equals, codes = head.partition("=")
    if not colon or kind not in _FAULTS:
        raise ChaosError(
            f"`{text}` is not a fault", f"kind and probability, for example status:0.01; kinds: {', '.join(_FAULTS)}"
        )
    value: dict[str, Any] = {"probability": _number(share, text)}
    if equals:
        if kind != "status":
            raise ChaosError(f"fault `{text}`: only status takes codes")
        try:
            value["codes"] = [int(code) for code in codes.split(",")]
        except ValueError:
            raise ChaosError(f"fault `{text}`: `{codes}` is no list of status codes", "for example 500,503") from None
    return kind, value


def _value(key: str, item: str, text: str) -> float:
    return _milliseconds(item, text) if key.endswith("ms") else _number(item, text)


def _milliseconds(item: str, text: str) -> float:
    try:
        return round(parse_duration(item) * 1000.0, 6)
    except UnitError as error:
        raise ChaosError(f"in `{text}`: {error.message}", error.hint) from None


def _number(item: str, text: str) -> float:
    try:
        return float(item)
    except ValueError:
        raise ChaosError(f"in `{text}`: `{item}` is not a number") from None
