from __future__ import annotations

from pathlib import Path

import pytest

from loadgate.config.project import parse_project
from loadgate.config.start import ReadySpec, StartSpec, Watched, WatchSpec, start_from_flag, watch_from_flag
from loadgate.config.target import TargetSpec
from loadgate.errors import ConfigError

HERE = Path(__file__).parent


def target(text: str, **env: str) -> TargetSpec:
    return parse_project(f"target: {{url: 'http://127.0.0.1:1', {text}}}", HERE / "loadgate.yml", env).target


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        target(text)
    assert all(problem.span is not None for problem in caught.value.problems)
    return [problem.message for problem in caught.value.problems]


def test_a_command_is_words_and_runs_in_the_folder_of_its_file() -> None:
    assert target("start: 'node \"a b.js\" --port 1'").start == StartSpec(("node", "a b.js", "--port", "1"), HERE)
    assert target("start: [node, 'a;b', '']").start == StartSpec(("node", "a;b", ""), HERE)


def test_all_of_it() -> None:
    spec = target(
        "start: {command: 'app ${env.PORT}', folder: golden, env: {KEY: '${env.KEY}'}}, "
        "ready: {path: /health, status: [200, 204], within: 5s}, stop: 3s, watch: {container: web, every: 500ms}",
        PORT="80",
        KEY="secret",
    )
    assert spec.start == StartSpec(("app", "80"), HERE / "golden", {"KEY": "secret"})
    assert spec.ready == ReadySpec("/health", (200, 204), 5.0)
    assert (spec.stop, spec.watch) == (3.0, WatchSpec(Watched.CONTAINER, "web", 0.5))
    assert "secret" not in repr(spec)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("start: 'a && b'", "`start` in `target`: `&&` is for a shell"),
        ("start: 'a \"b'", "`start` in `target`: a quotation mark is not closed"),
        ("start: ''", "`start` in `target`: there is no program in it"),
        (
            "start: 'PORT=1 app'",
            "`start` in `target`: `PORT=...` before a command is for a shell; give variables under `env`",
        ),
        ("start: []", "`start` in `target` must be a command"),
        ("start: {folder: golden}", "`command` is missing in `start` in `target`"),
        ("start: {command: app, folder: nowhere}", "`folder` in `start` in `target` must be a folder"),
        ("start: app, ready: health", "`ready` in `target` must be a path that begins with /"),
        ("start: app, ready: {status: 99}", "`status` in `ready` in `target` must be an HTTP status"),
        ("ready: /health", "`ready` without `start` in `target`"),
        ("stop: 3s", "`stop` without `start` in `target`"),
        ("watch: {every: 1s}", "nothing to watch in `target`"),
        ("watch: {pid: web}", "`pid` in `watch` must be a process id"),
        ("watch: {pid: 1, unit: web}", "`watch` has more than one thing to watch"),
        ("start: app, watch: {every: 1ms}", "`every` in `watch` is too short"),
    ],
)
def test_a_mistake_is_one_problem_with_its_place(text: str, message: str) -> None:
    assert problems(text) == [message]


def test_any_reply_will_do_unless_a_path_or_a_status_is_given() -> None:
    statuses = (0, 200, 302, 404, 503)
    assert [status for status in statuses if ReadySpec().accepts(status)] == [200, 302, 404]
    assert [status for status in statuses if ReadySpec("/health").accepts(status)] == [200, 302]
    assert [status for status in statuses if ReadySpec("/", (503,)).accepts(status)] == [503]


def test_flags() -> None:
    assert start_from_flag("sh -c 'a && b'") == StartSpec(("sh", "-c", "a && b"))
    assert watch_from_flag("unit:web.service") == WatchSpec(Watched.UNIT, "web.service")
    for wrong in ("4711", "pid:web", "pdi:1", "pid:"):
        with pytest.raises(ConfigError, match="--watch"):
            watch_from_flag(wrong)
    with pytest.raises(ConfigError, match="is for a shell"):
        start_from_flag("a | b")
