from __future__ import annotations

from pathlib import Path

from bench import results


def test_a_table_has_its_figures_to_the_right_and_all_lines_equally_long() -> None:
    text = results.table(["tool", "us"], [["wrk", "5.80"], ["Locust", "128.51"]])
    assert text == (
        "| tool   |     us |\n"  #
        "|--------|-------:|\n"
        "| wrk    |   5.80 |\n"
        "| Locust | 128.51 |"
    )


def test_a_section_measured_anew_replaces_the_old_one_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    results.write("CPU", "old\n\n### not a section of its own\n", page)
    results.write("Accuracy", "kept", page)
    results.write("CPU", "new", page)
    text = page.read_text()
    assert "old" not in text and "not a section" not in text
    assert text.index("## CPU\n\nnew\n") < text.index("## Accuracy\n\nkept\n")
    assert text.count("# Benchmark results") == 1


def test_writing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    page = tmp_path / "RESULTS.md"
    results.write("CPU", "figures", page)
    before = page.read_text()
    results.write("CPU", "figures", page)
    assert page.read_text() == before
