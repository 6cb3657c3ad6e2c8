"""The positioned YAML tree, and files that cannot be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.config.source import Listing, Node, Scalar, Table, parse_source, read_source
from loadgate.errors import ConfigError


def _tree(text: str) -> Table:
    source = parse_source(text, "f.yml")
    assert not source.problems
    assert isinstance(source.tree, Table)
    return source.tree


def _scalar(node: Node) -> Scalar:
    assert isinstance(node, Scalar)
    return node


def test_keys_and_values_know_line_column_and_length() -> None:
    tree = _tree('first: 1\nlist:\n  - "quoted" \n  - plain text # comment\n')
    assert str(tree.entries["list"].key_span) == "f.yml:2:1"
    listing = tree.entries["list"].value
    assert isinstance(listing, Listing)
    quoted, unquoted = (_scalar(item) for item in listing.items)
    assert (quoted.span.line, quoted.span.column, quoted.span.text) == (3, 6, "quoted")
    assert (unquoted.span.line, unquoted.span.column, unquoted.span.text) == (4, 5, "plain text")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("12", 12),
        ("012", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("-1_000", -1000),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("true", True),
        ("yes", "yes"),
        ("null", None),
        ("1:30", "1:30"),
        ("2026-01-31", "2026-01-31"),
        ("'12'", "12"),
        ("1m:100", "1m:100"),
    ],
)
def test_scalars_are_typed_as_yaml_1_2(written: str, value: object) -> None:
    found = _scalar(_tree(f"a: {written}").entries["a"].value).value
    assert (found, type(found)) == (value, type(value))


def test_a_value_left_out_stands_at_its_key() -> None:
    assert str(_tree("a: {b: }").entries["a"].value.span) == "f.yml:1:4"
    inner = _tree("a: {b: }").entries["a"].value
    assert isinstance(inner, Table)
    assert str(inner.entries["b"].value.span) == "f.yml:1:5"


def test_merged_defaults_give_way_to_own_keys() -> None:
    tree = _tree("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}")
    merged = tree.entries["b"].value
    assert isinstance(merged, Table)
    assert {key: _scalar(entry.value).value for key, entry in merged.entries.items()} == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("a: [1\nb: 2", "f.yml is not valid YAML: expected ',' or ']', but got ':'", "2:2"),
        ("a: *b", "f.yml is not valid YAML: found undefined alias 'b'", "1:4"),
        ("a: 1\n---\nb: 2", "f.yml holds more than one YAML document", "2:1"),
        ("a: \x01", "a control character is not allowed in YAML", "1:4"),
        ("a: &a [*a]", "an alias (`*name`) must not stand inside its own anchor", "1:4"),
        ("# nothing\n", "f.yml is empty", "1:1"),
    ],
)
def test_bad_yaml_is_one_error_with_its_place(text: str, message: str, place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_source(text, "f.yml")
    (problem,) = caught.value.problems
    assert (problem.message, str(problem.span)) == (message, f"f.yml:{place}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: !!python/object:os.system x",
            "YAML tag `tag:yaml.org,2002:python/object:os.system` is not allowed here",
        ),
        ("a: !env X", "YAML tag `!env` is not allowed here"),
        ("? [a]\n: 1", "a key must be plain text"),
        ("a: 1\na: 2", "key `a` is given twice"),
        ("a: " + "9" * 5000, f"`{'9' * 20}` cannot be read as a number"),
    ],
)
def test_what_yaml_allows_and_we_do_not_is_a_problem_beside_the_tree(text: str, message: str) -> None:
    (problem,) = parse_source(text, "f.yml").problems
    assert problem.message == message


@pytest.mark.slow
def test_nesting_and_aliases_cannot_exhaust_the_program() -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        parse_source("[" * 5000, "f.yml")
    bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 7)
    )
    with pytest.raises(ConfigError, match="holds more than 100,000 values"):
        parse_source(bomb, "f.yml")


@given(st.text(alphabet=st.sampled_from("ab:{}[]-\"'&*!|>%@#? \n\t1.,\\<~\u2028é")))
def test_arbitrary_text_raises_nothing_but_a_config_error(text: str) -> None:
    try:
        parse_source(text, "f.yml")
    except ConfigError as error:
        assert str(error)


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    missing, folder, latin = tmp_path / "missing.yml", tmp_path, tmp_path / "latin.yml"
    latin.write_bytes("a: 1\nname: Zo\u00eb\n".encode("latin-1"))
    messages = []
    for path in (missing, folder, latin):
        with pytest.raises(ConfigError) as caught:
            read_source(path)
        assert caught.value.exit_code == 2
        messages.append(str(caught.value).replace(str(tmp_path), "DIR"))
    assert messages == [
        "there is no file DIR/missing.yml",
        "DIR is a directory, not a file",
        (
            "DIR/latin.yml is not UTF-8 text\n  --> DIR/latin.yml:2:9\n 1 | a: 1\n 2 | name: Zo\ufffd\n"
            "   |         ^ byte 0xeb is not UTF-8\n   = save the file as UTF-8\n\n"
            "1 error in DIR/latin.yml, nothing was run"
        ),
    ]


def test_a_byte_order_mark_and_windows_line_ends_do_not_move_positions(tmp_path: Path) -> None:
    path = tmp_path / "windows.yml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    tree = read_source(path).tree
    assert isinstance(tree, Table)
    assert [(entry.key_span.line, entry.key_span.column) for entry in tree.entries.values()] == [
        (1, 1),
        (2, 1),
    ]


def test_flags_and_thresholds_do_not_import_yaml_or_pydantic() -> None:
    code = (
        "import sys; from loadgate.config.profile import profile_from_flags; profile_from_flags(vus=1); "
        "from loadgate.config.target import target_from_url; target_from_url('http://127.0.0.1'); "
        "import loadgate.config.project, loadgate.config.threshold_grammar; "
        "print([name for name in sys.modules if name.split('.')[0] in ('ruamel', 'pydantic', 'numpy')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
