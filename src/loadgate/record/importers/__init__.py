"""Results of other tools, and our own records: what a file is, is found out from its contents."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from loadgate.errors import LoadgateError
from loadgate.record.importers import (
    ab,
    artillery,
    asv,
    autocannon,
    bombardier,
    criterion,
    gatling,
    generic,
    ghz,
    go_test,
    google_benchmark,
    h2load,
    hey,
    hyperfine,
    jmeter,
    jmh,
    k6,
    k6_samples,
    loadgate,
    locust,
    oha,
    pyperf,
    pytest_benchmark,
    report,
    vegeta,
    wrk,
)
from loadgate.record.importers.format import Format
from loadgate.record.importers.source import Source
from loadgate.record.result import Result

FORMATS: Final[tuple[Format, ...]] = (
    loadgate.FORMAT,
    *report.FORMATS,
    criterion.FORMAT,
    pytest_benchmark.FORMAT,
    pyperf.FORMAT,
    asv.FORMAT,
    *google_benchmark.FORMATS,
    *go_test.FORMATS,
    *hyperfine.FORMATS,
    *jmh.FORMATS,
    k6.FORMAT,
    *k6_samples.FORMATS,
    *locust.FORMATS,
    wrk.FORMAT,
    *hey.FORMATS,
    *oha.FORMATS,
    *vegeta.FORMATS,
    *bombardier.FORMATS,
    *h2load.FORMATS,
    *ab.FORMATS,
    *ghz.FORMATS,
    *gatling.FORMATS,
    *jmeter.FORMATS,
    autocannon.FORMAT,
    *artillery.FORMATS,
    *generic.FORMATS,
)
"""Asked in this order: no two of them claim one file."""


def read_results(path: Path) -> list[Result]:
    """The results in the file or folder `path`, at least one, oldest first. Raises LoadgateError where it holds none."""
    return read_known(path)[1]


def read_known(path: Path) -> tuple[Format, list[Result]]:
    """As `read_results`, with the format that was found."""
    source = Source(path)
    if source.empty:
        raise LoadgateError(f"{path} is empty: the run that should have written it left nothing")
    for format in FORMATS:
        if format.detect(source):
            found = format.read(source)
            if not any(result.figures for result in found):
                raise LoadgateError(f"{path} is {format.name}, but holds no result")
            return format, found
    broken = source.broken
    if broken is not None:
        raise broken
    known = ", ".join(format.name for format in FORMATS)
    raise LoadgateError(
        f"{path} is no result {'folder' if source.is_folder else 'file'} that is known here", f"known are: {known}"
    )
