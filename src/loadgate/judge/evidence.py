"""Whether samples are enough to say that a share of them lies beyond a limit, or does not. Exact binomial arithmetic. Pure.

A limit on the percentile p says that at most a share of 1 - p of all requests may lie beyond it; a limit on an error rate is
such a share itself. Of `count` independent requests of a service that is just at its limit, the number beyond it is binomial.

* `needed`: so few samples that all of them could lie within by chance (more often than `DOUBT`) cannot be a pass. That many
  are the smallest with which a pass has 95 % confidence when none lies beyond: 59 for p95, 299 for p99 (the zero-failure, or
  success-run, rule; Hahn and Meeker, "Statistical Intervals", 1991, on distribution-free bounds for percentiles).
* `chance`: with fewer, so many may lie beyond that chance no longer explains it: then the limit is broken all the same.

Requests of one run are not quite independent, which makes real samples worth less than these numbers say.
"""

from __future__ import annotations

import math
from typing import Final

DOUBT: Final = 0.05


def needed(share: float) -> int:
    """The smallest number of samples with which none beyond a limit for `share` (0 to 1) of them says something.

    1 where nothing may lie beyond (one sample that does breaks the limit), and where everything may.
    """
    if not 0.0 < share < 1.0:
        return 1
    return math.ceil(math.log(DOUBT) / math.log1p(-share))


def chance(beyond: int, count: int, share: float) -> float:
    """How often `beyond` or more of `count` samples lie beyond a limit where a `share` (0 to 1) of all does."""
    if beyond <= 0:
        return 1.0
    if share <= 0.0 or beyond > count:
        return 0.0
    if share >= 1.0:
        return 1.0
    odds = math.log(share) - math.log1p(-share)
    ways = math.lgamma(count + 1) - math.lgamma(beyond + 1) - math.lgamma(count - beyond + 1)
    log_term = ways + beyond * math.log(share) + (count - beyond) * math.log1p(-share)
    total = 0.0
    for number in range(beyond, count + 1):
        term = math.exp(log_term)
        total += term
        if number > count * share and term <= 1e-17 * total:
            break
        if number < count:
            log_term += math.log((count - number) / (number + 1)) + odds
    return min(1.0, total)


def beyond_doubt(beyond: int, count: int, share: float) -> bool:
    """Whether `beyond` of `count` samples are more than chance makes of a service that keeps the limit."""
    return chance(beyond, count, share) <= DOUBT * (1.0 + 1e-9)  # 1 of 1 against 5 %, however 0.05 is rounded
