"""Reads chaos configurations from JSON.

Rules:
* A configuration is taken whole or not at all, and an error names the field: "faults.status.probability: ...".
* Unknown and repeated fields are errors.
* What `to_plain` gives is accepted again by `from_plain` and means the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from loadgate.errors import LoadgateError, nearest
from loadgate.target.chaos import CONTROL, NO_FAULTS, Chaos, Route, Seed, Stall, is_control
from loadgate.target.faults import KINDS, MOST_GRPC_CODE, CloseFault, Faults, Kind, PlainFault, StatusFault
from loadgate.target.shapes import NO_LATENCY, SHAPES, Shape

MOST_ROUTES: Final = 100

S = TypeVar("S", bound=Struct)
T = TypeVar("T")

_FAULTS: Final[dict[str, type[StatusFault] | type[CloseFault] | type[PlainFault]]] = {
    "status": StatusFault,
    "reset": PlainFault,
    "timeout": PlainFault,
    "partial": PlainFault,
    "close": CloseFault,
    "errors": PlainFault,
    "field": PlainFault,
}
_SHAPE_FIELDS: Final = ("shape", *dict.fromkeys(name for kind in SHAPES.values() for name in kind.__struct_fields__))
_AT: Final = re.compile(r" - at `\$(.*)`$")


class ChaosError(LoadgateError):
    """A chaos configuration that cannot be used; nothing of it was applied."""


def parse_json(body: bytes | str) -> Any:
    """JSON without repeated keys and without NaN. Raises ChaosError."""
    import json  # only configurations need it, and a target starts without

    try:
        return json.loads(body, object_pairs_hook=_unique, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ChaosError(f"this is not JSON: {error}") from None


def from_plain(value: Any, seed: int) -> Chaos:
    """The configuration a parsed JSON value stands for. Parts left out are off; `seed` holds where none is given.

    Raises ChaosError.
    """
    fields = _known(value, Chaos.__struct_fields__, "")
    return Chaos(
        seed=_convert(Seed, fields.get("seed", seed), "seed"),
        enabled=_convert(bool, fields.get("enabled", True), "enabled"),
        latency=_shape(fields["latency"], "latency") if "latency" in fields else NO_LATENCY,
        faults=_faults(fields["faults"], "faults", grpc=False) if "faults" in fields else NO_FAULTS,
        stall=_struct(Stall, fields["stall"], "stall") if fields.get("stall") is not None else None,
        routes=_routes(fields["routes"]) if "routes" in fields else {},
        protocols=_protocols(fields["protocols"]) if "protocols" in fields else {},
    )


def merged(chaos: Chaos, change: Any) -> Chaos:
    """`chaos` with the parts that `change` names.

    A part is replaced whole, except that `faults` are replaced by kind, `routes` by path and `protocols` by protocol; null
    takes a part away.
    Raises ChaosError.
    """
    fields = _known(change, Chaos.__struct_fields__, "")
    plain = to_plain(chaos)
    for key, value in fields.items():
        if key == "faults" and isinstance(value, dict):
            plain[key] |= {kind: {} if part is None else part for kind, part in value.items()}
        elif key in ("routes", "protocols") and isinstance(value, dict):
            there = {*plain[key]}
            plain[key] |= value
            for name in [name for name, part in value.items() if part is None]:
                if name not in there:
                    raise ChaosError(f"{key}.{name}: cannot be taken away, it is not there")
                del plain[key][name]
        elif value is None and key != "stall":
            del plain[key]
        else:
            plain[key] = value
    return from_plain(plain, chaos.seed)


def to_plain(chaos: Chaos) -> dict[str, Any]:
    """The configuration as JSON values, defaults included."""
    plain: dict[str, Any] = msgspec.to_builtins(chaos)
    for route in (*plain["routes"].values(), *plain["protocols"].values()):
        for key in [key for key, part in route.items() if part is None]:
            del route[key]
    return plain


def _shape(value: Any, where: str) -> Shape:
    fields = _known(value, _SHAPE_FIELDS, where)
    name = fields.get("shape")
    if not isinstance(name, str) or name not in SHAPES:
        if name is None:
            raise ChaosError(f"{where}.shape: missing", f"one of {', '.join(SHAPES)}")
        raise ChaosError(f"{where}.shape: {unknown('shape', name, SHAPES)}", f"one of {', '.join(SHAPES)}")
    kind = SHAPES[name]
    _known(fields, ("shape", *kind.__struct_fields__), where)
    return _convert(kind, fields, where)


def refuse_grpc_codes(faults: Faults | None, where: str) -> None:
    """Raises ChaosError where a status of gRPC stands among those of HTTP."""
    for code in () if faults is None else faults.status.codes:
        if code <= MOST_GRPC_CODE:
            raise ChaosError(
                f"{where}.status.codes: {code} is a status of gRPC",
                "give it to the protocol grpc or to a method's path; for all protocols, statuses of HTTP: 503 is UNAVAILABLE",
            )


def _faults(value: Any, where: str, *, grpc: bool) -> Faults:
    """`grpc`: whether statuses of gRPC are allowed."""
    fields = _known(value, Faults.__struct_fields__, where)
    if "status" in fields:
        fields = {**fields, "status": _numbered(fields["status"], f"{where}.status")}
    parts = {kind: _struct(_FAULTS[kind], part, f"{where}.{kind}") for kind, part in fields.items()}
    try:
        faults = Faults(**parts)  # type: ignore[arg-type]
    except ValueError as error:
        raise ChaosError(f"{where}: {error}") from None
    if not grpc:
        refuse_grpc_codes(faults, where)
    return faults


def _numbered(value: Any, where: str) -> Any:
    """A status fault with the names of gRPC's statuses as their numbers."""
    codes = value.get("codes") if isinstance(value, dict) else None
    if not isinstance(codes, list) or not any(isinstance(code, str) for code in codes):
        return value
    from loadgate.http2.grpc import code_named  # most targets start without

    try:
        return {**value, "codes": [int(code_named(code)) if isinstance(code, str) else code for code in codes]}
    except ValueError as error:
        raise ChaosError(f"{where}.codes: {error}") from None


def _routes(value: Any) -> dict[str, Route]:
    routes: dict[str, Route] = {}
    for path, part in _object(value, "routes").items():
        where = f"routes.{path}"
        if not path.startswith("/"):
            raise ChaosError(f"{where}: a path begins with a slash", "for example /users")
        if is_control(path):
            raise ChaosError(f"{where}: {', '.join(CONTROL)} and what is below are never delayed nor broken")
        routes[path] = _route(part, where, grpc=True)  # whose path it is, is known to `Control.check`
    if len(routes) > MOST_ROUTES:
        raise ChaosError(f"routes: {len(routes)} paths, at most {MOST_ROUTES} are allowed")
    return routes


def _protocols(value: Any) -> dict[str, Route]:
    protocols: dict[str, Route] = {}
    for name, part in _known(value, KINDS, "protocols").items():
        found = protocols[name] = _route(part, f"protocols.{name}", grpc=name == "grpc")
        faults = NO_FAULTS if found.faults is None else found.faults
        for kind in Kind:
            if kind not in KINDS[name] and faults.of(kind).probability:
                known = ", ".join(each for each in Kind if each in KINDS[name])
                raise ChaosError(f"protocols.{name}.faults.{kind}: {name} has no such fault", f"its faults: {known}")
    return protocols


def _route(value: Any, where: str, *, grpc: bool) -> Route:
    fields = _known(value, Route.__struct_fields__, where)
    return Route(
        _shape(fields["latency"], f"{where}.latency") if "latency" in fields else None,
        _faults(fields["faults"], f"{where}.faults", grpc=grpc) if "faults" in fields else None,
    )


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
            raise ChaosError(f"{place}: {unknown('field', key, allowed)}", f"known here: {', '.join(allowed)}")
    return fields


def unknown(what: str, word: object, candidates: Iterable[str]) -> str:
    """What to say of a word that is none of `candidates`."""
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


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            raise ChaosError(f"{key}: given twice in one object")
        fields[key] = value
    return fields


def _no_number(text: str) -> float:
    raise ChaosError(f"{text} is not a JSON number")
