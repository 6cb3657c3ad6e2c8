"""The gRPC call that a command line says: `--url grpc://host:port/package.Service/Method --body '{"name": "you"}'`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from loadgate.config.expect import ExpectSpec
from loadgate.config.grpc import split_flag
from loadgate.config.steps.grpc import METHOD, STATUSES, GrpcStep, MessageSpec
from loadgate.config.template import JsonTemplate, Template
from loadgate.errors import ConfigError, Problem, Span

_SHAPE: Final = "a gRPC message is a JSON object with its fields; methods that take a stream also take a list of them"


def call_from_flags(url: str, body: str | None) -> tuple[str, GrpcStep]:
    """The server as `GrpcSpec` has it, and the step that makes the call, with the status OK expected.

    Without `body` one empty message is sent. Nothing in it is filled in. Raises ConfigError.
    """
    server, method = split_flag(url)
    whole = Span("--url", 1, 1, len(url), (url,))
    if METHOD.fullmatch(method) is None:
        message = f"--url names no method of {server}" if not method else f"`{method}` in --url is no gRPC method"
        raise ConfigError([Problem(message, whole, "", f"write {server}/package.Service/Method")])
    method = method.removeprefix("/")
    messages, listed = ([MessageSpec()], False) if body is None else _messages(body)
    return server, GrpcStep(
        name=method,
        span=whole,
        method=method,
        method_span=whole.part(url, url.rindex(method), len(method)),
        messages=tuple(messages),
        message_span=whole if body is None else _whole(body),
        listed=listed,
        expect=ExpectSpec(status=frozenset({STATUSES.index("OK")})),
    )


def _messages(body: str) -> tuple[list[MessageSpec], bool]:
    """The messages, and whether they are written as a list."""
    try:
        body.encode("utf-8")
        value = json.loads(body, parse_constant=_refuse)
    except UnicodeEncodeError:
        raise ConfigError([Problem("--body holds bytes that are no UTF-8", note=_SHAPE)]) from None
    except json.JSONDecodeError as error:
        span = Span("--body", error.lineno, error.colno, 1, body.split("\n"))
        raise ConfigError([Problem(f"--body is not JSON: {error.msg}", span, "", _SHAPE)]) from None
    except (ValueError, RecursionError) as error:
        raise ConfigError([Problem(f"--body is not JSON: {error}", _whole(body), "", _SHAPE)]) from None
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in values):
        raise ConfigError([Problem("--body holds no message", _whole(body), "", _SHAPE)])
    span = _whole(body)
    messages = [
        MessageSpec({name: _literal(field) for name, field in each.items()}, dict.fromkeys(each, span))
        for each in values
    ]
    return messages, isinstance(value, list)


def _literal(value: Any) -> JsonTemplate:
    """`value` as a template that stays what it is: as with HTTP, a body on the command line is sent as it is written."""
    if isinstance(value, str):
        return Template(value.replace("${", "$${"))
    if isinstance(value, dict):
        return {name: _literal(each) for name, each in value.items()}
    return [_literal(each) for each in value] if isinstance(value, list) else value


def _whole(body: str) -> Span:
    lines: Sequence[str] = body.split("\n")
    return Span("--body", 1, 1, max(1, len(lines[0])), lines)


def _refuse(name: str) -> None:
    raise ValueError(f"JSON has no {name}")
