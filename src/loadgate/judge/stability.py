"""Why repeated values lie far apart, as far as the machine tells, and what to do about it. Pure.

Rules:
* Values are unstable where their median absolute deviation is above 5 % of the median, or the interval of the median is
  wider than was asked for. Only then is the machine blamed: a governor that does no harm is nobody's business.
* A drift is said of stable values too, because it moves the median with the number of repetitions: first half against
  second half (Wilcoxon 1945, Mann and Whitney 1947, with the correction for ties), and a difference that matters.
* The causes and remedies are those of pyperf ("Tune the system for benchmarks") and google-benchmark ("Reducing variance").
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist, median
from typing import Final

from loadgate.measure.spread import FEWEST_WITH_INTERVAL, Spread, spread_of
from loadgate.units import format_count, format_number, format_share

DEVIATION: Final = 0.05
WIDTH: Final = 0.05
DRIFT: Final = 0.02
"""Difference of the halves' medians, relative to that of all values, from which a drift matters."""
DRIFT_ALPHA: Final = 0.01
FEWEST_WITH_DRIFT: Final = 10

MANY: Final = 2000
"""Repetitions that nobody waits for."""

STEAL: Final = 0.01
OTHERS: Final = 0.05
THROTTLED: Final = 0.01
LOAD: Final = 0.5
"""From what on each of these is worth a word: shares of time, and waiting programs for each core."""

STEADY: Final = frozenset({"performance"})
"""Governors that keep the CPU at one frequency."""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the machine did while the values were measured. None or empty: it is not known, and nothing is said of it."""

    steal: float | None = None
    """Share of CPU time that the hypervisor gave to other machines."""
    others: float | None = None
    """Share of all CPU time that programs had which are neither Loadgate nor what it measures."""
    throttled: float | None = None
    """Share of time in which a CPU quota or heat held the programs back."""
    governors: tuple[str, ...] = ()
    """Frequency governors, one for each CPU or each kind once."""
    turbo: bool | None = None
    """Whether the CPU may go beyond its nominal frequency."""
    load: float | None = None
    """Load average of the last minute over the number of cores; used where `others` is not known."""


def advice(values: Sequence[float], host: HostFacts | None = None, *, width: float = WIDTH) -> tuple[str, ...]:
    """What to say of `values`, which are in the order of their measurement: whole sentences, the finding first.

    Empty where they are stable and do not drift. `width` is the relative width that was asked of the interval. Raises
    ValueError for a value that is not finite.
    """
    spread = spread_of(values)
    if not spread.count:
        return ()
    findings = [*_unstable(spread, width)]
    drifts = [*_drift(values)]
    if not findings:
        return tuple(drifts)
    causes = [*_causes(host or HostFacts())]
    if not causes and not drifts and spread.count >= FEWEST_WITH_INTERVAL:
        causes = [
            "nothing that is known of this machine explains it: see whether the program itself does other work from one "
            "repetition to the next (caches, collections, random data)"
        ]
    return (*findings, *drifts, *causes)


def _unstable(spread: Spread, width: float) -> Iterator[str]:
    if spread.count < FEWEST_WITH_INTERVAL:
        yield f"{_repetitions(spread.count)} too few to say how sure the median is: {FEWEST_WITH_INTERVAL} or more do"
        return
    deviation = spread.mad / abs(spread.median) if spread.median else math.inf if spread.mad else 0.0
    if deviation > DEVIATION:
        far = f"{format_share(deviation)} of the median" if math.isfinite(deviation) else format_number(spread.mad)
        yield f"the values lie far apart: half of them are {far} or more away from it"
    if spread.width > width:
        if math.isinf(spread.width):
            yield "the interval of the median reaches from below 0 to above it: no number of repetitions makes it narrow"
            return
        needed = math.ceil(spread.count * (spread.width / width) ** 2)  # an interval narrows with the root of the count
        more = f"about {_rounded(needed)} would do" if needed <= MANY else "and no number within reason would do"
        yield (
            f"the interval of the median is {format_share(spread.width)} wide, {format_share(width)} was asked for: "
            f"{_repetitions(spread.count)} too few, {more}"
        )


def _drift(values: Sequence[float]) -> Iterator[str]:
    if len(values) < FEWEST_WITH_DRIFT:
        return
    half = len(values) // 2
    first, second = values[:half], values[len(values) - half :]
    before, after, middle = median(first), median(second), abs(median(values))
    change = (after - before) / middle if middle else 0.0
    if abs(change) < DRIFT or rank_sum_p(first, second) > DRIFT_ALPHA:
        return
    way = "higher" if change > 0.0 else "lower"
    yield (
        f"values drift: the second half is {format_share(abs(change))} {way} than the first; give more warm-up, or look for "
        "what fills up, heats up or is cached"
    )


def rank_sum_p(one: Sequence[float], other: Sequence[float]) -> float:
    """Probability that two samples of one distribution differ in rank as much as these (two-sided).

    The normal approximation with the correction for ties and for continuity; from five values each it is good to 0.01.
    """
    n, m = len(one), len(other)
    total = n + m
    counts = Counter([*one, *other])
    rank, ranks = 0.0, {}
    for value in sorted(counts):
        ranks[value] = rank + (counts[value] + 1) / 2.0
        rank += counts[value]
    ties = sum(count**3 - count for count in counts.values())
    variance = n * m / 12.0 * (total + 1 - ties / (total * (total - 1)))
    if not variance:
        return 1.0
    away = abs(sum(ranks[value] for value in one) - n * (total + 1) / 2.0)
    return min(1.0, 2.0 * NormalDist().cdf(-max(0.0, away - 0.5) / math.sqrt(variance)))


def _causes(host: HostFacts) -> Iterator[str]:
    """The likeliest first."""
    if host.steal is not None and host.steal >= STEAL:
        yield (
            f"the hypervisor gave {format_share(host.steal)} of the CPU time to other machines: measure on a machine of its "
            "own, or again at a quieter time"
        )
    if host.others is not None and host.others >= OTHERS:
        yield f"other programs had {format_share(host.others)} of the machine: stop them, or measure where nothing else runs"
    elif host.others is None and host.load is not None and host.load >= LOAD:
        yield (
            f"{format_number(host.load)} programs ran or waited for each core: stop what else runs, or measure where "
            "nothing else does"
        )
    if host.throttled is not None and host.throttled >= THROTTLED:
        yield (
            f"the CPU was held back {format_share(host.throttled)} of the time: raise the CPU quota of the container, or let "
            "the machine cool"
        )
    changing = sorted(set(host.governors) - STEADY)
    if changing:
        names = ", ".join(f"`{name}`" for name in changing)
        yield (
            f"the CPU changes its frequency with the load (governor {names}): set it with "
            "`sudo cpupower frequency-set --governor performance`"
        )
    if host.turbo:
        yield (
            "the CPU goes beyond its nominal frequency as far as heat allows: switch turbo off (write 1 to "
            "/sys/devices/system/cpu/intel_pstate/no_turbo, or 0 to /sys/devices/system/cpu/cpufreq/boost)"
        )


def _repetitions(count: int) -> str:
    return f"{format_count(count)} repetition{' is' if count == 1 else 's are'}"


def _rounded(count: int) -> str:
    """To two digits: it is a guess."""
    step = 10 ** max(0, len(str(count)) - 2)
    return format_count(math.ceil(count / step) * step)
