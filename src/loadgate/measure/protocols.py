"""Under which metrics each protocol's exchanges are counted and timed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Protocol:
    """Names of metrics: how many exchanges, the share that failed, service time, and time from the planned start."""

    name: str
    count: str
    failed: str
    service: str
    latency: str


PROTOCOLS: Final = (Protocol("http", "http_reqs", "http_req_failed", "http_req_duration", "http_req_latency"),)
