"""Latency by payload size of every protocol, as it is written in `loadgate.yml`."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest

from loadgate.config.body import JsonBody, TextBody
from loadgate.config.payload import filled, holes
from loadgate.config.project import parse_project
from loadgate.config.sizes import SizesSpec
from loadgate.config.steps import GraphqlStep, GrpcStep, MessageStep, SessionStep
from loadgate.config.steps.websocket import BinaryMessage, Message
from loadgate.config.template import Template
from loadgate.errors import ConfigError, Problem

GRPC = "grpc: a.B/C"
GRAPHQL = "graphql: 'query Find($q: String) { find(q: $q) { id } }'"


def sizes(*entries: str) -> tuple[SizesSpec, ...]:
    listed = "\n".join(f"    - {{{entry}}}" for entry in entries)
    return parse_project(f"bench:\n  sizes:\n{listed}\n", Path("loadgate.yml"), {}).bench.sizes


def step_of(entry: str) -> GrpcStep | GraphqlStep | SessionStep:
    [spec] = sizes(entry)
    assert isinstance(spec.request, GrpcStep | GraphqlStep | SessionStep)
    return spec.request


def message_of(step: object) -> Message | None:
    assert isinstance(step, SessionStep)
    [ask] = step.steps
    assert isinstance(ask, MessageStep)
    return ask.message


def problems(*entries: str) -> list[Problem]:
    with pytest.raises(ConfigError) as caught:
        sizes(*entries)
    assert all(problem.span is not None for problem in caught.value.problems)
    return list(caught.value.problems)


def test_each_protocol_has_sizes_rates_and_a_name_of_its_own() -> None:
    found = sizes(
        "request: 'GET /bytes/{size}', bytes: 5",
        f'{GRPC}, message: {{a: "${{payload}}"}}, rates: [5/s]',
        f'{GRAPHQL}, variables: {{q: "${{payload}}"}}, vus: 2',
        "ws: /ws, duration: 1s",
        "ws: /ws, name: again",
    )
    assert [each.title for each in found] == ["GET /bytes/N", "a.B/C", "query Find", "WS /ws", "again"]
    assert [each.needs_url for each in found] == [True, False, True, True, True]
    assert (found[0].sizes, found[1].rates, found[2].vus, found[3].duration) == ((5,), (5.0,), 2, 1.0)
    assert found[4].sizes == (100, 1000, 10000)


def test_a_grpc_message_is_filled_wherever_it_says_so() -> None:
    entry = f'{GRPC}, message: {{a: "${{payload}}", b: ["${{ size }}", "=${{size}}"], c: {{d: "${{payload_base64}}"}}, e: 1}}'
    made = filled(step_of(entry), 5)
    assert isinstance(made, GrpcStep)
    [message] = made.messages
    texts = {name: value.text for name, value in message.fields.items() if isinstance(value, Template)}
    assert texts == {"a": "xxxxx"}
    second = message.fields["b"]
    assert isinstance(second, list) and isinstance(second[1], Template)
    assert (second[0], second[1].text, message.fields["e"]) == (5, "=5", 1)
    inner = message.fields["c"]
    assert isinstance(inner, dict) and isinstance(inner["d"], Template)
    assert b64decode(inner["d"].text) == b"xxxxx"


def test_variables_of_a_query_are_filled_and_other_templates_stay() -> None:
    step = step_of(f'{GRAPHQL}, variables: {{q: "${{payload}}${{uuid}}$${{payload}}"}}')
    made = filled(step, 3)
    assert isinstance(made, GraphqlStep) and holes(step) == {"payload"}
    value = made.variables["q"]
    assert isinstance(value, Template) and value.text == "xxx${uuid}$${payload}"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", TextBody(Template("xxxx"))),
        (", binary: true", BinaryMessage(Template("eHh4eA=="))),
        (', message: "<${payload}>"', TextBody(Template("<xxxx>"))),
        (', message: {id: 1, n: "${size}"}', JsonBody({"id": 1, "n": 4})),
    ],
)
def test_a_websocket_message_is_the_payload_unless_it_is_said(more: str, expected: Message) -> None:
    step = step_of(f"ws: /ws{more}")
    assert isinstance(step, SessionStep) and step.kept
    assert without_span(message_of(filled(step, 4))) == expected


def without_span(message: Message | None) -> Message | None:
    if isinstance(message, TextBody):
        return TextBody(Template(message.text.text))
    return BinaryMessage(Template(message.base64.text)) if isinstance(message, BinaryMessage) else message


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("bytes: 5", "one of request, grpc, graphql, ws is missing in `sizes` in `bench`"),
        ("ws: /ws, request: POST /a", "sends one thing, but this one has `request` and `ws`"),
        (GRPC, '`a.B/C` is the same at every size: write "${payload}" where the payload goes'),
        (f"{GRPC}, message: {{a: {{payload}}}}", "`a.B/C` is the same at every size"),
        (f"{GRAPHQL}, variables: {{q: x}}", "`query Find` is the same at every size"),
        ("ws: /ws, message: hello", "`WS /ws` is the same at every size"),
        ("ws: /ws, message: hello, binary: true", "is not base64, as `binary` says"),
        ("ws: /ws, steps: [ping: 1]", "unknown key `steps` in step `WS /ws`"),
        ("ws: /ws, expect: {close_code: 1000}", "`expect` cannot be used in step `WS /ws`"),
        ("ws: /ws, think: 1s", "`think` cannot be used in `sizes` in `bench`"),
        ("ws: /ws, capture: {a: $.b}", "`capture` cannot be used"),
        ("ws: /ws, bytes: [5, 5]", "a size is given twice in `bytes`"),
        ("request: POST /a, message: x", "unknown key `message` in `sizes` in `bench`"),
        (f'{GRPC}, message: {{a: "${{payload}}"}}, raets: 5/s', "unknown key `raets` in step `a.B/C`"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(entry: str, message: str) -> None:
    assert any(message in problem.message for problem in problems(entry)), problems(entry)


def test_two_of_one_name_are_told_apart() -> None:
    [found] = problems("ws: /ws", "ws: /ws, binary: true")
    assert found.message == "two `sizes` in `bench` are called `WS /ws`"
    assert found.span is not None and found.span.line == 4
