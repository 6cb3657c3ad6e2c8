"""Queries in files: the operations found in a text, and where in a file a place inside a text is."""

from __future__ import annotations

import string
from pathlib import Path

import graphql
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loadgate.config.graphql import GraphqlSpec, part_of
from loadgate.config.operations import Operation, SyntaxFault, document_of, scan
from loadgate.config.project import Project, parse_project
from loadgate.config.source import Scalar, Table, parse_source
from loadgate.config.steps import GraphqlStep
from loadgate.config.steps.graphql import ErrorsExpected
from loadgate.errors import ConfigError

TEXTS = [
    "{ a }",
    "query Users($n: Int = 5, $o: In = {a: [1, {b: 2}]}) @live(if: true) { u: users(limit: $n) { id } }",
    '# query X { }\nquery { a(s: "query Y { \\" # {") b }',
    'mutation M { add(text: """ a } " \\""" query Z { \n """) { id } }',
    "fragment F on U { id } query A { ...F } query B { ... on Q { b } }",
    "subscription S { ticks } , , query { a(n: -1.5e3, e: RED, v: null) }",
    "\ufeffquery A{a}mutation B{b}",
    "query query { query } query fragment { mutation }",
    'query { a(s: """""") }',
]


def by_graphql_core(text: str) -> list[tuple[str, str]]:
    return [
        (node.operation.value, node.name.value if node.name else "")
        for node in graphql.parse(text).definitions
        if isinstance(node, graphql.OperationDefinitionNode)
    ]


@pytest.mark.parametrize("text", TEXTS)
def test_operations_are_those_that_graphql_core_finds(text: str) -> None:
    assert [(each.kind, each.name) for each in scan(text)] == by_graphql_core(text)


names = st.text(string.ascii_letters + "_", min_size=1, max_size=6).filter(lambda name: name not in ("on", "true"))
words = st.text(st.sampled_from('{}()#"\\ querymutation\n'), max_size=12)
quoted = words.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"')
blocks = words.map(lambda text: '""" ' + text.replace("\\", "").replace('"', "'") + ' """')
comments = words.map(lambda text: "#" + text.replace("\n", " ") + "\n")
fields = st.builds("{}(a: {}) {{ {}{} }}".format, names, quoted | blocks | st.just("{b: [1]}"), comments, names)
operations = st.builds("{} {}{}{{ {} }}".format, st.sampled_from(["query", "mutation"]), names, comments, fields)


@given(st.lists(operations, min_size=1, max_size=4))
def test_whatever_stands_in_strings_and_comments_is_no_operation(parts: list[str]) -> None:
    text = "\n".join(parts)
    assert [(each.kind, each.name) for each in scan(text)] == by_graphql_core(text)


@given(st.text(st.sampled_from('{}()[]:$@!#"\\ \nquerya1.-,'), max_size=40))
@example("{}")
def test_what_graphql_core_takes_is_taken(text: str) -> None:
    try:
        expected = by_graphql_core(text)
    except graphql.GraphQLError:
        document_of(text)  # which never raises
        return
    # graphql-core 3.3 takes `{ }` for an operation; by the specification (section 2.4) a selection is not empty
    if expected and all(
        node.selection_set.selections
        for node in graphql.parse(text).definitions
        if isinstance(node, graphql.OperationDefinitionNode)
    ):
        assert [(each.kind, each.name) for each in scan(text)] == expected


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("query { a ", "`{` is not closed", 6),
        ("query { a } }", "`}` closes nothing", 12),
        ("query { a(b: [1) }", "`)` closes nothing", 15),
        ("query", "`query` selects nothing: it has no { ... }", 0),
        ("type X { a: Int }", "`type` stands where query, mutation, subscription, fragment or { must", 0),
        ("fragment F on U { id }", "there is no operation in it", 0),
        ("", "there is no operation in it", 0),
        ("{ }", "`{ }` selects nothing", 0),
        ('{ a(x: "b) }', "a string is not closed", 7),
        ("{ a % b }", "`%` has no meaning here", 4),
    ],
)
def test_what_is_no_document_is_told_with_its_place(text: str, message: str, position: int) -> None:
    with pytest.raises(SyntaxFault) as caught:
        scan(text)
    assert (str(caught.value), caught.value.position) == (message, position)
    assert document_of(text).operations == ()


def test_steps_are_named_by_operation_or_first_field() -> None:
    assert scan("{ me: user { id } }") == (Operation("query", "", "user"),)
    assert scan("{ ...F }")[0].step == "query"
    assert document_of("query A { a } mutation B { b }").step_name("B") == "mutation B"
    assert document_of("query A { a } mutation B { b }").step_name(None) == "query A"
    assert document_of("nonsense").step_name("C") == "query C"


# -- places


def scalar(text: str) -> Scalar:
    tree = parse_source(text, "f.yml").tree
    assert isinstance(tree, Table)
    value = tree.entries["q"].value
    assert isinstance(value, Scalar)
    return value


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("q: a MARK\n", 1, 6),
        ("q: 'a MARK'\n", 1, 7),
        ("q: |\n  a\n    MARK b\n", 3, 5),
        ("q: |\n\n  a\n\n  b MARK\n", 5, 5),
        ("q: |-  # a comment\n      a\n      MARK", 3, 7),
        ("q: |2\n    a\n  MARK\n", 3, 3),
        ("q: >\n  a\n  MARK\n", 1, 4),
        ('q: "a\\tMARK"\n', 1, 4),
    ],
)
def test_a_place_in_a_text_is_found_in_the_file(text: str, line: int, column: int) -> None:
    node = scalar(text)
    span = part_of(node.span, node.text, node.text.index("MARK"), 4)
    assert (span.line, span.column) == (line, column)


# -- what is read


def project(steps: str, target: str = "{}") -> Project:
    text = f"target: {target}\nscenarios:\n  main:\n    steps:\n{steps}"
    return parse_project(text, Path(__file__).parent / "loadgate.yml", {})


def step(text: str) -> GraphqlStep:
    (found,) = project(text).scenarios[0].steps
    assert isinstance(found, GraphqlStep)
    return found


def test_a_step_has_what_requests_have() -> None:
    found = step(
        """
      - graphql: |
          query Users($n: Int) { users(limit: $n) { id name } }
        variables: {n: 5, name: "${vu}"}
        persisted: true
        headers: {x-a: b}
        auth: {bearer: t}
        tags: {team: x}
        timeout: 2s
        think: 1s
        expect: {errors: none, json: {"$.data.users[0].id": "1"}, max_duration: 200ms, status: 200}
        capture: {id: {json: "$.data.users[0].id"}}
"""
    )
    assert (found.name, found.persisted, found.timeout, found.errors) == ("query Users", True, 2.0, ErrorsExpected.NONE)
    assert found.expect.status == frozenset({200})
    assert found.variables["n"] == 5
    assert [capture.name for capture in found.captures] == ["id"]
    assert found.needs_target is not None
    assert step("      - {graphql: '{ a }', at: 'http://other/g', name: home}").needs_target is None
    assert step("      - {graphql: '{ a }', name: home}").name == "home"
    assert step("      - graphql: >\n          { a\n          b }\n").text == "{ a b }\n"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("      - graphql: |\n          query A {\n            a(id: ${id})\n          }", (7, 19), "cannot hold a template"),
        ("      - graphql: ''", (5, 19), "there is no operation in it"),
        ("      - {graphql: 'query A { a } query B { b }'}", (5, 10), "holds several operations"),
        ("      - {graphql: 'query Abc { a }', operation: Abd}", (5, 38), "there is no operation `Abd`"),
        ("      - {graphql: 'subscription { a }', persisted: true}", (5, 41), "`persisted` cannot be used"),
        ("      - {graphql: 'subscription { a }', events: 0}", (5, 49), "a whole number, 1 or more"),
        ("      - {graphql: 'subscription { a }', expect: {status: 200}}", (5, 50), "unknown key `status`"),
        ("      - {graphql: 'subscription { a }', capture: {a: {header: b}}}", (5, 63), "capture `a` in step"),
        ("      - {graphql: 'subscription { a }', connection_payload: 5}", (5, 61), "must be a mapping"),
        ("      - {graphql: 'subscription { a }', at: 'ftp://a/'}", (5, 46), "a path, or a URL with ws:// or wss://"),
        ("      - {graphql: '{ a }', events: 2}", (5, 28), "`events` cannot be used"),
        ("      - {graphql: '{ a }', connection_payload: {}}", (5, 28), "`connection_payload` cannot be used"),
        ("      - {graphql: 'subscription { a }', events: 100001}", (5, 49), "a whole number, 1 or more"),
        ("      - {graphql: 'subscription { a', events: 2}", (5, 33), "`{` is not closed"),
        ("      - {graphql: '{ a }', at: 'ws://a/'}", (5, 33), "a path or a whole URL"),
        ("      - {graphql: '{ a }', expect: {errors: nine}}", (5, 45), "must be one of none, some, any"),
        ("      - {graphql: '{ a }', variables: 5}", (5, 39), "must be a mapping"),
        ("      - {graphql: '{ a }', get: /a}", (5, 10), "a step does one thing"),
        ("      - {graphql: '{ a }', query: {a: b}}", (5, 28), "unknown key `query`"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_their_place(text: str, place: tuple[int, int], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        project(text)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert problem.span is not None
    assert (problem.span.line, problem.span.column) == place


@pytest.mark.parametrize(
    ("at", "label"),
    [
        ("ws://a/", "did you mean http://a/? only sessions (`ws`) and subscriptions go over WebSocket"),
        (
            "wss://u:secret@a/",
            "did you mean https://u:***@a/? only sessions (`ws`) and subscriptions go over WebSocket",
        ),
        ("ftp://a/", "can be http, https, http+unix"),
        ("a", "did you mean /a?"),
    ],
)
def test_where_a_query_cannot_go_the_likely_place_is_said(at: str, label: str) -> None:
    with pytest.raises(ConfigError) as caught:
        project(f"      - {{graphql: '{{ a }}', at: '{at}'}}")
    (problem,) = caught.value.problems
    assert problem.label == label


def test_a_subscription_waits_for_events() -> None:
    found = step("      - {graphql: 'subscription { a }'}")
    assert (found.events, found.connection_payload, found.errors) == (1, None, None)
    found = step(
        """
      - graphql: "query A { a } subscription B($n: Int) { b(n: $n) }"
        operation: B
        events: 5
        variables: {n: 3}
        connection_payload: {token: "${env.TOKEN}", list: [1]}
        at: wss://other/graphql
        headers: {x-a: b}
        timeout: 2s
        expect: {errors: none, json: {"$.length()": 5}, body_contains: a, max_duration: 1s}
        capture: {last: {json: "$[-1].data.b"}}
"""
    )
    assert (found.name, found.events, found.timeout, found.needs_target) == ("subscription B", 5, 2.0, None)
    assert found.connection_payload is not None
    assert found.connection_payload["list"] == [1]
    assert step("      - {graphql: '{ a }'}").events == 0


def test_the_target_says_where_graphql_is() -> None:
    plain = "      - get: /\n"
    assert project(plain).target.graphql == GraphqlSpec()
    assert project(plain, "{graphql: /api}").target.graphql == GraphqlSpec("/api")
    assert project(plain, "{graphql: {path: /q, schema: introspect}}").target.graphql == GraphqlSpec(
        "/q", introspect=True
    )
    for url in ("/ws", "ws://127.0.0.1:1/ws", "https://127.0.0.1/ws"):
        assert project(plain, f"{{graphql: {{subscriptions: '{url}'}}}}").target.graphql.subscriptions == url
    schema = project(plain, f"{{graphql: {{schema: {Path(__file__).name}}}}}").target.graphql.schema
    assert schema == Path(__file__)
    for wrong in (
        "graphql: api",
        "graphql: {schema: none.graphql}",
        "graphql: {path: '/a b'}",
        "graphql: {pth: /a}",
        "graphql: ws://a/",
        "graphql: {subscriptions: a}",
    ):
        with pytest.raises(ConfigError):
            project(plain, "{" + wrong + "}")
