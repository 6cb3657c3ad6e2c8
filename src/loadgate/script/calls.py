"""The gRPC calls a script or a project declares, and what is wrong with them before there is load.

A YAML step declares its own; of a Python file those are known whose method is written in the call, or in a name that the
module sets to a text: `user.grpc.unary("package.Service/Method", ...)`. Methods that a script puts together while it runs
are unknown here. What speaks gRPC is imported when there is a call: every run with a script imports this file.
"""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadgate.config.steps import ExchangeStep, GrpcStep
from loadgate.config.steps.grpc import MessageSpec
from loadgate.config.target import TIMEOUT
from loadgate.config.template import JsonTemplate, Template
from loadgate.errors import ConfigError, LoadgateError, Problem, Span

if TYPE_CHECKING:
    from loadgate.clients.grpc.method import Method
    from loadgate.clients.grpc.schema import Schema
    from loadgate.clients.grpc.stack import GrpcStack
    from loadgate.clients.http.stack import HttpStack
    from loadgate.config.grpc import GrpcSpec

_NO_TARGET: Final = "give `target: {grpc: {url: 127.0.0.1:50051}}`"
_CALLS: Final = ("unary", "stream")


@dataclass(frozen=True, slots=True)
class DeclaredCall:
    """A call that will be made. `span` is where its method is written; `step` None: in Python, by the function `kind`."""

    method: str
    span: Span
    step: GrpcStep | None = None
    kind: str = ""


def calls_of(steps: Iterable[ExchangeStep]) -> list[DeclaredCall]:
    """The calls of the gRPC steps among `steps`."""
    return [DeclaredCall(step.method, step.method_span, step) for step in steps if isinstance(step, GrpcStep)]


def calls_in(path: Path, name: str) -> list[DeclaredCall]:
    """The calls in the Python file at `path`, which has been run already and so is Python. `name` is what users call it."""
    with tokenize.open(path) as file:
        text = file.read()
    if "grpc" not in text:
        return []
    lines = tuple(text.splitlines())
    tree = ast.parse(text)
    texts = {
        target.id: each.value
        for each in tree.body
        if isinstance(each, ast.Assign) and _is_text(each.value)
        for target in each.targets
        if isinstance(target, ast.Name)
    }
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CALLS):
            continue
        owner = node.func.value
        if (owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")) != "grpc" or not node.args:
            continue
        method: ast.expr | None = node.args[0]
        if isinstance(method, ast.Name):
            method = texts.get(method.id)
        if isinstance(method, ast.Constant) and isinstance(method.value, str):
            found.append(DeclaredCall(method.value, _span(method, name, lines), kind=node.func.attr))
    return found


def check_calls(calls: Sequence[DeclaredCall], spec: GrpcSpec | None) -> list[Problem]:
    """What is wrong with `calls` where the target's `.proto` files say so. Sends nothing."""
    if spec is None:
        return [Problem("there is no gRPC target for this call", call.span, "", _NO_TARGET) for call in calls[:1]]
    try:
        return _problems(calls, spec, _compiled(spec))
    except ConfigError as error:
        return list(error.problems)


async def grpc_of_target(calls: Sequence[DeclaredCall], http: HttpStack) -> GrpcStack | None:
    """gRPC as the target of `http` says, its methods known; None where the target says nothing of it.

    Raises ConfigError for calls that do not fit, for a server that does not tell its methods, and where there is none.
    """
    spec = http.grpc
    if spec is None:
        if calls:
            raise ConfigError(check_calls(calls, None))
        return None
    from loadgate.clients.grpc.stack import GrpcConnector, GrpcStack

    connector = GrpcConnector(http.connector.tls, http.connector.connect_timeout)
    schema = _compiled(spec)
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
            problems += _in_python(call, method) if call.step is None else _in_step(call.step, method)
        elif call.step is not None and not spec.reflection:
            note = "let `proto` in `target.grpc` name files, or `reflection` be true"
            problems.append(Problem("nothing is known of this method's messages", call.span, "", note))
    return problems


def _in_python(call: DeclaredCall, method: Method) -> list[Problem]:
    if call.kind == "unary" and method.kind != "unary":
        kind = method.kind.replace("_", "-")
        return [Problem(f"`{call.method}` is {kind}", call.span, "", "call it with `user.grpc.stream`")]
    return []


def _in_step(step: GrpcStep, method: Method) -> Iterator[Problem]:
    if step.listed and not method.client_streaming:
        note = "only client-streaming and bidirectional methods take a list"
        yield Problem(f"`{method.name}` takes one message, not a list of them", step.message_span, "", note)
    for message in step.messages:
        yield from _in_message(step, message, method)


def _in_message(step: GrpcStep, message: MessageSpec, method: Method) -> Iterator[Problem]:
    """Each field by itself, so that one that is filled in later does not hide what is wrong with another.

    Of a field with templates only the name is held against the type: null stands for any value.
    """
    fixed: dict[str, Any] = {}
    sound = True
    for name, value in message.fields.items():
        held = _is_fixed(value)
        fixed[name] = _plain(value) if held else None
        fault = _fault(method, {name: fixed[name]})
        if fault:
            sound = False
            yield Problem(f"{fault} in step `{step.name}`", message.spans[name])
    if sound and all(map(_is_fixed, message.fields.values())):
        fault = _fault(method, fixed)
        if fault:
            yield Problem(f"{fault} in step `{step.name}`", step.message_span)


def _fault(method: Method, fields: Mapping[str, Any]) -> str:
    """Why `fields` are no message of the method's type; empty where they are."""
    try:
        method.encode(fields)
    except ValueError as error:
        return str(error)
    return ""


def _is_fixed(value: JsonTemplate) -> bool:
    if isinstance(value, Template):
        return "${" not in value.text
    if isinstance(value, dict):
        return all(map(_is_fixed, value.values()))
    return all(map(_is_fixed, value)) if isinstance(value, list) else True


def _plain(value: JsonTemplate) -> Any:
    if isinstance(value, Template):
        return value.text
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _span(node: ast.expr, file: str, lines: Sequence[str]) -> Span:
    """Where the text of `node` stands, without its quotes where it is on one line."""
    line = lines[node.lineno - 1].encode()
    column = len(line[: node.col_offset].decode("utf-8", "replace")) + 1
    if node.end_lineno != node.lineno or node.end_col_offset is None:
        return Span(file, node.lineno, column, 1, lines)
    length = len(line[node.col_offset : node.end_col_offset].decode("utf-8", "replace"))
    return Span(file, node.lineno, column + 1, max(1, length - 2), lines)
