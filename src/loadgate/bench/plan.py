"""What to bench: the one answer that the project, flags and defaults give together. All that is wrong is found here."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from loadgate.bench.sizes import size_load
from loadgate.config.bench import (
    BenchSpec,
    StartsSpec,
    duration_from_flag,
    interval_from_flag,
    rates_from_flags,
    request_from_flag,
)
from loadgate.config.budget_fields import load_budgets
from loadgate.config.budgets import Budgets
from loadgate.config.gate import GateSpec
from loadgate.config.profile import Profile
from loadgate.config.project import CONFIG_NAME, Project, load_project
from loadgate.config.sizes import BLANK, RequestText, SizesSpec, check_sizes
from loadgate.config.start import ReadySpec, StartSpec, start_from_flag
from loadgate.config.target import TargetSpec
from loadgate.errors import ConfigError, LoadgateError, Problem
from loadgate.flags import CommonFlags, check_texts, with_program
from loadgate.measure.repetition import Policy
from loadgate.plan import placed, protos_of
from loadgate.probe.ports import free_ports
from loadgate.script.scenario import Script

_NOTHING: Final = (
    "give --start COMMAND with --url URL, --size with --url, a script with @benchmark functions, --command NAME=COMMAND, "
    "or a `bench` mapping in loadgate.yml"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchFlags(CommonFlags):
    """What the command line of `bench` says."""

    script: Path | None = None
    starts: int | None = None
    request: str | None = None
    sizes: tuple[int, ...] = ()
    size_request: str | None = None
    rates: tuple[str, ...] = ()
    vus: int | None = None
    duration: str | None = None
    commands: tuple[str, ...] = ()
    interval: str | None = None
    time: str | None = None


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """Everything a bench needs to know. `spec.starts` is None where nothing can be started."""

    target: TargetSpec
    spec: BenchSpec
    gate: GateSpec = field(default_factory=GateSpec)
    budgets: Budgets = field(default_factory=Budgets)
    files: tuple[Path, ...] = ()
    seed: int | None = None
    own: bool = False
    """Whether the target is Loadgate's own, on whatever port was free."""
    load: tuple[Profile, Script] | None = field(default=None, repr=False)
    """Latency by payload size, and what its users do."""

    @property
    def policy(self) -> Policy:
        """How often scripts and commands are repeated."""
        return Policy(width=self.spec.interval, seconds=self.spec.time, warmups=self.spec.warmup)

    @property
    def starts_policy(self) -> Policy:
        """How often the program is started. A fixed number is a promise, however long it takes."""
        starts = self.spec.starts
        assert starts is not None
        seconds = math.inf if starts.least == starts.most else self.spec.time
        return replace(self.policy, least=starts.least, most=starts.most, seconds=seconds)

    @property
    def words(self) -> tuple[str, ...]:
        """What is measured, as one would say it."""
        spec = self.spec
        found = {
            "start-ups": spec.starts is not None,
            f"latency by size of {', '.join(each.title for each in spec.sizes)}": bool(spec.sizes),
            f"benchmarks of {spec.script}": spec.script is not None,
            f"commands {', '.join(spec.commands)}": bool(spec.commands),
        }
        return tuple(text for text, is_so in found.items() if is_so)

    @property
    def does(self) -> Mapping[str, object]:
        """What defines what is measured: another one is another measurement."""
        command = self.target.start.argv if self.target.start is not None else ()
        spec = self.spec
        script = "" if spec.script is None else spec.script.read_text("utf-8", "replace")
        commands = {name: each.argv for name, each in spec.commands.items()}
        protos = {} if self.load is None else protos_of(self.load[1])
        return {
            "start": "" if self.own else command,
            "starts": spec.starts,
            "sizes": spec.sizes,
            "script": script,
            "commands": commands,
            **({"protos": sorted(protos.values())} if protos else {}),
        }


def make_bench_plan(flags: BenchFlags, env: Mapping[str, str]) -> BenchPlan:
    """The plan for `flags` in the working folder. Raises LoadgateError, among it ConfigError with every problem."""
    check_texts(flags)
    return bench_plan(_project(flags, env), flags, env)


def bench_plan(project: Project | None, flags: BenchFlags, env: Mapping[str, str]) -> BenchPlan:
    """The plan for `flags` and a project that has been read, if there is one. Raises as `make_bench_plan`."""
    target = placed(project.target if project is not None else TargetSpec(), flags.url)
    target = with_program(target, start=flags.start, ready=flags.ready)
    spec = _spec(project.bench if project is not None else BenchSpec(), flags)
    asked = spec.sizes or spec.script or spec.commands
    own = not asked and target.start is None and target.url is None and project is None
    if own:
        target, spec = _own(spec, asked_for=flags.request is not None)
    if target.start is None:
        if flags.starts is not None:
            raise LoadgateError("--starts without a program to start", "give --start COMMAND, or `target.start`")
        spec = replace(spec, starts=None)
    if spec.starts is None and flags.request is not None:
        why = "`starts` is off in `bench`" if target.start is not None else "there is no program to start"
        raise LoadgateError(f"--request is the first request after each start, and {why}", "give --starts and --start")
    if spec.script is not None and not spec.script.is_file():
        what = "is no file" if spec.script.exists() else "is not there"
        raise LoadgateError(f"the script {spec.script} {what}", "give a Python file with @benchmark functions")
    if spec.starts is None and not (spec.sizes or spec.script or spec.commands):
        raise LoadgateError("there is nothing to measure", _NOTHING)
    budgets = project.budgets if project is not None else Budgets()
    if flags.budgets is not None:
        budgets = load_budgets(flags.budgets, env)
    load = None
    if spec.sizes:
        _need_url(spec.sizes, target)
        load = size_load(spec.sizes, target, vars={} if project is None else project.vars, env=env)
    protos = () if load is None else protos_of(load[1])
    named = (None if project is None else project.path, spec.script, budgets.path, *protos)
    files = [path for path in named if path is not None]
    return BenchPlan(
        target=target,
        spec=spec,
        gate=project.gate if project is not None else GateSpec(),
        budgets=budgets,
        files=tuple(path.absolute() for path in files),
        seed=flags.seed,
        own=own,
        load=load,
    )


def _project(flags: BenchFlags, env: Mapping[str, str]) -> Project | None:
    if flags.config is not None:
        return load_project(flags.config, env)
    path = Path(CONFIG_NAME)
    return load_project(path, env) if path.is_file() else None


def _need_url(sizes: Sequence[SizesSpec], target: TargetSpec) -> None:
    """Raise ConfigError for what is to be sent to a path, where nothing says on which host."""
    for each in sizes:
        if target.url is None and each.needs_url:
            what = f"latency by payload size needs a target for `{each.title}`"
            raise ConfigError([Problem(what, each.span, "", "give its URL")])


def _spec(spec: BenchSpec, flags: BenchFlags) -> BenchSpec:
    starts = spec.starts
    if flags.starts is not None:
        starts = replace(starts or StartsSpec(), least=flags.starts, most=flags.starts)
    if flags.request is not None and starts is not None:
        starts = replace(starts, request=request_from_flag("--request", flags.request))
    given: dict[str, StartSpec] = {}
    for name, command in map(_command, flags.commands):
        if name in given:
            raise LoadgateError(f"--command: `{name}` is given twice", "give each command a name of its own")
        given[name] = command
    return replace(
        spec,
        starts=starts,
        sizes=_sizes(spec.sizes, flags),
        script=flags.script or spec.script,
        commands={**spec.commands, **given},
        interval=spec.interval if flags.interval is None else interval_from_flag(flags.interval),
        time=spec.time if flags.time is None else duration_from_flag("--time", flags.time),
    )


def _sizes(sizes: tuple[SizesSpec, ...], flags: BenchFlags) -> tuple[SizesSpec, ...]:
    """`sizes` as the flags would have them. A request on the command line stands instead of all that is sent."""
    given = flags.sizes or flags.rates or flags.vus or (flags.size_request, flags.duration) != (None, None)
    if not given:
        return sizes
    if flags.size_request is not None:
        request = request_from_flag("--size-request", flags.size_request)
        usual = next((each for each in sizes if isinstance(each.request, RequestText)), SizesSpec(request))
        sizes = (replace(usual, request=request, name=""),)
    elif not sizes:
        raise LoadgateError("sizes of what?", "give --size-request 'POST /echo', or one with {size} in its path")
    rates = rates_from_flags(flags.rates)
    duration = None if flags.duration is None else duration_from_flag("--duration", flags.duration)
    sizes = tuple(
        replace(
            each,
            sizes=tuple(dict.fromkeys(flags.sizes)) or each.sizes,
            rates=rates or each.rates,
            vus=flags.vus or each.vus,
            duration=duration or each.duration,
        )
        for each in sizes
    )
    if wrong := next(filter(None, map(check_sizes, sizes)), ""):
        raise LoadgateError(f"--size-request: {wrong}")
    return sizes


def _command(written: str) -> tuple[str, StartSpec]:
    name, equals, command = written.partition("=")
    if not equals or not name.strip():
        raise LoadgateError(
            f"--command: `{written}` has no name", "for example --command 'parse=python parse.py big.json'"
        )
    return name.strip(), start_from_flag(command, "--command")


def _own(spec: BenchSpec, *, asked_for: bool) -> tuple[TargetSpec, BenchSpec]:
    """Loadgate's own target on a free port: what is measured where nothing is said, but for the first request perhaps."""
    (port,) = free_ports(1)
    command = (sys.executable, "-m", "loadgate", "serve", "--http-port", str(port))
    target = TargetSpec(url=f"http://127.0.0.1:{port}", start=StartSpec(command), ready=ReadySpec("/health"))
    starts = spec.starts
    if starts is not None and not asked_for:
        starts = replace(starts, request=RequestText("GET", "/users/1"))
    sizes = SizesSpec(RequestText("GET", f"/bytes/{BLANK}"), rates=(200.0,), duration=2.0)
    return target, replace(spec, starts=starts, sizes=(sizes,))
