"""Which samples of a metrics page are meant: a name and labels, as Prometheus writes them.

    process_cpu_seconds_total
    app_queue{queue="mail",shard="1"}

All labels that are given must be equal; a sample may have others. Several samples that match are summed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from loadgate.errors import Problem, Span

SERIES_NAME: Final = re.compile(r"[A-Za-z_:][\w:]*", re.ASCII)
LABEL_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_PAIR: Final = re.compile(
    r"\s*(?P<label>[A-Za-z_]\w*)\s*(?P<operator>=~|!=|!~|=)\s*(?P<value>\"(?:[^\"\\]++|\\.)*+\")\s*(?:,|\Z)", re.ASCII
)
_ESCAPE: Final = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Selector:
    """The samples called `name` that have all of `labels`."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a sample is meant."""
        return name == self.name and all(labels.get(label) == value for label, value in self.labels.items())

    def __str__(self) -> str:
        pairs = (f"{label}={_quoted(value)}" for label, value in self.labels.items())
        return f"{self.name}{{{','.join(pairs)}}}" if self.labels else self.name


def parse_selector(text: str, span: Span) -> Selector | Problem:
    """The selector in `text`, which stands at `span`; a problem that points at the part that cannot be read."""
    body = text.strip()
    name, brace, rest = body.partition("{")
    start = text.find(body)
    if not SERIES_NAME.fullmatch(name.rstrip()):
        part = span.part(text, start, len(name) or 1)
        return Problem(f"`{name.strip()}` is not the name of a series", part, 'such as app_queue{queue="mail"}')
    if not brace:
        return Selector(name)
    if not rest.endswith("}"):
        part = span.part(text, start + len(name), 1)
        return Problem(f"`{{` is not closed in the series `{name}`", part, 'such as app_queue{queue="mail"}')
    labels: dict[str, str] = {}
    inner, at, begin = rest[:-1].rstrip(), 0, start + len(name) + 1
    while at < len(inner):
        match = _PAIR.match(inner, at)
        if match is None:
            part = span.part(text, begin + at, len(inner) - at)
            return Problem(f"the labels of the series `{name}` cannot be read", part, 'write label="value", ...')
        label, operator = match["label"], match["operator"]
        if operator != "=":
            part = span.part(text, begin + match.start("operator"), len(operator))
            return Problem(
                f"`{operator}` cannot be used in the series `{name}`", part, "labels are compared with = only"
            )
        if label in labels:
            part = span.part(text, begin + match.start("label"), len(label))
            return Problem(f"the label `{label}` is given twice in the series `{name}`", part)
        value = match["value"][1:-1]
        labels[label] = _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], value)
        at = match.end()
    return Selector(name.rstrip(), labels)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
