"""Every route of the target, asked over a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.target import running_target
from tests.target.raw import Got, ask, connect


@pytest.fixture
def own() -> Iterator[str]:
    """A target that a test may change."""
    with running_target() as url:
        yield url


def error(got: Got) -> tuple[int, str]:
    assert got.headers["content-type"] == "application/json"
    assert got.json["status"] == got.status
    return got.status, got.json["error"]


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/health/startup"])
def test_health_is_ok(url: str, path: str) -> None:
    got = ask(url, f"GET {path}")
    assert (got.status, got.json["status"]) == (200, "ok")


def test_the_root_lists_the_routes(url: str) -> None:
    got = ask(url, "GET /")
    assert got.status == 200
    assert {"/users", "/posts/{id}/comments", "/bytes/{n}", "/api/chaos/config"} < set(got.json["routes"])


@pytest.mark.parametrize(("noun", "total"), [("users", 100), ("posts", 500), ("comments", 1500)])
def test_lists_are_paged_and_tell_their_size(url: str, noun: str, total: int) -> None:
    first = ask(url, f"GET /{noun}")
    assert first.status == 200 and first.headers["x-total-count"] == str(total)
    assert [item["id"] for item in first.json] == list(range(1, 21))
    page = ask(url, f"GET /{noun}?offset=30&limit=5&other=x")
    assert [item["id"] for item in page.json] == list(range(31, 36))
    assert ask(url, f"GET /{noun}?offset={total}").json == []
    assert ask(url, f"GET /{noun}?limit=0").json == []
    assert len(ask(url, f"GET /{noun}?limit=1000").json) == min(total, 1000)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=x", "limit: expected a whole number from 0 up, got `x`"),
        ("offset=-1", "offset: expected a whole number from 0 up, got `-1`"),
        ("limit=", "limit: expected a whole number from 0 up, got ``"),
        ("limit=1001", "limit: at most 1000 objects are given at a time"),
    ],
)
def test_a_page_that_cannot_be_is_explained(url: str, query: str, message: str) -> None:
    assert error(ask(url, f"GET /users?{query}")) == (400, message)
    assert error(ask(url, f"GET /users/1/posts?{query}")) == (400, message)


def test_one_object_is_what_the_list_shows(url: str) -> None:
    for noun in ("users", "posts", "comments"):
        assert ask(url, f"GET /{noun}/7").json == ask(url, f"GET /{noun}?offset=6&limit=1").json[0]


def test_posts_of_a_user_and_comments_of_a_post(url: str) -> None:
    posts = ask(url, "GET /users/3/posts")
    assert posts.headers["x-total-count"] == "5"
    assert {post["userId"] for post in posts.json} == {3}
    comments = ask(url, "GET /posts/12/comments?limit=2&offset=1")
    assert comments.headers["x-total-count"] == "3"
    assert [comment["postId"] for comment in comments.json] == [12, 12]


@pytest.mark.parametrize("path", ["/users/101", "/users/0", "/users/x", "/users/-1", "/users/99999999999999999999"])
def test_an_object_that_is_not_there_is_404(url: str, path: str) -> None:
    for line in (f"GET {path}", f"DELETE {path}", f"GET {path}/posts"):
        assert error(ask(url, line)) == (404, f"there is no user {path.split('/')[2]}")
    assert ask(url, f"PUT {path}", b"{}").status == 404
    assert ask(url, f"PATCH {path}", b"{}").status == 404


def test_an_object_lives_from_post_to_delete(own: str) -> None:
    before = ask(own, "GET /users?offset=99").json
    made = ask(own, "POST /users", b'{"name":"Ann","id":5}')
    assert (made.status, made.json) == (201, {"id": 101, "name": "Ann"})
    where = made.headers["location"]
    assert where == "/users/101"
    assert ask(own, f"GET {where}").json == made.json
    assert ask(own, "GET /users?offset=99").json == [*before, made.json]
    assert ask(own, f"PATCH {where}", b'{"city":"Oulu"}').json == {"id": 101, "name": "Ann", "city": "Oulu"}
    assert ask(own, f"PUT {where}", b'{"name":"Bo"}').json == {"id": 101, "name": "Bo"}
    assert ask(own, "POST /posts", b'{"title":"t","userId":101}').json["id"] == 501
    assert [post["id"] for post in ask(own, f"GET {where}/posts").json] == [501]
    gone = ask(own, f"DELETE {where}")
    assert (gone.status, gone.body) == (204, b"") and "content-length" not in gone.headers
    assert ask(own, f"GET {where}").status == 404
    assert ask(own, "GET /users").headers["x-total-count"] == "100"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"{", 400, "the body is not JSON"),
        (b"", 400, "the body is not JSON"),
        (b"[1]", 400, "the body must be a JSON object"),
        (b"[" * 5000, 400, "the body is not JSON"),
        (b'{"a":"' + b"x" * 20_000 + b'"}', 413, "an object takes 20,017 bytes as JSON, at most 16,384 are kept"),
    ],
)
def test_a_body_that_is_no_object_is_refused(url: str, body: bytes, status: int, message: str) -> None:
    found, text = error(ask(url, "POST /users", body))
    assert found == status and text.startswith(message)
    assert ask(url, "PUT /users/1", body).status == status


def test_seed_decides_the_data() -> None:
    with running_target({"seed": 2}) as two, running_target({"seed": 2}) as again, running_target() as one:
        assert ask(two, "GET /users").body == ask(again, "GET /users").body != ask(one, "GET /users").body


@pytest.mark.parametrize("size", [0, 1, 1000, 262_144, 262_145, 3_000_000])
def test_bytes_are_as_many_as_asked_and_follow_the_pattern(url: str, size: int) -> None:
    with connect(url) as raw:
        assert raw.ask(f"HEAD /bytes/{size}").headers["content-length"] == str(size)
        got = raw.ask(f"GET /bytes/{size}")
        assert got.body == (bytes(range(256)) * (size // 256 + 1))[:size]
        assert raw.ask("GET /health").status == 200


@pytest.mark.parametrize("size", ["100000001", "-1", "x", "1e3", "\u00b2"])
def test_bytes_refuses_other_sizes(url: str, size: str) -> None:
    got = ask(url, f"GET /bytes/{size}") if size.isascii() else ask(url, "GET /bytes/%C2%B2")
    assert error(got) == (400, "/bytes/N: N is a whole number from 0 to 100,000,000")


def test_delay_tells_what_it_did(url: str) -> None:
    got = ask(url, "GET /delay/12.5")
    assert (got.status, got.json, got.headers["x-loadgate-delay-ms"]) == (200, {"delay_ms": 12.5}, "12.500")
    assert "x-loadgate-delay-ms" not in ask(url, "GET /delay/0").headers
    assert ask(url, "POST /delay/1", b"ignored").status == 200


@pytest.mark.parametrize("delay", ["60000.5", "-1", "x", "nan", "inf"])
def test_delay_refuses_what_is_no_time(url: str, delay: str) -> None:
    assert error(ask(url, f"GET /delay/{delay}")) == (400, "/delay/MS: MS is a number of milliseconds from 0 to 60,000")


@pytest.mark.parametrize("code", [200, 204, 304, 404, 418, 503, 599])
def test_status_answers_with_the_status_asked_for(url: str, code: int) -> None:
    with connect(url) as raw:
        got = raw.ask(f"GET /status/{code}")
        assert got.status == code
        assert got.body == b"" if code in (204, 304) else got.json == {"status": code}
        assert raw.ask("GET /health").status == 200  # nothing of a body was left over


@pytest.mark.parametrize("code", ["100", "199", "600", "20", "x"])
def test_status_refuses_other_codes(url: str, code: str) -> None:
    assert error(ask(url, f"GET /status/{code}")) == (400, "/status/CODE: CODE is a status from 200 to 599")


def test_echo_says_back_what_came(url: str) -> None:
    got = ask(url, "POST /echo?a=b%20c", "hé".encode(), "X-Many: 1", "x-many: 2")
    assert got.json == {
        "method": "POST",
        "path": "/echo",
        "query": "a=b%20c",
        "headers": {"host": "test", "x-many": "1, 2", "content-length": "3"},
        "body": "hé",
    }
    assert ask(url, "PUT /echo", b"\xff\x00").json["body_base64"] == "/wA="
    assert ask(url, "GET /echo").json["body"] == ""


@pytest.mark.parametrize("path", ["/nope", "/users/1/2", "/bytes", "/users/", "/api/users", "/api/chaos", "//users"])
def test_a_path_that_is_not_there_is_404(url: str, path: str) -> None:
    assert error(ask(url, f"GET {path}")) == (404, "there is nothing at this path")


def test_a_method_that_is_not_there_is_405_and_says_which_are(url: str) -> None:
    got = ask(url, "DELETE /users", None)
    assert error(got) == (405, "this path does not take this method")
    assert got.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert ask(url, "POST /health", b"").headers["allow"] == "GET, HEAD, OPTIONS"


def test_options_says_what_a_path_takes(url: str) -> None:
    got = ask(url, "OPTIONS /users/1")
    assert (got.status, got.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT")
    assert ask(url, "OPTIONS *").status == 204


@pytest.mark.parametrize("path", ["/health", "/users", "/users/1", "/users/1/posts", "/metrics", "/nope", "/users/999"])
def test_head_is_get_without_the_body(url: str, path: str) -> None:
    with connect(url) as raw:
        head = raw.ask(f"HEAD {path}")
        get = raw.ask(f"GET {path}")
        assert head.status == get.status
        if path != "/metrics":  # which has counted the first one
            assert head.headers == get.headers


def test_paths_may_be_escaped_and_targets_absolute(url: str) -> None:
    assert ask(url, "GET /%75sers/1").json["id"] == 1
    assert ask(url, "GET http://any.where/users/1").json["id"] == 1
    assert ask(url, "GET http://any.where").json == ask(url, "GET /").json


def test_metrics_count_requests_by_route_and_status(own: str) -> None:
    for path in ("/users/1", "/users/2", "/users/999", "/nope", "/delay/30"):
        ask(own, f"GET {path}")
    with connect(own) as raw:
        raw.send(b"nonsense\r\n\r\n")
        raw.reply()
    lines = ask(own, "GET /metrics").body.decode().splitlines()
    name = "loadgate_target_requests_total"
    assert f'{name}{{method="GET",route="/users/{{id}}",status="200"}} 2' in lines
    assert f'{name}{{method="GET",route="/users/{{id}}",status="404"}} 1' in lines
    assert f'{name}{{method="ANY",route="(unknown)",status="404"}} 1' in lines
    assert f'{name}{{method="ANY",route="(refused)",status="400"}} 1' in lines
    duration = "loadgate_target_request_duration_seconds"
    labels = 'method="GET",route="/delay/{ms}"'
    assert f'{duration}_bucket{{{labels},le="0.025"}} 0' in lines
    assert f'{duration}_bucket{{{labels},le="+Inf"}} 1' in lines
    assert f"{duration}_count{{{labels}}} 1" in lines
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(values[f"{duration}_sum{{{labels}}}"]) >= 0.03
    assert values["loadgate_target_connections_open"] == "1"
    assert values["loadgate_target_connections_total"] == "7"
    assert (values["loadgate_target_delayed_total"], values["loadgate_target_delay_seconds_total"]) == ("1", "0.03")


def test_metrics_are_well_formed(url: str) -> None:
    ask(url, "GET /users/1")
    got = ask(url, "GET /metrics")
    assert got.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = got.body.decode()
    assert text.endswith("\n")
    seen: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("# "):
            assert line.split(" ")[1] in ("HELP", "TYPE")
            continue
        key, value = line.rsplit(" ", 1)
        assert key not in seen
        seen[key] = float(value)
    buckets = [
        v
        for k, v in seen.items()
        if k.startswith('loadgate_target_request_duration_seconds_bucket{method="GET",route="/users/{id}"')
    ]
    assert len(buckets) == 20 and buckets == sorted(buckets)


def test_replies_are_the_same_bytes_every_time(url: str) -> None:
    bodies = {
        json.dumps([got.status, got.headers, got.body.decode()]) for got in (ask(url, "GET /users") for _ in range(3))
    }
    assert len(bodies) == 1
