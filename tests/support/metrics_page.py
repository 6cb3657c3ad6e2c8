"""A metrics page over HTTP that a test writes, and may break."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class MetricsPage:
    """What is answered next: `text` with `status`, gzipped where `packed` and the client takes that, `drip` seconds a byte."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.status = 200
        self.packed = False
        self.coding = "gzip"
        self.drip = 0.0
        self.promised = 0
        """Bytes that are promised beyond those that are sent."""
        self.url = ""
        self.asked: list[dict[str, str]] = []
        """Header fields of the requests so far, names in lower case."""
        self.over = threading.Event()


@contextmanager
def metrics_page(text: str = "") -> Iterator[MetricsPage]:
    """A page at `url`, which is gone when the block ends."""
    page = MetricsPage(text)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            page.asked.append({name.lower(): value for name, value in self.headers.items()} | {"path": self.path})
            body = page.text.encode()
            self.send_response(page.status)
            if page.status in (301, 302):
                self.send_header("Location", "/elsewhere")
            if page.packed and "gzip" in self.headers.get("Accept-Encoding", ""):
                body = gzip.compress(body)
                self.send_header("Content-Encoding", page.coding)
            self.send_header("Content-Length", str(len(body) + page.promised))
            self.end_headers()
            try:
                self._send(body)
            except OSError:
                self.close_connection = True
            if page.promised:
                self.close_connection = True

        def _send(self, body: bytes) -> None:
            if not page.drip:
                self.wfile.write(body)
                return
            for byte in body:
                if page.over.wait(page.drip):
                    return
                self.wfile.write(bytes([byte]))

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test says what went wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    page.url = f"http://127.0.0.1:{server.server_address[1]}/metrics"
    try:
        yield page
    finally:
        page.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
