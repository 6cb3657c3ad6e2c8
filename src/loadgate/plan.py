"""What to run: the one answer that files, flags and defaults give together. Everything wrong with them is found here.

`run` carries a plan out and `check` only makes it, so that both find the same mistakes.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

from loadgate.clients.http.request import RequestBuilder, RequestDefaults
from loadgate.clients.http.step import Step
from loadgate.config.budget_fields import load_budgets
from loadgate.config.budgets import Budgets
from loadgate.config.fields import Context, Place, Refusal
from loadgate.config.gate import GateSpec
from loadgate.config.graphql import GraphqlSpec
from loadgate.config.grpc import GrpcSpec, is_grpc, server_from_flag
from loadgate.config.profile import Profile, profile_from_flags, read_profile
from loadgate.config.project import CONFIG_NAME, Project, load_project, parse_project
from loadgate.config.source import parse_source
from loadgate.config.steps import ExchangeStep, GraphqlStep, exchanges_of
from loadgate.config.steps.grpc_flags import call_from_flags
from loadgate.config.steps.websocket_flags import session_from_flags
from loadgate.config.target import TargetSpec, target_from_url
from loadgate.config.thresholds import check_thresholds
from loadgate.config.websocket import is_websocket
from loadgate.errors import ConfigError, LoadgateError, Problem, nearest, redact_url
from loadgate.flags import Flags, body_of, check_texts, flags_profile, headers_of, thresholds_of, with_program
from loadgate.measure.metric import BUILTIN
from loadgate.measure.recorder import Recorder
from loadgate.record.digest import digest
from loadgate.script.loader import load_script
from loadgate.script.methods import methods_of_files
from loadgate.script.scenario import Script
from loadgate.script.source import project_script, step_script, url_script

_SOMEWHERE: Final = "http://127.0.0.1"
"""Base URL of a request that is made on trial, where no target is known."""

_PIPES: Final = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
"""Where files begin that a shell gives (`<(generate)`): somebody writes at their other end."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run needs to know. `embedded`: the target is Loadgate's own, to be started first."""

    profile: Profile
    script: Script
    target: TargetSpec
    embedded: bool = False
    does: Mapping[str, object] = field(default_factory=dict, repr=False)
    """What defines what users do, without secrets: texts of files by name, or what --url requests. Another one is another
    measurement."""
    gate: GateSpec = field(default_factory=GateSpec)
    budgets: Budgets = field(default_factory=Budgets)
    files: tuple[Path, ...] = ()
    """What was read to make it, absolute: project, scripts, data, `.proto` files."""

    @property
    def definition(self) -> str:
        """Digest of what is measured and how."""
        return definition_of(self.profile, self.does)


def definition_of(profile: Profile, does: Mapping[str, object]) -> str:
    """Changes with the loads, the warm-up, and what users do. The target of files may move."""
    return digest({"loads": profile.loads, "warmup": profile.warmup, "does": does})


def make_plan(flags: Flags, env: Mapping[str, str]) -> Plan:
    """The plan for `flags` in the working folder. Raises LoadgateError, among it ConfigError with every problem."""
    check_texts(flags)
    project = _project(flags, env)
    if (flags.method or flags.body is not None) and not flags.url_alone:
        given = "--method" if flags.method else "--body"
        raise LoadgateError(f"{given} is for --url alone", "in loadgate.yml, each step says its own method and body")
    if flags.what is not None and flags.what.endswith(".py"):
        _need_file(Path(flags.what))
        plan = _script_plan(Path(flags.what), flags, project)
    elif project is not None:
        plan = _project_plan(project, flags, env)
    elif flags.what is not None:
        raise LoadgateError(
            f"there is no {CONFIG_NAME} here to find the profile `{flags.what}` in",
            "give --config FILE, a script that ends in .py, or --url URL",
        )
    elif flags.url is not None:
        make = _call_plan if is_grpc(flags.url) else _session_plan if is_websocket(flags.url) else _url_plan
        plan = make(flags, flags.url)
    else:
        plan = _standard_plan(env)
    plan = _with_protos(plan)
    if project is not None:
        plan = replace(plan, gate=project.gate)
    plan = _with_budgets(plan, project, flags.budgets, env)
    return _checked(_with_flags(plan, flags))


def working_folder() -> Path:
    """The folder that relative paths begin at. Raises LoadgateError where it has been deleted."""
    try:
        return Path.cwd()
    except OSError as error:
        raise LoadgateError(
            f"cannot tell the working folder: {error.strerror}", "it was deleted or moved away: change to another one"
        ) from None


def every_plan(path: Path, env: Mapping[str, str]) -> list[Plan]:
    """The plan of a script, or of each profile of a project. Raises ConfigError with every problem."""
    if path.suffix == ".py":
        _need_file(path)
        return [_checked(_script_plan(path, Flags(), None))]
    return project_plans(read_project(path, env), env)


def read_project(path: Path, env: Mapping[str, str]) -> Project:
    """The project in the file at `path`. Raises ConfigError with every problem."""
    _need_file(path)
    return load_project(path, env)


def project_plans(project: Project, env: Mapping[str, str]) -> list[Plan]:
    """The plan of each profile of `project`. Raises ConfigError with every problem."""
    script = _project_script(project, env)
    names: Sequence[str | None] = list(project.profiles) or [None]
    plans = [Plan(_profile_of(project, name), script, project.target) for name in names]
    return [_checked(_with_budgets(plan, project, None, env)) for plan in plans]


def _need_file(path: Path) -> None:
    """Raise LoadgateError for what would be waited for, or read without end: a pipe, a device. What is not there is said
    by whoever reads it."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode) and not str(path).startswith(_PIPES):
        raise LoadgateError(f"{path} is not a file but a pipe, a socket or a device", "give a file, or /dev/stdin")


def _try_request(
    target: TargetSpec, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> None:
    """Make a request once, so that what cannot be sent is said before there is load. Raises ConfigError."""
    try:
        builder = RequestBuilder(RequestDefaults(target.url or _SOMEWHERE, target.headers), "loadgate")
        builder.build(method, url, Step(Recorder(start=0.0), "", {}, None), headers=headers, body=body)
    except ValueError as error:
        raise ConfigError([Problem(f"this makes no request that can be sent: {error}")]) from None


def _project(flags: Flags, env: Mapping[str, str]) -> Project | None:
    """The project that is named or lies in the working folder. Its target is where --url says: files say what to do."""
    path = Path(CONFIG_NAME)
    if flags.config is not None:
        path = flags.config
    elif not path.is_file() or flags.url_alone:
        return None  # a URL and nothing else means that URL, whatever lies around
    project = read_project(path, env)
    return replace(project, target=placed(project.target, flags.url))


def placed(target: TargetSpec, url: str | None, flag: str = "--url") -> TargetSpec:
    """`target` where `flag` says it is."""
    if url is None:
        return target
    if is_grpc(url):
        server = server_from_flag(url, flag)
        return replace(target, grpc=GrpcSpec(server) if target.grpc is None else replace(target.grpc, url=server))
    named = target_from_url(url, flag)
    return replace(target, url=named.url, websocket=named.websocket)


def _project_plan(project: Project, flags: Flags, env: Mapping[str, str]) -> Plan:
    if flags.what is None and flags.say_load and len(project.profiles) != 1:
        profile = flags_profile(flags)
    else:
        profile = _profile_of(project, flags.what)
    if project.target.url is None:
        _need_target(project)
    files = [project.path, *sorted({each.python.path for each in project.scenarios if each.python is not None})]
    paths = [path.absolute() for path in files]  # a script may change the working folder
    read = (*paths, *(each.path.absolute() for each in project.data))
    return Plan(profile, _project_script(project, env), project.target, does=_texts(paths), files=read)


def _has_endpoint(step: ExchangeStep, graphql: GraphqlSpec) -> bool:
    """Whether `step` goes to a place that has a whole URL of its own, without a target."""
    if not isinstance(step, GraphqlStep) or step.at is not None:
        return False
    return "://" in graphql.endpoint(subscribes=step.events > 0)


def _need_target(project: Project) -> None:
    """Raise ConfigError where a step has only a path, and nothing says on which host."""
    steps = [step for scenario in project.scenarios for step in exchanges_of(scenario.steps)]
    note = "give `target: {url: ...}`, or --url on the command line"
    problems = [
        Problem("there is no target URL for this step", span, "", note)
        for step in steps
        if (span := step.needs_target) is not None and not _has_endpoint(step, project.target.graphql)
    ]
    if not project.scenarios:
        if project.target.grpc is None:
            problems.append(Problem(f"{project.path} names no target and no scenario", note=note))
        else:
            message = f"{project.path} names a gRPC server and no scenario that calls it"
            problems.append(Problem(message, note="write `scenarios` with `grpc` steps"))
    if problems:
        raise ConfigError(problems[:1])


def _profile_of(project: Project, name: str | None) -> Profile:
    if name is None and not project.profiles:
        return profile_from_flags()
    return project.profile(name)


def _project_script(project: Project, env: Mapping[str, str]) -> Script:
    return project_script(project, env) if project.scenarios else url_script("/")


def _texts(paths: Sequence[Path]) -> dict[str, str]:
    return {path.name: path.read_text("utf-8", "replace") for path in paths}


def _script_plan(path: Path, flags: Flags, project: Project | None) -> Plan:
    full = path.absolute()  # the script may change the working folder
    read = (full,) if project is None else (full, project.path.absolute())
    script = load_script(path)
    profile = flags_profile(flags) if script.options is None else _options_profile(path, script)
    target = project.target if project is not None else placed(TargetSpec(), flags.url)
    if target.grpc is not None:
        schema, problems = methods_of_files(script.calls, target.grpc)
        if problems:
            raise ConfigError(problems)
        script = replace(script, schema=schema)
    return Plan(replace(profile, name=path.stem), script, target, does=_texts([full]), files=read)


def _options_profile(path: Path, script: Script) -> Profile:
    """The profile in a script's `options`. It is read as text, so that mistakes are shown with their place in it."""
    try:
        text = msgspec.json.format(msgspec.json.encode(script.options), indent=2).decode("utf-8")
    except TypeError as error:
        raise ConfigError(
            [Problem(f"`options` of {path.name} hold something that is no plain value: {error}")]
        ) from None
    source = parse_source(text, f"{path} (options)")
    context = Context({}, path.parent, list(source.problems))
    names = tuple(scenario.name for scenario in script.scenarios)
    profile = None
    try:
        profile = read_profile(path.stem, source.tree, Place("`options`", context), names)
    except Refusal as refusal:
        context.problems.append(refusal.problem)
    if context.problems or profile is None:
        raise ConfigError(context.problems)
    return profile


def _url_plan(flags: Flags, url: str) -> Plan:
    """One request, again and again. What stands before its path is the target."""
    base = _base_of(url)
    method, headers, body = (flags.method or "GET").upper(), headers_of(flags.headers), body_of(flags)
    _try_request(base, method, url, headers=headers, body=body)
    script = url_script(url, method=method, headers=headers, body=body)
    names = sorted(name.lower() for name in headers)
    said = {"method": method, "url": redact_url(url), "headers": names, "body": flags.body}
    return Plan(flags_profile(flags), script, base, does=said)


def _call_plan(flags: Flags, url: str) -> Plan:
    """One gRPC call, again and again."""
    if flags.method:
        raise LoadgateError("--method is for HTTP", "the URL of a gRPC call names its method")
    server, step = call_from_flags(url, flags.body)
    names = sorted(name.lower() for name in headers_of(flags.headers))
    said = {"call": step.method, "metadata": names, "body": flags.body}
    return Plan(flags_profile(flags), step_script(step), TargetSpec(grpc=GrpcSpec(server)), does=said)


def _session_plan(flags: Flags, url: str) -> Plan:
    """One WebSocket session with one question, again and again."""
    if flags.method:
        raise LoadgateError("--method is for HTTP", "a WebSocket session has none")
    base = _base_of(url)
    step = session_from_flags(url.partition("#")[0], flags.body)
    names = sorted(name.lower() for name in headers_of(flags.headers))
    said = {"session": redact_url(url), "headers": names, "body": flags.body}
    return Plan(flags_profile(flags), step_script(step), base, does=said)


def _base_of(url: str) -> TargetSpec:
    """The target of a URL that is to be asked as it is."""
    return target_from_url(url.partition("#")[0].partition("?")[0])


def _with_protos(plan: Plan) -> Plan:
    """`plan` with the `.proto` files that its methods are known from: they define what it does."""
    protos = protos_of(plan.script)
    if not protos:
        return plan
    return replace(plan, files=(*plan.files, *protos), does={**plan.does, "protos": sorted(protos.values())})


def protos_of(script: Script) -> dict[Path, str]:
    """The `.proto` files that the methods of `script` are known from, by their absolute paths, and what is in them."""
    paths = () if script.schema is None else script.schema.paths
    return {path.absolute(): path.read_text("utf-8", "replace") for path in paths}


def _standard_plan(env: Mapping[str, str]) -> Plan:
    """The short standard test of the embedded target."""
    text = (files("loadgate") / "standard.yml").read_text("utf-8")
    project = parse_project(text, Path("standard.yml"), env)
    plan = Plan(project.profile(None), project_script(project, env), TargetSpec(), embedded=True)
    return replace(plan, does={"standard.yml": text})


def _with_budgets(plan: Plan, project: Project | None, path: Path | None, env: Mapping[str, str]) -> Plan:
    """`plan` with the budgets in the file at `path`, or those of the project. Raises ConfigError."""
    if path is not None:
        _need_file(path)
        budgets = load_budgets(path, env)
    else:
        budgets = Budgets() if project is None else project.budgets
    known = {plan.profile.name, *(() if project is None else project.profiles)}
    problems = [  # other names may be those of scripts
        Problem(f"there is no profile `{name}` that could have budgets", override.span, f"did you mean `{likely}`?")
        for name, override in budgets.profiles.items()
        if name not in known and (likely := nearest(name, known))
    ]
    if problems:
        raise ConfigError(problems)
    files = plan.files if budgets.path is None else (*plan.files, budgets.path.absolute())
    return replace(plan, budgets=budgets, files=files)


def _with_flags(plan: Plan, flags: Flags) -> Plan:
    """`plan` with what the command line says over what the files say."""
    profile, target = plan.profile, plan.target
    if flags.say_load:
        said = flags_profile(flags)
        profile = replace(profile, loads=said.loads)
    if flags.warmup is not None:
        profile = replace(profile, warmup=flags_profile(flags).warmup)
    if flags.seed is not None:
        profile = replace(profile, seed=flags.seed)
    if flags.thresholds:
        profile = replace(profile, thresholds=(*profile.thresholds, *thresholds_of(flags.thresholds)))
    if flags.headers and target.url is None and target.grpc is not None:
        metadata = {**target.grpc.metadata, **_metadata_of(flags.headers)}
        target = replace(target, grpc=replace(target.grpc, metadata=metadata))
    elif flags.headers:
        target = replace(target, headers={**target.headers, **headers_of(flags.headers)})
    return replace(
        plan, profile=profile, target=with_program(target, start=flags.start, ready=flags.ready, watch=flags.watch)
    )


def _metadata_of(lines: Sequence[str]) -> dict[str, str]:
    """`headers_of` for gRPC. Raises ConfigError."""
    from loadgate.clients.grpc.request import metadata_value  # most runs have none: they need not import its client

    metadata = headers_of(lines)
    for name, value in metadata.items():
        try:
            metadata_value(name.lower(), value)
        except ValueError as error:
            raise ConfigError([Problem(f"--header: {error}")]) from None
    return metadata


def _checked(plan: Plan) -> Plan:
    """`plan`, if its thresholds speak of metrics there are, and what all requests carry can be sent. Raises ConfigError."""
    kinds = {name: metric.kind.value for name, metric in {**BUILTIN, **plan.script.metrics}.items()}
    check_thresholds(plan.profile.thresholds, kinds)
    _try_request(plan.target, "GET", "/")
    return plan
