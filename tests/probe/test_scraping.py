"""Pages fetched from real servers, good and bad."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from loadgate.probe.exposition import MOST_BYTES
from loadgate.probe.scraping import NotScraped, fetch
from tests.support.metrics_page import MetricsPage, metrics_page


@pytest.fixture
def page() -> Iterator[MetricsPage]:
    with metrics_page("up 1\n") as made:
        yield made


def refused(url: str, timeout: float = 5.0) -> str:
    with pytest.raises(NotScraped) as caught:
        fetch(url, timeout)
    return str(caught.value)


def test_a_page_is_fetched(page: MetricsPage) -> None:
    assert fetch(page.url + "?name=up", 5.0) == b"up 1\n"
    assert page.asked[0]["path"] == "/metrics?name=up"
    assert page.asked[0]["accept"].startswith("text/plain;version=0.0.4")


def test_a_packed_page_is_unpacked(page: MetricsPage) -> None:
    page.packed, page.text = True, "up 1\n" * 10_000
    assert fetch(page.url, 5.0) == page.text.encode()


def test_user_and_password_of_the_url_are_sent_as_a_header(page: MetricsPage) -> None:
    fetch(page.url.replace("://", "://me:s%40fe@"), 5.0)
    assert page.asked[0]["authorization"] == "Basic bWU6c0BmZQ=="


def test_a_proxy_of_the_environment_is_not_asked(page: MetricsPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert fetch(page.url, 5.0) == b"up 1\n"


@pytest.mark.parametrize(("status", "said"), [(404, "status 404"), (302, "status 302, it is at /elsewhere")])
def test_any_other_status_is_no_page(page: MetricsPage, status: int, said: str) -> None:
    page.status = status
    assert refused(page.url) == said


def test_a_page_cut_short_is_no_page(page: MetricsPage) -> None:
    page.promised = 10
    assert refused(page.url) == "the connection was closed before the end of the page"


def test_a_page_packed_otherwise_is_no_page(page: MetricsPage) -> None:
    page.packed, page.coding = True, "br"
    assert "packed as `br`" in refused(page.url)


def test_a_page_that_comes_a_byte_at_a_time_is_given_up_in_time(page: MetricsPage) -> None:
    page.drip, page.text = 0.05, "up 1\n" * 1_000
    begun = time.monotonic()
    assert refused(page.url, 0.3) == "no whole answer within 300ms"
    assert time.monotonic() - begun < 3.0


@pytest.mark.parametrize("packed", [False, True])
def test_a_page_that_is_far_too_long_is_not_kept(page: MetricsPage, packed: bool) -> None:
    page.packed, page.text = packed, "x" * (MOST_BYTES + 1)
    assert refused(page.url) == "more than 8.00 MB"


def test_nobody_there_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert refused(f"http://127.0.0.1:{port}/metrics") == "connection refused"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert "no whole answer within" in refused(f"http://127.0.0.1:{listener.getsockname()[1]}/", 0.2)


def test_no_http_is_no_page() -> None:
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            assert "SSH-2.0" in refused(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        finally:
            thread.join()
