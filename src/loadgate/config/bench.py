"""What `loadgate bench` measures: the `bench` mapping.

bench:
  starts: {least: 10, most: 50, request: GET /users/1, requests: 100}   # or `off`
  sizes: {bytes: [100, 1000, 10000], request: "POST /echo", rates: [50/s], vus: 1, duration: 3s}   # or a list of them
  script: benchmarks.py
  commands: {parse: "python parse.py big.json"}
  interval: 5%          # how narrow the 95 % interval of a median must be
  time: 1m              # how long one figure may be repeated for that
  warmup: 1             # repetitions that count in nothing
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loadgate.config import fields
from loadgate.config.fields import Fields, Place
from loadgate.config.sizes import RequestText, SizesSpec, elsewhere, read_request_text, read_sizes, request_of
from loadgate.config.source import Node, Scalar
from loadgate.config.start import StartSpec, read_start
from loadgate.errors import ConfigError, Problem
from loadgate.units import UnitError, parse_duration, parse_rate

_PERCENT: Final = re.compile(r"(\d+(?:\.\d+)?) *%")
_ROOT: Final = RequestText("GET", "/")


@dataclass(frozen=True, slots=True)
class StartsSpec:
    """The program is started `least` to `most` times; each time `request` is sent once, and then `requests` times warm."""

    least: int = 10
    most: int = 50
    request: RequestText = _ROOT
    requests: int = 100


@dataclass(frozen=True, slots=True)
class BenchSpec:
    """Everything a `bench` measures. `starts` None: `off`; `interval` is a share, times are in seconds."""

    starts: StartsSpec | None = field(default_factory=StartsSpec)
    sizes: tuple[SizesSpec, ...] = ()
    script: Path | None = None
    commands: Mapping[str, StartSpec] = field(default_factory=dict)
    interval: float = 0.05
    time: float = 60.0
    warmup: int = 1


def read_bench(node: Node, place: Place) -> BenchSpec:
    """The `bench` mapping."""
    own = Fields(node, place, "in `bench`")
    usual: StartsSpec | None = StartsSpec()
    starts = own.take("starts", _starts, usual)
    sizes: tuple[SizesSpec, ...] = own.take("sizes", read_sizes, ())
    commands: dict[str, StartSpec] = own.take("commands", fields.mapping(read_start), {})
    spec = BenchSpec(
        starts=starts,
        sizes=sizes,
        script=own.take("script", fields.file, None),
        commands=commands,
        interval=own.take("interval", _share, 0.05),
        time=own.take("time", fields.positive(fields.duration), 60.0),
        warmup=own.take("warmup", fields.whole(0, 1000), 1),
    )
    own.done()
    return spec


def request_from_flag(flag: str, written: str) -> RequestText:
    """A request as typed, "POST /echo" or "/echo". Raises ConfigError."""
    found = request_of(written)
    if found is None or elsewhere(written):
        note = elsewhere(written) or "for example 'POST /echo' or /users"
        raise ConfigError([Problem(f"{flag}: `{written}` is no request", note=note)])
    return found


def rates_from_flags(written: Sequence[str]) -> tuple[float, ...]:
    """Starts per second, from texts like "50/s". Raises ConfigError."""
    try:
        rates = tuple(map(parse_rate, written))
    except UnitError as error:
        raise ConfigError([Problem(f"--rate: {error.message}", note=error.hint or "")]) from None
    if not all(rates):
        raise ConfigError([Problem("--rate must be more than 0")])
    return tuple(dict.fromkeys(rates))


def duration_from_flag(flag: str, written: str, *, zero: bool = False) -> float:
    """Seconds above 0, or 0 where that is possible (`zero`), from a text like "30s". Raises ConfigError."""
    try:
        seconds = parse_duration(written)
    except UnitError as error:
        raise ConfigError([Problem(f"{flag}: {error.message}", note=error.hint or "")]) from None
    if not seconds and not zero:
        raise ConfigError([Problem(f"{flag} must be more than 0")])
    return seconds


def interval_from_flag(written: str) -> float:
    """A share, from a text like "5%". Raises ConfigError."""
    share = _share_of(written)
    if share is None:
        raise ConfigError(
            [Problem(f"--interval: `{written}` is no percentage above 0", note="for example --interval 5%")]
        )
    return share


def _starts(node: Node, place: Place) -> StartsSpec | None:
    if isinstance(node, Scalar) and (node.value is False or node.text == "off"):
        return None
    own = Fields(node, place, "in `starts` in `bench`")
    usual = StartsSpec()
    least = own.take("least", fields.whole(1, 1000), usual.least)
    most = own.take("most", fields.whole(1, 1000), max(usual.most, least))
    if "least" not in own:
        least = min(least, most)
    spec = StartsSpec(
        least=least,
        most=max(most, least),
        request=own.take("request", read_request_text, usual.request),
        requests=own.take("requests", fields.whole(0, 1_000_000), usual.requests),
    )
    if most < least:
        own.report("`most` is less than `least` in `starts` in `bench`", "most")
    own.done()
    return spec


def _share(node: Node, place: Place) -> float:
    share = _share_of(node.text) if isinstance(node, Scalar) else None
    if share is None:
        raise place.refuse(node, "a percentage above 0, for example 5%")
    return share


def _share_of(written: str) -> float | None:
    match = _PERCENT.fullmatch(written.strip())
    share = 0.0 if match is None else float(match[1]) / 100.0
    return share if 0.0 < share <= 1.0 else None
