"""Reads the chaos options of `loadgate serve`: short texts such as "lognormal:20ms,0.5"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from loadgate.target.chaos import Chaos
from loadgate.target.faults import KINDS, Kind
from loadgate.target.settings import ChaosError, from_plain, unknown
from loadgate.target.shapes import SHAPES

_SHAPE_TEXTS: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "none": ((), "none"),
    "fixed": (("ms",), "fixed:20ms"),
    "uniform": (("low_ms", "high_ms"), "uniform:10ms,30ms"),
    "normal": (("mean_ms", "deviation_ms"), "normal:20ms,5ms (mean, standard deviation)"),
    "lognormal": (("median_ms", "sigma"), "lognormal:20ms,0.5 (median, sigma)"),
    "pareto": (("scale_ms", "alpha"), "pareto:10ms,1.5 (least delay, alpha)"),
}
_KINDS: Final = tuple(str(kind) for kind in Kind)
_EXTRAS: Final = {"min": "min_ms", "max": "max_ms", "probability": "probability"}


def from_texts(latencies: Iterable[str], faults: Iterable[str], stall: str | None, seed: int) -> Chaos:
    """The configuration of `loadgate serve`'s options.

    latency  [WHERE=]fixed:20ms | uniform:10ms,30ms | normal:MEAN,DEVIATION | lognormal:MEDIAN,SIGMA | pareto:LEAST,ALPHA,
             each with ,min=5ms ,max=1s ,probability=0.01 behind
    fault    [WHERE=]status:0.01 | status=503,500:0.01 | status=UNAVAILABLE,8:0.01 (gRPC) | reset:0.01 | timeout:0.01 |
             partial:0.01 | close=1011:0.01 | errors:0.01 | field:0.01
    stall    1s/10s: out for 1 s once in 10 s

    WHERE is a path (/users, /mockforge.greeter.Greeter/SayHello) or a protocol (websocket); without it, an option is for all.

    Raises ChaosError.
    """
    plain: dict[str, Any] = {"seed": seed}
    for text in latencies:
        where, rest = _place_of(text)
        part = _part(plain, where)
        if "latency" in part:
            raise ChaosError(
                f"two latencies for {where or 'all routes'}", "give one, or one per path or protocol: /users=fixed:20ms"
            )
        part["latency"] = _latency_text(rest)
    for text in faults:
        where, rest = _place_of(text)
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


def _part(plain: dict[str, Any], where: str) -> dict[str, Any]:
    if not where:
        return plain
    section = "routes" if where.startswith("/") else "protocols"
    part: dict[str, Any] = plain.setdefault(section, {}).setdefault(where, {})
    return part


def _place_of(text: str) -> tuple[str, str]:
    """The path or protocol an option is for ("" for all) and the rest."""
    if not text.startswith("/"):
        protocol, equals, rest = text.partition("=")
        return (protocol, rest) if equals and protocol in KINDS else ("", text)
    path, equals, rest = text.partition("=")
    if not equals:
        raise ChaosError(f"`{text}` names a path and nothing else", "for example /users=fixed:20ms")
    return path, rest


def _latency_text(text: str) -> dict[str, Any]:
    name, _, rest = text.partition(":")
    if name not in _SHAPE_TEXTS:
        raise ChaosError(f"latency `{text}`: {unknown('shape', name, SHAPES)}", f"one of {', '.join(SHAPES)}")
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
    if not colon or kind not in _KINDS:
        raise ChaosError(
            f"`{text}` is not a fault", f"kind and probability, for example status:0.01; kinds: {', '.join(_KINDS)}"
        )
    value: dict[str, Any] = {"probability": _number(share, text)}
    if equals:
        if kind not in ("status", "close"):
            raise ChaosError(f"fault `{text}`: only status and close take codes")
        value["codes"] = [_code(code.strip(), kind, text) for code in codes.split(",")]
    return kind, value


def _code(code: str, kind: str, text: str) -> int:
    example = "for example 500,503, or UNAVAILABLE for gRPC" if kind == "status" else "for example 1011,1012"
    try:
        if kind == "status" and code[:1].isalpha():
            from loadgate.http2.grpc import code_named  # most targets start without

            return int(code_named(code))
        return int(code)
    except ValueError as error:
        named = str(error) if code[:1].isalpha() and kind == "status" else f"`{code}` is no {kind} code"
        raise ChaosError(f"fault `{text}`: {named}", example) from None


def _value(key: str, item: str, text: str) -> float:
    return _milliseconds(item, text) if key.endswith("ms") else _number(item, text)


def _milliseconds(item: str, text: str) -> float:
    from loadgate.units import UnitError, parse_duration  # most targets start without

    try:
        return round(parse_duration(item) * 1000.0, 6)
    except UnitError as error:
        raise ChaosError(f"in `{text}`: {error.message}", error.hint) from None


def _number(item: str, text: str) -> float:
    try:
        return float(item)
    except ValueError:
        raise ChaosError(f"in `{text}`: `{item}` is not a number") from None
