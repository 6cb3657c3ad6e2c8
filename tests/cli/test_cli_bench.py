"""`loadgate bench` as a person has it: real programs, real loads, and what each outcome leaves with."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from loadgate.measure.tally import CounterTally
from loadgate.record.file import read_run
from loadgate.record.run import Run, RunState
from loadgate.record.verdict import Word
from tests.support.command import Done, loadgate, read_json, start, until
from tests.support.processes import with_word
from tests.support.target import running_target
from tests.target.serving import serving

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found in /proc")

SERVICE = Path(__file__).parent.parent / "support" / "service.py"
QUICK = "bench: {starts: {least: 2, most: 2, requests: 5}, warmup: 0}\n"


class Bench:
    """A folder with a project whose target is the service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.mark = f"--account={folder / 'account.json'}"

    def command(self, *options: str) -> list[str]:
        return [sys.executable, "-S", "-E", str(SERVICE), str(self.port), self.mark, *options]

    def write(self, *options: str, more: str = QUICK, target: str = "") -> None:
        self.folder.joinpath("loadgate.yml").write_text(
            f"target: {{url: '{self.url}', start: {json.dumps(self.command(*options))}, stop: 5s{target}}}\n{more}"
        )

    def run(self, *arguments: str | Path, store: bool = False, timeout: float = 60.0) -> Done:
        kept = () if store else ("--store", "none")
        done = loadgate("bench", *kept, *arguments, cwd=self.folder, timeout=timeout)
        assert self.nothing_is_left()
        return done

    @property
    def record(self) -> Run:
        return read_run(self.folder / "loadgate-out")

    @property
    def account(self) -> dict[str, Any]:
        found: dict[str, Any] = read_json(self.folder / "account.json")
        return found

    def nothing_is_left(self) -> bool:
        return not with_word(self.mark)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def medians(run: Run) -> dict[str, float]:
    return {" ".join(filter(None, each.series[:2])): each.spread.median for each in run.repeated}


def words(text: str) -> str:
    return " ".join(text.split())


# -- what it measures


@pytest.mark.slow
def test_with_nothing_said_it_measures_our_own_target(bench: Bench) -> None:
    done = bench.run("--starts", "3")
    assert (done.code, done.last.split()[0]) == (0, "PASS"), done.out + done.err
    assert "7 loads one after another" in done.out
    assert {each.spread.count for each in bench.record.repeated} == {3}
    assert re.search(r"GET /bytes/N, 1,000 B, 200/s +400 +200/s", done.out), done.out
    assert not with_word("--http-port")


@pytest.mark.slow
def test_a_program_is_started_again_and_again(bench: Bench) -> None:
    command = " ".join(bench.command("--open-after", "0.1", "--reply-after", "0.01"))
    bench.folder.joinpath("loadgate.yml").write_text("bench: {starts: {requests: 5}}\n")
    done = bench.run("--start", command, "--url", bench.url, "--starts", "3", "--summary", "s.json")
    assert (done.code, done.last.split()[0]) == (0, "PASS"), done.out + done.err
    assert "no budget was set; 7 figures repeated" in done.last
    assert "measured 3 times each, after 1 to warm up" in done.out
    run, found = bench.record, medians(bench.record)
    assert (run.state, run.loads, run.definition.profile) == (RunState.COMPLETE, (), "bench")
    assert 100.0 < found["target_port_open"] <= found["target_startup_time"] < 5_000.0
    assert 10.0 <= found["target_first_request"] < 1_000.0
    assert 10.0 <= found["target_warm_request"] < 1_000.0
    assert 5e6 < found["target_startup_memory"] <= found["target_loaded_memory"] < 60e6
    assert 0.0 < found["target_shutdown_time"] < 5_000.0
    rows = {row["metric"]: row for row in read_json(bench.folder / "s.json")["repeated"]}
    assert set(rows) == set(found)
    assert rows["target_startup_time"]["median"] == pytest.approx(found["target_startup_time"], rel=1e-4)
    assert rows["target_startup_time"]["count"] == 3
    # the first request, and then the warm ones, each start with its own question whether it is ready
    assert bench.account["requests"] >= 1 + 1 + 5


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash says when it was started")
def test_a_start_up_of_250_ms_is_known_within_5_ms(bench: Bench) -> None:
    """The 250 ms begin when bash can say what time it is, and Python starts within them: what bash takes is measured here."""
    command = ["bash", "-c", 'exec "$@" --since $EPOCHREALTIME', "bash", *bench.command("--open-after", "0.25")]
    bench.folder.joinpath("loadgate.yml").write_text(
        f"target: {{url: '{bench.url}', start: {json.dumps(command)}}}\n"
        "bench: {starts: {least: 15, most: 15, requests: 0}}\n"
    )
    done = bench.run()
    assert done.code == 0, done.out + done.err
    first = median(until_bash_knows_the_time() for _ in range(15))
    waited = (bench.account["opened"] - bench.account["begun"]) * 1e3
    assert waited == pytest.approx(250.0, abs=5.0)
    assert medians(bench.record)["target_port_open"] == pytest.approx(first + waited, abs=5.0)


def until_bash_knows_the_time() -> float:
    """Milliseconds from its start."""
    begun = time.time()
    done = subprocess.run(["bash", "-c", "echo $EPOCHREALTIME"], capture_output=True, text=True, check=True)
    return (float(done.stdout) - begun) * 1e3


@pytest.mark.slow
def test_latency_by_size_of_a_target_that_runs_already(bench: Bench) -> None:
    with running_target(process=True) as url:
        sizes = ("--size", "10", "--size", "2000", "--rate", "20/s", "--duration", "500ms")
        done = bench.run("--url", url, "--size-request", "POST /echo", *sizes)
    assert done.code == 0, done.out + done.err
    run = bench.record
    assert run.repeated == () and run.subject is None
    names = [f"POST /echo, {size} B, {how}" for size in ("10", "2,000") for how in ("closed loop", "20/s")]
    assert [row for row in names if row in done.out] == names
    for name, size in zip(names, (10, 10, 2000, 2000), strict=True):
        sent, requests = run.total("data_sent", {"name": name}), run.total("http_reqs", {"name": name})
        assert isinstance(sent, CounterTally) and isinstance(requests, CounterTally)
        assert size + 60 < sent.total / requests.total < size + 250, "its body and its head"
    at_rate = run.total("http_reqs", {"name": names[1]})
    assert isinstance(at_rate, CounterTally) and at_rate.total == 10
    assert re.search(r"POST /echo, 2,000 B, 20/s +10 +(19|20)\.\d/s", done.out), done.out


@pytest.mark.slow
def test_latency_by_size_of_every_protocol(bench: Bench) -> None:
    load, query = "bytes: [50, 2000], duration: 300ms", "query Post($id: ID!) { post(id: $id) { id } }"
    with serving() as urls:
        bench.folder.joinpath("loadgate.yml").write_text(
            f"target: {{url: '{urls['http']}', grpc: '{urls['grpc']}', graphql: '{urls['graphql']}'}}\n"
            "bench:\n"
            "  sizes:\n"
            f"    - {{request: POST /echo, {load}}}\n"
            f'    - {{grpc: mockforge.greeter.Greeter/SayHello, message: {{name: "${{payload}}"}}, {load}}}\n'
            f"    - {{graphql: '{query}', variables: {{id: '${{payload}}'}}, {load}}}\n"
            f"    - {{ws: '{urls['websocket']}', name: echo, binary: true, rates: 40/s, vus: 2, {load}}}\n"
            "budgets:\n"
            "  grpc: {p50_latency_ms: 9000}\n  graphql: {max_error_rate: 0}\n  websocket: {message_latency_ms: 9000}\n"
            "  steps:\n"
            "    'echo, 2,000 B, 40/s': {p50_latency_ms: 9000}\n"
            "    'query Post, 50 B, closed loop': {max_latency_ms: 9000}\n"
        )
        done = bench.run("--summary", "s.json")
    assert done.code == 0, done.out + done.err
    assert done.last.startswith("PASS  all 5 budgets hold"), done.last
    run = bench.record
    assert not run.errors
    counts = {"http": "http_reqs", "grpc": "grpc_reqs", "graphql": "graphql_reqs", "websocket": "ws_messages"}
    titles = {
        "POST /echo": "http",
        "mockforge.greeter.Greeter/SayHello": "grpc",
        "query Post": "graphql",
        "echo": "websocket",
    }
    for title, protocol in titles.items():
        sizes = {}
        for size in ("50", "2,000"):
            tags = {"name": f"{title}, {size} B, closed loop"}
            sent, requests = run.total("data_sent", tags), run.total(counts[protocol], tags)
            assert isinstance(sent, CounterTally) and isinstance(requests, CounterTally), (title, size)
            sizes[size] = sent.total / requests.total
        assert sizes["2,000"] - sizes["50"] == pytest.approx(1950.0, abs=30.0), "messages, and a little for lengths"
        row = rf"^ +{protocol} .*50 B, closed loop "  # how much of a long name there is room for depends on the figures
        assert re.search(row, done.out, re.MULTILINE), done.out
    at_rate, sessions = run.total("ws_messages", {"name": "echo, 50 B, 40/s"}), run.total("ws_sessions")
    assert isinstance(at_rate, CounterTally) and at_rate.total == 12
    assert isinstance(sessions, CounterTally)
    users = sum(
        load.vus for load in run.loads if load.name.startswith("echo, ") and load.start >= run.definition.warmup
    )
    assert 5 <= sessions.total <= users < at_rate.total, "a session a user, not one a message"
    summary = read_json(bench.folder / "s.json")
    assert set(summary["steps"]["echo, 50 B, 40/s"]) >= {"ws_messages", "ws_message_duration"}


@pytest.mark.slow
def test_functions_and_commands(bench: Bench) -> None:
    bench.folder.joinpath("benchmarks.py").write_text(
        "from loadgate import User, benchmark\n\n"
        "@benchmark(group='sum', params={'n': [10, 10000]})\ndef add(n: int) -> None:\n    sum(range(n))\n\n"
        "@benchmark\nasync def health(user: User) -> None:\n    await user.http.get('/health')\n"
    )
    with running_target(process=True) as url:
        done = bench.run(
            "benchmarks.py", "--url", url, "--command", f"nothing={sys.executable} -S -c pass", "--time", "1500ms"
        )
    assert done.code == 0, done.out + done.err
    run, found = bench.record, medians(bench.record)
    assert run.loads == ()
    assert 20.0 * found["sum/add/10 benchmark_time"] < found["sum/add/10000 benchmark_time"]
    assert found["health benchmark_time"] > 10_000.0, "nanoseconds"
    assert 1.0 < found["nothing command_time"] < 2_000.0
    assert found["nothing command_cpu"] <= 1.2 * found["nothing command_time"]
    for name in ("sum/add/10 ", "sum/add/10000", "health ", "nothing "):
        assert name in done.out
    assert not re.search("generator|nothing was measured|iterations", done.out)


@pytest.mark.slow
def test_everything_at_once(bench: Bench) -> None:
    bench.folder.joinpath("b.py").write_text("from loadgate import benchmark\n\n@benchmark\ndef f() -> None: pass\n")
    command = json.dumps([sys.executable, "-S", "-c", "pass"])
    bench.write(
        more="bench:\n  starts: {least: 2, most: 3, requests: 5}\n  warmup: 0\n  time: 1s\n  interval: 50%\n"
        "  sizes: {request: POST /, bytes: [5], duration: 300ms}\n  script: b.py\n"
        f"  commands: {{empty: {command}}}\n"
        "budgets:\n  startup: {max_time_ms: 9000}\n  http: {p50_latency_ms: 9000}\n"
        "  resources: {cpu_us_per_request: 99999}\n  benchmarks: {f: {max_time_ms: 9000}}\n"
    )
    done = bench.run()
    assert done.code == 0, done.out + done.err
    assert done.last.startswith("PASS  all 4 budgets hold; "), done.last
    run = bench.record
    found = medians(run)
    assert {"target_startup_time", "target_shutdown_time", "f benchmark_time", "empty command_time"} <= set(found)
    assert len(found) == len(run.repeated), "the start for the load does not count again"
    assert 2 <= next(each for each in run.repeated if each.series.metric == "target_startup_time").spread.count <= 3
    assert run.subject is not None and {each.metric.name for each in run.series} >= {"http_reqs", "target_cpu"}


@pytest.mark.slow
def test_how_often_and_how_long_is_as_it_was_said(bench: Bench) -> None:
    bench.write(more="bench: {starts: {least: 2, most: 50, requests: 0}, warmup: 2, interval: 0.001%, time: 1s}\n")
    done = bench.run()
    assert done.code == 0, done.out + done.err
    assert "start-up: to be measured 2 to 50 times, after 2 to warm up, none begun after 1s" in done.err
    first = bench.record.repeated[0]
    assert first.warmups == 2 and 1 <= first.spread.count < 50
    bench.write(more="bench: {starts: {least: 2, most: 3, requests: 0}, interval: 0.001%}\n")
    assert bench.run().code == 0
    assert bench.record.repeated[0].spread.count == 3
    assert not next(each for each in bench.record.repeated if each.series.metric == "target_startup_time").settled


# -- what is planted breaks its own budget, and no other


def broken(bench: Bench) -> list[str]:
    return [f"{each.group} {each.key}" for each in bench.record.budgets if each.word is not Word.PASS]


@pytest.mark.slow
def test_a_leak_of_40_megabytes_breaks_the_budget_of_memory(bench: Bench) -> None:
    bench.write()
    assert bench.run().code == 0
    usual = medians(bench.record)
    budgets = (
        f"budgets: {{startup: {{max_time_ms: {3.0 * usual['target_startup_time'] + 500.0:.1f}, "
        f"max_memory_mb: {1.25 * usual['target_startup_memory'] / 1e6:.3f}}}, shutdown: {{max_time_ms: 2000}}}}\n"
    )
    bench.write(more=QUICK + budgets)
    done = bench.run()
    assert (done.code, broken(bench)) == (0, []), done.out + done.err
    assert done.last.startswith("PASS  all 3 budgets hold; 7 figures repeated")
    bench.write("--hold", "40000000", more=QUICK + budgets)
    done = bench.run()
    assert (done.code, broken(bench)) == (1, ["startup max_memory_mb"]), done.out + done.err
    assert done.last.startswith("FAIL  budget startup max_memory_mb: ") and done.last.endswith("exit 1")
    assert medians(bench.record)["target_startup_memory"] - usual["target_startup_memory"] == pytest.approx(
        4e7, rel=0.1
    )


@pytest.mark.slow
def test_a_start_up_twice_as_slow_breaks_the_budget_of_time(bench: Bench) -> None:
    more = "bench: {starts: {least: 5, most: 5, requests: 5}}\n"
    bench.write("--open-after", "0.4", more=more)
    assert bench.run().code == 0
    usual = medians(bench.record)
    more += (
        f"budgets: {{startup: {{max_time_ms: {1.25 * usual['target_startup_time'] + 20.0:.1f}, "
        f"first_request_ms: {3.0 * usual['target_first_request'] + 20.0:.2f}, "
        f"max_memory_mb: {1.25 * usual['target_startup_memory'] / 1e6:.3f}}}}}\n"
    )
    bench.write("--open-after", "0.4", more=more)
    done = bench.run()
    assert (done.code, broken(bench)) == (0, []), done.out + done.err
    bench.write("--open-after", "0.8", more=more)
    done = bench.run()
    assert (done.code, broken(bench)) == (1, ["startup max_time_ms"]), done.out + done.err
    assert done.last.startswith("FAIL  budget startup max_time_ms: ")


@pytest.mark.slow
def test_30_percent_more_cpu_at_equal_latency_breaks_the_budget_of_cpu(bench: Bench) -> None:
    def run(work: str, budgets: str = "") -> Done:
        more = f"scenarios: {{a: {{steps: [{{get: /}}]}}}}\nprofiles: {{p: {{vus: 2, duration: 3s}}}}\n{budgets}"
        bench.write("--work", work, "--reply-after", "0.02", more=more)
        done = loadgate("run", "--store", "none", cwd=bench.folder)
        assert bench.nothing_is_left()
        return done

    def per_request() -> float:
        cpu, requests = bench.record.total("target_cpu"), bench.record.total("http_reqs")
        assert isinstance(cpu, CounterTally) and isinstance(requests, CounterTally)
        return cpu.total / requests.total * 1e6

    assert run("0.0010").code == 0
    usual = per_request()
    assert usual > 1000.0
    budgets = (
        f"budgets: {{resources: {{cpu_us_per_request: {1.15 * usual:.1f}, max_memory_mb: 100}}, "
        "http: {p50_latency_ms: 30, p95_latency_ms: 60, max_error_rate: 0}, startup: {max_time_ms: 5000}}\n"
    )
    done = run("0.0010", budgets)
    assert (done.code, broken(bench)) == (0, []), done.out + done.err
    done = run("0.0013", budgets)
    assert (done.code, broken(bench)) == (1, ["resources cpu_us_per_request"]), done.out + done.err
    assert done.last.startswith("FAIL  budget resources cpu_us_per_request: ")


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "code", "word"), [("", 3, "INVALID"), ("missing: unsure, ", 4, "UNSURE")])
def test_a_budget_on_what_was_never_measured_is_no_pass(bench: Bench, policy: str, code: int, word: str) -> None:
    bench.write(more=QUICK + f"budgets: {{{policy}http: {{p95_latency_ms: 500}}, startup: {{max_time_ms: 9000}}}}\n")
    done = bench.run()
    assert (done.code, done.last.split()[0]) == (code, word), done.out + done.err
    assert "budget http p95_latency_ms was never measured" in words(done.out)
    assert broken(bench) == ["http p95_latency_ms"]


@pytest.mark.slow
def test_check_finds_what_bench_would(bench: Bench) -> None:
    text = (
        "target: {url: 'http://127.0.0.1:1', grpc: {url: '127.0.0.1:1', reflection: false}}\n"
        "bench:\n  commands: {one: a}\n  sizes:\n    - {request: POST /echo}\n"
        "    - {grpc: a.B/C, message: {name: '${payload}'}}\n"
    )
    project = bench.folder / "loadgate.yml"
    project.write_text(text)
    for command in ("check", "bench"):
        done = loadgate(command, cwd=bench.folder)
        assert done.code == 2 and "nothing is known of this method's messages" in done.err
        assert "loadgate.yml:6:14" in done.err
    project.write_text(text.partition("    - {grpc")[0])
    done = loadgate("check", cwd=bench.folder)
    assert (done.code, done.last) == (0, "    bench: latency by size of POST /echo; commands one")
    project.write_text(text.partition("bench:")[0] + "bench: {starts: off}\n")
    assert loadgate("check", cwd=bench.folder).code == 0, "flags may say what is measured"


# -- against an earlier bench


@pytest.mark.slow
def test_a_command_that_became_twice_as_slow_fails_and_is_measured_again(bench: Bench) -> None:
    script = bench.folder / "work.py"
    script.write_text("import time; time.sleep(0.05)")
    bench.folder.joinpath("loadgate.yml").write_text(
        f"bench: {{commands: {{work: [{sys.executable}, -S, -E, {script}]}}, time: 4s, interval: 10%}}\n"
        'gate: {limits: {"*": {change: 40%, floor: 10}}}\n'
    )
    assert bench.run("-q", store=True).code == 0
    saved = loadgate("baseline", "save", "main", cwd=bench.folder)
    assert saved.code == 0, saved.err
    same = bench.run("--baseline", "main", store=True)
    assert same.code == 0, same.out + same.err
    assert same.last.startswith("PASS  no figure is worse than main"), same.last
    script.write_text("import time; time.sleep(0.1)")
    slower = bench.run("--baseline", "main", store=True)
    assert (slower.code, slower.last.split()[0]) == (1, "FAIL"), slower.out + slower.err
    assert "suspected to be worse than the baseline: measuring again, bench 1 of" in slower.err
    assert "work" in slower.last and "command_time" in words(slower.out)
    assert (bench.folder / "loadgate-out" / "confirm-1" / "run.json").is_file()
    shown = loadgate("report", "loadgate-out", cwd=bench.folder)
    assert shown.out.rstrip().endswith("exit 1") and "command_time of work is worse than main" in shown.out, shown.err
    listed = loadgate("history", "list", cwd=bench.folder)
    assert listed.code == 0 and listed.out.count("bench") >= 3, listed.out


# -- what goes wrong


def at_third(bench: Bench, what: str, least: int = 2) -> None:
    """A project whose target is the service, but for its third start: then it is the shell's `what`."""
    count, script = bench.folder / "count", bench.folder / "run.sh"
    script.write_text(
        f"echo >> {count}\nif [ $(wc -l < {count}) -eq 3 ]; then {what}; fi\nexec {' '.join(bench.command())}\n"
    )
    bench.folder.joinpath("loadgate.yml").write_text(
        f"target: {{url: '{bench.url}', start: [sh, {script}]}}\n"
        f"bench:\n  starts: {{least: {least}, most: {least}, requests: 5}}\n  warmup: 0\n"
    )


@pytest.mark.slow
def test_a_program_that_dies_at_its_third_start(bench: Bench) -> None:
    at_third(bench, "echo no more cheese; exit 9", least=10)
    done = bench.run()
    assert done.code == 3, done.out + done.err
    assert "start 3: the target ended before it was ready: exit code 9, and it printed:" in done.err
    assert "no more cheese" in done.err
    run = bench.record
    assert run.verdict.word is Word.INVALID and "start 3" in run.verdict.reasons[0]
    assert {each.spread.count for each in run.repeated} == {2}, "what was measured before is kept"
    shown = loadgate("report", "loadgate-out", cwd=bench.folder)
    assert (
        shown.out.rstrip()
        .splitlines()[-1]
        .startswith("INVALID  start 3: the target ended before it was ready: exit code 9 ")
    )


@pytest.mark.slow
def test_a_program_that_dies_while_it_is_asked(bench: Bench) -> None:
    bench.write("--die-after", "4")
    done = bench.run()
    assert done.code == 3
    assert "start 1: the target ended while it was asked: exit code 7, and it printed:" in done.err
    assert "fatal: out of cheese" in done.err


@pytest.mark.slow
def test_a_first_request_that_fails(bench: Bench) -> None:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = bench.run(
        *("--start", f"{sys.executable} -m loadgate serve --http-port {port}", "--url", f"http://127.0.0.1:{port}"),
        *("--request", "GET /not/there?token=hidden", "--starts", "1"),
    )
    assert done.code == 3
    assert "start 1: GET /not/there" in done.err and "failed just after the target was ready: status 404" in done.err
    assert "--request" in done.err and "hidden" not in done.err
    assert not with_word(f"--http-port\0{port}")


@pytest.mark.slow
def test_something_that_listens_there_already(bench: Bench) -> None:
    bench.write()
    with closing(socket.create_server(("127.0.0.1", bench.port))):
        done = bench.run()
    assert done.code == 3
    assert "already, before the target was started" in done.err
    assert not (bench.folder / "account.json").exists()


@pytest.mark.slow
def test_a_command_that_fails_after_one_that_does_not(bench: Bench) -> None:
    good, bad = (f"{sys.executable} -S -c '{code}'" for code in ("pass", 'import sys; sys.exit("no cheese")'))
    done = bench.run("--command", f"good={good}", "--command", f"bad={bad}", "--time", "300ms")
    assert done.code == 3
    assert "ended with code 1" in done.err and "| no cheese" in done.err
    assert {each.series.step for each in bench.record.repeated} == {"good"}
    done = bench.run("--command", "bad=./nothing-of-this-name")
    assert done.code == 2
    assert "`./nothing-of-this-name` cannot be started" in done.err


@pytest.mark.slow
def test_a_benchmark_with_a_user_has_the_target_started_for_it(bench: Bench) -> None:
    bench.write(more="bench:\n  starts: off\n  script: b.py\n  warmup: 0\n  time: 1s\n")
    bench.folder.joinpath("b.py").write_text(
        "from loadgate import benchmark\n\n@benchmark\nasync def ask(user):\n    await user.http.get('/', expect=200)\n"
    )
    done = bench.run()
    assert done.code == 0, done.out + done.err
    assert "ask benchmark_time" in medians(bench.record)
    assert bench.nothing_is_left()


@pytest.mark.slow
def test_a_benchmark_that_raises(bench: Bench) -> None:
    script = bench.folder / "b.py"
    script.write_text(
        "from loadgate import benchmark\n\n@benchmark\ndef f() -> None:\n    raise ValueError('no cheese')\n"
    )
    done = bench.run("b.py")
    assert done.code == 3
    assert "benchmark `f` failed: ValueError: no cheese" in done.err and "b.py:5" in done.err


def test_a_script_that_cannot_be_read_is_found_before_anything_is_started(bench: Bench) -> None:
    bench.write()
    (bench.folder / "b.py").write_text("1 +\n")
    done = bench.run("b.py")
    assert done.code == 2
    assert "b.py:1" in done.err
    assert not (bench.folder / "account.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--starts", "0"), "--starts"),
        (("--starts", "5", "--url", "http://127.0.0.1:1"), "--starts without a program to start"),
        (("--start", "app"), "nothing says where it will answer"),
        (("--url", "http://127.0.0.1:1"), "there is nothing to measure"),
        (("--interval", "5"), "--interval: `5` is no percentage above 0"),
        (("--command", "a"), "--command: `a` has no name"),
        (("nothing.py",), "the script nothing.py is not there"),
        (("--summary", "no/where.json"), "cannot write no/where.json"),
        (("--budgets", "nothing.yml"), "nothing.yml"),
    ],
)
def test_wrong_flags_are_refused(bench: Bench, flags: tuple[str, ...], message: str) -> None:
    done = bench.run(*flags)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not (bench.folder / "loadgate-out").exists()


# -- Ctrl-C


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_between_the_starts_keeps_what_was_measured(bench: Bench, number: signal.Signals) -> None:
    bench.write("--leave", more="bench: {starts: {least: 500, most: 500, requests: 5}, warmup: 0}\n")
    process = start("bench", "--store", "none", cwd=bench.folder)
    seen: set[int] = set()

    def several() -> bool:
        try:
            seen.add(bench.account["pid"])
        except (OSError, ValueError):
            pass
        return len(seen) > 3

    try:
        until(several)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 130, out + err
    finally:
        process.kill()
        process.wait()
    assert bench.nothing_is_left()
    assert "interrupted" in out and "exit 130" in out
    run = bench.record
    assert run.state is RunState.INTERRUPTED and run.verdict.word is Word.INVALID
    assert {each.spread.count >= 2 for each in run.repeated} == {True}


@pytest.mark.slow
def test_ctrl_c_before_anything_was_measured(bench: Bench) -> None:
    bench.write("--never", more=QUICK)
    process = start("bench", "--store", "none", cwd=bench.folder)
    try:
        until(lambda: bool(with_word(bench.mark)))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (130, ""), out + err
    finally:
        process.kill()
        process.wait()
    assert "interrupted before anything was measured" in err
    assert bench.nothing_is_left()


@pytest.mark.slow
def test_ctrl_c_in_the_load_keeps_the_starts(bench: Bench) -> None:
    bench.write(
        more="bench: {starts: {least: 2, most: 2, requests: 5}, warmup: 0, "
        "sizes: {request: POST /, bytes: [5], duration: 60s}}\n"
    )
    process = start("bench", "--store", "none", cwd=bench.folder)
    try:
        record = bench.folder / "loadgate-out"
        until(lambda: (record / "run.json").exists() and bool(read_run(record).loads))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 130, out + err
    finally:
        process.kill()
        process.wait()
    assert bench.nothing_is_left()
    run = bench.record
    assert run.state is RunState.INTERRUPTED and run.loads
    assert next(each for each in run.repeated if each.series.metric == "target_startup_time").spread.count == 2


@pytest.mark.slow
def test_ctrl_c_before_the_load_keeps_the_starts(bench: Bench) -> None:
    at_third(bench, f"exec {' '.join(bench.command('--never'))}")
    path = bench.folder / "loadgate.yml"
    path.write_text(path.read_text() + "  sizes: {request: POST /, bytes: [5]}\n")
    process = start("bench", "--store", "none", cwd=bench.folder)
    try:
        until(lambda: any(b"--never" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in with_word(bench.mark)))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 130, out + err
    finally:
        process.kill()
        process.wait()
    assert bench.nothing_is_left()
    assert {each.spread.count for each in bench.record.repeated} == {2}


@pytest.mark.slow
def test_nothing_outlives_a_bench_that_is_killed(bench: Bench) -> None:
    bench.write("--leave", more="bench: {starts: {least: 500, most: 500}}\n")
    process = start("bench", "--store", "none", cwd=bench.folder)
    try:
        until((bench.folder / "account.json").exists)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    until(bench.nothing_is_left)


@pytest.mark.slow
def test_a_bench_that_is_killed_leaves_what_it_had(bench: Bench) -> None:
    bench.write(more="bench: {starts: {least: 50, most: 50, requests: 5}}\n")
    process = start("bench", "--store", "none", cwd=bench.folder)
    record = bench.folder / "loadgate-out" / "run.json"
    try:
        until(record.exists)
    finally:
        process.kill()
        process.communicate()
    run = read_run(record.parent)
    assert (run.state, run.verdict.word) == (RunState.RUNNING, Word.INVALID)
    assert "target_startup_time" in {each.series.metric for each in run.repeated}
    shown = loadgate("report", "loadgate-out", cwd=bench.folder)
    assert "the bench has no end" in " ".join(shown.out.split()), shown.out + shown.err
    until(bench.nothing_is_left)
