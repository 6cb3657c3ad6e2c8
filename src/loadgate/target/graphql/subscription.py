"""GraphQL over WebSocket, protocol `graphql-transport-ws` (enisdenjo/graphql-ws PROTOCOL.md): subscriptions, and queries too.

Each operation draws a delay and a fault when it begins: the delay holds its first result back, and is told in it. `timeout`
silences the operation, the other faults that are not GraphQL's own end the connection.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from graphql import ExecutionResult, GraphQLError, OperationType, subscribe

from loadgate.target.faults import KINDS, Kind, Outcome
from loadgate.target.graphql.execution import (
    BadAsk,
    Executor,
    Operation,
    Refused,
    Result,
    injected_errors,
    plain_result,
    read_ask,
    spoiled,
    with_truth,
)
from loadgate.target.graphql.schema import Allowance
from loadgate.target.http.connection import Site
from loadgate.target.websocket.connection import WebSocket
from loadgate.target.websocket.frames import TEXT

SUBPROTOCOL: Final = "graphql-transport-ws"
PATH: Final = "/graphql"
INIT_WITHIN: Final = 10.0
"""Seconds a client has to send `connection_init`."""
MOST_OPERATIONS: Final = 1000
"""At once, on one connection."""


class SubscriptionSession:
    """Answers the messages of one WebSocket. `spoken` is False for a client that does not know the protocol."""

    def __init__(self, socket: WebSocket, site: Site, executor: Executor, *, spoken: bool) -> None:
        self._socket = socket
        self._site = site
        self._executor = executor
        self._spoken = spoken
        self._tally = site.metrics.tally("OPERATION", PATH)
        self._acknowledged = False
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._readable = asyncio.Event()  # whether the client reads
        self._readable.set()
        self._init_timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        if not self._spoken:
            self._socket.close(4406, "Subprotocol not acceptable")
            return
        loop = asyncio.get_running_loop()
        self._init_timer = loop.call_later(INIT_WITHIN, self._socket.close, 4408, "Connection initialisation timeout")

    def message(self, kind: int, payload: bytes) -> None:
        try:
            value = msgspec.json.decode(payload) if kind == TEXT else None
        except (msgspec.DecodeError, RecursionError):
            value = None
        if not isinstance(value, dict):
            self._socket.close(4400, "a message is a JSON object")
            return
        match value.get("type"):
            case "connection_init":
                self._acknowledge()
            case "ping":
                payload_back = {"payload": value["payload"]} if "payload" in value else {}
                self._send({"type": "pong", **payload_back})
            case "pong":
                pass
            case "subscribe":
                self._subscribe(value)
            case "complete":
                task = self._operations.pop(str(value.get("id")), None)
                if task is not None:
                    task.cancel()
            case other:
                self._socket.close(4400, f"unknown message type {str(other)[:40]!r}")

    def resume(self) -> None:
        self._readable.set()

    def end(self) -> None:
        if self._init_timer is not None:
            self._init_timer.cancel()
        for task in self._operations.values():
            task.cancel()
        self._operations.clear()

    def _acknowledge(self) -> None:
        if self._acknowledged:
            self._socket.close(4429, "Too many initialisation requests")
            return
        self._acknowledged = True
        if self._init_timer is not None:
            self._init_timer.cancel()
        self._send({"type": "connection_ack"})

    def _subscribe(self, value: dict[str, Any]) -> None:
        id = value.get("id")
        if not self._acknowledged:
            self._socket.close(4401, "Unauthorized")
        elif not isinstance(id, str) or not id:
            self._socket.close(4400, "subscribe needs an id")
        elif id in self._operations:
            self._socket.close(4409, f"Subscriber for {id} already exists")
        elif len(self._operations) >= MOST_OPERATIONS:
            self._fail(id, {"errors": [{"message": f"at most {MOST_OPERATIONS:,} operations at a time"}]})
        else:
            try:
                ask = read_ask(value.get("payload"))
            except BadAsk as bad:
                self._socket.close(4400, str(bad))
                return
            try:
                operation = self._executor.prepare(ask)
            except Refused as refused:
                self._fail(id, refused.result)
                return
            task = asyncio.get_running_loop().create_task(self._run(id, operation))
            self._operations[id] = task

    async def _run(self, id: str, operation: Operation) -> None:
        started = self._site.clock.now()
        delay, fault = self._draw(started)
        if delay:
            await self._site.clock.sleep_until(started + delay / 1000.0)
        if fault is not None and fault.kind in (Kind.RESET, Kind.CLOSE, Kind.PARTIAL, Kind.TIMEOUT):
            self._break(id, fault)
            return
        if fault is not None and fault.kind is Kind.ERRORS:
            self._fail(id, injected_errors())
        elif operation.kind is OperationType.SUBSCRIPTION:
            await self._stream(id, operation, delay, fault)
        else:
            result = self._executor.execute(operation)
            await self._next(id, with_truth(spoiled(result, fault), delay, fault))
            self._complete(id)
        self._tally.count(101, self._site.clock.now() - started)

    async def _stream(self, id: str, operation: Operation, delay: float, fault: Outcome | None) -> None:
        ask = operation.ask
        source = subscribe(
            self._executor.schema,
            operation.document,
            context_value=Allowance(),
            variable_values=ask.variables,
            operation_name=ask.operationName,
        )
        events = await source if inspect.isawaitable(source) else source
        if isinstance(events, ExecutionResult):
            self._fail(id, plain_result(events))
            return
        try:
            async for event in events:
                await self._next(id, with_truth(spoiled(plain_result(event), fault), delay, fault))
                delay = 0.0
        except GraphQLError as error:
            self._fail(id, {"errors": [dict(error.formatted)]})
        else:
            self._complete(id)
        finally:
            await _close(events)

    def _draw(self, now: float) -> tuple[float, Outcome | None]:
        injector = self._site.control.injector
        if injector is None:
            return 0.0, None
        delay, fault = injector.draw(PATH, now, "graphql")
        if fault is not None and (fault.kind is Kind.STATUS or fault.kind not in KINDS["graphql"]):
            fault = None
        if fault is not None:
            self._site.metrics.faults[fault.kind] += 1
        if delay:
            self._site.metrics.hold(delay)
        return delay, fault

    def _break(self, id: str, fault: Outcome) -> None:
        if fault.kind is Kind.RESET:
            self._socket.reset()
        elif fault.kind is Kind.CLOSE:
            self._socket.close(fault.code, "injected fault")
        elif fault.kind is Kind.PARTIAL:
            self._socket.send_half(TEXT, msgspec.json.encode({"type": "next", "id": id, "payload": {"data": None}}))

    async def _next(self, id: str, result: Result) -> None:
        while self._socket.paused:
            self._readable.clear()
            await self._readable.wait()
        self._send({"type": "next", "id": id, "payload": result})

    def _complete(self, id: str) -> None:
        self._operations.pop(id, None)
        self._send({"type": "complete", "id": id})

    def _fail(self, id: str, result: Result) -> None:
        self._operations.pop(id, None)
        self._send({"type": "error", "id": id, "payload": result["errors"]})

    def _send(self, value: dict[str, Any]) -> None:
        self._socket.send(TEXT, msgspec.json.encode(value))


async def _close(events: AsyncIterator[Any]) -> None:
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()
