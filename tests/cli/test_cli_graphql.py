"""GraphQL from the command line: what does not fit is told before there is load, and a mixed run tells both protocols."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from loadgate.measure.tally import CounterTally
from loadgate.record.file import read_run
from tests.support.command import Done, environment, loadgate, read_json
from tests.support.graphql_server import SCHEMA_TEXT, graphql_server
from tests.target.serving import serving

CHECKED = """
target: {url: "http://127.0.0.1:1", graphql: {schema: schema.graphql}}
scenarios:
  main:
    steps:
      - graphql: |
          # all of them
          query Users($n: Int!) {
            users(limit: $n) { id nme }
          }
        variables: {m: 5}
      - graphql: "{ usrs { id } }"
      - graphql: 'query Hello($name: String!) { greeting(name: $name) }'
        variables: {nam: Ann}
      - graphql: '{ whatever }'
        at: http://127.0.0.1:1/other
      - graphql: 'subscription Added($above: Int!) { userAded(above: $above) { id } }'
        variables: {above: 1}
        events: 2
      - graphql: 'subscription Names($above: Int!) { userAdded(above: $above) { name } }'
        variables: {abve: 1}
      - graphql: 'query Hello($name: String!) { greeting(name: $name) }'
        variables: {name: [1]}
      - graphql: 'subscription Added($above: Int!) { userAdded(above: $above) { id } }'
        variables: {above: 1.5}
      - graphql: 'query Some($n: Int!) { users(limit: $n) { id } }'
        variables: {n: "${vars.many}"}
      - graphql: 'query Most($n: Int!) { users(limit: $n) { id } }'
        variables: {n: }
vars: {many: 2}
"""

SUBSCRIBED = """
target: {url: "URL", graphql: {schema: introspect}}
scenarios:
  listen:
    steps:
      - graphql: 'subscription Ticks($n: Int!) { ticks(count: $n, everyMs: 1) { number } }'
        variables: {n: 10}
        events: 4
        expect: {errors: none, json: {"$[*].data.ticks.number": [1, 2, 3, 4]}, max_duration: 20s}
        capture: {last: {json: "$[-1].data.ticks.number"}}
      - graphql: 'query Users($n: Int!) { users(limit: $n) { id } }'
        variables: {n: "${last}"}
        expect: {json: {"$.data.users.length()": 4}}
  script: {python: "load.py:comments"}
profiles:
  quick:
    vus: 2
    iterations: 20
    thresholds:
      checks: ["rate==1"]
      graphql_req_failed: ["rate==0"]
      "graphql_req_duration{name:subscription Ticks}": ["p(95)<20s"]
      graphql_event_gap: ["p(95)<20s"]
      graphql_connection_init: ["p(95)<20s"]
      graphql_subscriptions: ["count==20"]
      ws_sessions: ["count==2"]
"""

SCRIPT = """
from loadgate import graphql, scenario

TICKS = graphql("subscription Script { ticks(count: 3) { number } }")

@scenario
async def comments(user):
    async with user.graphql.subscribe(TICKS, timeout=20) as subscription:
        user.check((await subscription.next()).data["ticks"]["number"] == 1, "the first tick")
"""

MIXED = """
target: {url: "URL", graphql: {path: /api, schema: introspect}}
scenarios:
  shop:
    steps:
      - get: /plain
        expect: {status: 200}
      - graphql: |
          query Users($n: Int!) { users(limit: $n) { id name } }
        variables: {n: "${iteration}"}
        expect: {errors: none, status: 200, max_duration: 20s}
      - graphql: 'query One { users(limit: 1) { id } }'
        persisted: true
        expect: {json: {"$.data.users[0].id": "1"}}
        capture: {id: {json: "$.data.users[0].id"}}
      - graphql: 'mutation Add($name: String!) { addUser(name: $name) { id name } }'
        variables: {name: "user ${id}"}
        headers: {x-id: "${id}"}
        tags: {team: red}
        expect: {json: {"$.data.addUser.name": "user 1"}}
      - graphql: 'query Secret { users { secret } }'
        expect: {errors: some}
      - graphql: 'query Partial { users(limit: 1) { id secret } }'
profiles:
  quick:
    vus: 2
    iterations: 20
    thresholds:
      graphql_req_duration: ["p(95)<20s"]
      "graphql_req_duration{name:query Users}": ["p(95)<20s"]
      graphql_req_failed: ["rate<0.5"]
      http_req_failed: ["rate==0"]
budgets:
  graphql: {p95_latency_ms: 20000}
"""


def write(folder: Path, project: str) -> None:
    (folder / "loadgate.yml").write_text(project)
    (folder / "schema.graphql").write_text(SCHEMA_TEXT)


@pytest.mark.slow
def test_check_holds_queries_against_a_schema(tmp_path: Path) -> None:
    write(tmp_path, CHECKED)
    done = loadgate("check", cwd=tmp_path)
    assert done.code == 2
    for message, place, advice in (
        ("Cannot query field 'nme' on type 'User'", "loadgate.yml:9:35", "Did you mean `name`?"),
        ("Cannot query field 'usrs' on type 'Query'", "loadgate.yml:12:21", "Did you mean `users`?"),
        ("the operation has no variable `nam`", "loadgate.yml:14:21", "did you mean `name`?"),
        ("variable `name` is not given", "loadgate.yml:13:19", "it has no default"),
        ("Cannot query field 'userAded' on type 'Subscription'", "loadgate.yml:17:54", "Did you mean `userAdded`?"),
        ("the operation has no variable `abve`", "loadgate.yml:21:21", "did you mean `above`?"),
        ("String cannot represent a non string value: [1]", "loadgate.yml:23:21", "Variable '$name'"),
        ("Int cannot represent non-integer value: 1.5", "loadgate.yml:25:21", "Variable '$above'"),
        ("Variable '$n' ", "loadgate.yml:29:21", ""),
    ):
        assert message in done.err
        assert place in done.err
        assert advice in done.err
    assert "whatever" not in done.err
    assert "loadgate.yml:27" not in done.err
    (tmp_path / "schema.graphql").write_text("type Query { a: }")
    assert "schema.graphql:1:17 is no GraphQL schema" in loadgate("check", cwd=tmp_path).err


def test_a_schema_without_graphql_core_is_a_clear_error(tmp_path: Path) -> None:
    write(tmp_path, CHECKED)
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'graphql' else find(name, *more)\n"
    )
    done = loadgate("check", cwd=tmp_path, env={"PYTHONPATH": str(hidden)})
    assert (done.code, "loadgate.yml:2:55" in done.err) == (2, True), done.err
    assert "a schema can only be read with graphql-core" in done.err
    assert "pip install 'loadgate[graphql]'" in done.err
    (tmp_path / "loadgate.yml").write_text(CHECKED.replace("{schema: schema.graphql}", "/graphql"))
    assert loadgate("check", cwd=tmp_path, env={"PYTHONPATH": str(hidden)}).code == 0


def test_a_marked_query_in_a_script_is_checked_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "load.py").write_text(
        "from loadgate import scenario\nfrom loadgate.script.queries import graphql\n\n"
        'USERS = graphql("""\n    query Users {\n      users(limit 1) { id }\n    }\n""")\n\n'
        "@scenario\nasync def browse(user):\n    await user.graphql.query(USERS)\n"
    )
    done = loadgate("check", "load.py", cwd=tmp_path)
    assert (done.code, "load.py:6:19" in done.err) == (2, True), done.err
    assert "Expected ':', found Int '1'" in done.err


def run(folder: Path, url: str, project: str = MIXED) -> Done:
    write(folder, project.replace("URL", url))
    return loadgate("run", "quick", "--out", "out", "--summary", "summary.json", cwd=folder, timeout=60)


@pytest.mark.slow
def test_a_mixed_run_has_a_row_for_each_step_and_judges_both_protocols(tmp_path: Path) -> None:
    with graphql_server() as server:
        done = run(tmp_path, server.url)
    assert done.code == 0, done.out + done.err
    for row in (
        "http GET /plain",
        "graphql query Users",
        "graphql query One",
        "graphql mutation Add",
        "graphql query Partial",
    ):
        assert row in done.out
    (path,) = (tmp_path / "out").rglob("run.json*")
    counts: dict[tuple[str, str], int] = {}
    for series in read_run(path).series:
        if series.metric.name in ("http_reqs", "graphql_reqs") and isinstance(series.total, CounterTally):
            key = series.metric.name, series.tags["name"] + (" " + series.tags.get("error", "")).rstrip()
            counts[key] = counts.get(key, 0) + int(series.total.total)
    assert counts[("http_reqs", "GET /plain")] == 20
    assert sum(count for (metric, _), count in counts.items() if metric == "http_reqs") == 20
    assert counts[("graphql_reqs", "query Users")] == 20
    assert 21 <= counts[("graphql_reqs", "query One")] <= 22  # a miss for each user that came before the first text
    assert counts[("graphql_reqs", "mutation Add")] == 20
    assert counts[("graphql_reqs", "query Secret")] == 20
    assert counts[("graphql_reqs", "query Partial graphql")] == 20
    errors = {(error.kind, error.step): (error.count, error.sample) for error in read_run(path).errors}
    assert errors == {("graphql", "query Partial"): (20, "not for you (at users.0.secret)")}
    metrics = read_json(tmp_path / "summary.json")["metrics"]
    assert metrics["graphql_reqs"] >= 101
    assert "x-id" not in done.out


@pytest.mark.slow
def test_subscriptions_are_run_and_judged(tmp_path: Path) -> None:
    (tmp_path / "load.py").write_text(SCRIPT)
    with serving() as urls:
        done = run(tmp_path, urls["http"], SUBSCRIBED)
        assert done.code == 0, done.out + done.err
        wrong = SCRIPT.replace("{ number }", "{ nmber }")
        (tmp_path / "load.py").write_text(wrong)
        refused = run(tmp_path, urls["http"], SUBSCRIBED)
    for row in ("subscription Ticks", "query Users", "subscription Script", "graphql_event_gap", "graphql_events"):
        assert row in done.out
    assert (refused.code, "load.py:4:58" in refused.err) == (2, True), refused.out + refused.err
    assert "Did you mean `number`?" in refused.err


@pytest.mark.slow
def test_introspection_finds_what_does_not_fit_before_there_is_load(tmp_path: Path) -> None:
    with graphql_server() as server:
        done = run(tmp_path, server.url, MIXED.replace("{ addUser(", "{ addUsr("))
        sent = len(server.seen)
    assert (done.code, sent) == (2, 1), done.out + done.err
    assert "Cannot query field 'addUsr' on type 'Mutation'" in done.err
    assert "loadgate.yml:16:50" in done.err
    assert "Did you mean `addUser`?" in done.err


def test_a_target_that_tells_no_schema_is_told_of_before_there_is_load(tmp_path: Path) -> None:
    with graphql_server() as server:
        server.answer = lambda message: {"errors": [{"message": "introspection is disabled"}]}  # type: ignore[method-assign]
        done = run(tmp_path, server.url)
    assert (done.code, "does not tell its schema at /api: introspection is disabled" in done.err) == (2, True), done.err
    assert "loadgate.yml:2:" in done.err


@pytest.mark.slow
def test_without_a_url_there_is_one_error(tmp_path: Path) -> None:
    write(tmp_path, "scenarios: {main: {steps: [{graphql: '{ a }'}]}}\n")
    done = loadgate("run", "--iterations", "1", cwd=tmp_path)
    assert (done.code, "there is no target URL for this step" in done.err) == (2, True), done.out + done.err
    target = "target: {graphql: {subscriptions: 'ws://127.0.0.1:1/a'}}\n"
    write(tmp_path, target + "scenarios: {main: {steps: [{graphql: 'subscription { b }'}]}}\n")
    done = loadgate("run", "--iterations", "1", cwd=tmp_path)
    assert (done.code, "1  connect  subscription b" in done.out) == (3, True), done.out + done.err


def test_runs_without_graphql_do_not_import_graphql_core(tmp_path: Path) -> None:
    import subprocess

    write(tmp_path, "target: {url: 'http://127.0.0.1:1'}\nscenarios: {main: {steps: [{get: /}]}}\n")
    code = "import sys; from loadgate.plan import every_plan; from pathlib import Path; import os\n"
    code += "every_plan(Path('loadgate.yml'), os.environ); sys.exit('graphql' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), timeout=30).returncode == 0
