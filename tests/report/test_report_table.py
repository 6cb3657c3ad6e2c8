from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadgate.report.style import cells, paint
from loadgate.report.table import Align, Column, lay_out


def shown(columns: list[Column], width: int) -> list[str]:
    return [paint(line, width, color=False, unicode=True) for line in lay_out(columns, width, indent=0)]


def test_numbers_of_one_unit_stand_with_their_points_below_each_other() -> None:
    column = Column("p50", ["4.10", "22.0", "1,105", "n/a"], Align.POINT)
    assert shown([column, Column("", ["|"] * 4)], 40) == [
        "     p50",
        "    4.10  |",
        "   22.0   |",
        "1,105     |",
        "     n/a  |",
    ]


def test_the_least_important_columns_go_first_and_then_names_are_cut() -> None:
    columns = [
        Column("step", ["GET /a/very/long/name/of/a/step"], least=12),
        Column("p50", ["12345678"], drop=1),
        Column("p99.9", ["12345678"], drop=2),
        Column("p95", ["12345678"]),
    ]
    assert shown(columns, 80)[0].split() == ["step", "p50", "p99.9", "p95"]
    assert shown(columns, 36)[0].split() == ["step", "p50", "p95"]
    assert shown(columns, 22) == ["step          p95", "GET /a…/step  12345678"]


def test_a_column_without_a_text_takes_no_room() -> None:
    assert shown([Column("a", ["1"]), Column("", [""]), Column("b", ["2"])], 20) == ["a  b", "1  2"]


def test_without_heads_there_is_no_head_line() -> None:
    assert shown([Column("", ["1", "2"])], 20) == ["1", "2"]


@given(st.lists(st.text(max_size=40), min_size=1, max_size=5), st.integers(min_value=30, max_value=80))
def test_a_table_whose_names_can_be_cut_fits(names: list[str], width: int) -> None:
    columns = [Column("step", names, least=10), Column("n", ["123"] * len(names), Align.RIGHT)]
    assert all(sum(cells(text) for text, _ in line) <= width for line in lay_out(columns, width))
