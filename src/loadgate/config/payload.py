"""What stands for a payload of so many bytes in the messages of a step: part of latency by size, known before there is load.

${payload}          that many characters of one byte each
${payload_base64}   that many bytes, in base64: what a field of bytes takes in JSON, and a binary WebSocket message
${size}             the number itself: a number where it is the whole of a value
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from loadgate.config.body import JsonBody, TextBody
from loadgate.config.steps import GraphqlStep, GrpcStep, MessageStep, SessionStep
from loadgate.config.steps.websocket import BinaryMessage, Message
from loadgate.config.template import JsonTemplate, Template

SizedStep: TypeAlias = GrpcStep | GraphqlStep | SessionStep
"""A step whose messages can be filled to a size."""

PAYLOAD: Final = "${payload}"
PAYLOAD_BASE64: Final = "${payload_base64}"

_HOLE: Final = re.compile(r"(?<!\$)\$\{\s*(payload|payload_base64|size)\s*\}")


def holes(step: SizedStep) -> frozenset[str]:
    """The names of what stands in the messages of `step` for something of a size."""
    return frozenset(name for value in _values(step) for name in _holes(value))


def filled(step: SizedStep, size: int) -> SizedStep:
    """`step` with messages of `size` bytes. Other templates in them stay."""
    if isinstance(step, GrpcStep):
        messages = (replace(each, fields=_filled_all(each.fields, size)) for each in step.messages)
        return replace(step, messages=tuple(messages))
    if isinstance(step, GraphqlStep):
        return replace(step, variables=_filled_all(step.variables, size))
    within = (
        replace(each, message=_filled_message(each.message, size)) if isinstance(each, MessageStep) else each
        for each in step.steps
    )
    return replace(step, steps=tuple(within))


def _values(step: SizedStep) -> list[JsonTemplate]:
    if isinstance(step, GrpcStep):
        return [value for message in step.messages for value in message.fields.values()]
    if isinstance(step, GraphqlStep):
        return list(step.variables.values())
    messages = (each.message for each in step.steps if isinstance(each, MessageStep) and each.message is not None)
    return [_written(message) for message in messages]


def _written(message: Message) -> JsonTemplate:
    if isinstance(message, TextBody):
        return message.text
    return message.value if isinstance(message, JsonBody) else message.base64


def _holes(value: JsonTemplate) -> list[str]:
    if isinstance(value, Template):
        return _HOLE.findall(value.text)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [name for each in inner for name in _holes(each)]


def _filled_message(message: Message | None, size: int) -> Message | None:
    if message is None:
        return None
    if isinstance(message, TextBody):
        return TextBody(_filled_text(message.text, size))
    if isinstance(message, JsonBody):
        return JsonBody(_filled(message.value, size))
    return BinaryMessage(_filled_text(message.base64, size))


def _filled_all(values: Mapping[str, JsonTemplate], size: int) -> dict[str, JsonTemplate]:
    return {name: _filled(value, size) for name, value in values.items()}


def _filled(value: JsonTemplate, size: int) -> JsonTemplate:
    if isinstance(value, Template):
        whole = _HOLE.fullmatch(value.text)
        return size if whole is not None and whole[1] == "size" else _filled_text(value, size)
    if isinstance(value, dict):
        return _filled_all(value, size)
    return [_filled(each, size) for each in value] if isinstance(value, list) else value


def _filled_text(template: Template, size: int) -> Template:
    return replace(template, text=_HOLE.sub(lambda hole: _text(hole[1], size), template.text))


def _text(name: str, size: int) -> str:
    if name == "size":
        return str(size)
    return "x" * size if name == "payload" else b64encode(b"x" * size).decode()
