"""What is read from a target's own metrics page while it is under load: `metrics` in `target`.

target:
  metrics:
    url: /metrics                               # on the target's URL, or a whole URL
    every: 1s
    timeout: 1s
    series:
      target_cpu: process_cpu_seconds_total     # our own names have their meaning: budgets and CPU per request work
      queue_length: 'app_queue{queue="mail"}'   # any other name is a metric of the user's own
      jobs: {series: app_jobs_total, kind: counter, unit: count, better: higher}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from loadgate.config import fields
from loadgate.config.fields import Fields, Place, Refusal
from loadgate.config.selector import LABEL_NAME, Selector, parse_selector
from loadgate.config.source import Node, Table
from loadgate.errors import Problem, nearest, redact_url

EVERY: Final = 1.0
TIMEOUT: Final = 1.0
LEAST_EVERY: Final = 0.1
"""Seconds. Reading a page costs a millisecond or two, on the cores that make the load."""
MOST_SERIES: Final = 100

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_OUR_PREFIXES: Final = ("http_", "grpc_", "ws_", "graphql_", "iteration", "data_", "dropped_", "group_")
_OUR_NAMES: Final = frozenset({"vus", "vus_max", "checks"})


class ScrapedKind(StrEnum):
    """What a series is: a sum that only grows, or a state."""

    COUNTER = "counter"
    GAUGE = "gauge"


class ScrapedUnit(StrEnum):
    """Units that reports know how to write."""

    MILLISECONDS = "ms"
    SECONDS = "s"
    BYTES = "bytes"
    SHARE = "share"
    COUNT = "count"


class Better(StrEnum):
    """Which way is better."""

    LOWER = "lower"
    HIGHER = "higher"


_SIZE: Final = (ScrapedKind.GAUGE, "bytes")
_SUM_OF_BYTES: Final = (ScrapedKind.COUNTER, "bytes")
_SECONDS: Final = (ScrapedKind.COUNTER, "s")
_STATE: Final = (ScrapedKind.GAUGE, "count")
_EVENTS: Final = (ScrapedKind.COUNTER, "count")
KNOWN: Final[Mapping[str, tuple[ScrapedKind, str]]] = MappingProxyType(
    {
        "target_cpu": _SECONDS,
        "target_memory": _SIZE,
        "target_memory_pss": _SIZE,
        "target_memory_peak": _SIZE,
        "target_processes": _STATE,
        "target_threads": _STATE,
        "target_open_files": _STATE,
        "target_disk_read": _SUM_OF_BYTES,
        "target_disk_written": _SUM_OF_BYTES,
        "target_net_received": _SUM_OF_BYTES,
        "target_net_sent": _SUM_OF_BYTES,
        "target_context_switches": _EVENTS,
        "target_page_faults": _EVENTS,
        "target_major_faults": _EVENTS,
        "target_throttled": _SECONDS,
    }
)
"""Kind and unit of our own names for what a target uses, as `measure.metric` has them."""


@dataclass(frozen=True, slots=True)
class ScrapedSeries:
    """A series of the page and the metric it becomes.

    `kind` None: as the page declares it, or else by the series' name. `unit` None: by the series' name.
    """

    name: str
    selector: Selector
    kind: ScrapedKind | None = None
    unit: str | None = None
    better: Better = Better.LOWER


@dataclass(frozen=True, slots=True, repr=False)
class ScrapeSpec:
    """A page, read `every` so many seconds with so long a `timeout`. `url` is whole, or a path that begins with `/`."""

    url: str
    every: float = EVERY
    timeout: float = TIMEOUT
    series: tuple[ScrapedSeries, ...] = ()

    def on(self, target: str) -> ScrapeSpec:
        """With a path put on the URL `target`, where it begins: the path of that URL counts for nothing."""
        if not self.url.startswith("/"):
            return self
        parts = urlsplit(target)
        return replace(self, url=f"{parts.scheme}://{parts.netloc}{self.url}")

    def __repr__(self) -> str:
        names = [each.name for each in self.series]
        return f"ScrapeSpec({redact_url(self.url)!r}, every={self.every!r}, timeout={self.timeout!r}, series={names!r})"


def read_scrape(node: Node, place: Place) -> ScrapeSpec | None:
    """The `metrics` mapping in `target`; None where it cannot be used, which is then reported."""
    own = Fields(node, place, "in `metrics` in `target`")
    url = own.need("url", _url, "")
    every = own.take("every", _every, EVERY)
    timeout = own.take("timeout", fields.positive(fields.duration), TIMEOUT)
    series: tuple[ScrapedSeries, ...] = own.need("series", _all_series, ())
    own.done()
    return ScrapeSpec(url, every, timeout, series) if url and series else None


def _url(node: Node, place: Place) -> str:
    url = fields.plain(node, place).strip()
    if url.startswith("/") and not url.startswith("//") and not re.search(r"[\s\x00-\x1f\x7f]", url):
        return url
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise place.refuse(node, "a URL with http or https, or a path that begins with /", "for example /metrics")
    return url


def _every(node: Node, place: Place) -> float:
    every = fields.duration(node, place)
    if every < LEAST_EVERY:
        raise place.refuse(node, "100ms or more", "too often: reading the page would be a load of its own")
    return every


def _all_series(node: Node, place: Place) -> tuple[ScrapedSeries, ...]:
    if not isinstance(node, Table):
        raise place.refuse(node, "a mapping (`metric: series` lines)")
    found: list[ScrapedSeries] = []
    for entry in node.entries.values():
        try:
            at = Place(f"series `{entry.key}`", place.context, entry.key_span)
            _check_name(entry.key, at)
            series = _series(entry.key, entry.value, at)
            found += [series] if series is not None else []
        except Refusal as refusal:
            place.report(refusal.problem)
    if not node.entries:
        raise place.refuse(node, "a mapping (`metric: series` lines)", "nothing would be read")
    if len(found) > MOST_SERIES:
        raise place.refuse(node, f"at most {MOST_SERIES} series")
    return tuple(found)


def _check_name(name: str, place: Place) -> None:
    """Refuse a name that is none, or that means something else already."""
    if not _NAME.fullmatch(name):
        note = "up to 128 ASCII letters, digits and underscores, no digit first"
        raise Refusal(Problem(f"`{name}` is not a metric name", place.key, "", note))
    if name.startswith("target_") and name not in KNOWN:
        likely = nearest(name, KNOWN)
        label = f"did you mean `{likely}`?" if likely else ""
        note = f"names that begin with target_ are Loadgate's: {', '.join(KNOWN)}"
        raise Refusal(Problem(f"there is no metric `{name}`", place.key, label, note))
    if name in _OUR_NAMES or name.startswith(_OUR_PREFIXES):
        raise Refusal(
            Problem(f"`{name}` is measured by Loadgate itself", place.key, "give it another name, app_... say")
        )


def _series(name: str, node: Node, place: Place) -> ScrapedSeries | None:
    """The series; None where it could not be read, which is then reported."""
    if not isinstance(node, Table):
        return _meant(ScrapedSeries(name, _selector(node, place)))
    own = Fields(node, place, f"in {place.what}")
    selector = own.need("series", _selector, None)
    labels: dict[str, str] = own.take("labels", _labels, {})
    kind: ScrapedKind | None = own.take("kind", fields.choice(ScrapedKind), None)
    unit: ScrapedUnit | None = own.take("unit", fields.choice(ScrapedUnit), None)
    better = own.take("better", fields.choice(Better), Better.LOWER)
    for key in ("kind", "unit", "better") if name in KNOWN else ():
        if key in own:
            meaning = f"{KNOWN[name][0]}, in {KNOWN[name][1]}, less is better"
            own.report(f"`{key}` cannot be given for `{name}`", key, f"it is known: {meaning}")
    own.done()
    if selector is None:
        return None
    both = selector.labels.keys() & labels.keys()
    if both:
        own.report(f"the label `{min(both)}` is given twice for {place.what}", "labels")
    meant = Selector(selector.name, {**selector.labels, **labels})
    return _meant(ScrapedSeries(name, meant, kind, unit, better))


def _meant(series: ScrapedSeries) -> ScrapedSeries:
    """With what is known of our own names."""
    kind, unit = KNOWN.get(series.name, (series.kind, series.unit))
    return replace(series, kind=kind, unit=unit)


def _selector(node: Node, place: Place) -> Selector:
    found = parse_selector(fields.text(node, place), node.span)
    if isinstance(found, Problem):
        raise Refusal(found)
    return found


def _labels(node: Node, place: Place) -> dict[str, str]:
    labels = fields.mapping(fields.plain)(node, place)
    for name in labels:
        if not LABEL_NAME.fullmatch(name):
            raise place.refuse(node, "a mapping of labels", f"`{name}` is not the name of a label")
    return labels
