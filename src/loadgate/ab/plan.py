"""What an A/B test is to do: two arms, what their users do, and how often, how long and how fast.

A command has `{port}` where its program is told the port to listen on, for both arms run at once: `--base "app --port {port}"`.
What is not said is chosen by a pilot (`pilot.py`). Of a profile counts which scenarios it runs, its warm-up, its seed, and its
rate where it is one constant rate, and the `env` of its loads; thresholds and budgets are for `run`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from loadgate.ab.asked import AbFlags as AbFlags
from loadgate.ab.asked import asked
from loadgate.ab.cores import Cores, apart, usable
from loadgate.ab.order import ARMS, Arm
from loadgate.ab.refs import Commits, RefsSpec, moved
from loadgate.config.ab import PORT, AbSpec, Given
from loadgate.config.gate import GateSpec
from loadgate.config.load import Executor
from loadgate.config.profile import Profile, profile_from_flags
from loadgate.config.project import CONFIG_NAME, Project, load_project
from loadgate.config.start import StartSpec
from loadgate.config.target import TargetSpec
from loadgate.errors import ConfigError, LoadgateError, Problem, redact_url
from loadgate.flags import Flags, check_texts, with_program
from loadgate.plan import definition_of, make_plan, placed, working_folder
from loadgate.record.redact import redact_words
from loadgate.script.scenario import Script
from loadgate.script.source import url_script

_HOST: Final = "http://127.0.0.1"
_AUTHORITY: Final = re.compile(r"^([a-z0-9+]+://)?([^/?#]*)(.*)$", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ArmSpec:
    """One side. `target` has `{port}` in its command and in its place, where it is started here."""

    target: TargetSpec
    words: str
    """How it is called in messages and reports, without secrets."""

    @property
    def starts(self) -> bool:
        return self.target.start is not None

    def at(self, port: int) -> TargetSpec:
        """The target with its program on `port`."""
        target, start = self.target, self.target.start
        if start is None:
            return target
        argv = tuple(word.replace(PORT, str(port)) for word in start.argv)
        env = {name: value.replace(PORT, str(port)) for name, value in start.env.items()}
        target = replace(target, start=replace(start, argv=argv, env=env))
        if target.url is not None:
            return replace(target, url=_on_port(target.url, port))
        assert target.grpc is not None
        return replace(target, grpc=replace(target.grpc, url=_on_port(target.grpc.url, port)))


@dataclass(frozen=True, slots=True)
class AbPlan:
    """An A/B test. `rate` (starts a second over both arms), `length` and `warmup` (s, of a pair), `pairs`: None: by the pilot.

    `time` is in seconds, over all pairs.
    """

    script: Script
    profile: Profile
    arms: Mapping[Arm, ArmSpec]
    gate: GateSpec
    seed: int | None
    time: float
    rate: float | None = None
    length: float | None = None
    warmup: float | None = None
    pairs: int | None = None
    capacity: float = 0.0
    """Seconds of a pair in which the arms are asked as fast as they answer; 0: they are not."""
    cores: Cores | None = None
    """Those of the generator and of the arms; None: the system deals them out."""
    refs: RefsSpec | None = None
    """What both arms are to be built from first (`worktrees.py`)."""
    commits: Commits | None = None
    """What they were built from, where that is known."""
    notes: tuple[str, ...] = ()
    """What a reader of the result should know of what is compared. Whole sentences."""
    definition: str = ""
    """Digest of what users do and of the profile, whatever the arms."""

    @property
    def env(self) -> Mapping[str, str]:
        """What the loads of the profile add to the environment of their users, all of them the same."""
        return self.profile.loads[0].env if self.profile.loads else {}

    @property
    def arm_cores(self) -> tuple[int, ...]:
        """The cores that programs are kept on; none: on any."""
        return () if self.cores is None else self.cores.arms

    @property
    def restarts(self) -> bool:
        """Whether each pair is a pair of fresh starts; else all speak of the same two processes."""
        return all(arm.starts for arm in self.arms.values())

    def at(self, commits: Commits, folders: Mapping[Arm, Path], top: Path) -> AbPlan:
        """The plan for builds of `commits` in `folders`, worktrees of the repository at `top`. Raises LoadgateError."""
        start = self.arms[Arm.BASE].target.start
        assert start is not None
        starts = moved(start, folders, top, commits.refs.home)
        arms = {arm: replace(spec, target=replace(spec.target, start=starts[arm])) for arm, spec in self.arms.items()}
        return replace(self, arms=arms, commits=commits, notes=(*self.notes, commits.words))


def make_ab_plan(flags: AbFlags, env: Mapping[str, str]) -> AbPlan:
    """The plan for `flags` in the working folder. Raises LoadgateError, among it ConfigError with every problem."""
    check_texts(flags)
    config = flags.config or (Path(CONFIG_NAME) if Path(CONFIG_NAME).is_file() else None)
    project = None if config is None else load_project(config, env)
    said = asked(flags, AbSpec() if project is None else project.gate.ab)
    script, profile, target, gate, does = _what(flags, said, project, env)
    if any(load.env != profile.loads[0].env for load in profile.loads):
        raise LoadgateError(
            f"the loads of profile `{profile.name}` differ in `env`, and an A/B test has one load for all",
            "name a profile whose loads have the same",
        )
    home = None if project is None else project.path.parent.absolute()
    sides = _sides(said, target)
    arms = {arm: _arm(each, target, flags, said, home) for arm, each in sides.items()}
    if len({arm.starts for arm in arms.values()}) > 1:
        raise LoadgateError(
            "one arm is a command and the other a URL: a program that is started again and again differs from one that is not",
            "give two commands, or two URLs",
        )
    if not arms[Arm.BASE].starts and len({arm.target.place.rstrip("/") for arm in arms.values()}) == 1:
        raise LoadgateError("base and head are the same URL", "give the URLs of two builds")
    refs = None
    if said.base_ref:
        refs = RefsSpec(said.base_ref, said.head_ref, home or working_folder(), said.build)
    return AbPlan(
        script=script,
        profile=profile,
        arms=arms,
        gate=gate,
        seed=profile.seed if flags.seed is None else flags.seed,
        time=said.time,
        rate=said.rate or _rate_of(profile),
        length=said.length,
        warmup=(profile.warmup or None) if said.warmup is None else said.warmup,
        pairs=said.pairs,
        capacity=said.capacity,
        cores=apart(usable()) if arms[Arm.BASE].starts and not said.share_cores else None,
        refs=refs,
        definition=definition_of(profile, does),
    )


def _what(
    flags: AbFlags, said: AbSpec, project: Project | None, env: Mapping[str, str]
) -> tuple[Script, Profile, TargetSpec, GateSpec, Mapping[str, object]]:
    """What users do, what is said of the target beside its place, and what defines the former (`Plan.does`)."""
    if said.request is not None or (flags.what is None and project is None):
        path, method = ("/", "GET") if said.request is None else (said.request.path, said.request.method)
        target = TargetSpec() if project is None else replace(project.target, grpc=None)
        gate = GateSpec() if project is None else project.gate
        does: Mapping[str, object] = {"method": method, "path": path}
        return url_script(path, method=method), profile_from_flags(), target, gate, does
    url = None
    if said.base is not None and said.base.url:
        placed(TargetSpec(), url := said.base.url, said.base.name)
    elif project is None or not project.target.place:
        url = _HOST
    plan = make_plan(Flags(what=flags.what, config=None if project is None else project.path, url=url), env)
    return _played(plan.script, plan.profile), plan.profile, plan.target, plan.gate, plan.does


def _sides(said: AbSpec, target: TargetSpec) -> Mapping[Arm, Given]:
    """Both sides as given; of builds from Git both are one command. Raises LoadgateError where there is none."""
    if said.base_ref:
        start = said.start
        if start is None and target.start is not None:
            start = Given("`start` in `target`", argv=target.start.argv)
        if start is None:
            raise LoadgateError(
                "nothing says how a build is started",
                f"give --start 'app --port {PORT}', or `start` in `gate: ab` or in `target` of loadgate.yml",
            )
        return dict.fromkeys(ARMS, start)
    assert said.base is not None and said.head is not None
    return {Arm.BASE: said.base, Arm.HEAD: said.head}


def _played(script: Script, profile: Profile) -> Script:
    """`script` with those scenarios alone that `profile` runs. Raises ConfigError for one that there is not."""
    names = {load.exec for load in profile.loads}
    if not names or None in names:
        return script
    played = {script.scenario(name).name for name in names if name is not None}
    return replace(script, scenarios=tuple(each for each in script.scenarios if each.name in played))


def _arm(given: Given, target: TargetSpec, flags: AbFlags, said: AbSpec, home: Path | None) -> ArmSpec:
    """One side. What speaks of one place only cannot hold for two: what is watched, and whole URLs."""
    if given.url:
        if said.ready is not None:
            name = "`ready` in `ab` in `gate`" if flags.ready is None else "--ready"
            raise LoadgateError(f"{name} is about programs that are started here, and the arms are URLs")
        place = placed(replace(target, start=None, watch=None), given.url, given.name)
        return ArmSpec(_alone(place), redact_url(given.url))
    start = StartSpec(given.argv, home if given.span is not None else None)
    if target.start is not None:
        start = StartSpec(given.argv, target.start.folder, target.start.env)
    if not any(PORT in word for word in (*start.argv, *start.env.values())):
        note = (
            f"both arms run at once: say where the port goes, for example 'app --port {PORT}' or 'env PORT={PORT} app'"
        )
        raise ConfigError([Problem(f"{given.name}: there is no {PORT} in the command", given.span, note=note)])
    if target.url is None and target.grpc is None:
        target = replace(target, url=_HOST)
    if target.url is not None and target.url.startswith("http+unix:"):
        raise LoadgateError(
            "the target's URL is a Unix socket, and programs that `ab` starts listen on a port of their own",
            "give --config FILE with another `url`",
        )
    watch = None if target.watch is None else replace(target.watch, kind=None, value="")
    place = with_program(replace(target, start=start, watch=watch), start=None, ready=said.ready)
    return ArmSpec(_alone(place), redact_words(start.argv))


def _alone(target: TargetSpec) -> TargetSpec:
    """`target`, if all that is asked of it goes to its one place. Raises LoadgateError."""
    if target.url is not None and target.grpc is not None:
        raise LoadgateError(
            "the target has a URL and a gRPC server, and each arm has one place only",
            "give --config FILE with a target that has one of them",
        )
    metrics = "" if target.metrics is None else target.metrics.url
    for key, url in (("metrics", metrics), ("graphql", target.graphql.path), ("graphql", target.graphql.subscriptions)):
        if url and not url.startswith("/"):
            raise LoadgateError(
                f"`{key}` in `target` is a whole URL: it would be asked for both arms", "give a path instead"
            )
    return target


def _on_port(url: str, port: int) -> str:
    """`url` with another port."""
    match = _AUTHORITY.match(url)
    assert match is not None
    scheme, authority, rest = match[1] or "", match[2], match[3]
    user, at, host = authority.rpartition("@")
    name = host[: host.index("]") + 1] if host.startswith("[") else host.partition(":")[0]
    return f"{scheme}{user}{at}{name}:{port}{rest}"


def _rate_of(profile: Profile) -> float | None:
    """What a profile of one constant rate says."""
    if len(profile.loads) == 1 and profile.loads[0].executor is Executor.CONSTANT_ARRIVAL_RATE:
        return profile.loads[0].rate or None
    return None
