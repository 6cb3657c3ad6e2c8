"""When a program that was just started is ready: its port is open, and it gives a good reply.

It is asked again and again, each time the moment the last answer is in: every millisecond at first, and never more seldom
than every 500th part of the time it has taken so far, so that a start-up is known to 1 ms or 0.2 %.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from loadgate.clients.base import ErrorKind
from loadgate.clients.http import HttpStack
from loadgate.clock import Clock
from loadgate.config.start import ReadySpec
from loadgate.config.target import TargetSpec
from loadgate.errors import InvalidRun, redact_url

SOONEST: Final = 0.001
"""Seconds between two questions, at first."""
FRACTION: Final = 0.002
"""Later: this part of the time since the start."""
ANSWER: Final = 2.0
"""Seconds a reply may take before the question is put anew: a program may take connections it never looks at."""
LEAST_ANSWER: Final = 0.05
"""With less time left than this it is not asked any more: what it said before tells more than that it had no time."""

CLOSED: Final = frozenset((ErrorKind.CONNECT, ErrorKind.DNS))
"""What a question fails with where nothing listens."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Clock seconds at which the port took a connection, and at which the first good reply was whole."""

    port_open: float
    answered: float
    questions: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one question: whether the program is ready, and whether nothing listens; `took` seconds, since it left on a
    connection it got. `said` is what came, in words.
    """

    ready: bool
    closed: bool
    took: float
    said: str


def ready_url(target: TargetSpec) -> str:
    """What is asked: the target's own URL, or `ready.path` at the root of its server, whatever path the URL has."""
    url = target.url or ""
    if not target.ready.path:
        return url
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{target.ready.path}"


async def answers(http: HttpStack, url: str) -> bool:
    """Whether anything listens at `url` now."""
    client = http.client({})
    try:
        response = await client.get(url, timeout=ANSWER, redirects=0)
        return response.error not in CLOSED
    finally:
        client.close()


async def await_ready(
    http: HttpStack, url: str, spec: ReadySpec, clock: Clock, *, since: float, ended: Callable[[], bool]
) -> Readiness | None:
    """`await_answer` by GETs of `url`, whose replies `spec` accepts or not."""
    client = http.client({})

    async def ask(patience: float) -> Answer:
        response = await client.get(url, timeout=patience, redirects=0)
        said = f"it answered {response.status}" if response.status else response.error_text
        took = response.timings.duration / 1e3
        return Answer(spec.accepts(response.status), response.error in CLOSED, took, said)

    try:
        what = f"GET {redact_url(url)}"
        return await await_answer(ask, what, spec.within, clock, since=since, ended=ended)
    finally:
        client.close()


async def await_answer(
    ask: Callable[[float], Awaitable[Answer]],
    what: str,
    within: float,
    clock: Clock,
    *,
    since: float,
    ended: Callable[[], bool],
) -> Readiness | None:
    """Ask, with the seconds an answer may take, until it is ready; None where the program `ended` first.

    `since` is when it was started, in clock seconds. Raises InvalidRun when it is not ready `within` seconds later, with
    `what` was asked and what it said last.
    """
    port_open = 0.0
    questions = 0
    told: Answer | None = None
    while True:
        if ended():
            return None
        asked = clock.now()
        left = since + within - asked
        if told is not None and left < LEAST_ANSWER:
            break
        questions += 1
        patience = min(ANSWER, max(left, LEAST_ANSWER))
        answer = await ask(patience)
        now = clock.now()
        if told is None or patience == ANSWER or now - asked < patience:  # else it had less time than any other
            told = answer
        if not port_open and not answer.closed:
            port_open = now - answer.took
        if answer.ready:
            return Readiness(port_open, now, questions)
        await clock.sleep_until(min(now + max(SOONEST, FRACTION * (now - since)), since + within))
    raise InvalidRun(
        f"the target was not ready within {within:g} s of its start: {what}: {told.said} ({questions:,} tries)",
        "check that it listens there, or raise `within` under `ready`"
        if told.closed
        else "check what `ready` asks for",
    )
