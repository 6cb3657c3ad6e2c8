"""Our side of the companion process: start a program, watch something, stop what runs, and leave nothing behind.

    keeper = await Keeper.open()
    try:
        started = await keeper.start(Command(("./server", "--port", "8080")))
        ...
        stopped = await keeper.stop()
    finally:
        await keeper.close()

Rules:
* One event loop and one thread use a keeper. It works on asyncio's loop and on uvloop.
* Times are clock seconds (`loadgate.clock`), taken in the keeper: a busy loop of ours makes none of them late.
* When the keeper dies, whoever waits for it gets an InvalidRun (a LoadgateError), and so does whoever asks later.
* The program runs in its own session with our environment and `Command.env`, without input.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from loadgate.errors import InvalidRun, LoadgateError
from loadgate.probe.command import Command as Command
from loadgate.probe.command import cannot_start
from loadgate.probe.keeper import LAST_PATIENCE
from loadgate.probe.subject import SubjectSpec, resolve
from loadgate.probe.usage import Usage

_CHUNK: Final = 65_536
_CLOSING: Final = LAST_PATIENCE + 8.0
"""Seconds a keeper may take to stop everything and leave: its patience, and what an unkillable process is waited for."""
_START: Final = "import sys; sys.path.append(sys.argv[1]); from loadgate.probe.keeper import main; main()"
_HOME: Final = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True, slots=True)
class Started:
    """`at`: clock seconds just before the program was executed, the zero of start-up time."""

    pid: int
    at: float


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: an exit code or a signal, when, and the last lines it printed (20 at most, harmless to show)."""

    code: int | None
    signal: int | None
    at: float
    output: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """For a person: "exit code 3", "killed by signal 9, SIGKILL"."""
        if self.signal is None:
            return f"exit code {self.code}"
        try:
            return f"killed by signal {self.signal}, {signal.Signals(self.signal).name}"
        except ValueError:
            return f"killed by signal {self.signal}"


@dataclass(frozen=True, slots=True)
class Stopped:
    """`seconds` from SIGTERM to the program's end, 0 where it had ended before.

    `killed`: it did not end in time and got SIGKILL. `leftovers`: processes it left behind that had to be ended too.
    """

    seconds: float
    killed: bool
    leftovers: int
    ended: Ended


class Keeper:
    """Made by `open`. `ended` belongs to the program started last, and never resolves without one."""

    def __init__(self, process: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process = process
        self._loop = loop
        self._to, self._from = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._in = b""
        self._out = bytearray()
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._gone: asyncio.Future[None] = loop.create_future()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._dead: InvalidRun | None = None
        self._closed = False
        self._on_usage: Callable[[Usage], object] | None = None
        self._program: int | None = None
        self.ended: asyncio.Future[Ended] = loop.create_future()
        self.unread: tuple[str, ...] = ()
        """Why fields of the last reading are None."""
        self.words = ""
        """What is watched, for a person."""
        self.cpu_share = 0.0
        """Share of one core the keeper used since watching began, as of the last reading."""
        self.resident: int | None = None
        """Resident bytes of the keeper itself, as of the last reading."""
        loop.add_reader(self._from, self._hear)

    @classmethod
    async def open(cls) -> Keeper:
        """Start a keeper. Raises LoadgateError where that fails."""
        loop = asyncio.get_running_loop()
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _START, _HOME],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise LoadgateError(f"the keeper process could not be started: {error.strerror}") from error
        keeper = cls(process, loop)
        try:
            await keeper._ready
        except BaseException:
            keeper.kill_now()
            raise
        return keeper

    async def start(self, command: Command) -> Started:
        """Execute `command`; what a former program left behind is ended first.

        Raises LoadgateError where it cannot be executed, or while another program runs.
        """
        argv = list(command.argv)
        if not argv or not argv[0]:
            raise LoadgateError("the command to start is empty", "give a program and its arguments")
        env = {**os.environ, **command.env}
        if any("\0" in text for text in (*argv, *env, *env.values(), str(command.folder))):
            raise LoadgateError(f"cannot start `{argv[0]}`: a null character in its command or environment")
        ended: asyncio.Future[Ended] = self._loop.create_future()
        former, self.ended = self.ended, ended
        folder = None if command.folder is None else str(command.folder)
        try:
            reply = await self._ask("start", argv=argv, folder=folder, env=env, cores=command.cores)
        except LoadgateError:
            if self._dead is None:
                self.ended = former
            raise
        if "failed" in reply:
            self.ended = former
            raise cannot_start(command, env, *reply["failed"])
        self._program = reply["pid"]
        return Started(reply["pid"], reply["at"])

    async def watch(self, subject: SubjectSpec | None, every: float, on_usage: Callable[[Usage], object]) -> None:
        """Read `subject` (None: whatever program was started, with all below it) every `every` seconds from now on.

        `on_usage` is called in the loop. Replaces what was watched before. Raises LoadgateError as `resolve` does.
        """
        if every <= 0.0:
            raise ValueError("readings need a time between them")
        kind: str | None = None
        value = ""
        words = "the program and all below it"
        if subject is not None:
            # Asking for names may take seconds in another program, during which neither loop may stand still.
            found = await asyncio.to_thread(resolve, subject)
            kind, value, words = found.spec.kind, found.spec.value, found.words
        self._on_usage = on_usage
        await self._ask("watch", kind=kind, value=value, every=every)
        self.words = words

    async def read(self, *, pss: bool = True) -> Usage:
        """One reading now, with PSS unless that is too dear. After the program's end: the exact sums of all it used."""
        return self._usage(await self._ask("read", pss=pss))

    async def output(self) -> tuple[str, ...]:
        """The last lines the program printed so far."""
        return tuple((await self._ask("output"))["lines"])

    def ended_now(self) -> Ended | None:
        """How the program ended, or None while it runs. Raises LoadgateError where the keeper died."""
        return self.ended.result() if self.ended.done() else None

    async def stop(self, patience: float = 10.0) -> Stopped:
        """SIGTERM, then SIGKILL after `patience` seconds, and an end to all it left behind.

        Harmless where the program has ended. Raises LoadgateError where none was started, or not even SIGKILL ends it.
        """
        reply = await self._ask("stop", patience=patience)
        return Stopped(reply["seconds"], reply["killed"], reply["leftovers"], _ended(reply["ended"]))

    async def close(self) -> None:
        """Stop whatever still runs (with little patience) and end the keeper. Harmless twice.

        A cancelled `close` does the same, but holds the loop up for it: what is left behind would be worse.
        """
        if self._closed:
            return
        self._hang_up()
        try:
            await asyncio.wait_for(asyncio.shield(self._gone), _CLOSING)
        except TimeoutError:
            pass
        finally:
            self.kill_now()

    def kill_now(self) -> None:
        """The same without a loop, for where there is none any more: blocks until all is gone, 10 s at most."""
        if self._closed:
            return
        self._closed = True
        self._hang_up()
        if not self._loop.is_closed():
            self._loop.remove_reader(self._from)
        try:
            self._process.wait(_CLOSING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            self._end_group()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._fail(LoadgateError("the keeper process was closed"))

    def _hang_up(self) -> None:
        """The end of our words is the sign to stop everything."""
        stdin = self._process.stdin
        if stdin is not None and not stdin.closed:
            if not self._loop.is_closed():
                self._loop.remove_writer(self._to)
            self._out.clear()
            stdin.close()

    async def _ask(self, what: str, **more: object) -> dict[str, Any]:
        if self._dead is not None:
            raise InvalidRun(self._dead.message, self._dead.hint)
        if self._process.stdin is None or self._process.stdin.closed:
            raise LoadgateError("the keeper process was closed")
        number = next(self._numbers)
        self._asked[number] = self._loop.create_future()
        self._out += json.dumps({"id": number, "do": what, **more}).encode() + b"\n"
        self._flush()
        try:
            reply = await self._asked[number]
        finally:
            del self._asked[number]
        if "error" in reply:
            raise LoadgateError(*reply["error"])
        return reply

    def _flush(self) -> None:
        try:
            while self._out:
                del self._out[: os.write(self._to, self._out)]
        except BlockingIOError:
            self._loop.add_writer(self._to, self._flush)
            return
        except BrokenPipeError:  # it is dead: its output ends as well, and that is where it is noticed
            self._out.clear()
        self._loop.remove_writer(self._to)

    def _hear(self) -> None:
        try:
            part = os.read(self._from, _CHUNK)
        except BlockingIOError:
            return
        if not part:
            self._ends()
            return
        *lines, self._in = (self._in + part).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        event = message.get("event")
        if event is None:
            waiting = self._asked.get(message["id"])
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        elif event == "usage":
            usage = self._usage(message)
            if self._on_usage is not None:
                self._loop.call_soon(self._on_usage, usage)  # what it raises is not the reader's
        elif event == "ended":
            self._program = None
            if not self.ended.done():
                self.ended.set_result(_ended(message))
        elif event == "ready" and not self._ready.done():
            self._ready.set_result(None)

    def _usage(self, message: dict[str, Any]) -> Usage:
        self.unread = tuple(message.get("unread", self.unread))
        self.cpu_share = message.get("share", self.cpu_share)
        self.resident = message.get("resident", self.resident)
        return Usage(**message["usage"])

    def _ends(self) -> None:
        """Its output is at its end: it left because we asked, or it died."""
        self._loop.remove_reader(self._from)
        if not self._gone.done():
            self._gone.set_result(None)
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            return
        code = self._process.wait()
        self._end_group()
        assert self._process.stderr is not None
        os.set_blocking(self._process.stderr.fileno(), False)
        said = (self._process.stderr.read() or b"").decode("utf-8", "replace").strip().splitlines()
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        self._dead = InvalidRun(
            f"the process that keeps the program ended unexpectedly ({how})",
            said[-1] if said else "the program it kept was ended with it; start again",
        )
        self._fail(self._dead)

    def _end_group(self) -> None:
        """With the keeper dead the program dies by itself on Linux; here go those that stayed in its group."""
        if self._program is not None:
            try:
                os.killpg(self._program, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
            self._program = None

    def _fail(self, error: LoadgateError) -> None:
        if self._loop.is_closed():
            return
        futures: list[asyncio.Future[Any]] = [*self._asked.values(), self._ready, self.ended]
        for waiting in futures:
            if not waiting.done():
                waiting.set_exception(type(error)(error.message, error.hint))
                waiting.exception()  # nobody has to be interested


def _ended(reply: dict[str, Any]) -> Ended:
    return Ended(reply["code"], reply["signal"], reply["at"], tuple(reply["lines"]))
