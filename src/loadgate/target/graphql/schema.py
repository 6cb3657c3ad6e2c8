"""The schema over users, posts and comments, with its resolvers.

Posts have users and users have posts: how deep a query goes is up to the client, and what it asks for grows with the power of
that. So an operation gets `MOST_OBJECTS` and no more.

Fields may be null but for ids: clients put what they like into objects over REST. Fields of the root may all be null, so
that one of them can fail without taking the others with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

import msgspec
from graphql import GraphQLError, GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema, build_schema

from loadgate.clock import Clock
from loadgate.target.collection import MOST_OBJECT, Collection, TooLarge
from loadgate.target.tables import Tables

MOST_LIMIT: Final = 1000
MOST_OBJECTS: Final = 20_000
"""In one result."""
MOST_TICKS: Final = 1_000_000
LONGEST_TICK_MS: Final = 60_000.0
_MOST_WAITING: Final = 10_000
"""Comments a subscriber may be behind; then the oldest are left out."""

_SDL: Final = """
type User { id: ID!  name: String  username: String  email: String  city: String  posts: [Post!] }
type Post { id: ID!  userId: ID  title: String  body: String  user: User  comments: [Comment!] }
type Comment { id: ID!  postId: ID  name: String  email: String  body: String  post: Post }
type Tick { number: Int! }

type Query {
  users(limit: Int = 20, offset: Int = 0): [User!]
  user(id: ID!): User
  posts(limit: Int = 20, offset: Int = 0): [Post!]
  post(id: ID!): Post
  comments(limit: Int = 20, offset: Int = 0): [Comment!]
  comment(id: ID!): Comment
}

type Mutation {
  createUser(name: String!, username: String, email: String, city: String): User
  createPost(userId: ID!, title: String!, body: String = ""): Post
  createComment(postId: ID!, body: String!, name: String, email: String): Comment
}

type Subscription {
  "Numbers from 1 up, the first at once."
  ticks(count: Int = 10, everyMs: Float = 100): Tick
  "Comments that are created from now on, by whatever protocol; those on one post where it is named."
  commentAdded(postId: ID): Comment
}
"""

_Object = dict[str, Any]


class Allowance:
    """How many objects an operation may still have; its context."""

    def __init__(self) -> None:
        self.left = MOST_OBJECTS

    def take(self, objects: list[_Object]) -> list[_Object]:
        """`objects`, where there are not too many. Raises GraphQLError."""
        self.left -= len(objects)
        if self.left < 0:
            raise GraphQLError(f"a result has at most {MOST_OBJECTS:,} objects")
        return objects

    def take_one(self, encoded: bytes | None) -> _Object | None:
        return None if encoded is None else self.take([msgspec.json.decode(encoded)])[0]


def make_schema(tables: Tables, clock: Clock) -> GraphQLSchema:
    schema = build_schema(_SDL)
    users, posts, comments = tables.users, tables.posts, tables.comments
    _resolve(
        schema.query_type,
        users=_page(users),
        user=_one(users),
        posts=_page(posts),
        post=_one(posts),
        comments=_page(comments),
        comment=_one(comments),
    )
    _resolve(schema.type_map["User"], posts=_children(posts))
    _resolve(schema.type_map["Post"], user=_parent(users, "userId"), comments=_children(comments))
    _resolve(schema.type_map["Comment"], post=_parent(posts, "postId"))
    _resolve(
        schema.mutation_type,
        createUser=_create(users),
        createPost=_create(posts, users, "userId"),
        createComment=_create(comments, posts, "postId"),
    )
    subscriptions = schema.subscription_type
    assert subscriptions is not None
    for name, source in (("ticks", _ticks(clock)), ("commentAdded", _comments_added(comments))):
        subscriptions.fields[name].subscribe = source
        subscriptions.fields[name].resolve = _event
    return schema


def _event(event: _Object, info: GraphQLResolveInfo[Any], **arguments: object) -> _Object:
    info.context.left = MOST_OBJECTS  # each event is a result of its own
    return event


def _resolve(type: object, **resolvers: Callable[..., Any]) -> None:
    assert isinstance(type, GraphQLObjectType)
    for name, resolver in resolvers.items():
        type.fields[name].resolve = resolver


def _number(id: object) -> int:
    """An ID as the number it is; 0, which no object has, for what is no number."""
    text = str(id)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _taken(info: GraphQLResolveInfo[Any], encoded: Iterable[bytes]) -> list[_Object]:
    allowance: Allowance = info.context
    return allowance.take([msgspec.json.decode(each) for each in encoded])


def _page(collection: Collection) -> Callable[..., list[_Object]]:
    def resolve(root: object, info: GraphQLResolveInfo[Any], limit: int | None, offset: int | None) -> list[_Object]:
        limit = 20 if limit is None else limit
        if not 0 <= limit <= MOST_LIMIT:
            raise GraphQLError(f"limit: from 0 to {MOST_LIMIT}, got {limit}")
        if offset is not None and offset < 0:
            raise GraphQLError(f"offset: from 0 up, got {offset}")
        return _taken(info, collection.page(offset or 0, limit))

    return resolve


def _one(collection: Collection) -> Callable[..., _Object | None]:
    return lambda root, info, id: info.context.take_one(collection.get(_number(id)))


def _children(collection: Collection) -> Callable[..., list[_Object]]:
    return lambda root, info: _taken(info, collection.children(root["id"]))


def _parent(collection: Collection, key: str) -> Callable[..., _Object | None]:
    return lambda root, info: info.context.take_one(collection.get(_number(root.get(key))))


def _create(collection: Collection, above: Collection | None = None, key: str = "") -> Callable[..., _Object | None]:
    def resolve(root: object, info: GraphQLResolveInfo[Any], **fields: Any) -> _Object | None:
        if above is not None:
            parent = fields[key] = _number(fields[key])
            if above.get(parent) is None:
                raise GraphQLError(f"{key}: there is no object with this id")
        try:
            _, encoded = collection.create(fields)
        except TooLarge as error:
            raise GraphQLError(
                f"an object takes {error.args[0]:,} bytes as JSON, at most {MOST_OBJECT:,} are kept"
            ) from None
        created: _Object | None = info.context.take_one(encoded)
        return created

    return resolve


def _ticks(clock: Clock) -> Callable[..., AsyncIterator[_Object]]:
    async def source(root: object, info: object, count: int | None, everyMs: float | None) -> AsyncIterator[_Object]:
        count = 10 if count is None else count
        pause = 100.0 if everyMs is None else everyMs
        if not 0 <= count <= MOST_TICKS:
            raise GraphQLError(f"count: from 0 to {MOST_TICKS:,}, got {count}")
        if not 0.0 <= pause <= LONGEST_TICK_MS:
            raise GraphQLError(f"everyMs: from 0 to {LONGEST_TICK_MS:,.0f}, got {pause:g}")
        start = clock.now()
        for number in range(count):
            await clock.sleep_until(start + number * pause / 1000.0)
            yield {"number": number + 1}

    return source


def _comments_added(comments: Collection) -> Callable[..., AsyncIterator[_Object]]:
    def source(root: object, info: object, postId: str | None = None) -> AsyncIterator[_Object]:
        wanted = None if postId is None else _number(postId)
        arrived: asyncio.Queue[bytes] = asyncio.Queue()

        def follow(encoded: bytes) -> None:
            if arrived.qsize() >= _MOST_WAITING:
                arrived.get_nowait()
            arrived.put_nowait(encoded)

        # from the moment the subscription is accepted, not from when somebody first waits for it
        comments.followers.add(follow)

        async def events() -> AsyncIterator[_Object]:
            try:
                while True:
                    comment = msgspec.json.decode(await arrived.get())
                    if wanted is None or comment.get("postId") == wanted:
                        yield comment
            finally:
                comments.followers.discard(follow)

        return events()

    return source
