"""The objects the target keeps: what is seeded, what is created, and that memory is bounded."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from loadgate.target import collection as module
from loadgate.target import data
from loadgate.target.collection import Collection, TooLarge


def seeded() -> Collection:
    return Collection(({"id": id, "userId": id % 2} for id in range(1, 5)), parent="userId")


def ids(objects: object) -> list[int]:
    return [json.loads(value)["id"] for value in objects]  # type: ignore[attr-defined]


def test_created_objects_get_the_next_ids_which_are_theirs_alone() -> None:
    store = seeded()
    assert store.create({"id": 1, "a": 2}) == (5, b'{"id":5,"a":2}')
    assert store.delete(5)
    assert store.create({})[0] == 6
    assert store.get(5) is None and store.get(6) == b'{"id":6}'


def test_replace_forgets_the_old_fields_and_merge_keeps_them() -> None:
    store = seeded()
    assert store.merge(1, {"x": 1, "id": 9}) == b'{"id":1,"userId":1,"x":1}'
    assert store.replace(1, {"y": 2, "id": 9}) == b'{"id":1,"y":2}'
    assert store.replace(77, {}) is None and store.merge(77, {}) is None and store.delete(77) is False


def test_children_follow_what_their_parent_field_says() -> None:
    store = seeded()
    assert ids(store.children(1)) == [1, 3]
    store.create({"userId": 1})
    store.merge(1, {"userId": 0})
    store.replace(3, {"note": "nobody's"})
    assert ids(store.children(1)) == [5]
    store.delete(5)
    assert store.children(1) == [] and ids(store.children(0)) == [2, 4, 1]


def test_every_change_changes_the_version() -> None:
    store = seeded()
    seen = {store.version}
    for change in (lambda: store.create({}), lambda: store.merge(1, {"a": 1}), lambda: store.delete(1)):
        change()
        seen.add(store.version)
    assert len(seen) == 4


def test_the_oldest_created_object_goes_first_and_seeded_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CREATED", 3)
    store = seeded()
    for _ in range(10):
        store.create({"userId": 1})
    assert ids(store.page(0, 100)) == [1, 2, 3, 4, 12, 13, 14]
    assert ids(store.children(1)) == [1, 3, 12, 13, 14]


def test_created_objects_are_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    store = Collection([])
    for _ in range(10):
        store.create({"text": "x" * 300})
    assert ids(store.page(0, 100)) == [8, 9, 10]
    store.merge(9, {"more": "y" * 300})  # growing one pushes out the oldest
    assert ids(store.page(0, 100)) == [9, 10]
    for id in (9, 10):
        store.delete(id)
    store.create({"text": "x" * 900})
    assert len(store) == 1


def test_an_object_that_is_too_large_changes_nothing() -> None:
    store = seeded()
    huge = {"text": "x" * module.MOST_OBJECT}
    version = store.version
    for change in (lambda: store.create(huge), lambda: store.replace(1, huge), lambda: store.merge(1, huge)):
        with pytest.raises(TooLarge):
            change()
    assert store.version == version and store.get(1) == b'{"id":1,"userId":1}'
    assert store.create({})[0] == 5


def test_the_data_of_a_seed_is_the_same_everywhere() -> None:
    def digest(seed: int) -> str:
        parts = (list(data.users(seed)), list(data.posts(seed)), list(data.comments(seed)))
        return sha256(json.dumps(parts).encode()).hexdigest()[:16]

    assert digest(1) == "3191e15353a21540"
    assert digest(2) != digest(1)


def test_the_data_hangs_together() -> None:
    users, posts, comments = list(data.users(1)), list(data.posts(1)), list(data.comments(1))
    assert (len(users), len(posts), len(comments)) == (100, 500, 1500)
    assert len({user["email"] for user in users}) == 100
    assert {post["userId"] for post in posts} == {user["id"] for user in users}
    assert {comment["postId"] for comment in comments} == {post["id"] for post in posts}
    assert all(value for row in (*users, *posts, *comments) for value in row.values())
