"""`go test -bench`: its text, or the lines of `go test -json`. Steps are packages, statistics the units as Go prints them.

Repetitions (`-count`) of a benchmark are of one process; the figure is their median, as in benchstat. Lines that are no
benchmark are what the format allows between them. Format: Go's design document 14313, "Go Benchmark Data Format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from loadgate.measure import estimate
from loadgate.measure.metric import Direction
from loadgate.record.importers.foreign import foreign_result, in_words, moment
from loadgate.record.importers.format import Format
from loadgate.record.importers.source import Source
from loadgate.record.result import Figure, Result, SeriesName

_BENCHMARK: Final = re.compile(r"(Benchmark[^a-z\s]\S*|Benchmark)[ \t]+([0-9]+)[ \t]+(\S.*)")
_BEGUN: Final = re.compile(r"Benchmark[^a-z\s]")
_KEY: Final = re.compile(r"(goos|goarch|pkg|cpu): (.*)")
_UNIT: Final = re.compile(r"Unit[ \t]+(\S+)[ \t].*\bbetter=(higher|lower)\b.*")
_UNITS: Final = {"ns/op": "ns", "B/op": "bytes", "allocs/op": "count"}
_RATE: Final = re.compile(r".+/(s|sec)")


class _Event(msgspec.Struct):
    """A line of `go test -json` (`go doc test2json`)."""

    Action: str
    Package: str = ""
    Output: str = ""
    Time: str = ""


def _detect(source: Source) -> bool:
    return any(_BENCHMARK.fullmatch(line.rstrip()) for line in source.head.splitlines())


def _detect_json(source: Source) -> bool:
    first = source.first_line
    return isinstance(first, dict) and {"Action", "Package"} <= first.keys()


def _read(source: Source) -> list[Result]:
    last = source.data.count(b"\n") + 1
    if _BEGUN.match(source.data[source.data.rfind(b"\n") + 1 :].decode("utf-8", "replace")):
        raise source.bad("the last line has no end: the file has been cut off", line=last)
    return [_result(source, enumerate(source.lines(), 1), None)]


def _read_json(source: Source) -> list[Result]:
    """The outputs of each package joined: Go writes a benchmark's name when it begins and the rest of the line at the end."""
    outputs: dict[str, list[tuple[int, str]]] = {}
    began: list[float] = []
    for number, line in enumerate(source.lines(), 1):
        if not line.strip():
            continue
        try:
            event = msgspec.json.decode(line, type=_Event)
        except (msgspec.MsgspecError, ValueError) as error:
            raise source.bad(f"an event of `go test -json` was expected: {error}", line=number) from None
        at = moment(event.Time)
        began += [at] if at is not None and not began else []
        held = outputs.setdefault(event.Package, [])
        if event.Action == "output":
            if held and not held[-1][1].endswith("\n"):
                held[-1] = (number, held[-1][1] + event.Output)
            else:
                held.append((number, event.Output))
    lines = [(number, text.rstrip("\r\n")) for held in outputs.values() for number, text in held]
    return [_result(source, iter(lines), began[0] if began else None)]


def _result(source: Source, lines: Iterator[tuple[int, str]], started: float | None) -> Result:
    values: dict[tuple[str, str, str], list[float]] = {}
    keys = {"goos": "", "goarch": "", "pkg": "", "cpu": ""}
    better: dict[str, Direction] = {}
    for number, line in lines:
        text = line.rstrip()
        if key := _KEY.fullmatch(text):
            keys[key[1]] = key[2].strip()
        elif unit := _UNIT.fullmatch(text):
            better[unit[1]] = Direction(unit[2])
        elif found := _BENCHMARK.fullmatch(text):
            for value, name in _measured(source, number, found[3]):
                values.setdefault((keys["pkg"], found[1], name), []).append(value)
    figures = [
        Figure(
            SeriesName(*series), _UNITS.get(series[2], series[2]), _direction(series[2], better), estimate.median(of)
        )
        for series, of in values.items()
    ]
    return foreign_result(
        source, "go test", figures, started=started, machine=in_words(f"{keys['goos']} {keys['goarch']}", keys["cpu"])
    )


def _measured(source: Source, number: int, text: str) -> Iterator[tuple[float, str]]:
    fields = text.split()
    try:
        if len(fields) % 2:
            raise ValueError
        yield from ((float(value), unit) for value, unit in zip(fields[::2], fields[1::2], strict=True))
    except ValueError:
        raise source.bad(f"values with units (`12.5 ns/op`) were expected, not `{text[:60]}`", line=number) from None


def _direction(unit: str, better: dict[str, Direction]) -> Direction:
    return better.get(unit) or (Direction.HIGHER if _RATE.fullmatch(unit) else Direction.LOWER)


FORMATS: Final = (
    Format("go test -bench", _detect, _read),
    Format("go test -json -bench", _detect_json, _read_json),
)
