from __future__ import annotations

import asyncio
import http.client
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median

import pytest

from bench.accuracy import DelayServer, Point, Round, least_disturbed, points, stall_bars
from bench.bare import load
from bench.delays import SHAPES
from bench.nginx import BODY, Nginx
from bench.percentiles import percentile

CORE = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else -1

linux = pytest.mark.skipif(CORE < 0 or sys.platform != "linux", reason="servers are pinned to a core")


@pytest.mark.slow
def test_a_percentile_is_a_value_that_was_there() -> None:
    values = [float(value) for value in range(1, 8001)]
    assert percentile(values, 50) == 4000
    assert percentile(values, 99) == 7920
    # in floats, 99.9 per cent of 8,000 is a little more than 7,992
    assert percentile(values, 99.9) == 7992
    assert percentile([3.0], 99.9) == 3.0


def taken(truth: float, reported: float, others: float = 0.0) -> Round:
    figures = dict.fromkeys(("p50", "p95", "p99", "p99.9"), reported)
    return Round([truth], {"http_req_duration": figures}, others)


@pytest.mark.slow
def test_differences_are_taken_within_a_round_and_their_median_is_judged() -> None:
    rounds = [taken(20.0, 20.1), taken(25.0, 25.2), taken(20.0, 29.0)]
    point = points("fixed", rounds, taken(20.0, 20.05))[0]
    assert point.floor == pytest.approx(0.05)
    assert point.difference == pytest.approx(0.2)
    assert point.met


@pytest.mark.slow
def test_no_more_rounds_are_taken_than_needed_while_the_cores_are_ours() -> None:
    rounds = iter([taken(1, 1), taken(2, 2), taken(3, 3)])
    assert [one.logged for one in least_disturbed(rounds.__next__, 2)] == [[1], [2]]


@pytest.mark.slow
def test_a_round_in_which_others_used_the_cores_is_taken_again_whatever_it_showed() -> None:
    rounds = iter([taken(1, 1, others=0.5), taken(2, 9), taken(3, 3)])
    assert [one.logged for one in least_disturbed(rounds.__next__, 2)] == [[2], [3]]


@pytest.mark.slow
def test_where_others_never_leave_the_least_disturbed_rounds_are_kept() -> None:
    rounds = iter([taken(number, number, others=share) for number, share in enumerate((0.5, 0.3, 0.9, 0.1, 0.4, 0.6))])
    assert [one.logged for one in least_disturbed(rounds.__next__, 2)] == [[3], [1]]
    assert next(rounds, None) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("percentile", "truth", "difference", "met"),
    [
        (99.0, 20.0, 0.29, True),
        (99.0, 20.0, -0.31, False),
        (99.0, 200.0, 1.9, True),
        (99.0, 200.0, 2.1, False),
        (99.9, 10.0, -0.9, True),
        (99.9, 40.0, 1.9, True),
        (99.9, 40.0, 2.1, False),
    ],
)
def test_a_point_may_be_off_by_a_share_or_by_an_absolute_time(
    percentile: float, truth: float, difference: float, met: bool
) -> None:
    assert Point("fixed", percentile, truth, truth + difference, difference).met is met


@pytest.mark.slow
def test_the_stall_must_show_in_latency_and_not_in_the_median_service_time() -> None:
    def met(p99: float, p50: float) -> list[bool | None]:
        return [bar.met for bar in stall_bars({"http_req_latency": {"p99": p99}, "http_req_duration": {"p50": p50}})]

    assert met(900.0, 0.2) == [True, True, True]
    assert met(3.0, 0.2) == [False, True, True]
    assert met(2000.0, 0.2) == [True, False, True]
    assert met(900.0, 900.0) == [True, True, False]


@pytest.mark.slow
def test_the_shapes_are_what_they_are_called() -> None:
    def drawn(shape: str) -> list[float]:
        random = Random(7)
        return sorted(SHAPES[shape](random) for _ in range(20_000))

    assert set(drawn("fixed")) == {0.020}
    assert median(drawn("lognormal")) == pytest.approx(0.010, rel=0.02)
    assert drawn("lognormal")[19_800] == pytest.approx(0.010 * 3.2, rel=0.06)  # exp(0.5 * 2.326) is 3.2
    assert drawn("tail").count(0.200) == pytest.approx(200, abs=50)
    assert set(drawn("tail")) == {0.005, 0.200}


@pytest.mark.slow
@linux
def test_the_server_logs_for_each_reply_how_long_it_took(tmp_path: Path) -> None:
    with DelayServer("fixed", CORE, tmp_path) as server:
        connection = http.client.HTTPConnection(server.url.removeprefix("http://").rstrip("/"), timeout=10)
        for _ in range(5):
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"hello, world\n"
        connection.close()
    log = server.log()
    assert len(log) == 5
    assert min(log) >= 20.0


@pytest.mark.slow
@linux
def test_the_bare_client_sees_what_the_server_logs_and_keeps_its_rate(tmp_path: Path) -> None:
    with DelayServer("fixed", CORE, tmp_path) as server:
        port = int(server.url.rstrip("/").rpartition(":")[2])
        start = time.monotonic()
        took = asyncio.run(load(port, rate=100, seconds=1, connections=50))
        assert time.monotonic() - start >= 1.0
    assert len(took) == len(server.log()) == 100
    assert min(took) >= min(server.log()) >= 20.0


@pytest.fixture
def nginx() -> Iterator[Nginx]:
    with Nginx(CORE) as server:
        yield server


@pytest.mark.slow
@linux
def test_nginx_says_what_it_served_and_over_how_many_connections(nginx: Nginx) -> None:
    for path, count in (("/logged", 3), ("/file", 2), ("/logged", 1)):
        connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=10)
        for _ in range(count):
            connection.request("GET", path)
            reply = connection.getresponse()
            assert (reply.status, len(reply.read())) == (200, BODY)
        connection.close()
    served = nginx.served()
    assert (served.requests, served.connections, served.failed) == (4, 2, 0)
    assert nginx.served().requests == 0
