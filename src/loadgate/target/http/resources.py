"""Users, posts and comments as REST resources: list, create, read, replace, change, delete, and what belongs to one."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from loadgate.target.collection import MOST_OBJECT, Collection, TooLarge
from loadgate.target.http.query import parameters
from loadgate.target.http.reply import Reply, empty_reply, error_reply, json_reply
from loadgate.target.http.routes import Call, Routes
from loadgate.target.tables import Tables

DEFAULT_LIMIT: Final = 20
MOST_LIMIT: Final = 1000
_MOST_CACHED: Final = 32
_MOST_CACHED_BYTES: Final = 32 * 2**10
_DELETED: Final = empty_reply(204)


class _Bad(Exception):
    """A request that cannot be answered; `reply` says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.reply = error_reply(status, message)


class Resource:
    """The handlers of one collection. `noun` is what one object is called in errors."""

    def __init__(self, noun: str, collection: Collection) -> None:
        self.noun = noun
        self.collection = collection
        self._pages: dict[str, Reply] = {}
        self._version = -1

    def list(self, call: Call) -> Reply:
        """A JSON array of one page; the size of the whole is in `x-total-count`."""
        if self._version != self.collection.version or len(self._pages) > _MOST_CACHED:
            self._version = self.collection.version
            self._pages.clear()
        reply = self._pages.get(call.query)
        if reply is None:
            try:
                offset, limit = _paging(call.query)
            except _Bad as bad:
                return bad.reply
            reply = _array([*self.collection.page(offset, limit)], len(self.collection))
            if len(reply.wire) <= _MOST_CACHED_BYTES:
                self._pages[call.query] = reply
        return reply

    def create(self, call: Call) -> Reply:
        try:
            id, encoded = self.collection.create(_fields(call))
        except (_Bad, TooLarge) as error:
            return _refused(error)
        return json_reply(201, encoded, b"location: %b/%d\r\n" % (call.path.encode(), id))

    def read(self, call: Call) -> Reply:
        encoded = self.collection.get(_id(call))
        return self._absent(call) if encoded is None else json_reply(200, encoded)

    def replace(self, call: Call) -> Reply:
        return self._changed(call, self.collection.replace)

    def merge(self, call: Call) -> Reply:
        return self._changed(call, self.collection.merge)

    def delete(self, call: Call) -> Reply:
        return _DELETED if self.collection.delete(_id(call)) else self._absent(call)

    def children(self, call: Call, below: Collection) -> Reply:
        """The objects of `below` that belong to one of ours, paged like a list."""
        id = _id(call)
        if self.collection.get(id) is None:
            return self._absent(call)
        try:
            offset, limit = _paging(call.query)
        except _Bad as bad:
            return bad.reply
        found = below.children(id)
        return _array(found[offset : offset + limit], len(found))

    def _changed(self, call: Call, change: Any) -> Reply:
        try:
            encoded = change(_id(call), _fields(call))
        except (_Bad, TooLarge) as error:
            return _refused(error)
        return self._absent(call) if encoded is None else json_reply(200, encoded)

    def _absent(self, call: Call) -> Reply:
        return error_reply(404, f"there is no {self.noun} {call.args[0][:40]}")


def add_resources(routes: Routes, tables: Tables) -> None:
    users = Resource("user", tables.users)
    posts = Resource("post", tables.posts)
    comments = Resource("comment", tables.comments)
    for resource in (users, posts, comments):
        path = f"/{resource.noun}s"
        routes.add(path, GET=resource.list, POST=resource.create)
        routes.add(
            f"{path}/{{id}}", GET=resource.read, PUT=resource.replace, PATCH=resource.merge, DELETE=resource.delete
        )
    routes.add("/users/{id}/posts", GET=lambda call: users.children(call, posts.collection))
    routes.add("/posts/{id}/comments", GET=lambda call: posts.children(call, comments.collection))


def _array(objects: list[bytes], total: int) -> Reply:
    return json_reply(200, b"[%b]" % b",".join(objects), b"x-total-count: %d\r\n" % total)


def _id(call: Call) -> int:
    """The id in the path; 0, which no object has, for what is no number."""
    text = call.args[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _paging(query: str) -> tuple[int, int]:
    """Offset and limit. Raises _Bad. Other parameters are nobody's business here."""
    values = {"offset": 0, "limit": DEFAULT_LIMIT}
    for name, value in parameters(query):
        if name in values:
            if not (value.isascii() and value.isdigit() and len(value) < 19):
                raise _Bad(400, f"{name}: expected a whole number from 0 up, got `{value[:40]}`")
            values[name] = int(value)
    if values["limit"] > MOST_LIMIT:
        raise _Bad(400, f"limit: at most {MOST_LIMIT} objects are given at a time")
    return values["offset"], values["limit"]


def _fields(call: Call) -> dict[str, Any]:
    """The JSON object in the body. Raises _Bad."""
    try:
        value = msgspec.json.decode(call.request.body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _Bad(400, f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise _Bad(400, "the body must be a JSON object")
    return value


def _refused(error: _Bad | TooLarge) -> Reply:
    if isinstance(error, _Bad):
        return error.reply
    return error_reply(413, f"an object takes {error.args[0]:,} bytes as JSON, at most {MOST_OBJECT:,} are kept")
