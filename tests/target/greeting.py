"""grpcio as a client of the embedded target, with the messages that the target's own descriptor describes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from loadgate.target.grpc.descriptor import FILE

grpc: Any = import_module("grpc")
SERVICE = "mockforge.greeter.Greeter"
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def _classes() -> tuple[Any, Any]:
    pool = import_module("google.protobuf.descriptor_pool").DescriptorPool()
    pool.AddSerializedFile(FILE)
    make: Any = import_module("google.protobuf.message_factory").GetMessageClass
    found = [make(pool.FindMessageTypeByName(f"mockforge.greeter.{name}")) for name in ("HelloRequest", "HelloReply")]
    return found[0], found[1]


HelloRequest, HelloReply = _classes()


class Greeter:
    """The methods of one channel."""

    def __init__(self, channel: Any) -> None:
        def method(kind: str, name: str) -> Any:
            call = getattr(channel, kind)
            return call(f"/{SERVICE}/{name}", HelloRequest.SerializeToString, HelloReply.FromString)

        self.channel = channel
        self.hello = method("unary_unary", "SayHello")
        self.stream = method("unary_stream", "SayHelloStream")
        self.collect = method("stream_unary", "SayHelloClientStream")
        self.chat = method("stream_stream", "Chat")
        self.missing = method("unary_unary", "SayGoodbye")


@contextmanager
def greeter(url: str, **options: Any) -> Iterator[Greeter]:
    """A channel of its own connection."""
    own = [*_UNLIMITED, ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    with grpc.insecure_channel(url.removeprefix("grpc://"), options=own, **options) as channel:
        yield Greeter(channel)


def named(name: str = "you") -> Any:
    return HelloRequest(name=name)


def hello(name: str = "you") -> str:
    return f"Hello {name}! This is a mock response from MockForge"


def status_of(call: Any) -> str:
    """Waits for the end of a call."""
    return str(call.code().name)
