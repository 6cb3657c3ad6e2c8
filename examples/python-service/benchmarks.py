"""What the service is made of, measured by itself.

loadgate bench benchmarks.py
"""

from __future__ import annotations

import json
import threading

from app import Notes, Server, words_of

from loadgate import User, benchmark, setup

TEXT = "After rain comes tea, and after tea the garden; number " * 200
NOTES = Notes()


@benchmark(group="words", params={"letters": [100, 10_000]})
def split(letters: int) -> None:
    words_of(TEXT[:letters])


@benchmark(group="notes", params={"limit": [1, 20]})
def search(limit: int) -> None:
    NOTES.find("tea", limit)


@benchmark(group="notes", params={"note": {"short": TEXT[:100], "long": TEXT}})
def encode(note: str) -> None:
    json.dumps({"id": 1, "title": "tea", "text": note})


@setup
async def serve(user: User) -> str:
    """A server of this process's own, on any free port: benchmarks do not need one that runs. Where it is."""
    server = Server(0, NOTES)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


@benchmark
async def write_and_read(user: User) -> None:
    """A note there and back: each call is a sample, and one that fails its check is no result."""
    written = await user.http.post(f"{user.setup_data}/notes", json={"title": "Tea", "text": "With milk."}, expect=201)
    note = written.json()
    read = await user.http.get(f"{user.setup_data}/notes/{note['id']}", name="GET /notes/{id}", expect=200)
    user.check(read.json() == note, "it reads as it was written")
