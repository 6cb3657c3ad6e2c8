"""`ab.json` and `loadgate ab --format json`: the keys that `docs/ab.md` describes, and that nothing in them is no JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from loadgate.record.ab import encode_ab
from loadgate.record.comparison_json import ComparisonForm, read_comparison
from loadgate.record.explained import explained_form
from tests.support.sample_ab import EXPLAINED, ab_record

DOCS = Path(__file__).parent.parent.parent / "docs" / "ab.md"


def form(change: float = 0.0) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    read: dict[str, Any] = json.loads(encode_ab(ab_record(change)), parse_constant=refuse)
    return read


def test_every_key_is_in_the_docs_and_every_key_of_the_docs_is_there() -> None:
    text = DOCS.read_text("utf-8").partition("## ab.json")[2].partition("\n## ")[0]
    described = {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}
    explained = explained_form(EXPLAINED)
    assert described == {
        *form(),
        *(f"pairs[].{key}" for key in form()["pairs"][0]),
        *(f"explained.{key}" for key in explained),
        *(f"explained.functions[].{key}" for key in explained["functions"][0]),
    }


def test_what_made_it_worse_is_null_until_it_was_asked_for() -> None:
    assert form(0.2)["explained"] is None
    found = json.loads(encode_ab(replace(ab_record(0.2), explained=EXPLAINED)))["explained"]
    assert (found["tool"], found["samples"], found["missing"]) == ("py-spy", [712, 941], [])
    assert [(one["function"], one["line"], one["counted"]) for one in found["functions"]] == [
        ("planted", 23, "self"),
        ("Shop.render", None, "total"),
    ]


def test_it_says_how_it_ended_and_on_what_that_rests() -> None:
    found = form(0.2)
    assert (found["verdict"], found["exit_code"], found["state"]) == ("fail", 1, "complete")
    assert found["confirming"] == 5
    assert len(found["pairs"]) == 15
    assert found["reasons"][0].startswith("target_cpu_per_request is worse than base")
    assert found["base"].endswith("--cache `none`")
    assert found["head"].endswith("--cache `lru`")


def test_what_a_pair_has_not_is_null() -> None:
    (pair, *_) = form()["pairs"]
    assert pair["base"] == {"target_cpu_per_request": 0.17}
    assert pair["head"] == {"target_cpu_per_request": None}


def test_the_comparison_is_read_back_as_it_was() -> None:
    record = ab_record(0.2)
    assert record.comparison is not None
    read = read_comparison(msgspec.convert(form(0.2)["comparison"], ComparisonForm))
    assert [(row.series, row.word, row.change) for row in read.rows] == [
        (row.series, row.word, row.change) for row in record.comparison.rows
    ]
    assert read.notes == record.comparison.notes
