"""Moments as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def day(seconds: float) -> str:
    """Unix seconds as "2026-01-31 14:05" (UTC); "-" for 0, which stands for not known."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M") if seconds else "-"


def iso(seconds: float) -> str | None:
    """Unix seconds as "2026-01-31T14:05:09Z"; None for 0, which stands for not known."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
