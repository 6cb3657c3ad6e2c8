"""Our own run records."""

from __future__ import annotations

from typing import Final

from loadgate.record.codec import BadRecord, decode_run
from loadgate.record.figures import result_of
from loadgate.record.importers.format import Format
from loadgate.record.importers.source import Source
from loadgate.record.result import Result


def _detect(source: Source) -> bool:
    return source.head.startswith('{"schema":') and '"loadgate":"' in source.head


def _read(source: Source) -> list[Result]:
    try:
        return [result_of(decode_run(source.data))]
    except BadRecord as error:
        raise source.bad(f"is {error.message}", hint=error.hint or "") from None


FORMAT: Final = Format("a Loadgate run record", _detect, _read)
