"""A small HTTP service that misbehaves as it is told, and keeps account of itself: run as a program by tests.

    python service.py PORT [--open-after SECONDS] [--work SECONDS] [--reply-after SECONDS] [--hold BYTES] [--never]
                           [--deaf] [--leave] [--child SECONDS] [--print BYTES] [--die-after REQUESTS] [--account FILE]
                           [--since UNIX] [--refuse]

The port opens `--open-after` the first line, or after `--since`, Unix seconds: with that, Python's own start is no part of it.

With `--refuse` it answers whatever is not / with 500.

With `--account` it writes JSON when it ends and when its port opens: clock seconds of that and of when the wait for it began,
requests, CPU seconds of itself (`cpu_before` until its port was open) and of children it has waited for. Only the standard
library, so that it starts fast.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSAL = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno"


def burn(seconds: float) -> None:
    """Use CPU."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


class Service(asyncio.Protocol):
    requests = 0

    def __init__(self, options: argparse.Namespace, ended: asyncio.Event) -> None:
        self.options = options
        self.ended = ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        asked = time.perf_counter()
        Service.requests += data.count(b"\r\n\r\n")
        if self.options.die_after and Service.requests > self.options.die_after:
            print("fatal: out of cheese", flush=True)
            os._exit(7)
        if self.options.work:
            burn(self.options.work)
        if self.options.reply_after:
            loop = asyncio.get_running_loop()
            loop.call_later(asked + self.options.reply_after - time.perf_counter(), self.transport.write, REPLY)
        else:
            self.transport.write(REFUSAL if self.options.refuse and b" / " not in data else REPLY)


def account(options: argparse.Namespace, opened: float, cpu_before: float) -> None:
    if options.account:
        used = os.times()
        text = json.dumps(
            {
                "begun": options.begun,
                "opened": opened,
                "cpu_before": cpu_before,
                "requests": Service.requests,
                "cpu": used.user + used.system,
                "children_cpu": used.children_user + used.children_system,
                "pid": os.getpid(),
            }
        )
        Path(options.account).write_text(text)


def leave_one_behind() -> None:
    """A daemon of its own session, whose parent is gone."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            time.sleep(3600)
        os._exit(0)


async def serve(options: argparse.Namespace) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, (lambda: None) if options.deaf else ended.set)
    await asyncio.sleep(max(0.0, options.begun + options.open_after - time.perf_counter()))
    if options.never:
        await ended.wait()
        return
    server = await loop.create_server(lambda: Service(options, ended), "127.0.0.1", options.port)
    opened, cpu_before = time.perf_counter(), time.process_time()
    account(options, opened, cpu_before)
    await ended.wait()
    server.close()
    account(options, opened, cpu_before)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    for name in ("--open-after", "--work", "--reply-after", "--child", "--since"):
        parser.add_argument(name, type=float, default=0.0)
    for name in ("--hold", "--print", "--die-after"):
        parser.add_argument(name, type=int, default=0)
    for name in ("--never", "--deaf", "--leave", "--refuse"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--account")
    parser.add_argument("--note-password", help="looked at by nobody")
    options = parser.parse_args()
    options.begun = time.perf_counter() - (time.time() - options.since if options.since else 0.0)
    held = bytearray(options.hold)
    held[::4096] = b"x" * len(held[::4096])
    if options.leave:
        leave_one_behind()
    if options.child:
        code = f"import time; end = time.process_time() + {options.child}\nwhile time.process_time() < end: pass"
        subprocess.run([sys.executable, "-S", "-c", code], check=True)
    line = b"x" * 99 + b"\n"
    for _ in range(options.print // len(line)):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
