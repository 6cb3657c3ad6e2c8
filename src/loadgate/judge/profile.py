"""Which functions take longer in head than in base, by sampled call stacks of both under the same load. Pure.

Rules:
* What is compared is time per request, not the share of all samples: where one function grows, the shares of all others fall.
* A function is listed where its growth is not by chance: of its samples more are the head's than a function gives that takes
  `SPREAD` longer, by the exact binomial test at `ALPHA`, corrected for all functions (Holm 1979) that have samples enough to be
  listed at all (Tarone 1990). `SPREAD`, because two starts of one build differ by 2 to 4 %, and there is one of each here.
* First by the time in the function itself. Then by the time with all that it calls, without what is listed already: there
  stand functions whose callees all grew by too little to be seen. Of several that hold the same growth it is the innermost.
* A function is known by its name and file, for its line differs between two builds.

Samples are taken as independent. Where one call outlasts many samples the errors are larger than said.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from loadgate.judge.evidence import chance
from loadgate.judge.multiple import holm
from loadgate.record.explained import Counted, Grown
from loadgate.record.stacks import Frame, Stack, Stacks

ALPHA: Final = 0.025
"""For the times of functions in themselves, and as much for those with what they call: 5 % of falsely listing any."""
SPREAD: Final = 0.05
MOST: Final = 10

_Key = tuple[str, str]
_Members = Callable[[Stack, Collection[_Key]], Iterator[_Key]]


@dataclass(frozen=True, slots=True)
class Profile:
    """Samples of one arm. Each stands for `interval` seconds; in the time that was sampled it handled `requests`."""

    stacks: Stacks
    requests: float
    interval: float

    @property
    def samples(self) -> int:
        return sum(self.stacks.values())

    def time(self, samples: float) -> float:
        """Seconds per request."""
        return samples * self.interval / self.requests


def grown(base: Profile, head: Profile) -> tuple[Grown, ...]:
    """The functions whose time per request grew, at most `MOST`: those by themselves first, each kind by its growth.

    Both arms handled requests, or there is nothing to divide by.
    """
    alone = _counts(base, head, (), _leaf)
    listed = set(_significant(alone, base, head))
    found = [(key, Counted.SELF, alone[key]) for key in listed]
    while True:
        whole = _counts(base, head, listed, _below)
        beyond = _significant(whole, base, head)
        if not beyond:
            break
        innermost = min(beyond, key=lambda key: (sum(whole[key]), -_depth(head.stacks, key)))
        listed.add(innermost)
        found.append((innermost, Counted.TOTAL, whole[innermost]))
    rows = [_row(key, counted, counts, base, head) for key, counted, counts in found]
    return tuple(sorted(rows, key=lambda row: (row.counted is Counted.TOTAL, -row.growth))[:MOST])


def _key(frame: Frame) -> _Key:
    return frame.name, frame.file


def _leaf(stack: Stack, listed: Collection[_Key]) -> Iterator[_Key]:
    yield _key(stack[-1])


def _below(stack: Stack, listed: Collection[_Key]) -> Iterator[_Key]:
    """The functions of `stack` that call nothing that is listed, each once."""
    seen = set()
    for frame in reversed(stack):
        key = _key(frame)
        if key in listed:
            break
        if key not in seen:
            seen.add(key)
            yield key


def _counts(base: Profile, head: Profile, listed: Collection[_Key], of: _Members) -> dict[_Key, tuple[int, int]]:
    """Samples of base and head by function, counted for those of a stack that `of` names."""
    sides: list[Counter[_Key]] = []
    for profile in (base, head):
        side: Counter[_Key] = Counter()
        for stack, count in profile.stacks.items():
            for key in of(stack, listed):
                side[key] += count
        sides.append(side)
    return {key: (sides[0][key], sides[1][key]) for key in sides[0].keys() | sides[1].keys()}


def _significant(counts: Mapping[_Key, tuple[int, int]], base: Profile, head: Profile) -> list[_Key]:
    """The functions that grew by more than chance and `SPREAD` explain."""
    longer = head.requests * (1.0 + SPREAD)
    share = longer / (longer + base.requests)
    keys = sorted(key for key, counted in counts.items() if share ** sum(counted) <= ALPHA)
    ps = [_chance(*counts[key], share) for key in keys]
    return [key for key, p in zip(keys, holm(ps), strict=True) if p <= ALPHA]


def _chance(base: int, head: int, share: float) -> float:
    return chance(head, base + head, share) if head > share * (base + head) else 1.0


def _depth(stacks: Stacks, key: _Key) -> int:
    """How far from the root it is found at most."""
    return max((at for stack in stacks for at, frame in enumerate(stack) if _key(frame) == key), default=0)


def _row(key: _Key, counted: Counted, counts: tuple[int, int], base: Profile, head: Profile) -> Grown:
    b, h = counts
    return Grown(
        function=_shown(key, head),
        counted=counted,
        base=base.time(b),
        head=head.time(h),
        error=math.hypot(base.time(math.sqrt(b)), head.time(math.sqrt(h))),
        base_share=b / base.samples if base.samples else 0.0,
        head_share=h / head.samples,
        caller=_caller(key, counted, base, head),
    )


def _shown(key: _Key, head: Profile) -> Frame:
    """The function with the line of the head that was seen most."""
    lines: Counter[Frame] = Counter()
    for stack, count in head.stacks.items():
        for frame in stack:
            if _key(frame) == key:
                lines[frame] += count
    return max(lines, key=lambda frame: (lines[frame], -frame.line))


def _caller(key: _Key, counted: Counted, base: Profile, head: Profile) -> Frame | None:
    """The other function from which most of the growth came."""
    growth: dict[_Key, float] = defaultdict(float)
    for profile, sign in ((base, -1.0), (head, 1.0)):
        for stack, count in profile.stacks.items():
            if counted is Counted.SELF and _key(stack[-1]) != key:
                continue
            if (caller := _calling(stack, key)) is not None:
                growth[caller] += sign * profile.time(count)
    if not growth:
        return None
    most = max(growth, key=lambda one: growth[one])
    return _shown(most, head) if growth[most] > 0.0 else None


def _calling(stack: Stack, key: _Key) -> _Key | None:
    """What calls the last call of `key` in `stack`, itself left aside."""
    keys = [_key(frame) for frame in stack]
    if key not in keys:
        return None
    last = len(keys) - 1 - keys[::-1].index(key)
    return next((one for one in reversed(keys[:last]) if one != key), None)
