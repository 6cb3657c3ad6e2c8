"""gRPC: unary calls and streams over HTTP/2 of our own (`loadgate.http2`); schemas need the `grpc` extra, calls do not."""

from loadgate.clients.grpc.client import GrpcClient
from loadgate.clients.grpc.method import Message, MessageError, Method
from loadgate.clients.grpc.reply import GrpcReply
from loadgate.clients.grpc.request import Request
from loadgate.clients.grpc.stack import GrpcConnector, GrpcStack
from loadgate.clients.grpc.status import Code
from loadgate.clients.grpc.stream import GrpcStream

__all__ = [
    "Code",
    "GrpcClient",
    "GrpcConnector",
    "GrpcReply",
    "GrpcStack",
    "GrpcStream",
    "Message",
    "MessageError",
    "Method",
    "Request",
]
