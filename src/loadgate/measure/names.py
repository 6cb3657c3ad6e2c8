"""How many series there may be, and how long what they are called by: URLs with ids in them, or a tag with a user's
number, would make a series each, and a body taken for a name would be in every one of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from loadgate.errors import redact_url

MOST_NAMES: Final = 2000
MOST_SERIES: Final = 50_000
MOST_NAME: Final = 200
"""Characters of a name or of another tag's value."""
OTHER: Final = "(other)"


def fitting(name: str) -> str:
    """`name` in at most `MOST_NAME` characters. It is cut in the middle, for names differ at both ends."""
    return name if len(name) <= MOST_NAME else _cut(name)


@lru_cache(maxsize=256)
def _cut(name: str) -> str:
    name = redact_url(name)  # before it is cut: half a password looks like none
    if len(name) <= MOST_NAME:
        return name
    head = MOST_NAME * 2 // 3
    return f"{name[:head]}…{name[head + 1 - MOST_NAME :]}"


class Names:
    """Lets the first `MOST_NAMES` values of the tag `name` pass; the rest share one."""

    __slots__ = ("_seen", "overflowed")

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self.overflowed = 0

    def admit(self, tags: Mapping[str, str]) -> Mapping[str, str]:
        """`tags`, or the same with other names."""
        if any(len(value) > MOST_NAME for value in tags.values()):
            tags = {tag: fitting(value) for tag, value in tags.items()}
        name = tags.get("name")
        if name is None or name in self._seen or name == OTHER:
            return tags
        if len(self._seen) >= MOST_NAMES:
            self.overflowed += 1
            return {**tags, "name": OTHER}
        self._seen.add(name)
        return tags

    def blur(self, tags: Mapping[str, str]) -> Mapping[str, str]:
        """What `tags` are counted under when there are `MOST_SERIES` series."""
        self.overflowed += 1
        return dict.fromkeys(tags, OTHER)
