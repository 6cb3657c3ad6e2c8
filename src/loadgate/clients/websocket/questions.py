"""The questions of one session that wait for an answer, and which of them a message answers.

Without a field to tell them apart, answers come in the order of the questions. One that timed out keeps its place, so that
its late answer is not taken for that of the next: a server that is slow would look fast otherwise.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from itertools import chain
from time import perf_counter
from typing import Any, Final

import msgspec

from loadgate.clients.base import ErrorKind
from loadgate.clients.websocket.message import WsReply
from loadgate.clients.websocket.step import WsStep

_decode: Final = msgspec.json.decode


class Question(msgspec.Struct, eq=False):
    """A message that was sent. `over` marks one that has failed already; its answer, should one come, is nobody's."""

    step: WsStep
    waiter: asyncio.Future[WsReply]
    planned: float
    start: float
    deadline: float
    """Clock seconds, all three."""
    sent: int
    """Bytes on the wire."""
    over: bool = False

    def fail(self, kind: ErrorKind, text: str, now: float) -> None:
        """Record that it was not answered, and tell whoever waits."""
        self.over = True
        self.step.fail(kind, text, self.sent, self.planned, self.start, now)
        if not self.waiter.done():
            self.waiter.set_result(WsReply("", now, kind, text, self.planned, self.start))

    def give_up(self, patience: float, now: float) -> None:
        """Fail as unanswered where it has waited longer than `patience` (s) when its user is given up."""
        if now - self.start > patience:
            text = f"no answer {now - self.start:.3g} s after it was sent, when its user was given up"
            self.fail(ErrorKind.UNANSWERED, text, now)


class Field:
    """A field of JSON messages by its dotted path, such as `data.id`, and the questions it tells apart by its value."""

    __slots__ = ("_keys", "path", "waiting")

    def __init__(self, path: str) -> None:
        self._keys = tuple(path.split("."))
        self.path = path
        self.waiting: dict[Any, Question] = {}

    def of(self, message: Any) -> Any:
        """The field's value in a message; None where there is none that could tell messages apart."""
        for key in self._keys:
            if isinstance(message, Mapping):
                message = message.get(key)
            elif isinstance(message, list) and key.isdecimal() and int(key) < len(message):
                message = message[int(key)]
            else:
                return None
        return message if isinstance(message, str | int | float) and not isinstance(message, bool) else None


class Questions:
    """`ordered` ones are answered one after the other, those of `fields` as the field says."""

    __slots__ = ("fields", "ordered")

    def __init__(self) -> None:
        self.ordered: deque[Question] = deque()
        self.fields: dict[str, Field] = {}

    def key_for(self, path: str, message: object) -> Any:
        """The value that will tell the answer to `message`. Raises ValueError where it cannot tell it from another's."""
        field = self.fields.get(path)
        if field is None:
            field = self.fields[path] = Field(path)
        key = field.of(message)
        if key is None:
            raise ValueError(
                f"no `{path}` with a text or a number is in the message, so nothing tells which is its answer"
            )
        waiting = field.waiting.get(key)
        if waiting is not None and not waiting.over:
            raise ValueError(f"a message with `{path}` {key!r} waits for its answer already: give each its own")
        return key

    def add(self, question: Question, path: str, key: Any) -> None:
        """Have `question` wait for the message whose field `path` is `key`."""
        self.fields[path].waiting[key] = question

    def take(self, content: str | bytes) -> Question | None:
        """The question that `content` answers, which waits no more; None where it answers none."""
        fields = [field for field in self.fields.values() if field.waiting]
        if fields:
            try:
                message = _decode(content)
            except (ValueError, RecursionError):
                message = None
            for field in fields:
                question = field.waiting.pop(field.of(message), None)
                if question is not None:
                    return question
        return self.ordered.popleft() if self.ordered else None

    def waiting(self) -> list[Question]:
        """Those that have not failed yet, whether or not somebody still waits."""
        by_field = (question for field in self.fields.values() for question in field.waiting.values())
        return [question for question in chain(self.ordered, by_field) if not question.over]

    def fail_all(self, kind: ErrorKind, text: str) -> int:
        """Fail those that have not yet, and forget all; how many they were."""
        now = perf_counter()
        left = self.clear()
        for question in left:
            question.fail(kind, text, now)
        return len(left)

    def clear(self) -> list[Question]:
        """Forget all; those are returned that had not failed yet."""
        left = self.waiting()
        self.ordered.clear()
        self.fields.clear()
        return left
