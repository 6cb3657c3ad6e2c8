"""A server's own account of its services (gRPC server reflection, v1 and v1alpha), asked for by our own client.

Both versions have the same messages under other names, so one set of generated classes reads both.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from time import perf_counter
from typing import Any, Final

from loadgate.clients.base import ErrorKind
from loadgate.clients.grpc.client import GrpcClient
from loadgate.clients.grpc.schema import Schema
from loadgate.clients.grpc.stack import GrpcConnector, GrpcStack
from loadgate.clients.grpc.status import Code
from loadgate.clients.grpc.stream import GrpcStream
from loadgate.errors import LoadgateError, redact_url
from loadgate.measure.recorder import Recorder

_VERSIONS: Final = ("v1", "v1alpha")
_METHOD: Final = "grpc.reflection.{}.ServerReflection/ServerReflectionInfo"
_WITHOUT: Final = "name the server's .proto files instead"
_ELSEWHERE: Final = "check its host and port, and `tls` of the target"


async def reflect(
    target_url: str,
    *,
    connector: GrpcConnector | None = None,
    metadata: Mapping[str, str | bytes] | None = None,
    timeout: float = 10.0,
) -> Schema:
    """The services of the server at `target_url`. Nothing of this is counted in a run.

    Raises LoadgateError where the server cannot be reached, offers no reflection, or gives an account that is not whole.
    """
    try:
        messages = import_module("grpc_reflection.v1alpha.reflection_pb2")
        files = import_module("google.protobuf.descriptor_pb2")
    except ImportError:
        raise LoadgateError(
            "reflection needs packages that are not installed", "`pip install loadgate[grpc]`"
        ) from None
    stack = GrpcStack(
        Recorder(start=perf_counter()), target_url, connector=connector, metadata=metadata, timeout=timeout
    )
    client = stack.client({})
    try:
        for version in _VERSIONS:
            asked = await _Questions(client, _METHOD.format(version), messages, files, redact_url(target_url)).ask()
            if asked is not None:
                return asked
    finally:
        client.close()
    raise LoadgateError(f"the gRPC server at {redact_url(target_url)} offers no reflection", _WITHOUT)


class _Questions:
    """One stream of questions and answers."""

    def __init__(self, client: GrpcClient, method: str, messages: Any, files: Any, where: str) -> None:
        self._client = client
        self._method = method
        self._messages = messages
        self._where = where
        self._file = files.FileDescriptorProto
        self._files: dict[str, Any] = {}

    async def ask(self) -> Schema | None:
        """None where the server does not know this version."""
        async with self._client.stream(self._method, expect=("OK", "UNIMPLEMENTED")) as stream:
            listed = await self._answer(stream, list_services="")
            if listed is not None:
                services = [one.name for one in listed.list_services_response.service]
                for service in services:
                    await self._fetch(stream, file_containing_symbol=service)
                await self._complete(stream)
                await stream.end()
        reply = stream.reply
        assert reply is not None
        if listed is None:
            if reply.code == Code.UNIMPLEMENTED:
                return None
            raise LoadgateError(
                f"cannot ask the gRPC server at {self._where} for its services: {reply.details or reply.status}",
                _WITHOUT if reply.error in (None, ErrorKind.TIMEOUT) else _ELSEWHERE,
            )
        return Schema(self._sorted(), services, f"what the server at {self._where} says of itself")

    async def _answer(self, stream: GrpcStream, **question: str) -> Any | None:
        request = self._messages.ServerReflectionRequest(**question)
        await stream.send(request.SerializeToString())
        data = await stream.receive()
        return None if data is None else self._messages.ServerReflectionResponse.FromString(data)

    async def _fetch(self, stream: GrpcStream, **question: str) -> None:
        what = next(iter(question.values()))
        answer = await self._answer(stream, **question)
        if answer is None:
            raise LoadgateError(f"the gRPC server at {self._where} ended its account at `{what}`", _WITHOUT)
        if answer.HasField("error_response"):
            said = answer.error_response.error_message or f"error {answer.error_response.error_code}"
            raise LoadgateError(f"the gRPC server at {self._where} does not describe `{what}`: {said}", _WITHOUT)
        for data in answer.file_descriptor_response.file_descriptor_proto:
            file = self._file.FromString(data)
            self._files[file.name] = file

    async def _complete(self, stream: GrpcStream) -> None:
        """Servers may give a file alone or with what it imports."""
        while missing := {name for file in self._files.values() for name in file.dependency} - self._files.keys():
            for name in sorted(missing):
                await self._fetch(stream, file_by_filename=name)
                if name not in self._files:
                    raise LoadgateError(f"the gRPC server at {self._where} sent another file than `{name}`", _WITHOUT)

    def _sorted(self) -> list[Any]:
        """Each file after those it imports."""
        done: dict[str, Any] = {}

        def add(name: str) -> None:
            if name not in done:
                file = self._files[name]
                for dependency in file.dependency:
                    add(dependency)
                done[name] = file

        for name in self._files:
            add(name)
        return list(done.values())
