"""What is known of the target's gRPC methods before there is load, and what is wrong with the calls to them.

`.proto` files are compiled once, with the plan; a server is asked for its methods when the run begins. What speaks gRPC is
imported when there is a call: every run with a script imports this file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from loadgate.config.payload import PAYLOAD_BASE64
from loadgate.config.steps import GrpcStep
from loadgate.config.steps.grpc import MessageSpec
from loadgate.config.target import TIMEOUT
from loadgate.config.template import as_written, is_fixed
from loadgate.errors import ConfigError, LoadgateError, Problem
from loadgate.script.calls import DeclaredCall

if TYPE_CHECKING:
    from loadgate.clients.grpc.method import Method
    from loadgate.clients.grpc.schema import Schema
    from loadgate.clients.grpc.stack import GrpcStack
    from loadgate.clients.http.stack import HttpStack
    from loadgate.config.grpc import GrpcSpec

_NO_TARGET: Final = "give `target: {grpc: {url: 127.0.0.1:50051}}`, or --url grpc://HOST:PORT"


def methods_of_files(calls: Sequence[DeclaredCall], spec: GrpcSpec | None) -> tuple[Schema | None, list[Problem]]:
    """What the target's `.proto` files say, if it names some, and what is wrong with them or with `calls`. Sends nothing."""
    if spec is None:
        return None, [Problem("there is no gRPC target for this call", call.span, "", _NO_TARGET) for call in calls[:1]]
    try:
        schema = _compiled(spec)
        return schema, _problems(calls, spec, schema)
    except ConfigError as error:
        return None, list(error.problems)


async def grpc_of_target(calls: Sequence[DeclaredCall], schema: Schema | None, http: HttpStack) -> GrpcStack | None:
    """gRPC as the target of `http` says; None where it says nothing of it. `schema` is what its `.proto` files say: without
    one the server is asked, unless it is not to be.

    Raises ConfigError for calls that do not fit, for a server that does not tell its methods, and where there is none.
    """
    spec = http.grpc
    if spec is None:
        if calls:
            raise ConfigError(methods_of_files(calls, None)[1])
        return None
    from loadgate.clients.grpc.stack import GrpcConnector, GrpcStack

    connector = GrpcConnector(http.connector.tls, http.connector.connect_timeout)
    if schema is None and spec.reflection:
        try:
            from loadgate.clients.grpc.reflection import reflect

            schema = await reflect(spec.url, connector=connector, metadata=spec.metadata)
        except LoadgateError as error:
            raise ConfigError([Problem(error.message, spec.span, "", error.hint or "")]) from None
    if problems := _problems(calls, spec, schema):
        raise ConfigError(problems)
    return GrpcStack(
        http.recorder,
        spec.url,
        connector=connector,
        metadata=spec.metadata,
        timeout=spec.timeout or TIMEOUT,
        schema=schema,
        shared=spec.shared,
        user_agent=http.user_agent,
    )


def _compiled(spec: GrpcSpec) -> Schema | None:
    """What the target's `.proto` files say, if it has some. Raises ConfigError."""
    if not spec.protos:
        return None
    try:
        from loadgate.clients.grpc.protos import compile_protos

        return compile_protos(spec.protos, spec.paths)
    except ConfigError:
        raise
    except LoadgateError as error:
        raise ConfigError([Problem(error.message, spec.span, "", error.hint or "")]) from None


def _problems(calls: Sequence[DeclaredCall], spec: GrpcSpec, schema: Schema | None) -> list[Problem]:
    from loadgate.clients.grpc.request import metadata_value

    problems = []
    for name, value in spec.metadata.items():
        try:
            metadata_value(name.lower(), value)
        except ValueError as error:
            problems.append(Problem(f"{error} in `grpc` in `target`", spec.span))
    for call in calls:
        if schema is not None:
            try:
                method = schema.method(call.method)
            except LoadgateError as error:
                problems.append(Problem(error.message, call.span, error.hint or ""))
                continue
            problems += _in_python(call, method) if call.step is None else _in_step(call.step, method, call.least)
        elif call.step is not None and not spec.reflection:
            note = "let `proto` in `target.grpc` name files, or `reflection` be true"
            problems.append(Problem("nothing is known of this method's messages", call.span, "", note))
    return problems


def _in_python(call: DeclaredCall, method: Method) -> list[Problem]:
    if call.kind == "unary" and method.kind != "unary":
        kind = method.kind.replace("_", "-")
        return [Problem(f"`{call.method}` is {kind}", call.span, "", "call it with `user.grpc.stream`")]
    return []


def _in_step(step: GrpcStep, method: Method, least: int) -> Iterator[Problem]:
    if step.listed and not method.client_streaming:
        note = "only client-streaming and bidirectional methods take a list"
        yield Problem(f"`{method.name}` takes one message, not a list of them", step.message_span, "", note)
    for message in step.messages:
        yield from _in_message(step, message, method, least)


def _in_message(step: GrpcStep, message: MessageSpec, method: Method, least: int) -> Iterator[Problem]:
    """Each field by itself, so that one that is filled in later does not hide what is wrong with another.

    Of a field with templates only the name is held against the type: null stands for any value.
    """
    fixed: dict[str, Any] = {}
    sound = True
    for name, value in message.fields.items():
        held = is_fixed(value)
        fixed[name] = as_written(value) if held else None
        fault = _fault(method, {name: fixed[name]}, whole=False)
        if fault:
            sound = False
            yield Problem(f"{fault} in step `{step.name}`", message.spans[name])
    if sound and all(map(is_fixed, message.fields.values())):
        fault = _fault(method, fixed, whole=True)
        if fault:
            yield Problem(f"{fault} in step `{step.name}`", step.message_span)
        elif (size := len(method.encode(fixed))) < least:
            why = f"the message of step `{step.name}` comes to {size:,} bytes, less than its payload of {least:,}"
            yield Problem(why, step.message_span, "", f"a field of bytes takes base64: write {PAYLOAD_BASE64}")


def _fault(method: Method, fields: Mapping[str, Any], *, whole: bool) -> str:
    """Why `fields` are no message of the method's type, or not some of one; empty where they are."""
    from loadgate.clients.grpc.method import IncompleteError

    try:
        method.encode(fields)
    except IncompleteError as error:
        return str(error) if whole else ""
    except ValueError as error:
        return str(error)
    return ""
