"""Durations, rates, sizes and shares: the only place where units are read or printed.

Inside the program a duration is float seconds, a rate float per second, a size int bytes, a share float 0 to 1;
metric values that are times are milliseconds. Reading is strict (a bare `30` is not a duration); printing shows
three significant digits at most two decimals deep, because the fourth digit of a load test is noise.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Final

from loadgate.errors import LoadgateError

_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # micro sign
    "μs": 1_000,  # Greek mu: keyboards differ
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_BYTES: Final = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_NUMBER: Final = r"(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})"
_PIECE: Final = re.compile(rf"({_NUMBER})(ns|us|µs|μs|ms|s|m|h|d)")
_DURATION: Final = re.compile(rf"(?:{_PIECE.pattern})+")
_PLAIN: Final = re.compile(_NUMBER)
_RATE: Final = re.compile(rf"({_NUMBER})(?: ?/ ?(s|m|h))?")
_SIZE: Final = re.compile(rf"({_NUMBER}) ?([kmgt]?i?b)?", re.IGNORECASE)
_PER: Final = {None: 1, "s": 1, "m": 60, "h": 3600}


RATE_LIMIT: Final = 10_000_000
"""Starts per second, beyond what one machine can do: a slip of the keyboard, not a plan."""


class UnitError(LoadgateError):
    """A text that is no duration, rate or size."""


def parse_duration(text: str) -> float:
    """Seconds in `text`: numbers with units ns, us, ms, s, m, h, d, added up ("1m30s"), or "0".

    Exact to the nanosecond. Raises UnitError for anything else, among it a bare number and a negative one.
    """
    body = text.strip()
    if _DURATION.fullmatch(body):
        total = sum((Decimal(number) * _NANOSECONDS[unit] for number, unit in _PIECE.findall(body)), Decimal())
        return float(total / 1_000_000_000)
    if _PLAIN.fullmatch(body):
        if float(body) == 0.0:
            return 0.0
        raise UnitError(f"`{body}` is a duration without a unit", f"give a unit, for example {body}s or {body}ms")
    if body.startswith("-") and (_DURATION.fullmatch(body[1:]) or _PLAIN.fullmatch(body[1:])):
        raise UnitError(f"`{body}` is a negative duration", "a duration must be 0 or more")
    raise UnitError(f"`{_clip(text)}` is not a duration", "give a number and a unit, for example 30s, 500ms or 1m30s")


def format_duration(seconds: float) -> str:
    """The shortest text `parse_duration` reads back as `seconds` (rounded to the nanosecond): "1m30s", "500ms"."""
    rest = round(seconds * 1_000_000_000)
    if rest == 0:
        return "0s"
    if rest < 1_000_000_000:
        unit = next(name for name in ("ms", "us", "ns") if rest >= _NANOSECONDS[name])
        return f"{_trimmed(rest, _NANOSECONDS[unit])}{unit}"
    text = ""
    for unit in ("h", "m"):
        whole, rest = divmod(rest, _NANOSECONDS[unit])
        text += f"{whole}{unit}" if whole else ""
    return text + (f"{_trimmed(rest, 1_000_000_000)}s" if rest else "")


def parse_rate(value: str | float, *, most: float = RATE_LIMIT) -> float:
    """Starts per second in "500/s", "30/m", "10/h" or a bare number (per second). Raises UnitError."""
    text = value.strip() if isinstance(value, str) else repr(value)
    match = _RATE.fullmatch(text)
    if match is None:
        raise UnitError(f"`{_clip(text)}` is not a rate", "give a number per time, for example 500/s, 30/m or 10/h")
    rate = float(match[1]) / _PER[match[2]]
    if rate > most:
        raise UnitError(f"`{_clip(text)}` is more than any machine can start", f"the most is {most:,}/s")
    return rate


def parse_size(value: str | int) -> int:
    """Bytes in "10MB" (decimal), "64KiB" (binary) or a bare number. Raises UnitError."""
    text = value.strip() if isinstance(value, str) else repr(value)
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UnitError(f"`{_clip(text)}` is not a size", "give bytes, for example 512, 64KiB or 10MB")
    size = Decimal(match[1]) * _BYTES[(match[2] or "b").lower()]
    if size != size.to_integral_value():
        raise UnitError(f"`{text}` is not a whole number of bytes", "give bytes, for example 512, 64KiB or 10MB")
    return int(size)


def format_ms(milliseconds: float) -> str:
    """A time in the unit that fits: "12.0 ns", "42.0 us", "0.42 ms", "6.80 ms", "1.25 s", "2.50 min"."""
    if not math.isfinite(milliseconds):
        return _not_finite(milliseconds, "ms")
    if milliseconds and abs(milliseconds) < 0.0000995:
        return f"{_three(milliseconds * 1e6)} ns"
    if milliseconds and abs(milliseconds) < 0.0995:
        return f"{_three(milliseconds * 1000)} us"
    for scale, unit, limit in ((1.0, "ms", 1000.0), (1000.0, "s", 100.0), (60_000.0, "min", 100.0)):
        if abs(_rounded(milliseconds / scale)) < limit:
            return f"{_three(milliseconds / scale)} {unit}"
    return f"{_three(milliseconds / 3_600_000.0)} h"


def format_rate(per_second: float) -> str:
    """A rate, per second: "0.42/s", "61.2/s", "1,250/s" (whole numbers are kept whole from 100 up)."""
    if not math.isfinite(per_second):
        return _not_finite(per_second, "/s")
    if 0.0 < per_second < 0.005:
        return "<0.01/s"
    return f"{_three(per_second)}/s"


def format_count(count: float) -> str:
    """A count with thousands separated: "14,680"."""
    return f"{count:,.0f}" if math.isfinite(count) else _not_finite(count, "")


def format_share(share: float) -> str:
    """A share 0 to 1 as a percentage: "0.10 %". A share that is not quite none or all never reads as if it were."""
    if not math.isfinite(share):
        return _not_finite(share, "%")
    percent = share * 100.0
    if 0.0 < percent < 0.005:
        return "<0.01 %"
    if percent < 100.0 and _rounded(percent) >= 100.0:
        return ">99.9 %"
    return f"{_three(percent)} %"


def format_bytes(size: float) -> str:
    """A size in decimal units: "512 B", "1.50 kB", "10.0 MB"."""
    if not math.isfinite(size):
        return _not_finite(size, "B")
    if abs(size) < 999.5:
        return f"{size:.0f} B"
    for scale, unit in ((10**3, "kB"), (10**6, "MB"), (10**9, "GB")):
        if abs(_rounded(size / scale)) < 1000.0:
            return f"{_three(size / scale)} {unit}"
    return f"{_three(size / 10**12)} TB"


def format_number(value: float) -> str:
    """A number without a unit: "0.42", "61.2", "1,250"; below 0.01 as small as it is: "0.0042", "3.1e-06"."""
    if not math.isfinite(value):
        return _not_finite(value, "")
    return f"{value:.2g}" if 0.0 < abs(value) < 0.00995 else _three(value)


def format_clock(seconds: float) -> str:
    """Elapsed time as minutes and seconds, "01:24", with hours from one up, "1:01:24"."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes:02}:{left:02}"


def _rounded(value: float) -> float:
    """`value` to three significant digits, or to a whole number from 100 up."""
    return float(f"{value:.3g}") if abs(value) < 100.0 else float(round(value))


def _three(value: float) -> str:
    rounded = _rounded(value)
    if rounded == 0.0 and value == 0.0:
        return "0"
    decimals = 2 if abs(rounded) < 10.0 else 1 if abs(rounded) < 100.0 else 0
    return f"{rounded:,.{decimals}f}"


def _not_finite(value: float, unit: str) -> str:
    """NaN stands for "no value was measured"."""
    if math.isnan(value):
        return "n/a"
    return f"{'-' if value < 0 else ''}inf {unit}".rstrip()


def _trimmed(amount: int, unit: int) -> str:
    """`amount / unit` as an exact decimal without trailing zeros."""
    text = f"{Decimal(amount) / unit:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _clip(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
