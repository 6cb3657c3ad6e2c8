"""The seeded data: users, their posts, comments on them. The same seed gives the same bytes on every machine."""

from __future__ import annotations

from collections.abc import Iterator
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
    text = _Text(f"{seed} posts")
    for id in range(1, USERS * POSTS_EACH + 1):
        yield {
            "id": id,
            "userId": (id - 1) // POSTS_EACH + 1,
            "title": text.sentence(4)[:-1],
            "body": f"{text.sentence(9)} {text.sentence(12)}",
        }


def comments(seed: int) -> Iterator[dict[str, Any]]:
    """`COMMENTS_EACH` per post, one post after the other."""
    text = _Text(f"{seed} comments")
    for id in range(1, USERS * POSTS_EACH * COMMENTS_EACH + 1):
        name = _pick(text.random(), _FIRST)
        yield {
            "id": id,
            "postId": (id - 1) // COMMENTS_EACH + 1,
            "name": name,
            "email": f"{name.lower()}.{id}@example.com",
            "body": text.sentence(10),
        }


def _pick(u: float, words: list[str]) -> str:
    return words[int(u * len(words))]


class _Text:
    """Sentences of whole words; the words of one sentence are neighbours in a shuffled list. There are so few that each is
    put together once: this is done at every start."""

    def __init__(self, seed: str) -> None:
        generator = Random(seed)
        self.random = generator.random
        self._words = generator.sample(_WORD, len(_WORD)) * 2
        self._sentences: dict[tuple[int, int], str] = {}

    def sentence(self, length: int) -> str:
        at = int(self.random() * len(_WORD))
        sentence = self._sentences.get((at, length))
        if sentence is None:
            sentence = " ".join(self._words[at : at + length]).capitalize() + "."
            self._sentences[at, length] = sentence
        return sentence
