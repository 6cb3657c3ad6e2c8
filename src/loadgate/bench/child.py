"""A process that measures something and answers with one line. Whatever becomes of it, nothing of it is left.

Rules:
* It leads a process group of its own, which is killed when it has ended, at its limit, and when whoever waits is cancelled.
* Its standard input is a pipe that breaks when this process dies; the child has to see to it (`launcher`), since a process
  that is killed cannot.
* It answers on standard output; the last of what it writes to standard error is kept for messages.
"""

from __future__ import annotations

import asyncio
import os
import signal
import unicodedata
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadgate.errors import LoadgateError

GRACE: Final = 1.0
"""Seconds between the answer and the end of the process, which may have something to tidy up."""

MOST_LINES: Final = 5
MOST_WIDTH: Final = 200
_KEPT: Final = 8192
_LONGEST: Final = 16 * 2**20
"""Bytes of an answer: a million samples."""

_DRAIN: Final = 0.2
"""Seconds to read what is left in the pipes of a process that has ended; others may hold them open for ever."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended. `answer` is its line, "" without one; `said` the last kilobytes it wrote to standard error."""

    answer: str
    code: int | None
    """Its exit code, negative for a signal; None: it reached its limit and was killed."""
    said: tuple[str, ...]

    @property
    def how(self) -> str:
        """ "ended with code 3", "was ended by SIGSEGV"."""
        return ending(self.code) if self.code is not None else "was killed"


def ending(code: int) -> str:
    """An exit code in words; negative ones are signals."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def quoted(lines: Sequence[str]) -> str:
    """The last of a program's lines as part of a message: each on its own line, marked; "" without any."""
    return "".join(f"\n  | {line}" for line in lines[-MOST_LINES:])


async def run_child(
    argv: Sequence[str],
    *,
    limit: float,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
    last_words: signal.Signals | None = None,
) -> Ended:
    """Run `argv` until it has answered and ended, at most `limit` seconds.

    `env` is added to this process's own. `last_words` is sent to a child at its limit, before it is killed, so that it can
    say where it is. Raises LoadgateError where it cannot be started.
    """
    async with _pipe() as (answers, answer_end), _pipe() as (errors, error_end):
        watched, line = os.pipe()
        try:
            process = await _start(argv, watched, answer_end, error_end, folder, env)
        except BaseException:
            os.close(line)
            raise
        finally:
            for end in (watched, answer_end, error_end):
                os.close(end)
        said = bytearray()
        reading = asyncio.create_task(_keep_last(errors, said))
        try:
            answer, in_time = await _answer(process, answers, limit)
            if not in_time and last_words is not None:
                with suppress(ProcessLookupError):
                    process.send_signal(last_words)
                await asyncio.sleep(_DRAIN)
        finally:
            os.close(line)
            _kill_group(process)
            await process.wait()
            await asyncio.wait({reading}, timeout=_DRAIN)
            reading.cancel()
        return Ended(answer, process.returncode if in_time else None, _lines(said))


async def _start(
    argv: Sequence[str],
    watched: int,
    answer_end: int,
    error_end: int,
    folder: Path | None,
    env: Mapping[str, str] | None,
) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=watched,
            stdout=answer_end,
            stderr=error_end,
            cwd=folder,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        where = f" in {folder}" if folder is not None else ""
        raise LoadgateError(f"`{argv[0]}` cannot be started{where}: {error}") from None


async def _answer(process: Process, answers: asyncio.StreamReader, limit: float) -> tuple[str, bool]:
    """Its line, and whether it ended in time."""
    asked = asyncio.create_task(answers.readline())
    ended = asyncio.create_task(process.wait())
    try:
        await asyncio.wait({asked, ended}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        in_time = asked.done() or ended.done()
        if in_time:
            # it may still hold one of the two back: others may have its output, and its own threads its end
            await asyncio.wait({asked}, timeout=_DRAIN)
            await asyncio.wait({ended}, timeout=GRACE)
        line = asked.result() if asked.done() else b""
        return line.decode("utf-8", "replace") if line.endswith(b"\n") else "", in_time
    finally:
        asked.cancel()
        ended.cancel()


def _kill_group(process: Process) -> None:
    """Kill what is left of the group: the number of a group stays taken as long as anyone is in it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@asynccontextmanager
async def _pipe() -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """A reader and the end to write to, which whoever asks for it closes."""
    read_end, write_end = os.pipe()
    reader = asyncio.StreamReader(limit=_LONGEST)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", 0)
    )
    try:
        yield reader, write_end
    finally:
        transport.close()


async def _keep_last(reader: asyncio.StreamReader, kept: bytearray) -> None:
    while chunk := await reader.read(2**16):
        kept += chunk
        del kept[:-_KEPT]


def _lines(said: bytes | bytearray) -> tuple[str, ...]:
    """The lines with something in them, fit for a terminal."""
    lines = [_printable(line.rstrip())[:MOST_WIDTH] for line in said.decode("utf-8", "replace").splitlines()]
    return tuple(line for line in lines if line)


def _printable(line: str) -> str:
    return "".join(c if c == "\t" or unicodedata.category(c)[0] != "C" else "�" for c in line)
