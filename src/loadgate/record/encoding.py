"""JSON that is always valid: a text that is not Unicode must not cost a user the record of a run."""

from __future__ import annotations

from typing import Any

import msgspec


def encode_json(tree: Any) -> bytes:
    """`tree` (what msgspec encodes) as JSON on one line.

    Half a surrogate pair, which UTF-8 cannot hold, becomes `?`: Python makes them of command line arguments and file names
    that are not UTF-8, and of `"\\ud800"` in a reply.
    """
    try:
        return msgspec.json.encode(tree)
    except UnicodeEncodeError:
        return msgspec.json.encode(_valid(tree))


def _valid(tree: Any) -> Any:
    if tree is None or isinstance(tree, bool | int | float | msgspec.Raw):
        return tree
    if isinstance(tree, str):
        return tree.encode("utf-8", "replace").decode("utf-8")
    if isinstance(tree, dict):
        return {_valid(key): _valid(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_valid(value) for value in tree]
    return _valid(msgspec.to_builtins(tree))
