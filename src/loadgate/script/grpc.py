"""A declarative gRPC step at work, whichever of the four kinds its method is.

Of a method that replies with a stream, all messages are sent, then all replies are read. Paths in `expect` and `capture` look
into the reply's one message, or into the list of messages of a stream: `$[-1].text` is of the last one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loadgate.clients.grpc.request import metadata_value
from loadgate.config.steps import GrpcStep
from loadgate.config.steps.grpc import STATUSES
from loadgate.errors import Problem
from loadgate.script.exchange import ExchangeRules, ExchangeRun, Iteration, note
from loadgate.script.reply import Reply
from loadgate.script.template import Compiled, TemplateCompiler

if TYPE_CHECKING:
    from loadgate.clients.grpc.client import GrpcClient
    from loadgate.clients.grpc.method import Method
    from loadgate.clients.grpc.reply import GrpcReply
    from loadgate.clients.grpc.request import Request
    from loadgate.script.user import User


def compile_grpc(spec: GrpcStep, rules: ExchangeRules, compiler: TemplateCompiler, problems: list[Problem]) -> GrpcRun:
    """The step of `spec`; what is wrong with its templates and its metadata goes into `problems`."""
    messages = [compiler.json(dict(message.fields)) for message in spec.messages]
    metadata = {name.lower(): compiler.text(value) for name, value in spec.metadata.items()}
    for name, written in spec.metadata.items():
        value = metadata[name.lower()]
        try:
            metadata_value(name.lower(), value.value if value.fixed else "")
        except ValueError as error:
            problems.append(Problem(f"{error} in step `{spec.name}`", written.span))
    return GrpcRun(spec, rules, messages=messages, metadata=metadata)


class CallReply(Reply):
    """What came of a call. `document` is what paths look into; None: the one message in `reply`."""

    __slots__ = ("document", "fault", "reply")

    def __init__(self, reply: GrpcReply, document: Any = None, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        """Why a message of the stream could not be read."""
        self.document = document
        self.reply = reply

    @property
    def summary(self) -> str:
        reply = self.reply
        return f"status {reply.status}" if reply.error is None else f"{reply.error.value} error"

    @property
    def duration(self) -> float:
        return self.reply.timings.duration

    def header(self, name: str) -> str | None:
        name = name.lower()
        found = self.reply.metadata.get(name, self.reply.trailers.get(name))
        return found.decode("utf-8", "replace") if isinstance(found, bytes) else found

    def body(self) -> bytes:
        """The reply as JSON, in bytes."""
        from msgspec import json

        return json.encode(self.json())

    def text(self) -> str:
        return self.body().decode("utf-8")

    def json(self) -> Any:
        if self.fault:
            raise ValueError(self.fault)
        return self.reply.message if self.document is None else self.document


class GrpcRun(ExchangeRun[CallReply]):
    """Makes one call. What is the same at each iteration is prepared once for each set of tags."""

    __slots__ = ("_encoded", "_fixed", "_keeps", "_messages", "_metadata", "_spec", "_status_check")

    def __init__(
        self, spec: GrpcStep, rules: ExchangeRules, *, messages: list[Compiled], metadata: Mapping[str, Compiled]
    ) -> None:
        super().__init__(rules)
        self._encoded: tuple[Method, bytes] | None = None
        self._fixed = all(value.fixed for value in metadata.values())
        self._keeps = bool(spec.expect.json or spec.expect.body_contains or rules.captures)
        self._messages = tuple(messages)
        self._metadata = metadata
        self._spec = spec
        statuses = spec.expect.status
        names = " or ".join(STATUSES[status] for status in sorted(statuses or ()))
        self._status_check = None if statuses is None else f"{spec.name}: status is {names}"

    async def send(self, scope: Iteration) -> CallReply:
        client = scope.user.grpc
        request = client.context.prepared.get(self) or self._prepare(client, scope)
        try:
            if not request.streams:
                return CallReply(await client.send(request, self._wire(request.method, scope)))
            messages = [message.render(scope) for message in self._messages]
            return await self._streamed(client, request, messages)
        except ValueError as error:
            raise ValueError(f"step `{self._spec.name}`: {error}") from None

    def reply(self, user: User, came: CallReply) -> Reply:
        if self._status_check is not None and not user.check(came.reply.ok, self._status_check):
            details = f": {came.reply.details}" if came.reply.details else ""
            note(user, self._status_check, f"got {came.summary}{details}")
        return came

    def _wire(self, method: Method, scope: Iteration) -> bytes:
        """The one message as it is sent. One that never varies is encoded once: a large one costs more than its call."""
        message = self._messages[0]
        if not message.fixed:
            return method.wire(message.render(scope))
        if self._encoded is None or self._encoded[0] is not method:
            self._encoded = method, method.wire(message.value)
        return self._encoded[1]

    def _prepare(self, client: GrpcClient, scope: Iteration) -> Request:
        spec = self._spec
        try:
            request = client.prepare(
                spec.method,
                metadata={name: value.render(scope) for name, value in self._metadata.items()},
                timeout=spec.timeout,
                name=spec.name,
                expect="OK" if spec.expect.status is None else spec.expect.status,
            )
        except ValueError as error:
            raise ValueError(f"step `{spec.name}`: {error}") from None
        return client.context.keep(self, request) if self._fixed else request

    async def _streamed(self, client: GrpcClient, request: Request, messages: list[Any]) -> CallReply:
        """Send all `messages`, then read to the end of the stream. Replies are kept only where something looks at them."""
        kept: list[Any] = []
        fault = ""
        one = not request.method.client_streaming
        async with client.open(request, messages[0] if one else messages) as stream:
            if self._keeps:
                while True:
                    try:
                        message = await stream.receive()
                    except ValueError as error:  # cannot be read, which is counted: the stream goes on
                        fault = str(error)
                        continue
                    if message is None:
                        break
                    kept.append(message)
        reply = stream.reply
        assert reply is not None
        if request.method.server_streaming:
            return CallReply(reply, kept, fault)
        return CallReply(reply, kept[-1] if kept else {}, fault)
