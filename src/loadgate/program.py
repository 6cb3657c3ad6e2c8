"""The target's own program within one run: started, waited for, watched and stopped; or watched alone.

    async with Program(target, clock) as program:
        await program.start()                    until it is ready
        await program.begin(recorder, warmup)    what it uses counts from here, or from the end of the warm-up
        ...                                      the load
        await program.settle()                   the last reading
        await program.stop()

Leaving ends what was started in any case, and a companion process does so where ours is killed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from loadgate.clients.http import HttpStack
from loadgate.clients.http.stack import stack_for
from loadgate.clock import Clock, Handle
from loadgate.config.target import TargetSpec
from loadgate.errors import InvalidRun, LoadgateError, redact_url
from loadgate.load.ready import Readiness, answers, await_ready, ready_url
from loadgate.load.usage import UsageLog
from loadgate.masks import redact_text
from loadgate.measure.recorder import Recorder
from loadgate.probe.usage import Usage
from loadgate.record.redact import redact_words
from loadgate.record.repeated import Repeated
from loadgate.record.run import SubjectRecord
from loadgate.record.starts import Launch

if TYPE_CHECKING:
    from loadgate.load.scrape import Scraper
    from loadgate.probe.kept import Ended, Keeper, Started, Stopped


class Program:
    """What `target` says of its program, which runs on `cores` where some are given. Where it says nothing, every method does
    nothing.
    """

    def __init__(
        self, target: TargetSpec, clock: Clock, user_agent: str = "loadgate", cores: tuple[int, ...] = ()
    ) -> None:
        self._target = target
        self._clock = clock
        self._agent = user_agent
        self._cores = cores
        self._keeper: Keeper | None = None
        self._started: Started | None = None
        self._ready: Readiness | None = None
        self._memory: int | None = None
        self._stopped: Stopped | None = None
        self._log: UsageLog | None = None
        self._edge: Handle | None = None
        self._edge_reading: asyncio.Task[None] | None = None
        self._recorder: Recorder | None = None
        self._scraper: Scraper | None = None
        self._scraping: asyncio.Task[None] | None = None
        self._since = 0.0
        self._empty = self._over = False
        self._end = ""
        self._last_words: tuple[str, ...] = ()

    async def open(self) -> None:
        """Make ready to start or to watch. Whatever comes of it, `close` must follow."""
        if self._target.watched:
            from loadgate.probe.kept import Keeper  # only who watches pays for it

            self._keeper = await Keeper.open()

    async def close(self) -> None:
        """End what was started, if it still runs, and stop watching. Harmless twice."""
        self._close_book()
        if self._edge is not None:
            self._edge.cancel()
        for task in (self._edge_reading, self._scraping):
            if task is not None:
                task.cancel()
        if self._keeper is None:
            return
        try:
            await asyncio.shield(self._keeper.close())
        except asyncio.CancelledError:
            self._keeper.kill_now()
            raise

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- before the load

    async def start(self) -> None:
        """Start the program and wait until it is ready. Raises LoadgateError where it cannot be, or does not become so."""
        if self._keeper is not None:
            await self._start(self._keeper)
        if self._target.metrics is not None:
            from loadgate.load.scrape import Scraper

            self._scraper = Scraper(self._target.metrics.on(self._target.url or ""), self._on_values, self._clock)
            await self._scraper.begin()

    async def _start(self, keeper: Keeper) -> None:
        spec, target = self._target.start, self._target
        from loadgate.probe.kept import Command
        from loadgate.probe.subject import SubjectSpec

        if spec is not None:
            listens, wait = self._questions()
            if await listens():
                raise InvalidRun(
                    f"something listens at {redact_url(target.place)} already, before the target was started",
                    "end it, or leave `start` out of `target` to measure what is there",
                )
            self._started = await keeper.start(Command(spec.argv, spec.folder, spec.env, self._cores))
            self._ready = await wait(since=self._started.at, ended=lambda: keeper.ended_now() is not None)
            if self._ready is None:
                raise InvalidRun(f"the target ended before it was ready: {end_of(keeper.ended_now())}")
        watch = self._target.watch
        subject = SubjectSpec(watch.kind.value, watch.value) if watch is not None and watch.kind is not None else None
        await keeper.watch(subject, self._every, self._on_usage)
        self._memory = (await keeper.read(pss=False)).rss

    @property
    def pid(self) -> int | None:
        """The process that was started, of which all others come; None where none was."""
        return None if self._started is None else self._started.pid

    # -- under load

    async def begin(self, recorder: Recorder, warmup: float, tags: Mapping[str, str] | None = None) -> None:
        """Count from now; with a warm-up (s) from its end, so that what is used belongs to the requests that count.

        `tags` are those of all its samples: two programs of one run are told apart by them.
        """
        if self._keeper is None and self._scraper is None:
            return
        self._since = self._clock.now()
        self._log = UsageLog(recorder, tags)
        await self._count_from_here()
        self._recorder = recorder
        if self._scraper is not None:
            self._scraping = asyncio.create_task(self._scraper.run())
        if warmup:
            self._edge = self._clock.call_at(self._clock.now() + warmup, self._at_edge)

    async def settle(self) -> None:
        """Take the last reading, whole."""
        if self._log is not None and not self.died and (usage := await self._read(pss=True)) is not None:
            self._log.add(usage)
        if self._scraper is not None:
            await self._scraper.scrape()

    @property
    def died(self) -> str:
        """How the program ended though nobody asked it to, or why it can be watched no more; "" where all is well.

        What it used is known in part only then, and a part must not look like the whole. What it is when we stop watching,
        it stays: that a keeper is gone which we have closed says nothing.
        """
        if self._over or self._keeper is None:
            return self._end
        try:
            ended = self._keeper.ended_now()
        except LoadgateError as error:
            return f"the target can be watched no more: {error.message}"
        if ended is not None:
            return f"the target ended before the run did ({ended.words})"
        return "what is watched of the target ended before the run did" if self._empty else ""

    @property
    def last_words(self) -> tuple[str, ...]:
        """The last lines it printed, where it died."""
        return self._last_words if self._over else self._output()

    def _close_book(self) -> None:
        """From now on nothing that happens to the program is of interest."""
        if not self._over:
            self._end, self._last_words = self.died, self._output()
            self._over = True

    # -- after it

    async def stop(self) -> None:
        """Stop what was started: SIGTERM, later SIGKILL. It is left alone where it was only watched."""
        self._close_book()
        if self._keeper is not None and self._started is not None and not self.died:
            self._stopped = await self._keeper.stop(self._target.stop)

    def figures(self) -> tuple[Repeated, ...]:
        """What the one start and the one stop took."""
        if self._started is None or self._ready is None:
            return ()
        since, stopped = self._started.at, self._stopped
        launch = Launch(
            port_open=(self._ready.port_open - since) * 1e3,
            startup=(self._ready.answered - since) * 1e3,
            memory=math.nan if self._memory is None else float(self._memory),
            shutdown=math.nan if stopped is None or stopped.killed else stopped.seconds * 1e3,
        )
        return launch.figures()

    def record(self) -> SubjectRecord | None:
        """What was watched, how, and what that cost."""
        keeper, scraper = self._keeper, self._scraper
        if keeper is None and scraper is None:
            return None
        what: list[str] = []
        unread: list[str] = []
        share = every = 0.0
        if keeper is not None:
            what.append(self._words)
            unread += keeper.unread
            share, every = keeper.cpu_share, self._every
        if scraper is not None and self._target.metrics is not None:
            what.append(f"metrics at {redact_url(self._target.metrics.on(self._target.url or '').url)}")
            unread += scraper.unread
            share += scraper.cpu / max(1e-3, self._clock.now() - self._since)
            every = max(every, self._target.metrics.every)
        return SubjectRecord("; ".join(what), tuple(unread), share, every, self.last_words)

    def notes(self) -> tuple[str, ...]:
        """What a reader should know of how it ended."""
        stopped = self._stopped
        if stopped is None:
            return ()
        found = []
        if stopped.killed:
            found.append(f"the target did not end within {self._target.stop:g} s of SIGTERM and was killed")
        if stopped.leftovers:
            what = "process behind, which was" if stopped.leftovers == 1 else "processes behind, which were"
            found.append(f"the target left {stopped.leftovers} {what} killed")
        return tuple(found)

    # -- inside

    def _output(self) -> tuple[str, ...]:
        """The last lines a program printed that died."""
        if self._keeper is None or not self.died:
            return ()
        with suppress(LoadgateError):
            if (ended := self._keeper.ended_now()) is not None:
                return ended.output
        return ()

    async def _read(self, *, pss: bool) -> Usage | None:
        """A reading; None where there is nobody to ask any more: `died` says so, and the load is not lost for it."""
        if self._keeper is None:
            return None
        try:
            usage = await self._keeper.read(pss=pss)
        except LoadgateError:
            return None
        self._empty = usage.processes == 0
        return usage

    @property
    def _every(self) -> float:
        return self._target.watch.every if self._target.watch is not None else 1.0

    @property
    def _words(self) -> str:
        watch = self._target.watch
        if watch is not None and watch.kind is not None:
            return f"{watch.kind.value} {watch.value}"
        assert self._target.start is not None and self._started is not None
        return f"{redact_words(self._target.start.argv)}, process {self._started.pid}"

    def _questions(self) -> tuple[Callable[[], Awaitable[bool]], Callable[..., Awaitable[Readiness | None]]]:
        """Whether anything listens, and the wait until it is ready, in the target's own protocol."""
        http, target, clock = self._http(), self._target, self._clock
        if target.url is not None or target.grpc is None:
            url = ready_url(target)
            return partial(answers, http, url), partial(await_ready, http, url, target.ready, clock)
        from loadgate.clients.grpc.stack import GrpcConnector, GrpcStack
        from loadgate.load.ready_grpc import await_grpc, grpc_answers

        connector = GrpcConnector(http.connector.tls, http.connector.connect_timeout)
        grpc = GrpcStack(http.recorder, target.grpc.url, connector=connector, metadata=target.grpc.metadata)
        return partial(grpc_answers, grpc), partial(await_grpc, grpc, target.ready, clock)

    def _http(self) -> HttpStack:
        """Requests that count nowhere."""
        return stack_for(self._target, Recorder(start=self._clock.now()), self._agent)

    def _on_usage(self, usage: Usage) -> None:
        self._empty = usage.processes == 0
        if self._log is not None and self._edge_reading is None:
            self._log.add(usage)

    def _on_values(self, at: float, values: Mapping[str, float]) -> None:
        recorder, scraper = self._recorder, self._scraper
        if recorder is not None and scraper is not None and self._edge_reading is None:
            for name, value in values.items():
                recorder.add(recorder.series(scraper.metrics[name], {}), value)

    def _at_edge(self) -> None:
        self._edge_reading = asyncio.create_task(self._count_again())

    async def _count_again(self) -> None:
        try:
            await self._count_from_here()
        finally:
            self._edge_reading = None

    async def _count_from_here(self) -> None:
        """What was used before counts nowhere."""
        if self._log is not None and (usage := await self._read(pss=False)) is not None:
            self._log.begin(usage)
        if self._scraper is not None:
            await self._scraper.scrape()


def end_of(ended: Ended | None) -> str:
    """How a program ended, and the last it printed."""
    if ended is None:
        return "it is gone"
    lines = "".join(f"\n    {redact_text(line)}" for line in ended.output)
    return f"{ended.words}, and it printed:{lines}" if lines else f"{ended.words}, and it printed nothing"
