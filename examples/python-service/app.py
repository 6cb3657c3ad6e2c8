"""A service that keeps notes, on Python's standard library alone.

    python3 app.py --port 8000

| request | reply |
|---|---|
| GET /health | 200 once it can answer |
| GET /notes?limit=20 | the newest notes |
| POST /notes | 201 and the note made of `{"title": ..., "text": ...}` |
| GET /notes/7 | that note, or 404 |
| GET /search?word=tea | notes with that word, newest first |
| POST /echo | the body as it came |

Notes are kept in SQLite, in memory unless `--database FILE` is given; a new database gets 1,000 notes to begin with. What is
wrong with a request is said as `{"error": ...}`.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import sqlite3
import sys
import threading
from collections.abc import Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Note = dict[str, Any]

FIRST_NOTES = 1000
MOST_LISTED = 100
LARGEST_BODY = 10_000_000
TOPICS = ("tea", "bread", "rain", "garden", "river", "harbour", "winter", "music", "letter", "stone")

SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS words (word TEXT, note INTEGER, PRIMARY KEY (word, note)) WITHOUT ROWID;
"""
NEWEST = "SELECT id, title, text FROM notes ORDER BY id DESC LIMIT ?"
ONE = "SELECT id, title, text FROM notes WHERE id = ?"
FOUND = "SELECT id, title, text FROM words JOIN notes ON id = note WHERE word = ? ORDER BY note DESC LIMIT ?"


def words_of(text: str) -> set[str]:
    """What a note is found by: its words in lower case, those of one letter left out."""
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 1}


class Notes:
    """Notes in a database. Safe for threads: one of them uses it at a time."""

    def __init__(self, database: str = ":memory:") -> None:
        self._lock = threading.Lock()
        self._sql = sqlite3.connect(database, check_same_thread=False)
        self._sql.executescript(SCHEMA)
        if self._sql.execute("SELECT 1 FROM notes").fetchone() is None:
            self.add(
                (f"Note {n} on {TOPICS[n % 10]}", f"After {TOPICS[n % 7]} comes {TOPICS[n % 9]}.")
                for n in range(FIRST_NOTES)
            )

    def add(self, notes: Iterable[tuple[str, str]]) -> list[int]:
        """Keep notes, each a title and a text, all of them or none. Their ids."""
        with self._lock, self._sql:
            return [self._insert(title, text) for title, text in notes]

    def newest(self, limit: int) -> list[Note]:
        return self._select(NEWEST, limit)

    def find(self, word: str, limit: int) -> list[Note]:
        return self._select(FOUND, word.lower(), limit)

    def one(self, number: int) -> Note | None:
        return next(iter(self._select(ONE, number)), None)

    def _insert(self, title: str, text: str) -> int:
        number = self._sql.execute("INSERT INTO notes (title, text) VALUES (?, ?)", (title, text)).lastrowid
        assert number is not None
        words = words_of(f"{title} {text}")
        self._sql.executemany("INSERT INTO words VALUES (?, ?)", [(word, number) for word in words])
        return number

    def _select(self, query: str, *values: object) -> list[Note]:
        with self._lock:
            rows = self._sql.execute(query, values).fetchall()
        return [{"id": number, "title": title, "text": text} for number, title, text in rows]


class Refused(Exception):
    """A request that cannot be served, with the status that says so."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Handler(BaseHTTPRequestHandler):
    """One connection; `server` holds the notes."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    server: Server

    def do_GET(self) -> None:
        self._serve(self._get)

    def do_POST(self) -> None:
        self._serve(self._post)

    def log_message(self, format: str, *args: object) -> None:
        """A line a request would cost more than most requests."""

    def _serve(self, handle: Any) -> None:
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        try:
            status, body = handle(url.path, query)
        except Refused as refused:
            status, body = refused.status, {"error": str(refused)}
        self._reply(status, body)

    def _get(self, path: str, query: dict[str, str]) -> tuple[HTTPStatus, Any]:
        notes = self.server.notes
        if path == "/health":
            return HTTPStatus.OK, {"status": "ok"}
        if path == "/notes":
            return HTTPStatus.OK, notes.newest(_limit(query))
        if path == "/search":
            return HTTPStatus.OK, notes.find(query.get("word", ""), _limit(query))
        number = re.fullmatch(r"/notes/([0-9]{1,15})", path)
        note = notes.one(int(number[1])) if number else None
        if note is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"there is no {path}")
        return HTTPStatus.OK, note

    def _post(self, path: str, query: dict[str, str]) -> tuple[HTTPStatus, Any]:
        body = self._body()
        if path == "/echo":
            return HTTPStatus.OK, body
        if path != "/notes":
            raise Refused(HTTPStatus.NOT_FOUND, f"there is no {path}")
        try:
            note = json.loads(body)
            title, text = note["title"], note["text"]
        except (ValueError, TypeError, KeyError):
            title = text = None
        if not isinstance(title, str) or not isinstance(text, str):
            raise Refused(HTTPStatus.BAD_REQUEST, "a note is a JSON object with the texts `title` and `text`")
        [number] = self.server.notes.add([(title, text)])
        return HTTPStatus.CREATED, {"id": number, "title": title, "text": text}

    def _body(self) -> bytes:
        length = self.headers.get("content-length", "")
        if not length.isdecimal():
            self.close_connection = True  # where the next request begins is unknown
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "give a Content-Length")
        if int(length) > LARGEST_BODY:
            self.close_connection = True
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{LARGEST_BODY:,} bytes is the most")
        return self.rfile.read(int(length))

    def _reply(self, status: HTTPStatus, body: Any) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/octet-stream" if content is body else "application/json")
        self.send_header("content-length", str(len(content)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """A thread for each connection. Port 0: any that is free."""

    daemon_threads = True  # idle connections do not hold the end up
    request_queue_size = 128  # with the usual 5, users that come at once wait a second for another try

    def __init__(self, port: int, notes: Notes) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.notes = notes


def _limit(query: dict[str, str]) -> int:
    limit = query.get("limit", "20")
    if not limit.isdecimal() or not 1 <= int(limit) <= MOST_LISTED:
        raise Refused(HTTPStatus.BAD_REQUEST, f"`limit` is a number from 1 to {MOST_LISTED}")
    return int(limit)


def main() -> None:
    parser = argparse.ArgumentParser(description="A service that keeps notes.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--database", default=":memory:", metavar="FILE")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    with Server(options.port, Notes(options.database)) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
