"""The seeded data: users, their posts, comments on them. The same seed gives the same bytes on every machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

USERS: Final = 100
POSTS_EACH: Final = 5
COMMENTS_EACH: Final = 3


def _words(text: str) -> list[str]:
    return text.split()


_FIRST: Final = _words("""
    Ada Alan Anita Barbara Claude Dennis Donald Dorothy Edsger Elena Frances Grace Guido Hedy Ivan John Karen
    Katherine Ken Leslie Linus Lynn Margaret Mary Niklaus Noor Radia Richard Shafi Sophie Tim Tony Vint Whitfield
    Xiaoyun Yukihiro
""")
_LAST: Final = _words("""
    Allen Babbage Backus Bartik Berners Borg Cerf Dahl Diffie Floyd Goldberg Hamilton Hoare Holberton Hopper Jones
    Kay Knuth Lamport Liskov Lovelace Mills Moore Nygaard Perlman Ritchie Shannon Spark Thompson Turing Wang
    Wilkes Wirth Zuse
""")
_CITY: Final = _words("""
    Accra Bergen Bogota Cork Delft Hanoi Kyoto Lagos Lima Lyon Oulu Pune Quito Riga Sofia Tartu Turin Utrecht
""")
_WORD: Final = _words("""
    amber anchor autumn basket bridge candle canyon cedar clover copper coral cotton delta ember engine falcon
    fern fiddle flint forest garden garnet glacier harbor hazel island ivory jasper kettle lantern lagoon ledger
    linen maple marble meadow mirror needle nickel oak orchard otter paper pebble pepper pillow quarry quill raven
    ribbon river saddle saffron salt sparrow spruce stone summit thistle timber tulip valley velvet walnut willow
    window winter
""")


def users(seed: int) -> Iterator[dict[str, Any]]:
    random = Random(f"{seed} users").random
    for id in range(1, USERS + 1):
        first, last = _pick(random(), _FIRST), _pick(random(), _LAST)
        handle = f"{first}.{last}.{id}".lower()
        yield {
            "id": id,
            "name": f"{first} {last}",
            "username": handle,
            "email": f"{handle}@example.com",
            "city": _pick(random(), _CITY),
        }


def posts(seed: int) -> Iterator[dict[str, Any]]:
    """`POSTS_EACH` per user, one user after the other."""
    random, words = _shuffled(f"{seed} posts")
    titles = [sentence[:-1] for sentence in _sentences(words, 4)]
    first, second = _sentences(words, 9), _sentences(words, 12)
    for id in range(1, USERS * POSTS_EACH + 1):
        yield {
            "id": id,
            "userId": (id - 1) // POSTS_EACH + 1,
            "title": _pick(random(), titles),
            "body": f"{_pick(random(), first)} {_pick(random(), second)}",
        }


def comments(seed: int) -> Iterator[dict[str, Any]]:
    """`COMMENTS_EACH` per post, one post after the other."""
    random, words = _shuffled(f"{seed} comments")
    bodies = _sentences(words, 10)
    for id in range(1, USERS * POSTS_EACH * COMMENTS_EACH + 1):
        name = _pick(random(), _FIRST)
        yield {
            "id": id,
            "postId": (id - 1) // COMMENTS_EACH + 1,
            "name": name,
            "email": f"{name.lower()}.{id}@example.com",
            "body": _pick(random(), bodies),
        }


def _pick(u: float, texts: list[str]) -> str:
    return texts[int(u * len(texts))]


def _shuffled(seed: str) -> tuple[Callable[[], float], list[str]]:
    """What draws numbers from 0 to 1, and all words in an order of the same seed."""
    generator = Random(seed)
    return generator.random, generator.sample(_WORD, len(_WORD))


def _sentences(words: list[str], length: int) -> list[str]:
    """Sentences of `length` whole words that are neighbours in `words`, which is a ring: one from each word on.

    There are so few that all are put together beforehand: objects are made at every start, by the thousand.
    """
    ring = words + words[:length]
    return [" ".join(ring[at : at + length]).capitalize() + "." for at in range(len(words))]
