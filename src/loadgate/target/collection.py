"""One kind of object (users, posts, comments): created, read, changed and deleted, in bounded memory.

Objects are kept as their JSON bytes, ready to send. What the target came with stays until it is deleted; what clients
create is a ring: at most `MOST_CREATED` objects and `MOST_BYTES` bytes, and the oldest go first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

import msgspec

MOST_CREATED: Final = 10_000
MOST_BYTES: Final = 16 * 2**20
MOST_OBJECT: Final = 16 * 2**10
"""Bytes of one object."""

_encode: Final = msgspec.json.encode


class TooLarge(Exception):
    """An object above `MOST_OBJECT` bytes; `args[0]` is its size."""


class Collection:
    """Objects by id. `parent` names the field that holds the id of the object they belong to ("" for none).

    `version` changes whenever the contents do. `followers` are called with every object that clients create, as JSON.
    """

    def __init__(self, seeded: Iterable[dict[str, Any]], parent: str = "") -> None:
        self._parent = parent
        self._objects: dict[int, bytes] = {}
        self._parents: dict[int, int] = {}
        self._children: dict[int, dict[int, None]] = {}
        self._created: dict[int, int] = {}  # id to size, oldest first
        self._created_bytes = 0
        self._last = 0
        self.version = 0
        self.followers: set[Callable[[bytes], object]] = set()
        self._seed(seeded)

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, id: int) -> bytes | None:
        return self._objects.get(id)

    def page(self, offset: int, limit: int) -> Iterator[bytes]:
        """Objects in order of creation."""
        return islice(self._objects.values(), offset, offset + limit)

    def children(self, parent: int) -> list[bytes]:
        """Those whose parent is `parent`."""
        return [self._objects[id] for id in self._children.get(parent, ())]

    def create(self, fields: dict[str, Any]) -> tuple[int, bytes]:
        """The new object's id and bytes. An "id" among `fields` is ignored. Raises TooLarge."""
        id = self._last + 1
        encoded = self._keep(id, {"id": id} | fields | {"id": id})
        self._last = id
        self._resize_created(id, len(encoded))
        while len(self._created) > MOST_CREATED or self._created_bytes > MOST_BYTES:
            self._drop(next(iter(self._created)))
        for follower in tuple(self.followers):
            follower(encoded)
        return id, encoded

    def replace(self, id: int, fields: dict[str, Any]) -> bytes | None:
        """The object after all its fields were replaced, or None where there is none. Raises TooLarge."""
        return self._change(id, {"id": id} | fields | {"id": id}) if id in self._objects else None

    def merge(self, id: int, fields: dict[str, Any]) -> bytes | None:
        """The object after `fields` were set in it, or None where there is none. Raises TooLarge."""
        old = self._objects.get(id)
        return None if old is None else self._change(id, msgspec.json.decode(old) | fields | {"id": id})

    def delete(self, id: int) -> bool:
        if id not in self._objects:
            return False
        self._drop(id)
        return True

    def _seed(self, seeded: Iterable[dict[str, Any]]) -> None:
        """Take what the target came with. This is done by the thousand at every start, hence without a call per object."""
        objects, parents, children, parent = self._objects, self._parents, self._children, self._parent
        for value in seeded:
            id = self._last = value["id"]
            objects[id] = _encode(value)
            if parent:
                above = parents[id] = value[parent]
                if above in children:
                    children[above][id] = None
                else:
                    children[above] = {id: None}

    def _change(self, id: int, value: dict[str, Any]) -> bytes:
        encoded = self._keep(id, value)
        if id in self._created:
            self._resize_created(id, len(encoded))
            while self._created_bytes > MOST_BYTES:
                self._drop(next(iter(self._created)))
        return encoded

    def _resize_created(self, id: int, size: int) -> None:
        self._created_bytes += size - self._created.get(id, 0)
        self._created[id] = size

    def _keep(self, id: int, value: dict[str, Any]) -> bytes:
        encoded = _encode(value)
        if len(encoded) > MOST_OBJECT:
            raise TooLarge(len(encoded))
        self._objects[id] = encoded
        parent = value.get(self._parent)
        if parent != self._parents.get(id):
            self._disown(id)
            if isinstance(parent, int):
                self._parents[id] = parent
                self._children.setdefault(parent, {})[id] = None
        self.version += 1
        return encoded

    def _drop(self, id: int) -> None:
        del self._objects[id]
        self._disown(id)
        self._created_bytes -= self._created.pop(id, 0)
        self.version += 1

    def _disown(self, id: int) -> None:
        parent = self._parents.pop(id, None)
        if parent is not None:
            siblings = self._children[parent]
            del siblings[id]
            if not siblings:
                del self._children[parent]
