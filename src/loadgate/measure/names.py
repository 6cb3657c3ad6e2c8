"""How many series there may be: URLs with ids in them, or a tag with a user's number, would make a series each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MOST_NAMES: Final = 2000
MOST_SERIES: Final = 50_000
OTHER: Final = "(other)"


class Names:
    """Lets the first `MOST_NAMES` values of the tag `name` pass; the rest share one."""

    __slots__ = ("_seen", "overflowed")

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self.overflowed = 0

    def admit(self, tags: Mapping[str, str]) -> Mapping[str, str]:
        """`tags`, or the same with another name."""
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
