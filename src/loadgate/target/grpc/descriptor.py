"""`greeter.proto` compiled: its FileDescriptorProto, as reflection hands it out. A test holds the two together."""

from __future__ import annotations

from typing import Final

FILE_NAME: Final = b"greeter.proto"
FILE: Final = (
    b'\n\rgreeter.proto\x12\x11mockforge.greeter""\n\x0cHelloRequest\x12\x12\n\x04name\x18\x01 \x01(\t'
    b'R\x04name"&\n\nHelloReply\x12\x18\n\x07message\x18\x01 \x01(\tR\x07message2\xcf\x02\n\x07Greeter\x12J\n\x08Sa'
    b"yHello\x12\x1f.mockforge.greeter.HelloRequest\x1a\x1d.mockforge.greeter.Hell"
    b"oReply\x12R\n\x0eSayHelloStream\x12\x1f.mockforge.greeter.HelloRequest\x1a\x1d.mock"
    b"forge.greeter.HelloReply0\x01\x12X\n\x14SayHelloClientStream\x12\x1f.mockforge.g"
    b"reeter.HelloRequest\x1a\x1d.mockforge.greeter.HelloReply(\x01\x12J\n\x04Chat\x12\x1f.m"
    b"ockforge.greeter.HelloRequest\x1a\x1d.mockforge.greeter.HelloReply(\x010\x01"
    b"b\x06proto3"
)
SYMBOLS: Final = frozenset(
    {
        "mockforge.greeter.Greeter",
        "mockforge.greeter.Greeter.SayHello",
        "mockforge.greeter.Greeter.SayHelloStream",
        "mockforge.greeter.Greeter.SayHelloClientStream",
        "mockforge.greeter.Greeter.Chat",
        "mockforge.greeter.HelloRequest",
        "mockforge.greeter.HelloRequest.name",
        "mockforge.greeter.HelloReply",
        "mockforge.greeter.HelloReply.message",
    }
)
"""All that the file defines."""
