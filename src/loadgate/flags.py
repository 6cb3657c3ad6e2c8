"""What the command lines of `run` and `bench` say, as typed, and how each of it is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

from loadgate.config.profile import Profile, profile_from_flags
from loadgate.config.start import ready_from_flag, start_from_flag, watch_from_flag
from loadgate.config.target import FRAMING, TargetSpec
from loadgate.config.threshold_grammar import ThresholdError, parse_threshold
from loadgate.config.thresholds import Threshold
from loadgate.errors import ConfigError, LoadgateError, Problem, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonFlags:
    """What every command that measures takes; None (or nothing): not given. Texts as typed."""

    config: Path | None = None
    url: str | None = None
    start: str | None = None
    ready: str | None = None
    seed: int | None = None
    budgets: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags(CommonFlags):
    """What the command line of `run` says."""

    what: str | None = None
    method: str | None = None
    headers: tuple[str, ...] = ()
    body: str | None = None
    vus: int | None = None
    duration: str | None = None
    rate: str | None = None
    stages: tuple[str, ...] = ()
    iterations: int | None = None
    max_vus: int | None = None
    warmup: str | None = None
    thresholds: tuple[str, ...] = ()
    watch: str | None = None

    @property
    def url_alone(self) -> bool:
        """Whether that very URL is to be requested, and no file says what to do."""
        return self.url is not None and self.what is None and self.config is None

    @property
    def say_load(self) -> bool:
        """Whether they say how much load, which then stands instead of what a profile says."""
        given = (self.vus, self.duration, self.rate, self.iterations, self.max_vus)
        return bool(self.stages) or any(value is not None for value in given)


_ARGUMENTS: Final = {"what": "the profile or script", "script": "the script"}
"""What is no option, by its field."""


def check_texts(flags: CommonFlags) -> None:
    """Raise ConfigError for bytes that are no text: only a body may hold them. Python hands them over as surrogates."""
    for each in fields(flags):
        value = getattr(flags, each.name)
        for text in value if isinstance(value, tuple) else (value,):
            if isinstance(text, str | Path) and each.name != "body" and not _is_text(str(text)):
                what = _ARGUMENTS.get(each.name) or f"--{each.name.rstrip('s').replace('_', '-')}"
                note = "in a URL, write such bytes as %FF" if each.name == "url" else "give text in UTF-8"
                raise ConfigError([Problem(f"{what} holds bytes that are no UTF-8", note=note)])


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def with_program(target: TargetSpec, *, start: str | None, ready: str | None, watch: str | None = None) -> TargetSpec:
    """`target` with what --start, --ready and --watch say of its program. Raises LoadgateError."""
    if start is not None:
        target = replace(target, start=start_from_flag(start))
    if ready is not None:
        if target.start is None:
            raise LoadgateError("--ready without --start", "it is about a program that Loadgate starts")
        target = replace(target, ready=replace(target.ready, path=ready_from_flag(ready).path))
    if watch is not None:
        target = replace(target, watch=watch_from_flag(watch))
    if target.start is not None and not target.place:
        raise LoadgateError("the target is to be started, but nothing says where it will answer", "give its URL")
    if target.url is None and (target.ready.path or target.ready.statuses):
        note = "give `url`, too, or leave it out: of a gRPC server its health service is asked"
        raise LoadgateError("`ready` asks over HTTP, and the target has no URL of HTTP", note)
    return target


def flags_profile(flags: Flags) -> Profile:
    """The profile they say."""
    return profile_from_flags(
        vus=flags.vus,
        duration=flags.duration,
        rate=flags.rate,
        stages=flags.stages,
        iterations=flags.iterations,
        max_vus=flags.max_vus,
        warmup=flags.warmup,
        seed=flags.seed,
    )


def body_of(flags: Flags) -> bytes | None:
    """The bytes that were given, whatever they say in the locale's encoding."""
    return None if flags.body is None else os.fsencode(flags.body)


def headers_of(lines: Sequence[str]) -> dict[str, str]:
    """`Name: value` texts as curl and hey take them. Raises ConfigError."""
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ConfigError(
                [Problem("--header must be `Name: value`", note="for example --header 'accept: text/html'")]
            )
        if name.strip().lower() in FRAMING:
            note = "Loadgate writes it itself, for the body it sends"
            raise ConfigError([Problem(f"--header `{name.strip()}` cannot be set", note=note)])
        found[name.strip()] = value.strip()
    return found


def thresholds_of(texts: Sequence[str]) -> list[Threshold]:
    """`metric: expression` texts. Raises ConfigError with a caret for each that is wrong."""
    problems: list[Problem] = []
    found: list[Threshold] = []
    for text in texts:
        metric, expression = _split_threshold(text)
        if not expression:
            note = "for example --threshold 'http_req_duration: p(95)<500'"
            problems.append(Problem(f"--threshold `{text}` must be `metric: expression`", note=note))
            continue
        whole = Span("--threshold", 1, 1, len(text), (text,))
        place = whole.part(text, text.rindex(expression), len(expression))
        key = whole.part(text, text.index(metric), len(metric))
        try:
            found.append(parse_threshold(metric, expression, span=place, key_span=key))
        except ThresholdError as error:
            problems.append(error.problem(key if error.text == metric else place))
    if problems:
        raise ConfigError(problems)
    return found


def _split_threshold(text: str) -> tuple[str, str]:
    """Metric and expression; a selector in braces has colons of its own."""
    at = text.find(":", text.find("}") + 1)
    return (text, "") if at < 0 else (text[:at].strip(), text[at + 1 :].strip())
