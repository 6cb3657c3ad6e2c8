"""Files with every request: what is wrong in one is said with its line, and a large one takes no more memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from loadgate.errors import LoadgateError
from loadgate.record.importers import read_results
from tests.record.load_tool_samples import DATA


@pytest.mark.parametrize(
    ("sample", "line", "text", "message"),
    [
        (
            "k6/samples.ndjson",
            9,
            '{"metric":"http_reqs","type":"Point","data":{"ti',
            r"no line of k6's JSON: Input data was truncated",
        ),
        (
            "k6/samples.ndjson",
            9,
            '{"metric":"nobody","type":"Point","data":{"time":"2026-11-28T00:00:00Z","value":1}}',
            r"`nobody` has not been def",
        ),
        (
            "k6/samples.ndjson",
            9,
            '{"metric":"http_reqs","type":"Point","data":{"value":1}}',
            r"a sample without its time",
        ),
        ("k6/samples.csv", 5, "http_reqs,yesterday,1,true,users,200,,", r"`yesterday` is not a time"),
        ("jmeter/csv.jtl", 7, "1795826416012,91,post", r"3 columns where the header has 12"),
        (
            "jmeter/csv.jtl",
            7,
            "1795826416012,-4,post,200,OK,r,text,true,3,3,3,7",
            r"no sample of JMeter: a time of -4 ms is negative",
        ),
        (
            "jmeter/csv.jtl",
            7,
            "1795826416012,4,post,200,OK,r,text,yes,3,3,3,7",
            r"`success` is `yes`, neither true nor false",
        ),
        (
            "jmeter/csv.jtl",
            7,
            "28.11.2026,4,post,200,OK,r,text,true,3,3,3,7",
            r"`28.11.2026` is no timeStamp \(set jmeter.save",
        ),
        ("hey/hey.csv", 3, "0.0060,0.0001,0,0,0,0,OK,0.04", r"no request of hey: invalid literal"),
        ("h2load/log.tsv", 3, "hello", r"no request of h2load"),
        (
            "gatling/simulation-3.9.log",
            6,
            "REQUEST\t\tusers\t1795826325851\t17958",
            r"no REQUEST of Gatling: its status OK or KO",
        ),
        ("gatling/simulation-3.9.log", 6, "hello", r"no line of a simulation.log"),
        (
            "vegeta/results.csv",
            4,
            "1795826325831902000,200,x,0,2298,,,r,1,GET,u,",
            r"no result of vegeta: invalid literal",
        ),
        (
            "vegeta/results.json",
            4,
            '{"attack":"readers","seq":1}',
            r"no result of vegeta: Object missing required field",
        ),
        ("ghz/ghz.csv", 4, "fast,OK,", r"no call of ghz"),
        ("ab/ab-gnuplot.tsv", 4, "Sat\t1795826323\t0\t4\tx\t4", r"no request of ab"),
    ],
)
def test_a_line_that_cannot_be_read_is_said_with_its_number(
    sample: str, line: int, text: str, message: str, tmp_path: Path
) -> None:
    lines = (DATA / sample).read_text("utf-8").splitlines()
    lines[line - 1] = text
    path = tmp_path / "x.log"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.raises(LoadgateError, match=rf"x\.log:{line}: .*{message}"):
        read_results(path)


def test_xml_that_is_cut_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.jtl"
    path.write_text("\n".join((DATA / "jmeter/xml.jtl").read_text().splitlines()[:50]))
    with pytest.raises(LoadgateError, match=r"x.jtl:50: is no XML: no element found(.|\n)*cut off"):
        read_results(path)


def test_percentiles_of_ab_that_are_cut_within_a_number(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    text = (DATA / "ab/ab-percentiles.csv").read_text()
    path.write_text(text[: text.index("\n99,") + len("\n99,2")])
    with pytest.raises(LoadgateError, match=r"x.csv:101: the percentiles end at 99(.|\n)*cut off"):
        read_results(path)


def _peak(path: Path, rows: int) -> int:
    """Bytes it takes at most to read a JTL of so many rows."""
    with open(path, "w") as file:
        file.write("timeStamp,elapsed,label,success\n")
        for at in range(rows):
            file.write(f"{1_795_826_416_012 + at * 7},{at % 97},page {at % 10},true\n")
    tracemalloc.start()
    read_results(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large.jtl"
    _peak(path, 1000)  # what is loaded once
    small, large = _peak(path, 25_000), _peak(path, 200_000)
    assert large < 2 * small  # of eight times the rows; buckets that were empty fill up
