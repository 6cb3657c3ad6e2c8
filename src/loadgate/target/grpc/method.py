"""What can be called: a path, and a function from messages to messages. Knows nothing of connections, time or faults.

A method is one of two sorts. Those with an *answer* look at a request when all of it is there, and reply with any number of
messages, each at its time. *Talking* ones reply to each message when it comes, with one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from loadgate.http2.grpc import Code
from loadgate.target.metrics import Tally

Answer = Callable[[list[bytes]], bytes | Iterable[tuple[float, bytes]]]
"""From the messages of a request to the one of the reply, or to any number of them, each with its time: seconds from when the
reply begins. Raises Failure."""
Talk = Callable[[], Callable[[bytes], bytes]]
"""Makes what answers the messages of one call. That raises Failure."""


class Failure(Exception):
    """The call ends with an error status."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


class Method(Struct, frozen=True, eq=False):
    """One method. Either `answer` or `talk` is given.

    `single` ones take exactly one message. A `control` method is never delayed nor broken.
    """

    path: str
    tally: Tally
    answer: Answer | None = None
    talk: Talk | None = None
    single: bool = False
    control: bool = False
