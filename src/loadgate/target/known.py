"""What clients say again and again, in the same bytes."""

from __future__ import annotations

from typing import Final, TypeVar

T = TypeVar("T")
MOST: Final = 1024
LONGEST: Final = 2048


class Known(dict[bytes, T]):
    """Bytes to what they mean: at most `MOST` of them, none longer than `LONGEST`."""

    __slots__ = ()

    def learn(self, data: bytes, meaning: T) -> None:
        if len(data) <= LONGEST:
            if len(self) >= MOST:
                self.clear()
            self[data] = meaning
