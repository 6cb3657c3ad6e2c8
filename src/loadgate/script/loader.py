"""Reading a script file: a Python module is run once, and what it marked is collected."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from loadgate.config.graphql import GraphqlSpec
from loadgate.errors import ConfigError, LoadgateError, Problem
from loadgate.script.calls import calls_in
from loadgate.script.failure import describe_plain, problem_of, problem_of_text, shown
from loadgate.script.metrics import declarations
from loadgate.script.queries import check_queries, declared_queries
from loadgate.script.scenario import Hook, Scenario, Script, hook_of, scenario_of


def load_script(path: Path, names: Sequence[str] | None = None) -> Script:
    """The script in `path`, reduced to the scenarios `names` where given.

    The file's folder is put on the import path, so that it can import its neighbours. Raises ConfigError that points at
    the offending line of the user's, whatever went wrong: a missing file, a syntax error, an exception while it ran.
    """
    if not path.is_file():
        raise ConfigError([Problem(f"there is no file {path}" if not path.exists() else f"{path} is not a file")])
    full = path.resolve()  # a script may change the folder while it runs
    name = shown(str(full))
    with declarations() as metrics, declared_queries() as queries:
        module = run_file(path)
    script = replace(_collect(path.name, module, metrics), queries=tuple(queries), calls=tuple(calls_in(full, name)))
    if queries and (problems := check_queries(queries, GraphqlSpec())):
        raise ConfigError(problems)
    return script if names is None else script.only(names)


def run_file(path: Path) -> ModuleType:
    full = path.resolve()
    name = f"loadgate_script_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, full)
    if spec is None or spec.loader is None:
        raise ConfigError([Problem(f"{path} is not a Python file", note="a script's name ends in .py")])
    module = importlib.util.module_from_spec(spec)
    folder = str(full.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    sys.modules[name] = module  # dataclasses and pickle look a class's module up here
    try:
        spec.loader.exec_module(module)
    except ConfigError:
        raise
    except LoadgateError as error:
        raise ConfigError([_noted(problem_of(error, error.message), error.hint or "")]) from None
    except ModuleNotFoundError as error:
        note = f"`{error.name}` is neither installed nor beside {path.name}"
        raise ConfigError([_noted(problem_of(error, f"{path.name}: {describe_plain(error)}"), note)]) from None
    except SyntaxError as error:
        raise ConfigError([_unreadable(error, path)]) from None
    except ValueError as error:
        if "null bytes" in str(error):  # Python before 3.11.4 had no SyntaxError for them
            syntax = SyntaxError(str(error)).with_traceback(error.__traceback__)
            raise ConfigError([_unreadable(syntax, path)]) from None
        raise ConfigError([problem_of(error, f"{path.name} cannot be loaded: {describe_plain(error)}")]) from None
    except BaseException as error:  # whatever it is called
        raise ConfigError([problem_of(error, f"{path.name} cannot be loaded: {describe_plain(error)}")]) from None
    return module


def _unreadable(error: SyntaxError, path: Path) -> Problem:
    """`path`, or a file that it imports, is no Python."""
    if error.filename and error.lineno:
        return problem_of(error, f"{Path(error.filename).name} is not valid Python")
    imported = problem_of(error, f"{path.name} cannot be loaded: {describe_plain(error)}")
    if imported.span is not None:  # then all that is known is which line imports it
        return imported
    return problem_of_text(error, path, f"{path.name} is not valid Python")


def _noted(problem: Problem, note: str) -> Problem:
    return Problem(problem.message, problem.span, problem.label, note)


def _collect(file: str, module: ModuleType, metrics: Mapping[str, Any]) -> Script:
    scenarios: dict[str, Scenario] = {}
    hooks: dict[str, Hook] = {}
    for value in vars(module).values():
        found = scenario_of(value)
        if found is not None:
            known = scenarios.setdefault(found.name, found)
            if known is not found:
                raise ConfigError([Problem(f"{file} has two scenarios named `{found.name}`", note="give one a name=")])
        kind = hook_of(value)
        if kind is not None and hooks.setdefault(kind, value) is not value:
            raise ConfigError([Problem(f"{file} has two functions marked as {kind}")])
    if not scenarios:
        note = "mark an `async def` that takes the user with `@scenario` (from loadgate import scenario)"
        raise ConfigError([Problem(f"{file} has no scenario", note=note)])
    options = getattr(module, "options", None)
    if options is not None and not isinstance(options, Mapping):
        raise ConfigError([Problem(f"{file}: `options` must be a dict, not {type(options).__name__}")])
    return Script(
        name=file,
        scenarios=tuple(scenarios.values()),
        setup=hooks.get("setup"),
        teardown=hooks.get("teardown"),
        options=options,
        metrics=metrics,
    )
