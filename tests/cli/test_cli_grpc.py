"""gRPC from the command line, against a grpcio server: what does not fit is told before load, and mixed runs are judged."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgate.measure.tally import CounterTally
from loadgate.record.file import read_run
from loadgate.record.run import Run
from tests.support.command import Done, environment, loadgate
from tests.support.graphql_server import graphql_server
from tests.support.grpc_server import GREETER, PROTOS, GrpcServer, serving

STEPS = """
target: {url: "HTTP", grpc: {url: "GRPC", HOW, metadata: {x-all: "yes"}, timeout: 20s}}
scenarios:
  greet:
    steps:
      - get: /plain
        expect: {status: 200}
      - grpc: test.greeter.Greeter/SayHello
        name: hello
        message: {name: initial, at: "2020-01-02T03:04:05Z"}
        metadata: {x-Request: "n${iteration}"}
        timeout: 15s
        tags: {team: red}
        expect:
          status: OK
          header: {initial: contains y}
          body_contains: Hello
          json: {$.message: "Hello initial"}
          max_duration: 15s
      - grpc: test.greeter.Greeter/SayHello
        name: capture
        message: {name: "you ${vu}"}
        metadata: {x-request: "n${iteration}"}
        expect: {json: {$.message: "Hello you ${vu}", "$.metadata['x-request']": "n${iteration}", "$.metadata['x-all']": "yes"}}
        capture: {text: {json: $.message}}
      - group: streams
        steps:
          - grpc: test.greeter.Greeter/Count
            message: {name: "${text}", count: 3}
            expect: {json: {"$.length()": 3, "$[-1].message": "${text} 2"}}
          - grpc: test.greeter.Greeter/Collect
            message: [{name: a}, {name: "${text}"}, {name: c}]
            expect: {json: {$.message: "a,${text},c"}}
          - grpc: test.greeter.Greeter/Chat
            message: [{name: a}, {name: b}]
            expect: {status: ok, json: {"$[*].message": ["Hello a", "Hello b"]}}
      - grpc: test.greeter.Greeter/SayHello
        name: meant
        message: {code: 5, details: nobody}
        expect: {status: [NOT_FOUND, 7]}
      - grpc: test.greeter.Greeter/SayHello
        name: missing
        message: {code: 5, details: nobody}
profiles:
  quick:
    vus: 2
    iterations: 20
    thresholds:
      grpc_req_duration: ["p(95)<20s"]
      "grpc_req_duration{name:hello}": ["p(95)<20s"]
      "checks{check:capture: has text}": ["rate==1"]
budgets:
  grpc: {p95_latency_ms: 20000, max_error_rate: RATE}
"""

SCRIPT = """
from loadgate import scenario

HELLO = "test.greeter.Greeter/SayHello"


@scenario
async def greet(user):
    with user.group("hellos"):
        reply = await user.grpc.unary(HELLO, {"name": f"user {user.id}"}, name="hello", metadata={"x": "1"})
        user.check(reply.message["message"] == f"Hello user {user.id}", "hello")
    assert (await user.http.get("/plain")).ok
    missing = await user.grpc.unary(HELLO, {"code": 5}, name="missing", expect="NOT_FOUND", timeout=5)
    user.check(missing.ok, "missing")
    async with user.grpc.stream("test.greeter.Greeter/Chat") as stream:
        await stream.send({"name": "a"})
        user.check((await stream.receive())["message"] == "Hello a", "chat")
"""


@pytest.fixture(scope="module")
def server() -> Iterator[GrpcServer]:
    with serving("--reflection") as found:
        yield found


def write(folder: Path, project: str, server: GrpcServer, http: str = "", how: str = "reflection: true") -> None:
    filled = project.replace("GRPC", server.url).replace("HTTP", http or "http://127.0.0.1:1").replace("HOW", how)
    (folder / "loadgate.yml").write_text(filled.replace("RATE", "0.5"))


def files(folder: Path) -> str:
    """The project's own copies of the `.proto` files, as `target.grpc` names them."""
    for place, sources in (
        (folder, [GREETER]),
        (folder / "parts", [one for one in PROTOS.glob("*.proto") if one != GREETER]),
    ):
        place.mkdir(exist_ok=True)
        for source in sources:
            (place / source.name).write_text(source.read_text())
    return "proto: greeter.proto, proto_path: parts"


def run(folder: Path, *more: str) -> Done:
    return loadgate("run", *more, "--out", "out", cwd=folder, timeout=60)


def record(folder: Path) -> Run:
    (path,) = (folder / "out").rglob("run.json*")
    return read_run(path)


def counts(found: Run, metric: str = "grpc_reqs") -> dict[str, int]:
    """Calls by step, status and whether it was expected."""
    totals: dict[str, int] = {}
    for series in found.series:
        if series.metric.name == metric and isinstance(series.total, CounterTally):
            key = f"{series.tags['name']} {series.tags.get('status', '')} {series.tags.get('expected_response', '')}"
            totals[key.strip()] = totals.get(key.strip(), 0) + int(series.total.total)
    return totals


@pytest.mark.slow
@pytest.mark.parametrize("from_files", [False, True])
def test_a_mixed_run_of_steps(tmp_path: Path, server: GrpcServer, from_files: bool) -> None:
    with graphql_server() as http:
        write(tmp_path, STEPS, server, http.url, files(tmp_path) if from_files else "reflection: true, shared: true")
        done = run(tmp_path, "quick")
    assert done.code == 0, done.out + done.err
    for row in ("http GET /plain", "grpc hello", "grpc capture", "grpc missing"):
        assert row in done.out
    found = record(tmp_path)
    service = "test.greeter.Greeter"
    assert counts(found) == {
        "hello OK true": 20,
        "capture OK true": 20,
        f"{service}/Count OK true": 20,
        f"{service}/Collect OK true": 20,
        f"{service}/Chat OK true": 20,
        "meant NOT_FOUND true": 20,
        "missing NOT_FOUND false": 20,
    }
    assert sum(counts(found, "grpc_streams_msgs_sent").values()) == 20 * (1 + 3 + 2)
    assert sum(counts(found, "grpc_streams_msgs_received").values()) == 20 * (3 + 1 + 2)
    assert {(error.kind, error.step) for error in found.errors} == set()
    groups = {series.tags.get("group") for series in found.series if series.tags.get("name") == f"{service}/Chat"}
    assert groups == {"::streams"}


@pytest.mark.slow
def test_a_budget_of_grpc_fails_a_run(tmp_path: Path, server: GrpcServer) -> None:
    with graphql_server() as http:
        write(tmp_path, STEPS.replace("RATE", "0.05"), server, http.url)
        done = run(tmp_path, "quick")
    assert done.code == 1, done.out + done.err
    assert "grpc" in done.out


@pytest.mark.slow
def test_a_script_makes_calls(tmp_path: Path, server: GrpcServer) -> None:
    (tmp_path / "load.py").write_text(SCRIPT)
    with graphql_server() as http:
        write(tmp_path, 'target: {url: "HTTP", grpc: "GRPC"}\n', server, http.url)
        done = run(tmp_path, "load.py", "--iterations", "6", "--vus", "2", "--threshold", "checks: rate==1")
    assert done.code == 0, done.out + done.err
    found = record(tmp_path)
    assert counts(found) == {"hello OK true": 6, "missing NOT_FOUND true": 6, "test.greeter.Greeter/Chat OK true": 6}
    tags = [series.tags.get("group", "") for series in found.series if series.metric.name == "grpc_reqs"]
    assert sorted(tags) == ["", "", "::hellos"]


WRONG = """
target: {grpc: {url: "GRPC", HOW}}
scenarios:
  greet:
    steps:
      - grpc: test.greeter.Greeter/SayHelo
      - grpc: test.greeter.Greter/SayHello
      - grpc: test.greeter.Greeter/SayHello
        name: fields
        message: {nme: x, count: many, name: "${vu}"}
      - grpc: test.greeter.Greeter/Count
        message: [{name: a}]
"""


def told(done: Done) -> None:
    assert done.code == 2, done.out + done.err
    for message, place, advice in (
        ("service test.greeter.Greeter has no method `SayHelo`", "loadgate.yml:6:15", "did you mean `SayHello`?"),
        ("no service `test.greeter.Greter`", "loadgate.yml:7:15", "did you mean `test.greeter.Greeter`?"),
        ("test.greeter.Request has no field `nme`", "loadgate.yml:10:19", "did you mean `name`?"),
        ("`count` takes a whole number of 32 bits, not `many`", "loadgate.yml:10:27", "in step `fields`"),
        ("takes one message, not a list", "loadgate.yml:12:9", "client-streaming"),
    ):
        assert message in done.err, done.err
        assert place in done.err, done.err
        assert advice in done.err, done.err


def test_reflection_finds_what_does_not_fit_before_there_is_load(tmp_path: Path, server: GrpcServer) -> None:
    write(tmp_path, WRONG, server)
    told(run(tmp_path, "--iterations", "1"))
    assert not list((tmp_path / "out").rglob("run.json*"))


def test_check_holds_steps_against_proto_files(tmp_path: Path, server: GrpcServer) -> None:
    write(tmp_path, WRONG, server, how=files(tmp_path))
    told(loadgate("check", cwd=tmp_path))


def test_a_wrong_method_in_a_script_is_shown_in_its_place(tmp_path: Path, server: GrpcServer) -> None:
    (tmp_path / "load.py").write_text(SCRIPT.replace('SayHello"', 'SayHelo"').replace("stream(", "unary("))
    write(tmp_path, 'target: {grpc: "GRPC"}\n', server)
    done = run(tmp_path, "load.py", "--iterations", "1")
    assert (done.code, done.err.count("load.py:4:10")) == (2, 2), done.out + done.err
    assert "did you mean `SayHello`?" in done.err
    assert "`test.greeter.Greeter/Chat` is bidi-streaming" in done.err
    assert "load.py:15:33" in done.err


def test_a_server_that_cannot_be_asked_is_told_of_before_there_is_load(tmp_path: Path) -> None:
    with serving() as silent:
        write(tmp_path, WRONG, silent)
        done = run(tmp_path, "--iterations", "1")
    assert (done.code, "offers no reflection" in done.err) == (2, True), done.err
    assert "loadgate.yml:2:10" in done.err


@pytest.mark.slow
def test_a_server_that_is_gone_is_named_with_what_was_tried(tmp_path: Path) -> None:
    with serving() as gone:
        write(tmp_path, WRONG, gone)
    done = run(tmp_path, "--iterations", "1")
    assert done.code == 3, done.err
    assert f"no gRPC server answered at 127.0.0.1:{gone.port} within 5 s" in done.err
    assert "refused" in done.err
    assert "tries)" in done.err


@pytest.mark.slow
def test_without_a_grpc_target_there_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "loadgate.yml").write_text("scenarios: {main: {steps: [{grpc: a.B/C}, {grpc: a.B/D}]}}\n")
    done = run(tmp_path, "--iterations", "1")
    assert (done.code, done.err.count("there is no gRPC target for this call")) == (2, 1), done.err
    (tmp_path / "loadgate.yml").unlink()
    (tmp_path / "load.py").write_text(SCRIPT)
    done = run(tmp_path, "load.py", "--iterations", "1")
    assert (done.code, done.err.count("there is no gRPC target for this call")) == (2, 1), done.err


@pytest.mark.parametrize("from_files", [False, True])
def test_without_the_extra_there_is_a_clear_error(tmp_path: Path, server: GrpcServer, from_files: bool) -> None:
    write(tmp_path, WRONG, server, how=files(tmp_path) if from_files else "reflection: true")
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import sys\nfor name in ('grpc', 'grpc_tools', 'grpc_reflection', 'google.protobuf'):\n    sys.modules[name] = None\n"
    )
    done = loadgate("run", "--iterations", "1", cwd=tmp_path, env={"PYTHONPATH": str(hidden)})
    assert done.code == 2, done.out + done.err
    assert "packages that are not installed" in done.err
    assert "pip install loadgate[grpc]" in done.err
    assert "loadgate.yml:2:10" in done.err


def test_runs_without_grpc_do_not_import_it(tmp_path: Path) -> None:
    (tmp_path / "loadgate.yml").write_text(
        "target: {url: 'http://127.0.0.1:1'}\nscenarios: {main: {steps: [{get: /}]}}\n"
    )
    code = "import sys; from loadgate.plan import every_plan; from pathlib import Path; import os\n"
    code += "every_plan(Path('loadgate.yml'), os.environ)\n"
    code += "sys.exit('google.protobuf' in sys.modules or 'loadgate.clients.grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), timeout=30).returncode == 0


@pytest.mark.parametrize(
    ("how", "schema", "left"),
    [
        (
            "reflection: true",
            "introspect",
            ["methods and messages of gRPC calls", "GraphQL queries against the schema"],
        ),
        (f"proto: {GREETER}", "", []),
    ],
)
def test_check_says_what_only_the_target_could_tell(tmp_path: Path, how: str, schema: str, left: list[str]) -> None:
    graphql = f", graphql: {{schema: {schema}}}" if schema else ""
    (tmp_path / "loadgate.yml").write_text(
        f"target: {{url: 'http://127.0.0.1:1', grpc: {{url: '127.0.0.1:1', {how}}}{graphql}}}\n"
        "scenarios: {s: {steps: [{grpc: test.greeter.Greeter/SayHello}, {graphql: '{a}'}]}}\n"
    )
    done = loadgate("check", cwd=tmp_path)
    assert done.code == 0, done.err
    said = [line.strip() for line in done.out.splitlines() if "not checked" in line]
    assert said == [f"not checked here: {what}, for which the target would have to be asked" for what in left]
