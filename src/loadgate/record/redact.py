"""Secrets out: of a command line, and of a whole run before it is written, summarised or shown. Pure.

What a person typed after an option that carries credentials is masked whatever it is, and a body is given by its size; in
free text what looks like a credential is masked (`masks`). A secret that looks like any other word in a text somebody else
wrote cannot be told from it.

`without_secrets` is the one way out for what a run has gathered: `encode_run`, `summarise` and `build_report` begin with it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import PurePath
from typing import Final

from loadgate.masks import MASK, redact_url
from loadgate.masks import redact_text as redact_text
from loadgate.record.run import Run, Series, SubjectRecord

_SECRET_OPTION: Final = re.compile(
    r"bearer|token|password|passwd|passphrase|secret|signature|cookies?|credentials?|(?:api|access)[-_.]?key",
    re.IGNORECASE,
)
_HEADER_OPTIONS: Final = frozenset({"--header", "--headers"})
_SHORT_HEADER: Final = re.compile(r"(-[a-z]*H)(.*)", re.DOTALL)
"""`-H`, perhaps behind flags of one letter (`-qH`), perhaps with its value in the same word."""
_BODY_OPTIONS: Final = frozenset({"--body"})
_COMMAND_OPTIONS: Final = frozenset({"--start", "--command", "--base", "--head", "--build"})
"""Their values are commands: `node app.js --token x`, or `name=node app.js`; or they may be, and else are a URL or a name."""
_USER_OPTIONS: Final = frozenset({"--auth", "--basic", "--basic-auth", "--proxy-auth"})

_Mask = Callable[[str], str]


def redact_command(argv: Sequence[str]) -> str:
    """The command line `argv` as a shell would take it, without secrets; `argv[0]` is cut to the program's name.

    Masked are every header's value (-H, --header), what follows --auth (but for the user) and any option whose name
    speaks of a token, password, secret, cookie or key, and in all other arguments what `redact_text` finds. A body may be
    anything, and of any length: only its size is said.
    """
    if not argv:
        return ""
    program = PurePath(argv[0]).name
    words = ["loadgate" if program == "__main__.py" else program, *_masked(argv[1:])]
    return shlex.join(words)


def redact_words(argv: Sequence[str]) -> str:
    """The command `argv` as a shell would take it, masked as `redact_command` does; its program is left as it is."""
    return shlex.join([*argv[:1], *_masked(argv[1:])])


def without_secrets(run: Run) -> Run:
    """`run` with its texts redacted: command, target, errors, reasons, notes, and URLs in names and tags."""
    definition = run.definition
    return replace(
        run,
        definition=replace(
            definition,
            profile=redact_name(definition.profile),
            script=redact_name(definition.script),
            target=redact_text(definition.target),
            command=redact_text(definition.command),
        ),
        series=tuple(_clean_series(series) for series in run.series),
        errors=tuple(
            replace(error, step=redact_name(error.step), sample=redact_text(error.sample)) for error in run.errors
        ),
        thresholds=tuple(replace(result, key=redact_name(result.key)) for result in run.thresholds),
        verdict=replace(run.verdict, reasons=_texts(run.verdict.reasons)),
        notes=_texts(run.notes),
        budgets=tuple(
            replace(result, step=redact_name(result.step), why=redact_text(result.why)) for result in run.budgets
        ),
        subject=None
        if run.subject is None
        else replace(run.subject, what=redact_text(run.subject.what), unread=_texts(run.subject.unread)),
        repeated=tuple(
            replace(each, series=each.series._replace(step=redact_name(each.series.step)), advice=_texts(each.advice))
            for each in run.repeated
        ),
    )


def _clean_subject(subject: SubjectRecord) -> SubjectRecord:
    return replace(subject, what=redact_text(subject.what), output=_texts(subject.output))


def _masked(words: Sequence[str]) -> Iterator[str]:
    """`words` masked: an option's value is the rest of its word, what follows a `=`, or the next word."""
    waiting: _Mask | None = None
    for word in words:
        name, equals, value = word.partition("=")
        if waiting is not None:
            yield waiting(word)
            waiting = None
        elif not word.startswith("-"):
            yield redact_text(word)
        elif (short := _SHORT_HEADER.fullmatch(word)) is not None:
            if short[2]:
                yield short[1] + _header(short[2])
            else:
                waiting = _header
                yield word
        elif (mask := _mask_of(name)) is None:
            yield redact_text(word)
        elif equals:
            yield f"{name}={mask(value)}"
        else:
            waiting = mask
            yield word


def _command(value: str) -> str:
    try:
        words = shlex.split(value)
    except ValueError:  # no command either, and refused as such
        return MASK
    masked = [*map(redact_text, words[:1]), *_masked(words[1:])]
    if masked == words:
        return redact_text(value)
    return masked[0] if len(masked) == 1 else shlex.join(masked)


def _mask_of(option: str) -> _Mask | None:
    """How the value of `option` is masked; None: as any text."""
    if option in _HEADER_OPTIONS:
        return _header
    if option in _BODY_OPTIONS:
        return _size
    if option in _USER_OPTIONS:
        return _user
    if option in _COMMAND_OPTIONS:
        return _command
    if option.startswith("--") and not option.startswith("--no-") and _SECRET_OPTION.search(option):
        return lambda value: MASK
    return None


def _header(line: str) -> str:
    name, colon, _ = line.partition(":")
    return f"{name}: {MASK}" if colon else MASK


def _size(body: str) -> str:
    return f"<{len(body.encode('utf-8', 'surrogateescape')):,} bytes>"


def _user(pair: str) -> str:
    user, colon, _ = pair.partition(":")
    return f"{user}:{MASK}" if colon else MASK


def _texts(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(redact_text(text) for text in texts)


def _clean_series(series: Series) -> Series:
    clean = {tag: redact_name(value) for tag, value in series.tags.items()}
    return series if clean == series.tags else replace(series, tags=clean)


@lru_cache(maxsize=4096)
def redact_name(name: str) -> str:
    """A name somebody chose: only URLs in it can hold a secret, `token: present` is a good name for a check."""
    return redact_url(name)
