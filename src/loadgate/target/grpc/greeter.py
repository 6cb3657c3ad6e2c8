"""`mockforge.greeter.Greeter`: the service of `greeter.proto`, one method of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from loadgate.http2.grpc import Code
from loadgate.target.grpc.method import Answer, Failure, Method, Talk
from loadgate.target.grpc.protobuf import block, text_of
from loadgate.target.metrics import Metrics

SERVICE: Final = "mockforge.greeter.Greeter"
STREAMED: Final = 5
"""Messages of SayHelloStream."""
INTERVAL: Final = 0.1
"""Seconds between two of them."""
_NAME: Final = 1
_MESSAGE: Final = 1


def greeter_methods(metrics: Metrics) -> list[Method]:
    def method(name: str, answer: Answer | None = None, talk: Talk | None = None, *, single: bool = False) -> Method:
        path = f"/{SERVICE}/{name}"
        return Method(path, metrics.tally("CALL", path), answer, talk, single)

    return [
        method("SayHello", _say_hello, single=True),
        method("SayHelloStream", _say_hello_stream, single=True),
        method("SayHelloClientStream", _say_hello_client_stream),
        method("Chat", talk=_chat),
    ]


def _say_hello(requests: list[bytes]) -> bytes:
    return _reply(b"Hello %b! This is a mock response from MockForge" % _name(requests[0]))


def _say_hello_stream(requests: list[bytes]) -> Iterable[tuple[float, bytes]]:
    name = _name(requests[0])
    return (
        (INTERVAL * n, _reply(b"Hello %b! Stream message %d of %d from MockForge" % (name, n + 1, STREAMED)))
        for n in range(STREAMED)
    )


def _say_hello_client_stream(requests: list[bytes]) -> bytes:
    if not requests:
        return _reply(b"Hello! No names received in the stream.")
    names = b", ".join(map(_name, requests))
    return _reply(b"Hello %b! Received %d messages from MockForge client stream." % (names, len(requests)))


def _chat() -> Callable[[bytes], bytes]:
    count = 0

    def respond(request: bytes) -> bytes:
        nonlocal count
        count += 1
        return _reply(b"Chat response %d: Hello %b! from MockForge" % (count, _name(request)))

    return respond


def _name(request: bytes) -> bytes:
    """The field of HelloRequest. Raises Failure."""
    try:
        return text_of(request, _NAME)
    except ValueError as error:
        raise Failure(Code.INTERNAL, f"this is no HelloRequest: {error}") from None


def _reply(text: bytes) -> bytes:
    """A HelloReply."""
    return block(_MESSAGE, text)
