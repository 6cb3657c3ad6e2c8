"""Users, posts and comments as all protocols see them: what one creates, the others serve."""

from __future__ import annotations

from loadgate.target import data
from loadgate.target.collection import Collection


class Tables:
    """The collections with the data of `seed`."""

    def __init__(self, seed: int) -> None:
        self.users = Collection(data.users(seed))
        self.posts = Collection(data.posts(seed), parent="userId")
        self.comments = Collection(data.comments(seed), parent="postId")
