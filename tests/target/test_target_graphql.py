"""`/graphql` over HTTP: queries, mutations, batches, persisted queries, statuses, injected errors and the truth about them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from graphql import build_client_schema, get_introspection_query

from tests.target.raw import Got, ask
from tests.target.serving import certain, serving

MODERN = "accept: application/graphql-response+json, application/json;q=0.9"


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with serving() as urls:
        yield urls


def post(url: str, value: Any, *fields: str) -> Got:
    return ask(url, "POST /graphql", json.dumps(value).encode(), "content-type: application/json", *fields)


def query(url: str, text: str, **variables: Any) -> Any:
    got = post(url, {"query": text, "variables": variables})
    assert got.status == 200
    return got.json


def test_it_serves_the_data_of_http_on_both_ports(urls: dict[str, str]) -> None:
    text = (
        "{ user(id: 7) { id name email posts { id comments { id post { id } } } } posts(limit: 2, offset: 3) { id } }"
    )
    expected = ask(urls["http"], "GET /users/7").json
    for url in (urls["graphql"], urls["http"]):
        data = query(url, text)["data"]
        assert data["user"]["email"] == expected["email"] and data["user"]["id"] == "7"
        assert [post["id"] for post in data["user"]["posts"]] == ["31", "32", "33", "34", "35"]
        assert data["user"]["posts"][0]["comments"][0] == {"id": "91", "post": {"id": "31"}}
        assert [post["id"] for post in data["posts"]] == ["4", "5"]
    assert ask(urls["graphql"], "GET /health").status == 200


def test_variables_operation_names_and_what_is_not_there(urls: dict[str, str]) -> None:
    text = "query A($id: ID!) { user(id: $id) { city } } query B { comment(id: 1) { postId } }"
    got = post(urls["graphql"], {"query": text, "operationName": "A", "variables": {"id": "1"}})
    assert got.json["data"]["user"]["city"] == ask(urls["http"], "GET /users/1").json["city"]
    got = post(urls["graphql"], {"query": text, "operationName": "B"})
    assert got.json == {"data": {"comment": {"postId": "1"}}}
    assert query(urls["graphql"], "{ user(id: 100000) { id } post(id: \"x\") { id } }") == {
        "data": {"user": None, "post": None}
    }  # fmt: skip


def test_what_is_created_is_there_for_all_protocols() -> None:
    with serving() as urls:
        made = query(urls["graphql"], 'mutation { createUser(name: "Ada", city: "Oulu") { id name email } }')
        id = made["data"]["createUser"]["id"]
        assert made["data"]["createUser"] == {"id": "101", "name": "Ada", "email": None}
        assert ask(urls["http"], f"GET /users/{id}").json == {"id": 101, "name": "Ada", "city": "Oulu"}
        text = "mutation($u: ID!) { createPost(userId: $u, title: \"T\") { user { name } body } }"  # fmt: skip
        assert query(urls["graphql"], text, u=id)["data"]["createPost"] == {"user": {"name": "Ada"}, "body": ""}
        failed = query(urls["graphql"], text, u="999")
        assert failed["data"] == {"createPost": None}
        assert failed["errors"][0]["message"] == "userId: there is no object with this id"
        ask(urls["http"], "POST /comments", b'{"postId": 1, "body": 5}')
        assert query(urls["graphql"], "{ comment(id: 1501) { body } }")["data"] == {"comment": {"body": "5"}}


def test_one_field_that_fails_leaves_the_others(urls: dict[str, str]) -> None:
    got = query(urls["graphql"], "{ a: users(limit: 1001) { id } b: users(offset: -1) { id } user(id: 1) { id } }")
    assert got["data"] == {"a": None, "b": None, "user": {"id": "1"}}
    assert [error["path"] for error in got["errors"]] == [["a"], ["b"]]


@pytest.mark.parametrize("depth", [10, 30, 100, 200, 400])
def test_a_query_that_asks_for_too_much_ends(urls: dict[str, str], depth: int) -> None:
    text = "{ users { " + "posts { user { " * depth + "id" + " }" * (2 * depth) + " } }"
    start = time.perf_counter()
    got = post(urls["graphql"], {"query": text})
    assert got.status == 200
    assert any(
        "a result has at most 20,000 objects" in error["message"] or "too deeply" in error["message"]
        for error in got.json["errors"]
    )
    assert time.perf_counter() - start < 30
    assert ask(urls["graphql"], "GET /health").status == 200


def test_batches_are_answered_in_order(urls: dict[str, str]) -> None:
    batch = [{"query": f"{{ user(id: {id}) {{ id }} }}"} for id in (3, 1)] + [{"query": "{ nobody }"}]
    first, second, third = post(urls["graphql"], batch).json
    assert (first["data"]["user"]["id"], second["data"]["user"]["id"]) == ("3", "1")
    assert "data" not in third
    assert post(urls["graphql"], []).status == 400
    assert post(urls["graphql"], [{"query": "{user(id:1){id}}"}] * 101).status == 400


def test_queries_by_get(urls: dict[str, str]) -> None:
    def get(**fields: str) -> Got:
        return ask(urls["graphql"], f"GET /graphql?{urlencode(fields)}")

    text = "query A($id: ID!) { user(id: $id) { id } } query B { user(id: 1) { id } }"
    assert get(query=text, variables='{"id": 4}', operationName="A").json == {"data": {"user": {"id": "4"}}}
    assert get(query="{user(id:1){id}}", variables="{").status == 400
    assert get().status == 400
    refused = get(query='mutation { createUser(name: "x") { id } }')
    assert refused.status == 405 and refused.headers["allow"] == "POST"


def test_persisted_queries_are_those_of_apollo(urls: dict[str, str]) -> None:
    text = "{ user(id: 9) { id } }"
    extensions = {"persistedQuery": {"version": 1, "sha256Hash": sha256(text.encode()).hexdigest()}}
    missing = post(urls["graphql"], {"extensions": extensions})
    assert missing.status == 200
    assert missing.json["errors"][0]["message"] == "PersistedQueryNotFound"
    assert missing.json["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
    assert post(urls["graphql"], {"query": text, "extensions": extensions}).json == {"data": {"user": {"id": "9"}}}
    assert post(urls["graphql"], {"extensions": extensions}).json == {"data": {"user": {"id": "9"}}}
    by_get = ask(urls["graphql"], f"GET /graphql?extensions={quote(json.dumps(extensions))}")
    assert by_get.json == {"data": {"user": {"id": "9"}}}
    wrong = post(urls["graphql"], {"query": "{ user(id: 8) { id } }", "extensions": extensions})
    assert wrong.json["errors"][0]["message"] == "provided sha does not match query"


def test_it_can_be_asked_for_its_schema(urls: dict[str, str]) -> None:
    schema = build_client_schema(query(urls["graphql"], get_introspection_query())["data"])
    assert schema.subscription_type is not None and {*schema.subscription_type.fields} == {"ticks", "commentAdded"}
    assert schema.query_type is not None and "users" in schema.query_type.fields


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"query": "{ user(id: 1) { nam } }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "{ user"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{" * 3000}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ user(id: 1) { id } }" + " query A { users { id } }" * 2000}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "query A { users { id } }", "operationName": "B"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": "query($id: ID!) { user(id: $id) { id } }"}, None),
    ],
)
def test_what_graphql_refuses_has_a_status_that_depends_on_the_client(
    urls: dict[str, str], request_: Any, code: str | None
) -> None:
    old, modern = post(urls["graphql"], request_), post(urls["graphql"], request_, MODERN)
    assert (old.status, old.headers["content-type"]) == (200, "application/json")
    assert (modern.status, modern.headers["content-type"]) == (400, "application/graphql-response+json")
    assert old.body == modern.body and "data" not in old.json
    assert code is None or old.json["errors"][0]["extensions"]["code"] == code


def test_a_result_is_200_for_all_clients(urls: dict[str, str]) -> None:
    got = post(urls["graphql"], {"query": "{ users(limit: -1) { id } }"}, MODERN)
    assert (got.status, got.headers["content-type"]) == (200, "application/graphql-response+json")
    assert got.json["data"] == {"users": None}


@pytest.mark.parametrize(
    ("body", "fields", "word"),
    [
        (b"{", (), "the body is not JSON"),
        (b"7", (), "a GraphQL request is a JSON object"),
        (b"{}", (), "needs a `query`"),
        (b'{"query": 7}', (), "Expected `str | null`, got `int` - at `$.query`"),
        (b'{"query": "{a}", "variables": []}', (), "at `$.variables`"),
        (b'{"query": "subscription { ticks { number } }"}', (), "graphql-transport-ws"),
        (b"query={a}", ("content-type: application/x-www-form-urlencoded",), "expected application/json"),
    ],
)
def test_what_is_no_request_is_400(urls: dict[str, str], body: bytes, fields: tuple[str, ...], word: str) -> None:
    got = ask(urls["graphql"], "POST /graphql", body, *fields)
    assert got.status == 400 and word in got.json["error"]


def test_the_truth_is_told_in_the_header_and_in_the_reply() -> None:
    chaos = {"protocols": {"graphql": {"latency": {"shape": "uniform", "low_ms": 1, "high_ms": 3}}}, "seed": 5}

    def delays(url: str) -> list[float]:
        found = []
        for _ in range(10):
            got = post(url, {"query": "{ user(id: 1) { id } }"})
            told = got.json["extensions"]["loadgate"]["delay_ms"]
            assert got.headers["x-loadgate-delay-ms"] == f"{told:.3f}"
            found.append(told)
        return found

    with serving(chaos) as urls, serving(chaos) as again:
        first = delays(urls["graphql"])
        assert len(set(first)) == 10 and all(1.0 <= delay <= 3.0 for delay in first)
        assert delays(again["http"]) == first
        assert "x-loadgate-delay-ms" not in ask(urls["http"], "GET /users/1").headers


def test_partial_errors_keep_the_other_fields() -> None:
    with serving(certain("field")) as urls:
        got = post(urls["graphql"], {"query": "{ a: user(id: 1) { id } b: user(id: 2) { id } }"})
        assert got.status == 200 and got.headers["x-loadgate-fault"] == "field"
        assert got.json["data"] == {"a": None, "b": {"id": "2"}}
        assert got.json["errors"][0]["path"] == ["a"] and got.json["errors"][0]["message"] == "injected fault"
        assert got.json["extensions"] == {"loadgate": {"fault": "field"}}
        assert ask(urls["http"], "GET /users/1").json["id"] == 1


def test_whole_errors_are_200_and_nothing_was_done() -> None:
    with serving(certain("errors")) as urls:
        got = post(urls["graphql"], {"query": 'mutation { createUser(name: "x") { id } }'})
        assert got.status == 200 and got.json["data"] is None
        assert got.json["errors"][0]["message"] == "injected fault"
        assert ask(urls["http"], "GET /users").headers["x-total-count"] == "100"
        batch = post(urls["graphql"], [{"query": "{ users { id } }"}] * 2).json
        assert [each["data"] for each in batch] == [None, None]


def test_faults_of_http_are_faults_here_too() -> None:
    with serving(certain("status", codes=[502])) as urls:
        assert post(urls["graphql"], {"query": "{ users { id } }"}).status == 502
    with serving(certain("reset")) as urls, pytest.raises(ConnectionResetError):
        post(urls["graphql"], {"query": "{ users { id } }"})
    with serving(certain("partial")) as urls, pytest.raises(EOFError):
        post(urls["graphql"], {"query": "{ users { id } }"})
    with serving(certain("close")) as urls:
        assert post(urls["graphql"], {"query": "{ user(id: 1) { id } }"}).json == {"data": {"user": {"id": "1"}}}
