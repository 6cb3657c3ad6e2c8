"""Why a pair is no evidence: what went wrong in one arm, with both of them, or with the machine. Whole sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from loadgate.ab.order import ARMS, Arm
from loadgate.masks import redact_text
from loadgate.probe.host import HostShares
from loadgate.program import Program

UNEVEN: Final = 0.02
"""Share by which the requests of the arms may differ in number."""
STEAL: Final = 0.1
"""Share of the time that a machine may be kept from running."""
THROTTLED: Final = 0.02
"""Share of the time under load by which a CPU quota may hold up one arm longer than the other."""


def died(programs: Mapping[Arm, Program]) -> Iterator[str]:
    """The arms that ended by themselves."""
    for arm, program in programs.items():
        if program.died:
            said = f"; the last it printed: {redact_text(program.last_words[-1])}" if program.last_words else ""
            yield f"{arm}: {program.died}{said}"


def stolen(host: HostShares) -> Iterator[str]:
    """Time that other machines on the same hardware had: it may hit one arm more than the other, and nobody can tell."""
    if host.steal is not None and host.steal > STEAL:
        yield f"the machine was kept from running for {host.steal:.0%} of the time (steal)"


def throttled(seconds: Mapping[Arm, float], length: float) -> Iterator[str]:
    """A quota that held the arms up for so many `seconds` each, of `length` under load."""
    base, head = (seconds[arm] for arm in ARMS)
    if abs(base - head) > THROTTLED * length:
        yield f"its CPU quota held base up for {base:.2g} s and head for {head:.2g} s"


def uneven(requests: Mapping[Arm, int]) -> Iterator[str]:
    """Numbers of requests that should be the same."""
    base, head = (requests[arm] for arm in ARMS)
    if not base or not head:
        yield f"{Arm.BASE if not base else Arm.HEAD} answered no request"
    elif abs(base - head) > max(10.0, UNEVEN * max(base, head)):
        yield f"base had {base:,} requests and head {head:,}: what they did was not the same"
