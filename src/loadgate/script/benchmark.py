"""Benchmarks: functions whose time is followed, and how a script file says so.

    @benchmark(group="json", params={"size": [100, 1000]})
    def parse(size: int) -> None:
        json.loads(DOCUMENTS[size])

    @benchmark
    async def first_page(user: User) -> None:
        await user.http.get("/posts")

A plain function is called in a loop, as often as one sample takes; one that is `async` gets a user, and each call is a
sample. With `params` there is a benchmark for each value, of several parameters for each combination. Names are criterion's,
"group/function/value": "json/parse/1000".

The decorator only marks functions, which stay callable as they are; `load_suite` collects what is marked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from loadgate.errors import ConfigError, LoadgateError, Problem, nearest

if TYPE_CHECKING:
    from loadgate.measure.metric import Metric
    from loadgate.script.scenario import Hook

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])
Values = Sequence[Any] | Mapping[str, Any]
"""Of one parameter: numbers and texts, or anything under names of one's own."""

MOST: Final = 1000
"""Benchmarks of one function."""
MOST_NAME: Final = 200
_MARK: Final = "__loadgate_benchmarks__"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`function` is called with `kwargs`; one that `is_async` gets a user first."""

    name: str
    function: Callable[..., Any]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    is_async: bool = False


@dataclass(frozen=True, slots=True)
class Suite:
    """All benchmarks of one script, in its order. `setup` and `teardown` are for the users of async ones."""

    name: str
    benchmarks: tuple[Benchmark, ...]
    setup: Hook | None = None
    teardown: Hook | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    def benchmark(self, name: str) -> Benchmark:
        """The benchmark called `name`. Raises ConfigError with the nearest name."""
        for candidate in self.benchmarks:
            if candidate.name == name:
                return candidate
        names = [candidate.name for candidate in self.benchmarks]
        like = nearest(name, names)
        note = f"did you mean `{like}`?" if like else f"benchmarks: {', '.join(names)}"
        raise ConfigError([Problem(f"{self.name} has no benchmark `{name}`", note=note)])


@overload
def benchmark(function: FunctionT, /) -> FunctionT: ...
@overload
def benchmark(
    *, name: str | None = None, group: str | None = None, params: Mapping[str, Values] | None = None
) -> Callable[[FunctionT], FunctionT]: ...
def benchmark(
    function: FunctionT | None = None,
    /,
    *,
    name: str | None = None,
    group: str | None = None,
    params: Mapping[str, Values] | None = None,
) -> FunctionT | Callable[[FunctionT], FunctionT]:
    """Mark a function as a benchmark; its name is the function's unless given.

    `params` maps parameters of the function to the values it is measured with: a list of numbers and texts, or a mapping
    from names to whatever there is to pass.
    """

    def mark(marked: FunctionT) -> FunctionT:
        title = name if name is not None else getattr(marked, "__name__", "")
        _check_name(title, "name")
        if group is not None:
            _check_name(group, "group")
            title = f"{group}/{title}"
        _check_function(title, marked)
        is_async = inspect.iscoroutinefunction(marked)
        choices = _choices(title, params)
        _check_signature(title, marked, choices, is_async)
        setattr(marked, _MARK, tuple(_benchmarks(title, marked, choices, is_async)))
        return marked

    return mark if function is None else mark(function)


def benchmarks_of(value: object) -> tuple[Benchmark, ...]:
    """The benchmarks `value` was marked as, if it was."""
    found = getattr(value, _MARK, ())
    return found if isinstance(found, tuple) else ()


def load_benchmarks(path: Path) -> tuple[Benchmark, ...]:
    """The benchmarks of the script in `path`. Raises ConfigError as `load_suite` does."""
    return load_suite(path).benchmarks


def load_suite(path: Path) -> Suite:
    """Run the script in `path` once and collect its benchmarks, those it imports by name among them.

    Raises ConfigError that points at the offending line of the user's, as `load_script` does, and for a script without
    benchmarks or with two of one name.
    """
    # here, so that writing a benchmark does not load what reads it
    from loadgate.script import loader
    from loadgate.script.metrics import declarations
    from loadgate.script.scenario import hook_of

    if not path.is_file():
        raise ConfigError([Problem(f"there is no file {path}" if not path.exists() else f"{path} is not a file")])
    with declarations() as metrics:
        module = loader.run_file(path)
    found: dict[str, Benchmark] = {}
    hooks: dict[str, Hook] = {}
    for value in vars(module).values():
        for each in benchmarks_of(value):
            known = found.setdefault(each.name, each)
            if known is not each:
                places = f"{_place(known.function)} and {_place(each.function)}"
                message = f"{path.name} has two benchmarks named `{each.name}`: {places}"
                raise ConfigError([Problem(message, note="give one a name= or a group=")])
        kind = hook_of(value)
        if kind is not None and hooks.setdefault(kind, value) is not value:
            raise ConfigError([Problem(f"{path.name} has two functions marked as {kind}")])
    if not found:
        note = "mark a function with `@benchmark` (from loadgate import benchmark)"
        raise ConfigError([Problem(f"{path.name} has no benchmark", note=note)])
    return Suite(path.name, tuple(found.values()), hooks.get("setup"), hooks.get("teardown"), metrics)


def _benchmarks(
    title: str, function: Callable[..., Any], choices: Mapping[str, Mapping[str, Any]], is_async: bool
) -> list[Benchmark]:
    """One for each combination, the last parameter changing fastest."""
    return [
        Benchmark(
            "/".join([title, *(label for label, _ in combination)]),
            function,
            {key: value for key, (_, value) in zip(choices, combination, strict=True)},
            is_async,
        )
        for combination in product(*(values.items() for values in choices.values()))
    ]


def _choices(title: str, params: Mapping[str, Values] | None) -> dict[str, dict[str, Any]]:
    """Values by label, by parameter."""
    if params is None:
        return {}
    example = 'params={"size": [100, 1000]}'
    if not isinstance(params, Mapping) or not params:
        raise LoadgateError(f"benchmark `{title}`: params must map parameters to lists of values", example)
    choices = {}
    combinations = 1
    for key, values in params.items():
        if not isinstance(values, Sequence | Mapping) or isinstance(values, str | bytes):
            what = f"params of `{key}` must be a list of values, not {type(values).__name__}"
            raise LoadgateError(f"benchmark `{title}`: {what}", example)
        if not values:
            raise LoadgateError(f"benchmark `{title}`: `{key}` has no values, so nothing would be measured", example)
        choices[str(key)] = _labelled(title, str(key), values)
        combinations *= len(values)
    if combinations > MOST:
        raise LoadgateError(f"benchmark `{title}` has {combinations:,} combinations of values", f"the most is {MOST:,}")
    return choices


def _labelled(title: str, key: str, values: Values) -> dict[str, Any]:
    if isinstance(values, Mapping):
        pairs = list(values.items())
    else:
        for value in values:
            if not isinstance(value, str | int | float | bool):
                what = f"a {type(value).__name__} among the values of `{key}` has no short name"
                hint = f'give values that are no numbers or texts under a name: params={{"{key}": {{"small": ...}}}}'
                raise LoadgateError(f"benchmark `{title}`: {what}", hint)
        pairs = [(str(value), value) for value in values]
    labelled: dict[str, Any] = {}
    for label, value in pairs:
        _check_name(label, f"value of `{key}`", title)
        if label in labelled:
            raise LoadgateError(f"benchmark `{title}`: `{key}` has the value {label} twice", "each gives one benchmark")
        labelled[label] = value
    return labelled


def _check_name(name: object, what: str, title: str = "") -> None:
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > MOST_NAME:
        subject = f"benchmark `{title}`: {name!r}" if title else f"{name!r}"
        raise LoadgateError(
            f"{subject} cannot be the {what} of a benchmark", f"give 1 to {MOST_NAME} letters or digits"
        )


def _check_function(title: str, function: object) -> None:
    if not callable(function) or inspect.isclass(function):
        what = "a class" if inspect.isclass(function) else f"of type {type(function).__name__}"
        raise LoadgateError(f"benchmark `{title}` must be a function, and is {what}", "put @benchmark above a `def`")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        hint = "calling one runs none of its lines: consume it in a function of its own"
        raise LoadgateError(f"benchmark `{title}` is a generator", hint)


def _check_signature(
    title: str, function: Callable[..., Any], choices: Mapping[str, Mapping[str, Any]], is_async: bool
) -> None:
    signature = inspect.signature(function)
    named = [
        parameter
        for parameter in signature.parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    names = [parameter.name for parameter in named]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())
    if is_async:
        first = next(iter(signature.parameters.values()), None)
        if first is None or first.kind in (first.KEYWORD_ONLY, first.VAR_KEYWORD) or first.name in choices:
            message = f"benchmark `{title}` is async and must take the user first"
            raise LoadgateError(message, f"async def {title.rpartition('/')[2]}(user, ...): ...")
        names = names[1:] if names and names[0] == first.name else names
    unknown = [key for key in choices if key not in names and not takes_any]
    if unknown:
        like = nearest(unknown[0], names)
        hint = f"did you mean `{like}`?" if like else f"it takes {', '.join(names) or 'none'}"
        raise LoadgateError(f"benchmark `{title}` has no parameter `{unknown[0]}`", hint)
    missing = [
        parameter.name
        for parameter in named
        if parameter.name in names and parameter.name not in choices and parameter.default is parameter.empty
    ]
    if missing == ["user"] and not is_async:
        raise LoadgateError(f"benchmark `{title}` takes a user and is not async", "write `async def`")
    if missing:
        hint = f'give params={{"{missing[0]}": [...]}}, or a default'
        raise LoadgateError(f"benchmark `{title}` takes `{missing[0]}`, which has no values", hint)
    try:
        signature.bind(*(["user"] if is_async else []), **dict.fromkeys(choices))
    except TypeError as error:
        raise LoadgateError(f"benchmark `{title}` cannot be called with its params: {error}") from None


def _place(function: Callable[..., Any]) -> str:
    """`load.py:12`."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code is not None else repr(function)
