"""JMeter: the samples of a JTL file, CSV or XML.

A sample of a transaction controller holds those of its requests, so that it counts as a group and not among the requests.
Of XML a sample's own parts (redirects, embedded pages) count with it alone. JMeter adds to a file that is there: runs one
after the other look like one, unless a header stands between them.
Source: https://jmeter.apache.org/usermanual/listeners.html (CSV and XML log formats)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from xml.etree import ElementTree

from loadgate.measure.metric import BUILTIN
from loadgate.record.importers.foreign import foreign_result
from loadgate.record.importers.format import Format
from loadgate.record.importers.requests import run_id
from loadgate.record.importers.source import Source
from loadgate.record.importers.table import Table, header
from loadgate.record.importers.timeline import Timeline
from loadgate.record.result import Result

_TRANSACTION: Final = "Number of samples in transaction"
"""Begins the message of a transaction controller's sample."""
_GRAIN: Final = 1.0
"""Milliseconds: JMeter's times are whole ones."""


def _add(timeline: Timeline, start: float, ms: float, label: str, *, failed: bool, transaction: bool) -> None:
    key = timeline.samples(BUILTIN["group_duration"], label) if transaction else timeline.requests(label) + failed
    timeline.add(start + ms / 1000.0, key, ms)


def _results(source: Source, runs: list[Timeline]) -> list[Result]:
    return [
        foreign_result(source, "jmeter", run.figures(), id=run_id(source, part, len(runs)), started=run.begin)
        for part, run in enumerate(runs, 1)
    ]


# -- CSV

_DELIMITERS: Final = (",", ";", "\t", "|")
_NEEDED: Final = frozenset({"timeStamp", "elapsed", "label"})
_DATES: Final = ("%Y/%m/%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f%z")


def _delimiter(source: Source) -> str | None:
    return next((each for each in _DELIMITERS if set(header(source, each)) >= _NEEDED), None)


def _detect_csv(source: Source) -> bool:
    return _delimiter(source) is not None


def _read_csv(source: Source) -> list[Result]:
    table = Table(source, _delimiter(source) or ",")
    stamp_at, elapsed_at, label_at = table.index("timeStamp"), table.index("elapsed"), table.index("label")
    success_at, message_at = table.index("success"), table.find("responseMessage")
    runs = [Timeline(grain=_GRAIN)]
    for row in table.rows():
        if row[stamp_at] == "timeStamp":
            runs.append(Timeline(grain=_GRAIN))
            continue
        try:
            stamp = row[stamp_at]
            _add(
                runs[-1],
                int(stamp) / 1000.0 if stamp.isdecimal() else _date(stamp),
                float(row[elapsed_at]),
                row[label_at],
                failed=_failed(row[success_at]),
                transaction=message_at is not None and row[message_at].startswith(_TRANSACTION),
            )
        except ValueError as error:
            raise table.bad(f"no sample of JMeter: {error}") from None
    return _results(source, runs)


def _failed(success: str) -> bool:
    if success not in ("true", "false"):
        raise ValueError(f"`success` is `{success[:40]}`, neither true nor false")
    return success == "false"


@lru_cache(maxsize=1024)
def _date(text: str) -> float:
    """A `timestamp_format` other than `ms`; without a zone it is taken for UTC."""
    for pattern in _DATES:
        try:
            at = datetime.strptime(text, pattern)
        except ValueError:
            continue
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    raise ValueError(f"`{text[:40]}` is no timeStamp (set jmeter.save.saveservice.timestamp_format=ms)")


# -- XML

_XML: Final = re.compile(r"\s*(?:<\?xml[^>]*\?>\s*)?<testResults\b")
_SAMPLES: Final = frozenset({"sample", "httpSample"})


def _detect_xml(source: Source) -> bool:
    return _XML.match(source.head) is not None


def _read_xml(source: Source) -> list[Result]:
    timeline = Timeline(grain=_GRAIN)
    try:
        for element in _elements(source):
            _sample(timeline, element)
    except ElementTree.ParseError as error:
        hint = "the file has been cut off: the run that wrote it did not end" if "no element" in str(error) else ""
        raise source.bad(f"is no XML: {error}", line=error.position[0], hint=hint) from None
    except ValueError as error:
        raise source.bad(f"a sample cannot be read: {error}") from None
    return _results(source, [timeline])


def _elements(source: Source) -> Iterator[ElementTree.Element]:
    """The samples below the root, one at a time, so that memory stays small."""
    depth = 0
    root: ElementTree.Element | None = None
    with source.open() as file:
        for event, element in ElementTree.iterparse(file, ("start", "end")):
            depth += 1 if event == "start" else -1
            if root is None:
                root = element
            elif event == "end" and depth == 1:
                if element.tag in _SAMPLES:
                    yield element
                root.clear()


def _sample(timeline: Timeline, element: ElementTree.Element) -> None:
    transaction = element.get("rm", "").startswith(_TRANSACTION)
    try:
        start, ms, label, success = (element.attrib[name] for name in ("ts", "t", "lb", "s"))
    except KeyError as error:
        raise ValueError(f"the attribute {error} of a {element.tag} is missing") from None
    _add(timeline, int(start) / 1000.0, float(ms), label, failed=_failed(success), transaction=transaction)
    for inner in element if transaction else ():
        if inner.tag in _SAMPLES:
            _sample(timeline, inner)


FORMATS: Final = (
    Format("JMeter CSV", _detect_csv, _read_csv),
    Format("JMeter XML", _detect_xml, _read_xml),
)
