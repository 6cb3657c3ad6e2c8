"""Templates: what they render to, and what is found wrong before the run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.config.template import JsonTemplate, Template
from loadgate.errors import ConfigError, Problem, Span
from loadgate.script.expression import Names, Unresolved
from loadgate.script.template import Compiled, TemplateCompiler

NAMES = Names(
    captures=frozenset({"user_id", "order", "token", "next_url"}),
    later={"receipt": "pay"},
    vars={"plan": "gold", "limits": {"max": [5, 7]}},
    env={"HOST": "shop.example"},
    data={"people": frozenset({"name", "address"})},
)


class Moment:
    """A scope with everything set by hand: 2026-01-02 03:04:05.678 UTC, user 7 in its third iteration."""

    def __init__(self, captures: dict[str, Any] | None = None) -> None:
        self.captures = (
            captures
            if captures is not None
            else {
                "user_id": 42,
                "order": {"id": "x 1", "items": [{"sku": "a&b"}], "paid": True},
                "token": "t/o=k",
                "next_url": "/posts?page=2",
            }
        )
        self.id = 7
        self.iteration = 2
        self.random = Random(1)

    def row(self, feeder: str) -> Mapping[str, Any]:
        assert feeder == "people"
        return {"name": "Ann Müller", "address": {"zip": "8001"}}

    def wall(self) -> float:
        return 1767323045.678


def text_of(source: str) -> Compiled:
    problems: list[Problem] = []
    compiled = TemplateCompiler(NAMES, problems).text(Template(source))
    assert problems == []
    return compiled


@pytest.mark.parametrize(
    ("source", "rendered"),
    [
        ("no template", "no template"),
        ("", ""),
        ("id=${user_id}", "id=42"),
        ("${ user_id }", "42"),
        ("${order.id}/${order.items[0].sku}", "x 1/a&b"),
        ("${order['id']}", "x 1"),
        ("${order.paid}", "true"),
        ("${order.items}", '[{"sku":"a&b"}]'),
        ("${vars.plan}-${vars.limits.max[-1]}", "gold-7"),
        ("https://${env.HOST}/", "https://shop.example/"),
        ("${data.people.name} ${data.people.address.zip}", "Ann Müller 8001"),
        ("vu ${vu} it ${iteration}", "vu 7 it 2"),
        ("${now}", "2026-01-02T03:04:05.678Z"),
        ("${timestamp}", "1767323045678"),
        ("$${user_id}", "${user_id}"),
        ("a$${b}${user_id}", "a${b}42"),
        ("100 % ${user_id} %s", "100 % 42 %s"),
        ("cost: $5 {x}", "cost: $5 {x}"),
    ],
)
def test_text_renders(source: str, rendered: str) -> None:
    assert text_of(source).render(Moment()) == rendered


@pytest.mark.parametrize("source", ["plain", "$${x}", "${vars.plan}", "to ${env.HOST} and ${vars.limits.max[0]}"])
def test_what_is_known_before_the_run_is_fixed(source: str) -> None:
    compiled = text_of(source)
    assert compiled.fixed
    assert compiled.value == compiled.render(Moment())


def test_random_values_come_from_the_user_and_stay_in_range() -> None:
    moment = Moment()
    numbers = {text_of("${random.int(1,3)}").render(moment) for _ in range(100)}
    assert numbers == {"1", "2", "3"}
    assert {text_of("${random.choice(a, 'b,c' ,7)}").render(moment) for _ in range(100)} == {"a", "b,c", "7"}
    assert re.fullmatch("[a-z0-9]{8}", text_of("${random.string(8)}").render(moment))
    assert UUID(text_of("${uuid}").render(moment)).version == 4


def test_the_same_seed_gives_the_same_values() -> None:
    source = "${uuid} ${random.int(1,1000000)} ${random.string(20)}"
    assert text_of(source).render(Moment()) == text_of(source).render(Moment())


def test_a_whole_template_keeps_its_type_in_json_and_a_part_does_not() -> None:
    compiler = TemplateCompiler(NAMES, [])
    body: JsonTemplate = {
        "id": Template("${user_id}"),
        "label": Template("no ${user_id}"),
        "order": Template("${order}"),
        "kind": Template("${random.choice(5)}"),
        "tags": [Template("${vars.plan}"), 1, None, True, 2.5],
    }
    assert compiler.json(body).render(Moment()) == {
        "id": 42,
        "label": "no 42",
        "order": {"id": "x 1", "items": [{"sku": "a&b"}], "paid": True},
        "kind": 5,
        "tags": ["gold", 1, None, True, 2.5],
    }


def test_json_without_run_time_names_is_fixed() -> None:
    body: JsonTemplate = {"plan": Template("${vars.plan}"), "more": [{"x": Template("y")}]}
    compiled = TemplateCompiler(NAMES, []).json(body)
    assert compiled.fixed
    assert compiled.value == {"plan": "gold", "more": [{"x": "y"}]}


@pytest.mark.parametrize(
    ("source", "rendered"),
    [
        ("/orders/${token}", "/orders/t/o=k"),
        ("/find?q=${token}&n=${user_id}", "/find?q=t%2Fo%3Dk&n=42"),
        ("/find?q=${data.people.name}", "/find?q=Ann%20M%C3%BCller"),
        ("${next_url}", "/posts?page=2"),
        ("/${user_id}?again=${next_url}", "/42?again=%2Fposts%3Fpage%3D2"),
        ("/fixed?host=${env.HOST}", "/fixed?host=shop.example"),
    ],
)
def test_urls_are_encoded_behind_the_question_mark_only(source: str, rendered: str) -> None:
    assert TemplateCompiler(NAMES, []).url(Template(source)).render(Moment()) == rendered


@pytest.mark.parametrize("source", ["${user_id}", "x ${user_id}", "${order.id}"])
def test_what_was_not_captured_is_unresolved(source: str) -> None:
    with pytest.raises(Unresolved):
        text_of(source).render(Moment({}))


def test_a_place_the_captured_value_lacks_is_unresolved() -> None:
    with pytest.raises(Unresolved, match=re.escape("order.items[3].sku")):
        text_of("${order.items[3].sku}").render(Moment())


@pytest.mark.parametrize(
    ("source", "part", "message", "label"),
    [
        ("/u/${user_ld}", "user_ld", "unknown name `user_ld`", "did you mean `user_id`?"),
        ("/u/${reciept} or ${receipt}", "receipt", "used before it is captured", "captured later, by `pay`"),
        ("${vars.plam}", "plam", "unknown variable `plam`", "did you mean `plan`?"),
        ("${env.NOPE}", "NOPE", "`NOPE` is not set", ""),
        ("${data.poeple.name}", "poeple", "unknown data `poeple`", "did you mean `people`?"),
        ("${data.people.nane}", "nane", "no column `nane`", "did you mean `name`?"),
        ("${data.people}", "data.people", "name a column", ""),
        ("${vars}", "vars", "needs a name", ""),
        ("${vars.limits.max[9]}", "limits.max[9]", "leads nowhere", ""),
        ("${vu.x}", ".x", "has nothing inside", ""),
        ("${random.it(1,2)}", "it", "unknown function", "did you mean `int`?"),
        ("${random.int(9,1)}", "9,1", "9 is above 1", ""),
        ("${random.int(1)}", "random.int(1)", "other arguments", ""),
        ("${random.string(0)}", "random.string(0)", "other arguments", ""),
        ("${random}", "random", "not understood", ""),
        ("${user_id + 1}", " + 1", "not understood", ""),
        ("${}", "}", "names nothing", ""),
        ("a ${user_id", "${user_id", "not closed", "`}` is missing"),
        ("${order[?x]}", "[?", "filters", ""),
        ("${order[*]}", "]", "wildcard", ""),
    ],
)
def test_mistakes_are_found_before_the_run_and_pointed_at(source: str, part: str, message: str, label: str) -> None:
    line = f'    url: "{source}"'
    problems: list[Problem] = []
    span = Span("loadgate.yml", 1, 11, len(source), (line,))
    TemplateCompiler(NAMES, problems).text(Template(source, span))
    problem = next(problem for problem in problems if message in problem.message)
    assert problem.span is not None
    assert problem.span.text == part
    assert problem.label == label


def test_problems_print_as_every_configuration_error() -> None:
    problems: list[Problem] = []
    span = Span("loadgate.yml", 1, 8, 17, ('  get: "/users/${use_id}"',))
    TemplateCompiler(NAMES, problems).text(Template("/users/${use_id}", Span("loadgate.yml", 1, 9, 16, span.lines)))
    assert str(ConfigError(problems)).startswith(
        "unknown name `use_id`\n"
        "  --> loadgate.yml:1:18\n"
        ' 1 |   get: "/users/${use_id}"\n'
        "   |                  ^^^^^^ did you mean `user_id`?\n"
    )


@given(st.text())
def test_text_without_an_opening_is_itself(source: str) -> None:
    source = source.replace("${", "")
    compiled = TemplateCompiler(NAMES, []).text(Template(source))
    assert compiled.fixed
    assert compiled.value == source


@given(st.text())
def test_any_text_compiles_or_is_a_problem_inside_it(source: str) -> None:
    source = "${" + source
    problems: list[Problem] = []
    span = Span("f", 1, 1, len(source), (source,))
    compiled = TemplateCompiler(NAMES, problems).url(Template(source, span))
    for problem in problems:
        assert problem.span is not None
        assert 1 <= problem.span.column <= len(source) + 1
    if not problems:
        assert isinstance(compiled.render(Moment()), str)
