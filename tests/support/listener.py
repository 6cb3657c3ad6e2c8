"""A port nobody answers at, for tests that nothing is sent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting_listener() -> Iterator[tuple[str, Callable[[], int]]]:
    """A URL nobody answers at, and how many connections were made to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        found = []
        over = threading.Event()

        def accept() -> None:
            while not over.is_set():
                try:
                    found.append(listener.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", lambda: len(found)
        finally:
            over.set()
            thread.join()
            for connection in found:
                connection.close()
