"""What a scenario holds as `user.ws`: the WebSocket sessions of one user, beside its HTTP client.

The HTTP client lends what is the user's and not a protocol's: cookies, own headers, tags, and the planned start of its next
exchange, which whichever protocol comes first takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, Final, Protocol, TypeVar, cast

from loadgate.clients.base import ErrorKind
from loadgate.clients.http.client import HttpClient
from loadgate.clients.http.request import Auth
from loadgate.clients.http.stack import Context, HttpStack
from loadgate.clients.websocket.handshake import Offer
from loadgate.clients.websocket.session import WsSession
from loadgate.clients.websocket.step import Outcomes
from loadgate.config.websocket import http_url, is_of_handshake
from loadgate.measure.recorder import Recorder

_STEPS: Final = 4096
"""Steps kept; names with ids in them would otherwise be kept for ever."""

S = TypeVar("S", bound=Outcomes)


class Waiting(Protocol):
    """Something that the scenario was waiting for when it was interrupted."""

    def fail(self, kind: ErrorKind, text: str, now: float) -> None:
        """Record that it did not come until `now` (clock s)."""

    def give_up(self, patience: float, now: float) -> None:
        """The same, as unanswered, where it was waited for longer than `patience` (s)."""


class WsStack:
    """WebSocket for one run, on the connector, request defaults and recorder of its HTTP."""

    __slots__ = ("_steps", "builder", "connector", "recorder")

    def __init__(self, http: HttpStack) -> None:
        self._steps: dict[tuple[Context, str, object], Outcomes] = {}
        self.builder = http.builder
        self.connector = http.connector
        self.recorder = http.recorder

    def step(self, context: Context, name: str, kind: Callable[[Recorder, str, Mapping[str, str]], S]) -> S:
        """The step of this name and kind under the tags of `context`."""
        step = self._steps.get((context, name, kind))
        if step is None:
            if len(self._steps) >= _STEPS:
                self._steps.clear()  # the recorder knows their series, so one made anew goes on where it was
            step = self._steps[context, name, kind] = kind(self.recorder, name, context.tags)
        return cast(S, step)

    def client(self, http: HttpClient) -> WsClient:
        """The WebSocket client of the user whose HTTP client this is."""
        return WsClient(self, http)


class WsClient:
    """Sessions of one user. It connects nothing before the first `async with`."""

    __slots__ = ("_given_up", "_sessions", "http", "stack")

    def __init__(self, stack: WsStack, http: HttpClient) -> None:
        self._sessions: set[WsSession] = set()
        self._given_up: list[Waiting] = []
        self.http = http
        self.stack = stack

    @property
    def planned(self) -> float:
        """Clock seconds the user's next exchange should have started at, or 0: its latency counts from there."""
        return self.http.planned

    @planned.setter
    def planned(self, planned: float) -> None:
        self.http.planned = planned

    def connect(
        self,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        subprotocols: Sequence[str] = (),
        name: str | None = None,
        timeout: float | None = None,
        compress: bool = False,
    ) -> WsSession:
        """A session, opened by `async with`.

        `url` is a path on the target, or absolute with ws, wss, ws+unix or the http scheme of the same meaning. `name` is the
        step its messages count for; without it that is `WS` and the path. `timeout` is in seconds, over connecting and the
        handshake, and again for each answer. `compress` offers permessage-deflate. Raises ValueError for what cannot be sent.
        """
        if isinstance(subprotocols, str):
            raise ValueError(f"subprotocols is a list: write ({subprotocols!r},)")
        self.settle()
        builder = self.stack.builder
        url = http_url(url)
        if name is None:
            name = f"WS {builder.locate(url)[1].partition('?')[0]}"
        offer = Offer.new(subprotocols, compress)
        own = next(filter(is_of_handshake, headers or ()), None)
        if own is not None:
            raise ValueError(f"header `{own}` is the client's own to write; give subprotocols as `subprotocols`")
        fields = {key.lower(): value for key, value in (headers or {}).items()}
        request = builder.build(
            "GET",
            url,
            self.http.context.step("GET", name, None),
            params=params,
            headers=fields | offer.fields(),
            auth=auth,
            timeout=timeout,
        )
        return WsSession(self, request, offer)

    def cut_off(self, patience: float) -> None:
        """Record questions that have waited longer than `patience` (s) as unanswered, and give them up."""
        now = perf_counter()
        for question in self._given_up:
            question.give_up(patience, now)
        self._given_up.clear()
        for session in list(self._sessions):
            session.cut_off(patience)

    def close(self) -> None:
        """Drop every session, and whatever is under way without a sample; who waits for an answer is cancelled."""
        self._given_up.clear()
        for session in list(self._sessions):
            session.drop()
        self._sessions.clear()

    # -- what sessions report

    def admit(self, session: WsSession) -> None:
        """`session` is being opened."""
        self._sessions.add(session)

    def forget(self, session: WsSession) -> None:
        """`session` is gone."""
        self._sessions.discard(session)

    def give_up(self, question: Waiting) -> None:
        """The scenario was interrupted while `question` was under way. At the end of a run that is no failure."""
        self._given_up.append(question)

    def settle(self) -> None:
        """The user goes on, so what it gave up was not given up by the end of the run: those are failures."""
        now = perf_counter()
        for question in self._given_up:
            question.fail(ErrorKind.TIMEOUT, "given up by the scenario before there was an answer", now)
        self._given_up.clear()
