"""The companion process: it starts the program, watches it, and leaves no orphan whatever becomes of us.

It reads requests from its standard input and writes replies and events to its standard output, one JSON object a line. Our
side of the talk is `kept.py`. When its input ends, for whatever reason, it stops the program and leaves.

Rules:
* It is small and does one thing at a time in one loop: it never blocks on the program, its output, or our side.
* It has a session of its own, so Ctrl-C in a terminal reaches neither it nor the program.
* It is the subreaper of all below it: a daemon's parent ends, and the daemon is ours again (prctl(2)).
* It imports the standard library and this package only; it is started with -I -S, so that nothing in the user's folder or
  environment is taken for a module.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, get_args

from loadgate.errors import LoadgateError
from loadgate.probe import procfs
from loadgate.probe.launch import CannotStart, adopt_orphans
from loadgate.probe.program import Program
from loadgate.probe.subject import Kind, Subject, SubjectSpec, check_platform, resolve
from loadgate.probe.tree import descendants
from loadgate.probe.usage import Usage

LAST_PATIENCE: Final = 2.0
"""Seconds the program has to end after SIGTERM when our side is gone."""
_BACKLOG: Final = 65_536
"""Bytes our side has not read yet from which periodic readings are left out."""
_CHUNK: Final = 65_536
_FIELDS: Final = tuple(Usage.__dataclass_fields__)

Message = dict[str, Any]


class Keeper:
    """The loop and what it holds."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._program: Program | None = None
        self._subject: Subject | None = None
        self._every: float | None = None
        self._due = 0.0
        self._watched_at = 0.0
        self._cpu_before = 0.0
        self._unread: tuple[str, ...] | None = None
        self._in = b""
        self._out = bytearray()
        self._leaving = False
        self._blocked = False
        self._waiting: list[tuple[int, Callable[[], None]]] = []
        """What is to be done when the program is stopped, and for which request."""

    def run(self) -> None:
        """Until our side is gone and nothing is left below."""
        adopt_orphans()
        woken, wake = os.pipe()
        for fd in (0, 1, woken, wake):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self._leave())
        self._selector.register(0, selectors.EVENT_READ, self._hear)
        self._selector.register(woken, selectors.EVENT_READ, lambda: os.read(woken, _CHUNK))
        self._say({"event": "ready"})
        while not (self._leaving and self._idle()):
            for key, _ in self._selector.select(self._step()):
                key.data()
            self._reap()

    def _idle(self) -> bool:
        program = self._program
        return program is None or (program.stopping is not None and program.stopping.done)

    def _step(self) -> float | None:
        """Do what is due; seconds until there is something to do again."""
        wanted: list[float] = []
        if self._program is not None:
            again = self._program.step()
            if again is not None:
                wanted.append(again)
            elif self._leaving:
                return 0.0
            elif self._waiting and self._idle():
                waiting, self._waiting = self._waiting, []
                for request, done in waiting:
                    self._attempt(request, done)
                return 0.0
        if self._every is not None and self._watchable():
            now = time.perf_counter()
            if now >= self._due:
                self._due += self._every * (1 + (now - self._due) // self._every)
                if len(self._out) < _BACKLOG:
                    self._say({"event": "usage", **self._reading(pss=False)})
            wanted.append(max(0.0, self._due - time.perf_counter()))
        return min(wanted, default=None)

    def _reap(self) -> None:
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._program is not None and self._program.reaped(pid, status, used):
                self._say({"event": "ended", **self._ended()})

    def _hear(self) -> None:
        try:
            part = os.read(0, _CHUNK)
        except BlockingIOError:
            return
        if not part:
            self._leave()
            return
        *lines, self._in = (self._in + part).split(b"\n")
        for line in lines:
            request = json.loads(line)
            self._attempt(request["id"], partial(self._answer, request))

    def _attempt(self, request: int, act: Callable[[], None]) -> None:
        try:
            act()
        except LoadgateError as error:
            self._say({"id": request, "error": [error.message, error.hint]})

    def _leave(self) -> None:
        """Our side is gone, or somebody wants us to go: stop what runs, then end."""
        if not self._leaving and 0 in self._selector.get_map():
            self._selector.unregister(0)
        self._leaving = True
        if self._program is not None:
            self._program.stop(LAST_PATIENCE)

    def _answer(self, request: Message) -> None:
        what, reply = request["do"], {"id": request["id"]}
        if what == "start":
            if self._program is None or self._idle():
                self._start(request)
            elif self._program.end is None:
                raise LoadgateError("a program runs already", "stop it before another one is started")
            else:  # what it left behind may hold the port the next one wants
                self._waiting.append((request["id"], partial(self._start, request)))
                self._program.stop(LAST_PATIENCE)
        elif what == "watch":
            self._watch(request)
            self._say(reply)
        elif what == "read":
            self._say({**reply, **self._reading(pss=request["pss"])})
        elif what == "output":
            self._say({**reply, "lines": self._needed().tail.lines()})
        elif what == "stop":
            program = self._needed()
            self._waiting.append((request["id"], lambda: self._say({**reply, **self._stopped()})))
            if program.stopping is None or not program.stopping.done:
                program.stop(request["patience"])

    def _start(self, request: Message) -> None:
        if self._program is not None:
            self._forget_output(self._program)
        try:
            program = Program(request["argv"], request["folder"], request["env"], request["cores"])
        except CannotStart as error:
            self._program = None
            self._say({"id": request["id"], "failed": [error.stage, error.errno]})
            return
        self._program = program
        self._selector.register(program.output or -1, selectors.EVENT_READ, lambda: self._drain(program))
        self._due = program.at + (self._every or 0.0)
        self._say({"id": request["id"], "pid": program.pid, "at": program.at})

    def _drain(self, program: Program) -> None:
        if not program.drain():
            self._forget_output(program)

    def _forget_output(self, program: Program) -> None:
        if program.output is not None:
            self._selector.unregister(program.output)
            program.close_output()

    def _needed(self) -> Program:
        if self._program is None:
            raise LoadgateError("no program was started")
        return self._program

    def _watch(self, request: Message) -> None:
        check_platform()
        kind = request["kind"]
        if kind is not None:
            assert kind in get_args(Kind)
            self._subject = resolve(SubjectSpec(kind, request["value"]))
        else:
            self._subject = None
        self._every = request["every"]
        self._unread = None
        self._watched_at = self._due = time.perf_counter()
        self._cpu_before = time.process_time()

    def _watchable(self) -> bool:
        return self._subject is not None or (self._program is not None and self._program.end is None)

    def _reading(self, *, pss: bool) -> Message:
        """A reading, why something is missing (where that changed), and what our CPU share was since watching began."""
        if self._subject is not None:
            usage = self._subject.read(pss)
            unread = self._subject.unread
        else:
            check_platform()
            tree = self._needed().tree
            usage = tree.read(pss=pss)
            unread = tuple(tree.unread.values())
        values = {name: value for name in _FIELDS if (value := getattr(usage, name)) is not None}
        message: Message = {"usage": values}
        if unread != self._unread:
            self._unread = message["unread"] = unread
        if self._every is not None and (passed := time.perf_counter() - self._watched_at) > 0.0:
            message["share"] = (time.process_time() - self._cpu_before) / passed
            message["resident"] = procfs.rss(os.getpid())
        return message

    def _ended(self) -> Message:
        program = self._needed()
        assert program.end is not None
        end = program.end
        return {"code": end.code, "signal": end.signal, "at": end.at, "lines": program.last}

    def _stopped(self) -> Message:
        program = self._needed()
        assert program.stopping is not None
        if program.end is None:
            raise LoadgateError(
                f"process {program.pid} could not be ended, not even with SIGKILL", "it waits for a device"
            )
        program.drain_rest()
        self._forget_output(program)
        return {
            "seconds": max(0.0, program.end.at - program.stopping.asked),
            "killed": program.stopping.killed,
            "leftovers": len(program.leftovers),
            "ended": self._ended(),
        }

    def _say(self, message: Message) -> None:
        self._out += json.dumps(message, separators=(",", ":")).encode() + b"\n"
        if not self._blocked:
            self._flush()

    def _flush(self) -> None:
        try:
            while self._out:
                del self._out[: os.write(1, self._out)]
        except BlockingIOError:
            if not self._blocked:
                self._blocked = True
                self._selector.register(1, selectors.EVENT_WRITE, self._flush)
            return
        except BrokenPipeError:
            self._out.clear()
            self._leave()
        if self._blocked:
            self._blocked = False
            self._selector.unregister(1)


def main() -> None:
    """Run a keeper until its standard input ends."""
    try:
        Keeper().run()
    except BaseException:
        # Whatever is wrong with us: nothing may stay behind that nobody looks after.
        for pid in descendants(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        raise
    os._exit(0)  # nothing is left to do, and an interpreter that is taken down in order takes 10 ms


if __name__ == "__main__":
    main()
