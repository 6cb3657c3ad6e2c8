"""The routes a load test is built from when it needs to know the truth: health, sizes, delays, statuses, echo."""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final

from loadgate.target.http.reply import BODILESS, Reply, bytes_reply, empty_reply, error_reply, object_reply, text_reply
from loadgate.target.http.routes import Call, Routes
from loadgate.target.metrics import Metrics
from loadgate.target.shapes import LONGEST_MS

MOST_BYTES: Final = 100_000_000
BLOCK: Final = bytes(range(256)) * 1024
"""256 KiB of the pattern that `/bytes/N` sends: byte k of a reply is k modulo 256."""

_HEALTHY: Final = object_reply(200, {"status": "ok", "service": "loadgate target"})
_MOST_CACHED: Final = 64
_MOST_CACHED_BYTES: Final = 16 * 2**10


def add_health(routes: Routes) -> None:
    for path in ("/health", "/health/live", "/health/ready", "/health/startup"):
        routes.add(path, GET=lambda call: _HEALTHY)


def add_probes(routes: Routes, metrics: Metrics) -> None:
    add_health(routes)
    routes.add("/metrics", GET=lambda call: text_reply(metrics.expose(), b"text/plain; version=0.0.4; charset=utf-8"))
    routes.add("/bytes/{n}", GET=_Bytes())
    for path, handler in (("/delay/{ms}", _delay), ("/status/{code}", _status), ("/echo", _echo)):
        routes.add(path, GET=handler, POST=handler, PUT=handler, PATCH=handler, DELETE=handler)


def add_index(routes: Routes) -> None:
    """`/`: which routes there are. Added last."""
    index = object_reply(200, {"service": "loadgate target", "routes": routes.templates})
    routes.add("/", GET=lambda call: index)


class _Bytes:
    """`/bytes/N`. Small replies are kept."""

    def __init__(self) -> None:
        self._replies: dict[str, Reply] = {}

    def __call__(self, call: Call) -> Reply:
        text = call.args[0]
        reply = self._replies.get(text)
        if reply is None:
            if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= MOST_BYTES):
                return error_reply(400, f"/bytes/N: N is a whole number from 0 to {MOST_BYTES:,}")
            reply = bytes_reply(int(text), BLOCK)
            if len(reply.wire) <= _MOST_CACHED_BYTES:
                if len(self._replies) >= _MOST_CACHED:
                    self._replies.clear()
                self._replies[text] = reply
        return reply


def _delay(call: Call) -> Reply:
    try:
        delay = round(float(call.args[0]), 3)
    except ValueError:
        delay = -1.0
    if not 0.0 <= delay <= LONGEST_MS:
        return error_reply(400, f"/delay/MS: MS is a number of milliseconds from 0 to {LONGEST_MS:,.0f}")
    return object_reply(200, {"delay_ms": delay}, delay=delay)


def _status(call: Call) -> Reply:
    text = call.args[0]
    if not (text.isascii() and text.isdigit() and len(text) == 3 and 200 <= int(text) <= 599):
        return error_reply(400, "/status/CODE: CODE is a status from 200 to 599")
    status = int(text)
    return empty_reply(status) if status in BODILESS else object_reply(status, {"status": status})


def _echo(call: Call) -> Reply:
    request = call.request
    headers: dict[str, str] = {}
    for name, value in request.headers:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    echo: dict[str, Any] = {"method": request.method, "path": call.path, "query": call.query, "headers": headers}
    try:
        echo["body"] = request.body.decode()
    except UnicodeDecodeError:
        echo["body_base64"] = b64encode(request.body).decode()
    return object_reply(200, echo)
