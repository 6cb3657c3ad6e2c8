"""What `loadgate ab` compares, and how: the `ab` mapping in `gate`. Each key says what the flag of its name does, which wins.

gate:
  ab:
    base_ref: origin/main      # base is built from where this and the head part,
    head_ref: HEAD             # and head from this commit,
    build: make build          # by this command in a worktree of each
    start: ./app --port {port} # else what `target.start` says
    rate: 200/s
    time: 3m

Or, of builds that are there: `base` and `head`, each a command with {port} in it, or a URL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from loadgate.config import fields
from loadgate.config.fields import Fields, Place
from loadgate.config.sizes import RequestText, read_rate, read_request_text
from loadgate.config.source import Node, Scalar
from loadgate.config.start import read_command, read_path, start_from_flag
from loadgate.errors import LoadgateError, Span

HEAD: Final = "HEAD"
TIME: Final = 90.0
FEWEST: Final = 8
"""Pairs with which anything can be decided at all."""
MOST: Final = 1000
PORT: Final = "{port}"
"""What stands in a command for the port on which its program is to listen."""

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Given:
    """One side as somebody gave it: a `url`, or else the words of a command. `name` is how messages call where it was given."""

    name: str
    url: str = ""
    argv: tuple[str, ...] = ()
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class AbSpec:
    """What an A/B test compares, and how; None, or nothing: not said. Times are in seconds, `rate` is starts a second.

    With `base_ref` (a Git ref) both sides are built by `build` and started by `start`; else they are `base` and `head`.
    """

    base: Given | None = None
    head: Given | None = None
    base_ref: str = ""
    head_ref: str = HEAD
    build: tuple[str, ...] = ()
    start: Given | None = None
    request: RequestText | None = None
    ready: str | None = None
    rate: float | None = None
    pairs: int | None = None
    length: float | None = None
    warmup: float | None = None
    capacity: float = 0.0
    share_cores: bool = False
    time: float = TIME


def read_ab(node: Node, place: Place) -> AbSpec:
    """The `ab` mapping in `gate`."""
    own = Fields(node, place, "in `ab` in `gate`")
    nothing: tuple[str, ...] = ()
    absent: Given | None = None
    spec = AbSpec(
        base=own.take("base", _side, absent),
        head=own.take("head", _side, absent),
        base_ref=own.take("base_ref", _ref, ""),
        head_ref=own.take("head_ref", _ref, HEAD),
        build=own.take("build", read_command, nothing),
        start=own.take("start", _command, absent),
        request=own.take("request", read_request_text, None),
        ready=own.take("ready", read_path, None),
        rate=own.take("rate", read_rate, None),
        pairs=own.take("pairs", _pairs, None),
        length=own.take("length", fields.positive(fields.duration), None),
        warmup=own.take("warmup", fields.duration, None),
        capacity=own.take("capacity", fields.positive(fields.duration), 0.0),
        share_cores=own.take("share_cores", fields.flag, False),
        time=own.take("time", fields.positive(fields.duration), TIME),
    )
    for key in ("base", "head"):
        if key in own and "base_ref" in own:
            own.report(f"`ab` in `gate` has `base_ref` and `{key}`", key, f"give one of them: {_EITHER}")
    own.done()
    return spec


def given_from_flag(written: str, flag: str) -> Given:
    """The side, or the command, that `flag` says. Raises LoadgateError."""
    if not written.strip():
        raise LoadgateError(f"{flag} is empty", f"for example {flag} 'python app.py --port {PORT}', or a URL")
    if _URL.match(written):
        return Given(flag, url=written)
    return Given(flag, argv=start_from_flag(written, flag).argv)


def ref_from_flag(written: str, flag: str) -> str:
    """The ref that `flag` says. Raises LoadgateError."""
    if not _is_ref(written):
        raise LoadgateError(f"{flag}: `{written}` is no ref", _REFS)
    return written


_EITHER: Final = "both sides are built from Git, or they are there"
_REFS: Final = "a branch, a tag or a commit, for example origin/main"


def _side(node: Node, place: Place) -> Given:
    if isinstance(node, Scalar) and _URL.match(written := fields.plain(node, place)):
        return Given(place.what, url=written, span=node.span)
    return _command(node, place)


def _command(node: Node, place: Place) -> Given:
    return Given(place.what, argv=read_command(node, place), span=node.span)


def _ref(node: Node, place: Place) -> str:
    written = fields.plain(node, place)
    if not _is_ref(written):
        raise place.refuse(node, "a ref", _REFS)
    return written


def _is_ref(written: str) -> bool:
    """What begins with a dash would be an option to Git, which knows no such name either (git-check-ref-format)."""
    return bool(written) and not written.startswith("-") and written.isprintable() and " " not in written


def _pairs(node: Node, place: Place) -> int:
    pairs = fields.whole(1, MOST)(node, place)
    if pairs < FEWEST:
        raise place.refuse(node, f"{FEWEST} or more", "with fewer nothing can be decided")
    return pairs
