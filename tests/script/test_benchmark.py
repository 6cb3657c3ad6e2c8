"""Marking functions as benchmarks, and what their author reads where one cannot be."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loadgate import User
from loadgate.errors import ConfigError, LoadgateError
from loadgate.script.benchmark import Benchmark, benchmark, benchmarks_of, load_benchmarks, load_suite


@pytest.fixture(autouse=True)
def _leave_no_trace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in [name for name in sys.modules if name == "neighbour" or name.startswith("loadgate_script_")]:
        del sys.modules[name]


def written(name: str, source: str) -> Path:
    path = Path(name)
    path.write_text(textwrap.dedent(source))
    return path


def names(function: Callable[..., Any]) -> list[str]:
    return [each.name for each in benchmarks_of(function)]


def test_a_bare_mark_leaves_the_function_as_it_is() -> None:
    @benchmark
    def parse() -> int:
        return 7

    assert parse() == 7
    assert benchmarks_of(parse) == (Benchmark("parse", parse, {}, False),)


def test_names_are_group_function_value() -> None:
    @benchmark(name="read", group="json", params={"size": [100, 1000]})
    def parse(size: int) -> None: ...

    assert [(each.name, each.kwargs) for each in benchmarks_of(parse)] == [
        ("json/read/100", {"size": 100}),
        ("json/read/1000", {"size": 1000}),
    ]


def test_several_parameters_give_every_combination() -> None:
    @benchmark(params={"kind": ["a", "b"], "size": [1, 2.5], "deep": [True]})
    def parse(size: float, kind: str, deep: bool) -> None: ...

    assert names(parse) == ["parse/a/1/True", "parse/a/2.5/True", "parse/b/1/True", "parse/b/2.5/True"]
    assert benchmarks_of(parse)[3].kwargs == {"kind": "b", "size": 2.5, "deep": True}


def test_values_that_have_no_short_text_are_given_a_name() -> None:
    @benchmark(params={"document": {"small": {"a": 1}, "large": {"a": [1] * 50}}})
    def parse(document: object) -> None: ...

    assert names(parse) == ["parse/small", "parse/large"]
    assert benchmarks_of(parse)[0].kwargs == {"document": {"a": 1}}


def test_an_async_function_takes_the_user_first() -> None:
    @benchmark(params={"path": ["users"]})
    async def page(user: User, path: str) -> None: ...

    (found,) = benchmarks_of(page)
    assert (found.name, found.kwargs, found.is_async) == ("page/users", {"path": "users"}, True)


def test_parameters_with_a_default_need_no_values() -> None:
    @benchmark
    def parse(size: int = 3, *rest: int, deep: bool = False, **more: int) -> None: ...

    assert names(parse) == ["parse"]
    assert names(benchmark(params={"any": [1]})(lambda **more: None)) == ["<lambda>/1"]


def no_size() -> None: ...


def sized(size: int) -> None: ...


def strict(size: int, /) -> None: ...


def for_user(user: User) -> None: ...


def generated() -> Iterator[int]:
    yield 1


async def alone() -> None: ...


async def user_only(*, user: User) -> None: ...


async def streamed(user: User) -> Any:
    yield 1


loose: Any = benchmark  # what a type checker would refuse too
MISTAKES: list[tuple[Callable[[], object], str]] = [
    (lambda: benchmark(params={"sise": [1]})(sized), r"`sized` has no parameter `sise`\n.*did you mean `size`\?"),
    (lambda: benchmark(params={"size": [1]})(no_size), r"has no parameter `size`\n.*it takes none"),
    (lambda: benchmark(sized), r"`sized` takes `size`, which has no values\n.*params=\{\"size\": \[...\]\}"),
    (lambda: benchmark(params={"size": []})(sized), r"`size` has no values, so nothing would be measured"),
    (lambda: loose(params={"size": 3})(sized), r"params of `size` must be a list of values, not int"),
    (lambda: benchmark(params={"size": "abc"})(sized), r"must be a list of values, not str"),
    (lambda: benchmark(params={})(sized), r"params must map parameters to lists of values"),
    (lambda: loose(params=[("size", [1])])(sized), r"params must map parameters to lists of values"),
    (lambda: benchmark(params={"size": [1, 1]})(sized), r"`size` has the value 1 twice"),
    (lambda: benchmark(params={"size": [{}]})(sized), r"a dict among the values of `size` has no short name"),
    (lambda: benchmark(params={"size": [" "]})(sized), r"' ' cannot be the value of `size` of a benchmark"),
    (lambda: benchmark(params={"size": range(1001)})(sized), r"has 1,001 combinations of values\n.*the most is"),
    (lambda: benchmark(params={"size": [1]})(strict), r"`strict` has no parameter `size`"),
    (lambda: benchmark(name="")(no_size), r"'' cannot be the name of a benchmark"),
    (lambda: benchmark(name="a\nb")(no_size), r"cannot be the name of a benchmark"),
    (lambda: benchmark(group="")(no_size), r"'' cannot be the group of a benchmark"),
    (lambda: loose(name="x")(3), r"`x` must be a function, and is of type int"),
    (lambda: benchmark(User), r"`User` must be a function, and is a class"),
    (lambda: benchmark(generated), r"`generated` is a generator"),
    (lambda: benchmark(streamed), r"`streamed` is a generator"),
    (lambda: benchmark(for_user), r"takes a user and is not async\n.*write `async def`"),
    (lambda: benchmark(alone), r"`alone` is async and must take the user first\n.*async def alone\(user, ...\)"),
    (lambda: benchmark(user_only), r"is async and must take the user first"),
]


@pytest.mark.parametrize(("mark", "message"), MISTAKES)
def test_what_cannot_be_a_benchmark_says_why(mark: Callable[[], object], message: str) -> None:
    with pytest.raises(LoadgateError) as caught:
        mark()
    assert re.search(message, str(caught.value)), str(caught.value)


def test_a_script_gives_its_benchmarks_in_order_and_those_it_imports() -> None:
    written("neighbour.py", "from loadgate import benchmark\n@benchmark\ndef login(): ...\n")
    path = written(
        "perf.py",
        """
        from loadgate import Trend, benchmark, setup, teardown
        from neighbour import login

        took = Trend("took")

        @setup
        def prepare(): ...

        @teardown
        def clean(): ...

        @benchmark(params={"size": [1, 2]})
        def parse(size): ...

        again = parse
        """,
    )
    suite = load_suite(path)
    assert [each.name for each in suite.benchmarks] == ["login", "parse/1", "parse/2"]
    assert suite.setup is not None and suite.teardown is not None
    assert list(suite.metrics) == ["took"]
    assert load_benchmarks(path)[1].kwargs == {"size": 1}
    assert suite.benchmark("login") is suite.benchmarks[0]
    with pytest.raises(ConfigError, match=r"perf.py has no benchmark `parse/3`") as caught:
        suite.benchmark("parse/3")
    assert caught.value.problems[0].note.startswith("did you mean `parse/")


def test_a_mistake_is_shown_at_its_line() -> None:
    path = written("perf.py", "from loadgate import benchmark\n\n@benchmark\ndef parse(size): ...\n")
    with pytest.raises(ConfigError) as caught:
        load_suite(path)
    assert str(caught.value) == (
        "benchmark `parse` takes `size`, which has no values\n  --> perf.py:3:2\n 3 | @benchmark\n   |  ^^^^^^^^^\n"
        '   = give params={"size": [...]}, or a default\n\n1 error in perf.py, nothing was run'
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n", "perf.py has no benchmark"),
        (
            "from loadgate import benchmark\n@benchmark\ndef a(): ...\n\n@benchmark(name='a')\ndef b(): ...\n",
            r"two benchmarks named `a`: perf.py:2 and perf.py:5",
        ),
        ("from loadgate import setup\n@setup\ndef a(): ...\n@setup\ndef b(): ...\n", "two functions marked as setup"),
        ("x = {}['a']\n", "perf.py cannot be loaded: KeyError: 'a'"),
    ],
)
def test_what_makes_no_suite_is_an_error(source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_suite(written("perf.py", source))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no file nothing.py"):
        load_suite(Path("nothing.py"))
    with pytest.raises(ConfigError, match="is not a file"):
        load_suite(tmp_path)


def test_the_decorator_is_public_whatever_was_imported_before() -> None:
    import loadgate
    import loadgate.bench.timing

    assert loadgate.benchmark is benchmark


def test_writing_a_benchmark_does_not_load_what_runs_it() -> None:
    code = "from loadgate import benchmark, User\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert set(done.stdout.split()).isdisjoint(
        {"numpy", "uvloop", "asyncio", "loadgate.bench", "loadgate.script.loader"}
    )


def test_partial_functions_are_given_a_name() -> None:
    with pytest.raises(LoadgateError, match="'' cannot be the name of a benchmark"):
        benchmark(partial(sized, 1))
    assert names(benchmark(name="sized")(partial(sized, 1))) == ["sized"]
