"""A process and all below it, found through the parents that /proc names (Linux).

Whoever is a child subreaper stays the ancestor of all that its descendants leave behind, daemons too; below any other process
those are lost whose parent ended before they did.
"""

from __future__ import annotations

from typing import Final

from loadgate.probe import procfs

_FORGET_EVERY: Final = 10


class Tree:
    """Finds a process and all below it, again and again, for little.

    A process that was no descendant once never becomes one, so it is not looked at again but every tenth time, since its
    number may have been given to another process. A program with 3 processes among 130 then costs a third.
    """

    def __init__(self, root: int, *, without_root: bool = False) -> None:
        self._root = root
        self._without_root = without_root
        self._others: set[int] = set()
        self._turn = 0

    def find(self) -> list[int]:
        """The PIDs, parents before children."""
        self._turn += 1
        if self._turn % _FORGET_EVERY == 0:
            self._others.clear()
        seen = procfs.pids()
        self._others.intersection_update(seen)
        children: dict[int, list[int]] = {}
        for pid in seen:
            if pid not in self._others:
                try:
                    children.setdefault(procfs.parent(pid), []).append(pid)
                except OSError:  # gone, or hidden from us, and then none of ours
                    continue
        found = [self._root]
        for pid in found:
            found += children.get(pid, ())
        self._others.update(pid for pids in children.values() for pid in pids)
        self._others.difference_update(found)
        return found[1:] if self._without_root else found


def descendants(root: int) -> list[int]:
    """All processes below `root`, without itself, parents before their children. Empty where there is no /proc."""
    try:
        seen = procfs.pids()
    except FileNotFoundError:
        return []
    children: dict[int, list[int]] = {}
    for pid in seen:
        try:
            children.setdefault(procfs.parent(pid), []).append(pid)
        except OSError:
            continue
    found = list(children.get(root, ()))
    for pid in found:
        found += children.get(pid, ())
    return found
