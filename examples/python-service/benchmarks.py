"""What the service is made of, measured by itself.

loadgate bench benchmarks.py
"""

from __future__ import annotations

import json

from app import Notes, words_of

from loadgate import User, benchmark

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


@benchmark
async def write_and_read(user: User) -> None:
    """A note there and back, to the service that the bench starts: one that fails its check is no result."""
    written = await user.http.post("/notes", json={"title": "Tea", "text": "With milk."}, expect=201)
    note = written.json()
    read = await user.http.get(f"/notes/{note['id']}", name="GET /notes/{id}", expect=200)
    user.check(read.json() == note, "it reads as it was written")
