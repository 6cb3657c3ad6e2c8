"""What a program says of itself on its metrics page: the Prometheus text format 0.0.4 and OpenMetrics 1.0, read as samples.

Sources: prometheus.io/docs/instrumenting/exposition_formats, and the OpenMetrics specification (openmetrics.io).

Why not `prometheus_client.parser`: importing it costs 100 ms of CPU, one line that it does not understand refuses the whole
page, and it reads every sample (18 us each) where a few are wanted; the interpreter's lock would be held against the load.

Rules:
* A line that is not understood is counted and passed over; the others count.
* Histograms and summaries are plain samples (`x_bucket`, `x_sum`, `x_count`); exemplars and timestamps are passed over.
* A value may be NaN or infinite: it is for whoever reads it to leave it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

MOST_BYTES: Final = 8_000_000
"""Of a page, unpacked. (A node exporter's is 0.1 MB.)"""

_QUOTED: Final = r'"(?:[^"\\]++|\\.)*+"'
_LINE: Final = re.compile(
    rf"[ \t]*(?P<name>[A-Za-z_:][\w:]*)?[ \t]*(?:\{{(?P<labels>(?:[^\"}}]++|{_QUOTED})*+)\}})?"
    r"[ \t]*(?P<value>(?<=[ \t}])[^\s#{]+)(?:[ \t]+(?P<time>[-+]?[\d.]+(?:[eE][-+]?\d+)?))?[ \t]*(?:[ \t]\#.*)?\r?",
    re.ASCII,
)
_PAIR: Final = re.compile(rf"[ \t]*(?:([A-Za-z_]\w*)|({_QUOTED}))[ \t]*(?:=[ \t]*({_QUOTED}))?[ \t]*(?:,|\Z)", re.ASCII)
_NUMBER: Final = re.compile(r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|inf(?:inity)?|nan)", re.IGNORECASE | re.ASCII)
_ESCAPE: Final = re.compile(r"\\(.)")
_SUFFIXES: Final = ("_total", "_bucket", "_sum", "_count", "_created", "_info")
_UNTYPED: Final = frozenset({"untyped", "unknown"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One number under a name and its labels."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Exposition:
    """A page. `kinds` are the types it declares by family, as written ("counter"); `odd` lines were not understood."""

    samples: tuple[Sample, ...]
    kinds: Mapping[str, str]
    odd: int = 0
    first_odd: str = ""

    def kind(self, name: str) -> str:
        """The declared type of the family that a sample called `name` is of; "" where none is declared.

        OpenMetrics declares `x` for samples called `x_total`.
        """
        for suffix in ("", *_SUFFIXES):
            family = name.removesuffix(suffix) if name.endswith(suffix) else ""
            if family in self.kinds:
                kind = self.kinds[family]
                return "" if kind in _UNTYPED else kind
        return ""


def read_exposition(body: bytes) -> Exposition:
    """The whole page."""
    samples: list[Sample] = []
    kinds: dict[str, str] = {}
    odd: list[str] = []
    for line in body.decode("utf-8", "replace").split("\n"):
        text = line.strip(" \t\r")
        if text.startswith("#"):
            words = text.split()
            if words[:2] == ["#", "EOF"]:
                break
            if words[:2] == ["#", "TYPE"] and len(words) == 4:
                kinds[_name(words[2])] = words[3]
        elif text:
            sample = read_line(text)
            if sample is None:
                odd.append(text)
            else:
                samples.append(sample)
    return Exposition(tuple(samples), kinds, len(odd), odd[0][:120] if odd else "")


def samples_of(body: bytes, names: Iterable[str]) -> list[Sample]:
    """The samples called one of `names`; all other lines are only looked at in their beginning."""
    wanted = frozenset(names)
    forms = ("{}{{", "{} ", "{}\t", '{{"{}"')
    starts = tuple(form.format(name).encode() for name in wanted for form in forms)
    lines = [line for line in body.split(b"\n") if line.lstrip(b" \t").startswith(starts)]
    found = (read_line(line.decode("utf-8", "replace")) for line in lines)
    return [sample for sample in found if sample is not None and sample.name in wanted]


def read_line(line: str) -> Sample | None:
    """The sample in one line; None where it holds none."""
    match = _LINE.fullmatch(line)
    if match is None or not _NUMBER.fullmatch(match["value"]):
        return None
    name, labels = match["name"] or "", match["labels"]
    found = _labels(labels) if labels else (("", {}) if name else None)
    if found is None or bool(name) == bool(found[0]):
        return None
    return Sample(name or found[0], found[1], float(match["value"]))


def _labels(text: str) -> tuple[str, dict[str, str]] | None:
    """The name among labels (Prometheus 3 quotes names with other letters there: `{"a.b", c="d"}`), and the labels."""
    name, labels, at = "", dict[str, str](), 0
    text = text.strip(" \t")
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None:
            return None
        bare, quoted, value = match.groups()
        if value is not None:
            labels[bare or _unquoted(quoted)] = _unquoted(value)
        elif quoted and not name and not labels:
            name = _unquoted(quoted)
        else:
            return None
        at = match.end()
    return name, labels


def _name(word: str) -> str:
    return _unquoted(word) if word.startswith('"') and word.endswith('"') and len(word) > 1 else word


def _unquoted(text: str) -> str:
    r"""`text` without its quotes; of the escapes, `\n` is a line break and any other character stands for itself."""
    inner = text[1:-1]
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], inner) if "\\" in inner else inner
