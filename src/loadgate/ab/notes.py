"""What a reader should know of pairs that are evidence, though nothing is decided by it. Whole sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadgate.ab.pair import Measured


def dropped_note(pairs: Sequence[Measured]) -> Iterator[str]:
    """That planned starts were left out because every user waited: the times are those of a smaller load than was asked for."""
    having = sum(bool(pair.dropped) for pair in pairs)
    if having:
        dropped, planned = sum(pair.dropped for pair in pairs), sum(pair.planned for pair in pairs)
        yield (
            f"{dropped:,} of {planned:,} planned starts were dropped, in {having} of {len(pairs)} pairs, because every user "
            "waited for a reply: use a lower --rate"
        )


def limit_note(pairs: Sequence[Measured]) -> Iterator[str]:
    """That the capacity is not known of some pairs, and why not of the last of them."""
    limits = [pair.limit for pair in pairs if pair.limit]
    if limits:
        yield f"the capacity is left out of {len(limits)} of {len(pairs)} pairs, for there it was not the arms': {limits[-1]}"
