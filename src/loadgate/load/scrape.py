"""Reads a target's metrics page again and again while the load runs, and hands on what the named series say.

Rules:
* The page is fetched and read in a thread; on the loop there is only what is done with a few numbers.
* A counter is told as what it grew by since it was last read, each of its samples by itself: one that fell has begun anew, and
  one that was not there had not begun.
* What was not read is never zero: no value is handed on, and `unread` says how often and why.
* All that is named must be on the page when it is read first, before any load: a slip of the keyboard ends no run.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from loadgate.clock import Clock
from loadgate.config.scrape import ScrapedKind, ScrapedSeries, ScrapeSpec
from loadgate.errors import LoadgateError, nearest, redact_url
from loadgate.measure.metric import BUILTIN, Direction, Kind, Metric
from loadgate.probe.exposition import Exposition, Sample, read_exposition, samples_of
from loadgate.probe.scraping import NotScraped, fetch

MOST_NAMED: Final = 5
"""Names of series that a message lists."""

OnValues = Callable[[float, Mapping[str, float]], None]
"""Called with clock seconds, and by metric what a counter grew by or where a gauge stands."""


@dataclass(slots=True)
class _Followed:
    """One series over time. `last` holds a counter's samples by their labels, as they were last read."""

    spec: ScrapedSeries
    kind: ScrapedKind
    unit: str
    last: dict[frozenset[tuple[str, str]], float] = field(default_factory=dict)
    absent: int = 0
    """Pages without it; of a counter, only once it had begun."""

    @property
    def metric(self) -> Metric:
        known = BUILTIN.get(self.spec.name)
        return known or Metric(self.spec.name, Kind(self.kind.value), self.unit, Direction(self.spec.better.value))

    def take(self, samples: list[Sample]) -> float | None:
        """The value in one page's samples; None where it says nothing of this series."""
        own = [each for each in samples if self.spec.selector.matches(each.name, each.labels)]
        values = {frozenset(each.labels.items()): each.value for each in own if math.isfinite(each.value)}
        if not values:
            self.absent += self.kind is ScrapedKind.GAUGE or bool(self.last)
            return None
        if self.kind is ScrapedKind.GAUGE:
            return math.fsum(values.values())
        before = self.last
        grown = (value - before.get(at, 0.0) if value >= before.get(at, 0.0) else value for at, value in values.items())
        increase = math.fsum(grown)
        self.last = {**before, **values}
        return increase


class Scraper:
    """Follows the series of `spec`, whose URL must be whole. `begin` comes first, then `run` for as long as the load does."""

    def __init__(self, spec: ScrapeSpec, on_values: OnValues, clock: Clock) -> None:
        self._spec = spec
        self._on_values = on_values
        self._clock = clock
        self._names = {each.selector.name for each in spec.series}
        self._followed: list[_Followed] = []
        self._busy = asyncio.Lock()
        self._last_error = ""
        self.scrapes = 0
        self.failed = 0
        self.cpu = 0.0
        """CPU seconds that fetching and reading took."""

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """What is measured, by name; known after `begin`."""
        return {each.spec.name: each.metric for each in self._followed}

    @property
    def unread(self) -> tuple[str, ...]:
        """What could not be read and why."""
        url = redact_url(self._spec.url)
        told = []
        if self.failed:
            told.append(f"{self.failed:,} of {self.scrapes:,} scrapes of {url} failed: {self._last_error}")
        read = self.scrapes - self.failed
        for each in self._followed:
            where = f"`{each.spec.selector}` at {url}"
            if each.absent:
                told.append(f"{each.spec.name}: no value of {where} in {each.absent:,} of {read:,} scrapes")
            elif each.kind is ScrapedKind.COUNTER and not each.last:
                told.append(f"{each.spec.name}: there never was a value of {where}")
        return tuple(told)

    async def begin(self) -> None:
        """Read the page once: counters count from here on. Raises LoadgateError where anything that is named is not there."""
        url = redact_url(self._spec.url)
        try:
            body = await self._fetched()
        except NotScraped as error:
            hint = "see `metrics` in `target`; the page must answer before the load begins"
            raise LoadgateError(f"the target's metrics at {url} cannot be read: {error}", hint) from None
        page = await asyncio.to_thread(read_exposition, body)
        if not page.samples and not page.kinds:
            odd = f", its first line is `{page.first_odd}`" if page.first_odd else ""
            raise LoadgateError(
                f"there are no metrics at {url}{odd}", "it must be a page in the Prometheus text format"
            )
        self._followed = [_followed(series, page, url) for series in self._spec.series]
        self._put(self._clock.now(), list(page.samples), first=True)

    async def run(self) -> None:
        """Scrape every so many seconds until cancelled; a moment that comes while the page is still read is left out."""
        begun = self._clock.now()
        every = self._spec.every
        at = 0
        while True:
            at = max(at + 1, math.floor((self._clock.now() - begun) / every) + 1)
            await self._clock.sleep_until(begun + at * every)
            await self.scrape()

    async def scrape(self) -> None:
        """Read the page now and hand on what it says: after the load too, so that counters are whole."""
        async with self._busy:
            try:
                body = await self._fetched()
            except NotScraped as error:
                self.failed += 1
                self._last_error = str(error)
                return
            now = self._clock.now()
            samples = await asyncio.to_thread(self._read, body)
            self._put(now, samples)

    async def _fetched(self) -> bytes:
        try:
            body = await asyncio.to_thread(self._fetch)
        except NotScraped:
            self.scrapes += 1
            raise
        self.scrapes += 1  # one that was cancelled counts neither way
        return body

    def _fetch(self) -> bytes:
        begun = time.thread_time()
        try:
            return fetch(self._spec.url, self._spec.timeout)
        finally:
            self.cpu += time.thread_time() - begun

    def _read(self, body: bytes) -> list[Sample]:
        begun = time.thread_time()
        samples = samples_of(body, self._names)
        self.cpu += time.thread_time() - begun
        return samples

    def _put(self, now: float, samples: list[Sample], *, first: bool = False) -> None:
        """Hand on what `samples` say. When read first, a counter has grown by nothing yet."""
        values: dict[str, float] = {}
        for each in self._followed:
            value = each.take(samples)
            if value is not None and not (first and each.kind is ScrapedKind.COUNTER):
                values[each.spec.name] = value
        if values:
            self._on_values(now, values)


def _followed(series: ScrapedSeries, page: Exposition, url: str) -> _Followed:
    """`series` as `page` declares it. Raises LoadgateError where the page does not have it."""
    name, labels = series.selector.name, series.selector.labels
    declared = page.kind(name)
    kind = series.kind or _kind(name, declared)
    held = [sample.labels for sample in page.samples if sample.name == name]
    offered = {sample.name for sample in page.samples}
    if not held and not (declared and kind is ScrapedKind.COUNTER):  # one with labels may not have counted anything yet
        raise LoadgateError(
            f"{series.name}: there is no series `{name}` at {url}", _likely(name, offered, f"{url} has")
        )
    for label in labels if held else ():
        values = {each[label] for each in held if label in each}
        if not values:
            has = {own for each in held for own in each}
            raise LoadgateError(
                f"{series.name}: `{name}` at {url} has no label `{label}`",
                _likely(label, has, "its labels are") if has else "it has no labels",
            )
        if labels[label] not in values and kind is ScrapedKind.GAUGE:
            raise LoadgateError(
                f"{series.name}: no `{name}` at {url} has {label}={labels[label]!r}",
                _likely(labels[label], values, "there are"),
            )
    return _Followed(series, kind, _unit(name, kind) if series.unit is None else series.unit)


def _kind(name: str, declared: str) -> ScrapedKind:
    """By the page's own word, or by the endings that Prometheus gives to what only grows."""
    sums = name.endswith(("_total", "_bucket", "_count", "_sum"))
    if declared in ("gauge", "info", "stateset", "gaugehistogram"):
        return ScrapedKind.GAUGE
    if declared == "counter":
        return ScrapedKind.COUNTER
    return ScrapedKind.COUNTER if sums else ScrapedKind.GAUGE


def _unit(name: str, kind: ScrapedKind) -> str:
    """By the endings that Prometheus asks for (prometheus.io/docs/practices/naming)."""
    plain = name.removesuffix("_total").removesuffix("_sum")
    for ending, unit in (("_seconds", "s"), ("_bytes", "bytes"), ("_ratio", "share")):
        if plain.endswith(ending):
            return unit
    return "count" if kind is ScrapedKind.COUNTER else ""


def _likely(word: str, names: set[str], has: str) -> str:
    likely = nearest(word, names)
    if likely is not None:
        return f"did you mean `{likely}`?"
    alike = sorted(names, key=lambda name: (-len(_common(word, name)), name))
    more = f", and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return f"{has} {', '.join(alike[:MOST_NAMED])}{more}"


def _common(word: str, name: str) -> set[str]:
    """Words that two names share."""
    return set(word.lower().split("_")) & set(name.lower().split("_"))
