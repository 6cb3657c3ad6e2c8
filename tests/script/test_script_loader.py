"""Loading a script file, and what its author reads when it cannot be."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgate.errors import ConfigError, LoadgateError
from loadgate.measure.metric import Direction, Kind
from loadgate.script.loader import load_script
from loadgate.script.scenario import scenario, setup

GOOD = """
from loadgate import Trend, csv_data, scenario, setup, teardown
from neighbour import login

options = {"vus": 2, "duration": "1s", "thresholds": {"checks": ["rate>0.9"]}}
took = Trend("checkout_time", time=True, better="lower")
people = csv_data("people.csv")

@setup
def prepare():
    return 1

@teardown
async def clean(user):
    pass

@scenario
async def browse(user):
    pass

@scenario(name="buy it", weight=3, tags={"kind": "write"})
async def buy(user):
    pass
"""

NEIGHBOUR = """
from loadgate import Counter, scenario

logins = Counter("logins", better="higher")

@scenario
async def login(user):
    logins.add(user)
"""


@pytest.fixture(autouse=True)
def _leave_no_trace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in [name for name in sys.modules if name == "neighbour" or name.startswith("loadgate_script_")]:
        del sys.modules[name]


def written(folder: Path, name: str, source: str) -> Path:
    path = folder / name
    path.write_text(textwrap.dedent(source))
    return path


def test_collects_scenarios_hooks_options_and_metrics(tmp_path: Path) -> None:
    written(tmp_path, "neighbour.py", NEIGHBOUR)
    written(tmp_path, "people.csv", "name\nAnn\n")
    script = load_script(written(tmp_path, "load.py", GOOD))
    assert [(item.name, item.weight, dict(item.tags)) for item in script.scenarios] == [
        ("login", 1, {}),
        ("browse", 1, {}),
        ("buy it", 3, {"kind": "write"}),
    ]
    assert script.setup is not None
    assert script.teardown is not None
    assert script.options == {"vus": 2, "duration": "1s", "thresholds": {"checks": ["rate>0.9"]}}
    assert {name: (metric.kind, metric.unit, metric.direction) for name, metric in script.metrics.items()} == {
        "checkout_time": (Kind.TREND, "ms", Direction.LOWER),
        "logins": (Kind.COUNTER, "count", Direction.HIGHER),
    }


def test_only_the_named_scenarios(tmp_path: Path) -> None:
    written(tmp_path, "neighbour.py", NEIGHBOUR)
    written(tmp_path, "people.csv", "name\nAnn\n")
    path = written(tmp_path, "load.py", GOOD)
    assert [item.name for item in load_script(path, ["buy it"]).scenarios] == ["buy it"]
    with pytest.raises(ConfigError, match=r"load.py has no scenario `brwose`") as caught:
        load_script(path, ["brwose"])
    assert caught.value.problems[0].note == "did you mean `browse`?"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (
            "x = 1\nimport loadgate\n\ny = {}['a']\n",
            "load.py cannot be loaded: KeyError: 'a'\n  --> load.py:4:5\n 4 | y = {}['a']\n   |     ^^^^^^^\n",
        ),
        (
            "def f(:\n    pass\n",
            "load.py is not valid Python\n  --> load.py:1:7\n 1 | def f(:\n   |       ^ invalid syntax\n",
        ),
        (
            "import nosuchmodule\n",
            "load.py: ModuleNotFoundError: No module named 'nosuchmodule'\n  --> load.py:1:1\n"
            " 1 | import nosuchmodule\n   | ^^^^^^^^^^^^^^^^^^^\n"
            "   = `nosuchmodule` is neither installed nor beside load.py\n",
        ),
        (
            "import json\nrows = json.loads('1 2')\n",
            "load.py cannot be loaded: JSONDecodeError: Extra data: line 1 column 3 (char 2)\n  --> load.py:2:8\n"
            " 1 | import json\n 2 | rows = json.loads('1 2')\n   |        ^^^^^^^^^^^^^^^^^\n",
        ),
        (
            "import sys\nsys.exit(3)\n",
            "load.py cannot be loaded: SystemExit: 3\n  --> load.py:2:1\n 1 | import sys\n 2 | sys.exit(3)\n"
            "   | ^^^^^^^^^^^\n",
        ),
        (
            "from loadgate import scenario\n\n@scenario\ndef browse(user):\n    pass\n",
            "scenario `browse` must be an `async def` function\n  --> load.py:3:2\n 3 | @scenario\n   |  ^^^^^^^^\n"
            "   = and await its requests\n",
        ),
        (
            "from loadgate import Trend\nt = Trend('http_reqs')\n",
            "`http_reqs` is a built-in metric\n  --> load.py:2:5\n 1 | from loadgate import Trend\n"
            " 2 | t = Trend('http_reqs')\n   |     ^^^^^^^^^^^^^^^^^^\n   = choose another name for your own\n",
        ),
    ],
)
def test_what_fails_is_shown_at_the_authors_line(tmp_path: Path, source: str, shown: str) -> None:
    written(tmp_path, "load.py", source)
    with pytest.raises(ConfigError) as caught:
        load_script(Path("load.py"))
    assert str(caught.value) == shown + "\n1 error in load.py, nothing was run"


def test_an_error_in_a_neighbour_is_shown_there(tmp_path: Path) -> None:
    written(tmp_path, "neighbour.py", "\nvalue = 1 / 0\n")
    written(tmp_path, "load.py", "import neighbour\n")
    with pytest.raises(ConfigError, match=r"load.py cannot be loaded: ZeroDivisionError") as caught:
        load_script(Path("load.py"))
    assert str(caught.value.problems[0].span) == "neighbour.py:2:9"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n", "load.py has no scenario"),
        (
            "from loadgate import scenario\noptions = 3\n@scenario\nasync def a(user): ...\n",
            "`options` must be a dict, not int",
        ),
        (
            "from loadgate import scenario\n@scenario(name='x')\nasync def a(user): ...\n"
            "@scenario(name='x')\nasync def b(user): ...\n",
            "two scenarios named `x`",
        ),
        ("from loadgate import setup\n@setup\ndef a(): ...\n@setup\ndef b(): ...\n", "two functions marked as setup"),
        ("from loadgate import Rate, Trend\nRate('mine')\nTrend('mine')\n", "metric `mine` is created twice"),
        ("from loadgate import csv_data\ncsv_data('none.csv')\n", "there is no file .*none.csv"),
    ],
)
def test_what_makes_no_script_is_an_error(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_script(written(tmp_path, "load.py", source))


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (
            b"# first\nname = 'caf\xc3\xa9 \0'\n",
            "load.py is not valid Python\n  --> load.py:2:14\n 1 | # first\n 2 | name = 'caf\u00e9 \ufffd'\n"
            "   |              ^ a NUL byte, which no Python file may hold",
        ),
        (
            b"#!/usr/bin/python\n# coding: klingon\n",
            "load.py is not valid Python\n  --> load.py:2:11\n 1 | #!/usr/bin/python\n 2 | # coding: klingon\n"
            "   |           ^ unknown encoding: klingon",
        ),
        (b"import neighbour\n", "load.py cannot be loaded: SyntaxError: source code string cannot contain null bytes"),
        (
            b"name = 'caf\xe9'\n",
            "load.py is not valid Python\n  --> load.py:1:",
        ),
    ],
    ids=["NUL", "encoding", "NUL in a neighbour", "not UTF-8"],
)
def test_a_file_that_cannot_even_be_read_is_shown_with_the_place(tmp_path: Path, source: bytes, shown: str) -> None:
    (tmp_path / "load.py").write_bytes(source)
    (tmp_path / "neighbour.py").write_bytes(b"\0")
    with pytest.raises(ConfigError) as caught:
        load_script(Path("load.py"))
    assert str(caught.value).startswith(shown)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no file nothing.py"):
        load_script(Path("nothing.py"))
    with pytest.raises(ConfigError, match="is not a file"):
        load_script(tmp_path)


def test_a_file_that_is_not_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a script's name ends in .py|is not a Python file"):
        load_script(written(tmp_path, "load.txt", "x"))


@pytest.mark.parametrize("weight", [0, -1, 1001, 1.5, True])
def test_a_weight_is_a_whole_number_in_range(weight: int) -> None:
    async def browse(user: object) -> None: ...

    with pytest.raises(LoadgateError, match="weight must be a whole number from 1 to 1000"):
        scenario(weight=weight)(browse)


def test_a_scenario_takes_the_user_and_a_hook_at_most() -> None:
    async def alone() -> None: ...

    def two(user: object, more: object) -> None: ...

    with pytest.raises(LoadgateError, match="must take one argument"):
        scenario(alone)  # type: ignore[type-var]
    with pytest.raises(LoadgateError, match="takes the user or nothing"):
        setup(two)
