"""Scenarios: what a user does in one iteration, and how a script file says so.

    @scenario(weight=3)
    async def browse(user: User) -> None:
        response = await user.http.get("/posts")
        user.check(response.status == 200, "posts are listed")

The decorators only mark functions, which stay callable as they are; the loader collects what is marked.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, overload

from loadgate.errors import ConfigError, LoadgateError, Problem, nearest

if TYPE_CHECKING:
    from loadgate.clients.grpc.schema import Schema
    from loadgate.measure.metric import Metric
    from loadgate.script.calls import DeclaredCall
    from loadgate.script.queries import DeclaredQuery
    from loadgate.script.user import User

Iterate = Callable[["User"], Awaitable[None]]
Hook = Callable[..., Any]
IterateT = TypeVar("IterateT", bound=Callable[["User"], Awaitable[None]])
HookT = TypeVar("HookT", bound=Callable[..., Any])

MOST_WEIGHT: Final = 1000
_SCENARIO: Final = "__loadgate_scenario__"
_HOOK: Final = "__loadgate_hook__"


@dataclass(frozen=True, slots=True)
class Scenario:
    """`iterate` is one iteration; `weight` its share where several scenarios are mixed; `tags` go on every sample."""

    name: str
    iterate: Iterate
    weight: int = 1
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Script:
    """Everything a run needs to know of what users do.

    `setup` and `teardown` take a user or nothing, and may be async. `options` is the script's own load in k6's shape,
    not looked at here. `metrics` are the author's own, by name; `queries` and `calls` are what is to be checked before there is
    load, `schema` what the `.proto` files of the target say, where it names some.
    """

    name: str
    scenarios: tuple[Scenario, ...]
    setup: Hook | None = None
    teardown: Hook | None = None
    options: Mapping[str, Any] | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    queries: tuple[DeclaredQuery, ...] = ()
    calls: tuple[DeclaredCall, ...] = ()
    schema: Schema | None = None

    def scenario(self, name: str) -> Scenario:
        """The scenario called `name`. Raises ConfigError with the nearest name."""
        for candidate in self.scenarios:
            if candidate.name == name:
                return candidate
        names = [candidate.name for candidate in self.scenarios]
        like = nearest(name, names)
        note = f"did you mean `{like}`?" if like else f"scenarios: {', '.join(names)}"
        raise ConfigError([Problem(f"{self.name} has no scenario `{name}`", note=note)])

    def only(self, names: Sequence[str]) -> Script:
        """The script reduced to the scenarios `names`. Raises ConfigError."""
        chosen = tuple(self.scenario(name) for name in dict.fromkeys(names))
        return replace(self, scenarios=chosen)


@overload
def scenario(function: IterateT, /) -> IterateT: ...
@overload
def scenario(
    *, name: str | None = None, weight: int = 1, tags: Mapping[str, str] | None = None
) -> Callable[[IterateT], IterateT]: ...
def scenario(
    function: IterateT | None = None,
    /,
    *,
    name: str | None = None,
    weight: int = 1,
    tags: Mapping[str, str] | None = None,
) -> IterateT | Callable[[IterateT], IterateT]:
    """Mark an `async def` with one argument, the user, as a scenario; its name is the function's unless given."""

    def mark(marked: IterateT) -> IterateT:
        title = name if name is not None else getattr(marked, "__name__", "")
        _check_scenario(marked, title, weight)
        kept = {tag: str(value) for tag, value in (tags or {}).items()}
        setattr(marked, _SCENARIO, Scenario(title, marked, weight, kept))
        return marked

    return mark if function is None else mark(function)


def setup(function: HookT) -> HookT:
    """Mark what runs once before the first iteration; every user then has its return value as `user.setup_data`.

    What it requests is in no figure: the run begins after it.
    """
    return _mark_hook(function, "setup")


def teardown(function: HookT) -> HookT:
    """Mark what runs once after the last iteration. What it requests is in no figure: the run has ended."""
    return _mark_hook(function, "teardown")


def scenario_of(value: object) -> Scenario | None:
    """The scenario `value` was marked as, if it was."""
    found = getattr(value, _SCENARIO, None)
    return found if isinstance(found, Scenario) else None


def hook_of(value: object) -> Literal["setup", "teardown"] | None:
    """Whether `value` was marked as setup or teardown."""
    found = getattr(value, _HOOK, None)
    return found if found in ("setup", "teardown") else None


def _check_scenario(function: object, name: str, weight: int) -> None:
    if not inspect.iscoroutinefunction(function):
        raise LoadgateError(f"scenario `{name}` must be an `async def` function", "and await its requests")
    if not _takes(function, 1):
        raise LoadgateError(f"scenario `{name}` must take one argument, the user", f"async def {name}(user): ...")
    if not name or isinstance(weight, bool) or not isinstance(weight, int) or not 1 <= weight <= MOST_WEIGHT:
        raise LoadgateError(f"scenario `{name}`: weight must be a whole number from 1 to {MOST_WEIGHT}, not {weight!r}")


def _mark_hook(function: HookT, kind: str) -> HookT:
    if not (_takes(function, 0) or _takes(function, 1)):
        raise LoadgateError(f"{kind} takes the user or nothing", f"def {kind}(user): ...")
    setattr(function, _HOOK, kind)
    return function


def _takes(function: Callable[..., object], count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    return True
