"""A page followed over time: real servers, real threads; the moments are those of a clock that the test moves."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator, Mapping

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import start_http_server

from loadgate.clock import SystemClock
from loadgate.config.scrape import Better, ScrapedKind, ScrapedSeries, ScrapeSpec
from loadgate.config.selector import Selector
from loadgate.errors import LoadgateError
from loadgate.load.scrape import Scraper
from loadgate.measure.metric import BUILTIN, Direction, Kind, Metric
from tests.support.metrics_page import MetricsPage, metrics_page
from tests.support.target import running_target

CPU = ScrapedSeries("target_cpu", Selector("process_cpu_seconds_total"), ScrapedKind.COUNTER, "s")
MEMORY = ScrapedSeries("target_memory", Selector("process_resident_memory_bytes"), ScrapedKind.GAUGE, "bytes")


class Followed:
    """A scraper and what it handed on."""

    def __init__(self, url: str, *series: ScrapedSeries, every: float = 0.1, timeout: float = 5.0) -> None:
        self.told: list[dict[str, float]] = []
        self.times: list[float] = []
        self.scraper = Scraper(ScrapeSpec(url, every, timeout, series), self.take, SystemClock())

    def take(self, at: float, values: Mapping[str, float]) -> None:
        self.times.append(at)
        self.told.append(dict(values))


@pytest.fixture
def page() -> Iterator[MetricsPage]:
    with metrics_page("up 1\n") as made:
        yield made


def follow(page: MetricsPage, texts: list[str], *series: ScrapedSeries) -> Followed:
    """Scrape once for each of `texts`, the first at the beginning; "" stands for a page that fails."""
    found = Followed(page.url, *series)

    async def go() -> None:
        for number, text in enumerate(texts):
            page.text, page.status = text, 200 if text else 503
            await (found.scraper.scrape() if number else found.scraper.begin())

    asyncio.run(go())
    return found


def refused(page: MetricsPage, text: str, *series: ScrapedSeries) -> str:
    with pytest.raises(LoadgateError) as caught:
        follow(page, [text], *series)
    assert caught.value.exit_code == 2
    return str(caught.value)


def own(text: str, kind: ScrapedKind | None = None, **labels: str) -> ScrapedSeries:
    return ScrapedSeries("own", Selector(text, labels), kind)


async def until(done: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.01)


def test_a_counter_is_told_as_what_it_grew_by_and_a_gauge_as_it_stands(page: MetricsPage) -> None:
    text = "process_cpu_seconds_total {}\nprocess_resident_memory_bytes {}\n"
    found = follow(page, [text.format(100.0, 5e7), text.format(100.5, 6e7), text.format(102.0, 4e7)], CPU, MEMORY)
    assert found.told == [
        {"target_memory": 5e7},
        {"target_cpu": 0.5, "target_memory": 6e7},
        {"target_cpu": 1.5, "target_memory": 4e7},
    ]
    assert found.times == sorted(found.times)
    assert found.scraper.unread == ()
    assert found.scraper.metrics == {name: BUILTIN[name] for name in ("target_cpu", "target_memory")}


def test_a_counter_that_fell_has_begun_anew(page: MetricsPage) -> None:
    found = follow(page, [f"x_total {value}\n" for value in (10, 12, 3, 4)], own("x_total"))
    assert found.told == [{"own": 2.0}, {"own": 3.0}, {"own": 1.0}]


def test_each_of_several_samples_begins_anew_by_itself(page: MetricsPage) -> None:
    text = 'x_total{{job="a"}} {}\nx_total{{job="b"}} {}\n'
    found = follow(page, [text.format(100, 10), text.format(101, 2)], own("x_total"))
    assert found.told == [{"own": 3.0}]


def test_a_sample_that_was_gone_for_a_while_goes_on_where_it_was(page: MetricsPage) -> None:
    texts = ['x_total{job="a"} 100\nx_total{job="b"} 10\n', 'x_total{job="b"} 11\n', 'x_total{job="a"} 103\n']
    assert follow(page, texts, own("x_total")).told == [{"own": 1.0}, {"own": 3.0}]


def test_several_gauges_are_summed_and_labels_choose_among_them(page: MetricsPage) -> None:
    text = 'q{queue="mail",shard="1"} 3\nq{queue="mail",shard="2"} 4\nq{queue="sms",shard="1"} 100\n'
    assert follow(page, [text], own("q", queue="mail")).told == [{"own": 7.0}]
    assert follow(page, [text], own("q")).told == [{"own": 107.0}]


def test_a_counter_that_was_not_there_yet_had_not_begun(page: MetricsPage) -> None:
    declared = "# TYPE x counter\n"
    found = follow(page, [declared, declared, declared + 'x_total{a="b"} 5\n'], own("x_total"))
    assert found.told == [{"own": 5.0}]
    assert found.scraper.unread == ()
    never = follow(page, [declared, declared], own("x_total"))
    assert never.told == []
    assert never.scraper.unread == (f"own: there never was a value of `x_total` at {page.url}",)


def test_what_was_not_read_is_never_zero_and_is_said(page: MetricsPage) -> None:
    texts = ["x_total 1\ny 5\n", "", "x_total 4\n", "x_total 5\ny NaN\n", "y 7\n"]
    found = follow(page, texts, own("x_total"), ScrapedSeries("gauge", Selector("y")))
    assert found.told == [{"gauge": 5.0}, {"own": 3.0}, {"own": 1.0}, {"gauge": 7.0}]
    assert found.scraper.unread == (
        f"1 of 5 scrapes of {page.url} failed: status 503",
        f"own: no value of `x_total` at {page.url} in 1 of 4 scrapes",
        f"gauge: no value of `y` at {page.url} in 2 of 4 scrapes",
    )


def test_a_password_in_the_url_is_not_said(page: MetricsPage) -> None:
    page.url = page.url.replace("://", "://me:s3cr3t@")
    found = follow(page, ["y 1\n", ""], own("y"))
    assert "s3cr3t" not in found.scraper.unread[0]
    assert "me:***@" in found.scraper.unread[0]
    assert "s3cr3t" not in refused(page, "", own("y"))


@pytest.mark.parametrize(
    ("text", "name", "kind", "unit"),
    [
        ("# TYPE x gauge\nx_total 1\n", "x_total", Kind.GAUGE, ""),
        ("# TYPE jobs counter\njobs 1\n", "jobs", Kind.COUNTER, "count"),
        ("x_bytes_total 1\n", "x_bytes_total", Kind.COUNTER, "bytes"),
        ("# TYPE x histogram\nx_seconds_sum 1\n", "x_seconds_sum", Kind.COUNTER, "s"),
        ("x_ratio 1\n", "x_ratio", Kind.GAUGE, "share"),
        ("# TYPE x untyped\nx 1\n", "x", Kind.GAUGE, ""),
    ],
)
def test_kind_and_unit_are_the_pages_own_or_those_of_the_name(
    page: MetricsPage, text: str, name: str, kind: Kind, unit: str
) -> None:
    assert follow(page, [text], own(name)).scraper.metrics == {"own": Metric("own", kind, unit)}


def test_what_is_said_of_a_series_comes_first(page: MetricsPage) -> None:
    series = ScrapedSeries("own", Selector("x_total"), ScrapedKind.GAUGE, "bytes", Better.HIGHER)
    found = follow(page, ["# TYPE x_total counter\nx_total 1\n"], series)
    assert found.scraper.metrics == {"own": Metric("own", Kind.GAUGE, "bytes", Direction.HIGHER)}
    assert found.told == [{"own": 1.0}]


@pytest.mark.parametrize(
    ("text", "series", "said"),
    [
        ("process_cpu_seconds_totl 1\n", CPU, "did you mean `process_cpu_seconds_totl`?"),
        ("go_threads 1\nprocess_cpu 2\nz 3\n", CPU, "/metrics has process_cpu, go_threads, z"),
        ("".join(f"a{n} 1\n" for n in range(9)), CPU, "has a0, a1, a2, a3, a4, and 4 more"),
        ('q{queue="mail"} 1\n', own("q", quue="mail"), "`q` at"),
        ('q{queue="mail"} 1\n', own("q", quue="mail"), "did you mean `queue`?"),
        ("q 1\n", own("q", queue="mail"), "it has no labels"),
        ('q{queue="mail"} 1\n', own("q", queue="mial"), "did you mean `mail`?"),
        ("# TYPE q gauge\n", own("q"), "there is no series `q`"),
        ("<html>\n", own("q"), "there are no metrics at"),
        ("<html>\n", own("q"), "its first line is `<html>`"),
        ("", own("q"), "cannot be read: status 503"),
    ],
)
def test_what_is_not_on_the_page_is_said_before_any_load(
    page: MetricsPage, text: str, series: ScrapedSeries, said: str
) -> None:
    assert said in refused(page, text, series)


def test_a_counter_with_a_label_value_that_was_not_counted_yet_is_waited_for(page: MetricsPage) -> None:
    found = follow(page, ['x_total{code="200"} 9\n', 'x_total{code="500"} 2\n'], own("x_total", code="500"))
    assert found.told == [{"own": 2.0}]


@pytest.mark.slow
def test_it_goes_on_by_the_clock_whatever_fails_meanwhile(page: MetricsPage) -> None:
    page.text = "y 1\n"
    found = Followed(page.url, own("y"), every=0.1)

    async def go() -> None:
        await found.scraper.begin()
        running = asyncio.create_task(found.scraper.run())
        await until(lambda: len(found.told) >= 4)
        page.status = 500
        await until(lambda: found.scraper.failed >= 2)
        page.status = 200
        told = len(found.told)
        await until(lambda: len(found.told) > told)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await found.scraper.scrape()

    asyncio.run(go())
    gaps = [later - earlier for earlier, later in zip(found.times, found.times[1:], strict=False)]
    assert min(gaps[1:-1]) > 0.0
    assert found.scraper.scrapes == found.scraper.failed + len(found.told)
    assert 0.0 < found.scraper.cpu < 5.0


@pytest.mark.slow
def test_a_page_that_never_ends_holds_up_neither_the_loop_nor_the_end(page: MetricsPage) -> None:
    page.text = "y 1\n"
    found = Followed(page.url, own("y"), every=0.1, timeout=0.5)

    async def go() -> float:
        await found.scraper.begin()
        page.text, page.drip = "y 1\n" * 100_000, 0.01
        running = asyncio.create_task(found.scraper.run())
        await until(lambda: found.scraper.failed >= 1)
        worst, last = 0.0, time.monotonic()
        for _ in range(50):
            await asyncio.sleep(0.005)
            now = time.monotonic()
            worst, last = max(worst, now - last), now
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return worst

    begun = time.monotonic()
    worst = asyncio.run(go())
    assert worst < 0.5
    assert time.monotonic() - begun < 8.0
    assert "no whole answer within 500ms" in found.scraper.unread[0]


def test_a_target_that_goes_away_is_said(page: MetricsPage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"
    with pytest.raises(LoadgateError, match="cannot be read: connection refused"):
        asyncio.run(Followed(url, CPU).scraper.begin())


def test_what_prometheus_own_client_serves_is_followed() -> None:
    registry = CollectorRegistry()
    jobs = Counter("app_jobs", "x", ["queue"], registry=registry)
    Gauge("app_queue", "x", ["queue"], registry=registry).labels("mail").set(7)
    jobs.labels("mail").inc(3)
    server, thread = start_http_server(0, "127.0.0.1", registry)
    try:
        series = (own("app_jobs_total"), ScrapedSeries("queue", Selector("app_queue", {"queue": "mail"})))
        found = Followed(f"http://127.0.0.1:{server.server_port}/metrics", *series)

        async def go() -> None:
            await found.scraper.begin()
            jobs.labels("mail").inc(2)
            jobs.labels("sms").inc(10)
            await found.scraper.scrape()

        asyncio.run(go())
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert found.told == [{"queue": 7.0}, {"own": 12.0, "queue": 7.0}]


def test_the_embedded_target_is_followed() -> None:
    with running_target() as url:
        series = own("loadgate_target_connections_total")
        found = Followed(f"{url}/metrics", series, ScrapedSeries("r", Selector("loadgate_target_requests_total")))

        async def go() -> None:
            await found.scraper.begin()
            for _ in range(3):
                await found.scraper.scrape()

        asyncio.run(go())
    assert [each["own"] for each in found.told] == [1.0, 1.0, 1.0]
    assert sum(each.get("r", 0.0) for each in found.told) >= 2.0
