"""Feeders: reading files, and who gets which row."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from loadgate import StopUser, csv_data, json_data, list_data
from loadgate.errors import ConfigError, LoadgateError
from loadgate.script.data import Feeder, Row, read_csv, read_json
from tests.script.play import offstage


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


PEOPLE = [{"name": "Ann"}, {"name": "Bob"}, {"name": "Cid"}]


@pytest.mark.parametrize(
    "content",
    [
        "name,age\nAnn,30\nBob,41\n",
        "\ufeffname,age\r\nAnn,30\r\nBob,41\r\n",
        "name, age\n\nAnn,30\n\nBob,41",
        '"name","age"\n"Ann","30"\n"Bob","41"\n',
    ],
)
def test_csv_rows(tmp_path: Path, content: str) -> None:
    rows = list(read_csv(written(tmp_path, "people.csv", content)))
    assert rows == [{"name": "Ann", "age": "30"}, {"name": "Bob", "age": "41"}]


def test_csv_keeps_line_breaks_inside_quotes_and_other_delimiters(tmp_path: Path) -> None:
    path = written(tmp_path, "notes.csv", 'id;note\n1;"two\nlines; and a \u2028"\n')
    assert list(read_csv(path, ";")) == [{"id": "1", "note": "two\nlines; and a \u2028"}]


@pytest.mark.parametrize(
    ("content", "message", "line"),
    [
        ("name,age\nAnn,30\nBob\n", "a row has 1 value, the header 2 columns", 3),
        ('name,note\nAnn,"a\nb"\nBob,x,y\n', "a row has 3 values, the header 2 columns", 4),
        ("name,name\nAnn,30\n", "column `name` is named twice", 1),
        ("name,\nAnn,30\n", "column 2 has no name", 1),
        ('name\n"Ann\n', "not valid CSV", 2),
        (b"name\nAnn\nJ\xfcrg\n", "not UTF-8", 3),
    ],
)
def test_broken_csv_is_pointed_at(tmp_path: Path, content: str | bytes, message: str, line: int) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Feeder(read_csv(written(tmp_path, "people.csv", content)))
    span = caught.value.problems[0].span
    assert span is not None
    assert span.line == line


@pytest.mark.parametrize(
    ("content", "message"), [("", "is empty"), ("\n\n", "is empty"), ("name,age\n", "a header but no rows")]
)
def test_csv_without_rows_is_an_error(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Feeder(read_csv(written(tmp_path, "people.csv", content)))


def test_json_rows_may_nest(tmp_path: Path) -> None:
    path = written(tmp_path, "people.json", '\ufeff[{"name": "Ann", "tags": [1, 2]}, {"name": "Bob"}]')
    assert read_json(path) == [{"name": "Ann", "tags": [1, 2]}, {"name": "Bob"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("[]", "an empty list"),
        ('{"name": "Ann"}', "must hold a list of objects"),
        ('[{"name": "Ann"}, 3]', "item 2 of the list is not an object"),
        ('[\n{"name": }]', "not valid JSON"),
    ],
)
def test_broken_json_is_an_error(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_json(written(tmp_path, "people.json", content))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"there is no file .*nobody.csv"):
        csv_data("nobody.csv")


def test_paths_are_relative_to_the_calling_file_not_to_the_working_folder(tmp_path: Path) -> None:
    here = Path(__file__).parent
    relative = os.path.relpath(written(tmp_path, "people.json", '[{"name": "Ann"}]'), here)
    assert json_data(relative).columns == {"name"}


def test_a_row_is_a_mapping_with_attributes_and_the_callers_own() -> None:
    feeder = list_data([{"name": "Ann"}])
    with offstage() as stage:
        row = feeder.next(stage.user())
        row["name"] = "changed"
        again = feeder.next(stage.user())
    assert again == {"name": "Ann"}
    assert again.name == "Ann"
    with pytest.raises(AttributeError, match="no column `nane`: name"):
        _ = again.nane
    assert isinstance(again, Row)


def test_sequential_goes_round_for_all_users_together() -> None:
    feeder = list_data(PEOPLE)
    with offstage() as stage:
        users = [stage.user(), stage.user()]
        assert [feeder.next(users[turn % 2]).name for turn in range(4)] == ["Ann", "Bob", "Cid", "Ann"]


def test_sequential_by_user_begins_at_the_first_row_for_each() -> None:
    feeder = list_data(PEOPLE, share="vu")
    with offstage() as stage:
        one, two = stage.user(), stage.user()
        assert [feeder.next(one).name, feeder.next(one).name, feeder.next(two).name] == ["Ann", "Bob", "Ann"]


def test_unique_gives_each_row_once_and_then_stops_the_user() -> None:
    feeder = list_data(PEOPLE, order="unique", name="people.csv")
    with offstage() as stage:
        users = [stage.user() for _ in range(4)]
        assert [feeder.next(user).name for user in users[:3]] == ["Ann", "Bob", "Cid"]
        with pytest.raises(StopUser, match=r"all 3 rows of people.csv are used"):
            feeder.next(users[3])


def test_random_is_repeated_by_the_seed_and_reaches_every_row() -> None:
    feeder = list_data(PEOPLE, order="random")

    def drawn(seed: int) -> list[str]:
        with offstage(seed=seed) as stage:
            user = stage.user()
            return [str(feeder.next(user).name) for _ in range(60)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert Counter(drawn(1)).keys() == {"Ann", "Bob", "Cid"}


def test_a_second_run_begins_at_the_first_row() -> None:
    feeder = list_data(PEOPLE, order="unique")
    for _ in range(2):
        with offstage() as stage:
            assert feeder.next(stage.user()).name == "Ann"


@pytest.mark.parametrize(("setting", "value"), [("order", "sorted"), ("share", "each")])
def test_an_unknown_setting_is_an_error(setting: str, value: str) -> None:
    with pytest.raises(LoadgateError, match=f"{setting} is `{value}`"):
        list_data(PEOPLE, **{setting: value})


def test_no_rows_are_an_error() -> None:
    with pytest.raises(LoadgateError, match="data has no rows"):
        list_data([])
