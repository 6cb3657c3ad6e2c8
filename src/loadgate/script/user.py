"""The virtual user: what a scenario gets as its only argument.

Thousands of them live at once, so a user is a few slots; what users share is in `Shared`, and what is rarely needed
(the random generator) is made when it is first asked for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from loadgate.script.failure import describe

if TYPE_CHECKING:
    from loadgate.clients.graphql.client import GraphqlClient
    from loadgate.clients.grpc.client import GrpcClient
    from loadgate.clients.http.client import HttpClient
    from loadgate.clients.websocket.client import WsClient
    from loadgate.script.ledger import Ledger
    from loadgate.script.shared import Shared

_FOREVER: Final = float("inf")
_OURS: Final = frozenset(
    {"scenario", "group", "name", "method", "status", "proto", "check", "error", "expected_response"}
)
"""Tags that Loadgate sets itself."""


class StopUser(Exception):
    """Raised by a scenario to end its user for good. The iteration is not counted and nothing is failed by it."""


class User:
    """One virtual user. An instance belongs to one run and is made by it.

    Attributes: `http` (the client: own connections, own cookies), `graphql` (queries over the same connections, and
    subscriptions), `grpc` (calls to the target's gRPC server), `ws` (WebSocket sessions), `id` (from 1), `iteration` (from 0),
    `env` (environment of the run), `setup_data` (what the script's setup returned), `random` (own generator, seeded by the
    run's seed and the id), `tags` (for every sample from now on), `scenario` (name).
    """

    __slots__ = (
        "_graphql",
        "_grpc",
        "_random",
        "_ws",
        "env",
        "http",
        "id",
        "iteration",
        "ledger",
        "positions",
        "shared",
        "turn",
    )

    def __init__(self, shared: Shared, ledger: Ledger, http: HttpClient, id: int, env: Mapping[str, str]) -> None:
        self._graphql: GraphqlClient | None = None
        self._grpc: GrpcClient | None = None
        self._random: Random | None = None
        self._ws: WsClient | None = None
        self.env = env
        self.http = http
        self.id = id
        self.iteration = 0
        self.ledger = ledger
        self.positions: dict[int, int] | None = None
        """How far this user is in each feeder that counts by user."""
        self.shared = shared
        self.turn = 0
        """Which of its role's scenarios it plays at the moment."""

    @property
    def scenario(self) -> str:
        return self.ledger.tags.get("scenario", "")

    @property
    def graphql(self) -> GraphqlClient:
        """Queries, mutations and subscriptions to the target's endpoint; `user.graphql.at(url)` for another one."""
        if self._graphql is None:
            from loadgate.clients.graphql.client import GraphqlClient
            from loadgate.clients.graphql.subscriber import Subscriber

            spec = self.shared.http.graphql
            self._graphql = GraphqlClient(self.http, spec.path, Subscriber(lambda: self.ws), spec.subscriptions)
        return self._graphql

    @property
    def grpc(self) -> GrpcClient:
        """Calls to the target's gRPC server. Raises LoadgateError where `target.grpc` names none."""
        if self._grpc is None:
            self._grpc = self.shared.grpc_client(self.http, self.ledger)
        return self._grpc

    @property
    def ws(self) -> WsClient:
        """WebSocket sessions with the target or any other server: `async with user.ws.connect("/ws") as session`."""
        if self._ws is None:
            self._ws = self.shared.ws_client(self.http)
        return self._ws

    @property
    def setup_data(self) -> Any:
        return self.shared.setup_data

    @property
    def random(self) -> Random:
        if self._random is None:
            self._random = Random(f"{self.shared.seed} {self.id}")
        return self._random

    @property
    def tags(self) -> MutableMapping[str, str]:
        """This user's own tags: set or delete one, and every later sample follows."""
        return _Tags(self)

    def check(self, subject: object, name: str | Mapping[str, Callable[[Any], object]]) -> bool:
        """Record whether something holds; nothing is raised and the scenario goes on.

        Either a truth value and a name (a response counts as true when its `ok` is), or any subject and a mapping from
        names to predicates on it. A predicate that raises has failed, and its error is kept as a sample. True when all
        hold. Recorded in the rate `checks` with the tags check, group and scenario (k6 documentation, "check").
        """
        if isinstance(name, str):
            if subject is not True and subject is not False:
                subject = _truth(subject)
            tally = self.ledger.checks.get(name) or self.ledger.check(name)
            tally.total += 1
            if subject:
                tally.passes += 1
            return subject
        _refuse_awaitable(subject)
        held = [self._holds(subject, label, predicate) for label, predicate in name.items()]
        return all(held)

    def _holds(self, subject: object, name: str, predicate: Callable[[Any], object]) -> bool:
        try:
            held = predicate(subject)
            if held is not True and held is not False:
                _refuse_awaitable(held)
        except Exception as error:
            self.shared.recorder.error("check", name, describe(error))
            held = False
        return self.check(bool(held), name)

    def group(self, name: str) -> Group:
        """`with user.group("login"):` tags all samples inside with the group and records its duration.

        Groups nest as in k6: `::checkout::pay`. Raises ValueError for an empty name or one with `::` in it.
        """
        return Group(self, name)

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of the run's clock. Raises ValueError where they are negative, infinite or NaN."""
        if not 0.0 <= seconds < _FOREVER:
            raise ValueError(f"cannot wait {seconds} s: give a finite number of seconds from 0 up")
        clock = self.shared.clock
        await clock.sleep_until(clock.now() + seconds)

    async def think(self, low: float, high: float) -> None:
        """Wait for a time drawn evenly between `low` and `high` seconds. Raises ValueError as `sleep` does."""
        await self.sleep(self.random.uniform(low, high))

    def enter(self, ledger: Ledger) -> None:
        """Go on under the tags of `ledger`."""
        self.ledger = ledger
        self.http.context = ledger.context
        if self._grpc is not None:
            self._grpc.context = self.shared.grpc_context(ledger)

    def cut_off(self, patience: float) -> None:
        """Record what has waited longer than `patience` (s) as unanswered, whatever its protocol, and give it up."""
        self.http.cut_off(patience)
        if self._grpc is not None:
            self._grpc.cut_off(patience)
        if self._ws is not None:
            self._ws.cut_off(patience)

    def close(self) -> None:
        """Drop every connection and what is in flight on it. More may be sent."""
        self.http.close()
        if self._grpc is not None:
            self._grpc.close()
        if self._ws is not None:
            self._ws.close()

    def __repr__(self) -> str:
        return f"<User {self.id} of {self.scenario or 'no scenario'}, iteration {self.iteration}>"


class Group:
    """What `user.group` returns. May be entered once."""

    __slots__ = ("_before", "_inside", "_start", "_user")

    def __init__(self, user: User, name: str) -> None:
        self._user = user
        self._before = user.ledger
        self._inside = user.ledger.group(name)
        self._start = 0.0

    def __enter__(self) -> None:
        self._user.enter(self._inside)
        self._start = self._user.shared.clock.now()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        user, inside = self._user, self._inside
        inside.add(inside.group_duration, (user.shared.clock.now() - self._start) * 1e3)
        if user.ledger is inside:
            user.enter(self._before)
        else:  # tags were set inside, and outlive the group
            user.enter(user.ledger.with_tag("group", self._before.tags.get("group")))


class _Tags(MutableMapping[str, str]):
    """A user's own tags, as a view: Loadgate's are left out and cannot be set."""

    __slots__ = ("_user",)

    def __init__(self, user: User) -> None:
        self._user = user

    def __getitem__(self, tag: str) -> str:
        if tag in _OURS:
            raise KeyError(tag)
        return self._user.ledger.tags[tag]

    def __setitem__(self, tag: str, value: str) -> None:
        if tag in _OURS:
            raise ValueError(f"tag `{tag}` is set by Loadgate: choose another name")
        self._user.enter(self._user.ledger.with_tag(tag, str(value)))

    def __delitem__(self, tag: str) -> None:
        self[tag]
        self._user.enter(self._user.ledger.with_tag(tag, None))

    def __iter__(self) -> Iterator[str]:
        return (tag for tag in self._user.ledger.tags if tag not in _OURS)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return repr(dict(self))


def _truth(subject: object) -> bool:
    ok = getattr(subject, "ok", None)
    if isinstance(ok, bool):
        return ok
    _refuse_awaitable(subject)
    return bool(subject)


def _refuse_awaitable(subject: object) -> None:
    """Something not awaited is always true, and so would be every check of it."""
    if hasattr(type(subject), "__await__"):
        if inspect.iscoroutine(subject):
            subject.close()
        raise TypeError("check was given something that is not awaited yet: write `await` before it")
