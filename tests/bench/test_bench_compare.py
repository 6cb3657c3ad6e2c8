from __future__ import annotations

import pytest

from bench import tools
from bench.compare import Crowd, cpu_bars, cpu_table, memory_bars, memory_table
from bench.figures import Figures
from bench.nginx import Served


def figures(cost: float, *, peak: int = 50_000_000, requests: int = 1_000_000) -> Figures:
    return Figures(requests, cpu=cost * requests / 1e6, steady_share=0.9, seconds=10.0, peak=peak, others=0.03)


ROUNDS = {
    tools.LOADGATE.name: [figures(10.0), figures(12.0), figures(11.0)],
    tools.LOADGATE_URL.name: [figures(9.0)] * 3,
    tools.WRK.name: [figures(5.0)] * 3,
    tools.K6.name: [figures(77.0)] * 3,
    tools.LOCUST.name: [figures(88.0)] * 3,
}


def test_the_table_of_cpu_lists_the_cheapest_first_with_ratios_to_both_of_ours() -> None:
    lines = cpu_table(ROUNDS).splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in rows[2:]] == ["wrk", "loadgate, --url", "loadgate, script", "k6", "Locust FastHttpUser"]
    assert rows[4] == [
        "loadgate, script", "11.00", "10.00 to 12.00", "9.00", "100,000", "50", "3%", "1.00", "1.22"
    ]  # fmt: skip
    assert rows[5][-2:] == ["7.00", "8.56"]


def test_each_of_ours_is_held_against_each_bar() -> None:
    bars = {bar.name: (round(bar.value or 0.0, 2), bar.met) for bar in cpu_bars(ROUNDS)}
    assert bars == {
        "CPU per request, k6 / loadgate, script": (7.0, True),
        "CPU per request, Locust FastHttpUser / loadgate, script": (8.0, False),
        "CPU per request, loadgate, script / wrk": (2.2, False),
        "CPU per request, k6 / loadgate, --url": (8.56, True),
        "CPU per request, Locust FastHttpUser / loadgate, --url": (9.78, True),
        "CPU per request, loadgate, --url / wrk": (1.8, True),
    }


def test_a_tool_that_is_not_there_leaves_its_bars_unknown() -> None:
    ours = {name: rounds for name, rounds in ROUNDS.items() if name.startswith("loadgate")}
    assert [bar.met for bar in cpu_bars(ours)] == [None] * 6


CROWD = Crowd(
    tools.LOADGATE.name,
    many=figures(50.0, peak=100_000_000, requests=75_000),
    one=figures(50.0, peak=50_010_000, requests=5),
    served=Served(75_000, 5_000, 0),
)


def test_the_table_of_memory_says_what_a_user_costs_and_what_was_served() -> None:
    row = [cell.strip() for cell in memory_table([CROWD], 5_000, 15).splitlines()[2].strip("|").split("|")]
    assert row == ["loadgate, script", "100", "50", "10.0", "75,000", "100.0%", "5,000", "50.0"]


@pytest.mark.parametrize(
    ("served", "met"),
    [
        (Served(75_000, 5_000, 0), [True, True, True, True, True]),
        (Served(60_000, 5_000, 0), [True, False, False, True, True]),
        (Served(75_000, 5_001, 0), [True, True, True, False, True]),
        (Served(75_000, 5_000, 1), [True, True, True, True, False]),
    ],
)
def test_many_users_must_be_served_over_one_connection_each(served: Served, met: list[bool]) -> None:
    crowd = Crowd(CROWD.tool, CROWD.many, CROWD.one, served)
    assert [bar.met for bar in memory_bars([crowd], 5_000, 15)] == met


def test_a_megabyte_too_much_is_missed_and_no_figure_is_no_pass() -> None:
    heavy = Crowd(CROWD.tool, figures(50.0, peak=121_000_000, requests=75_000), CROWD.one, CROWD.served)
    assert memory_bars([heavy], 5_000, 15)[0].met is False
    assert [bar.met for bar in memory_bars([], 5_000, 15)] == [None]
