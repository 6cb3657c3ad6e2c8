"""What is asked of an A/B test: what the command line says, and for the rest `gate: ab` of the project."""

from __future__ import annotations

from dataclasses import dataclass, replace

from loadgate.config.ab import AbSpec, Given, given_from_flag, ref_from_flag
from loadgate.config.bench import duration_from_flag, rates_from_flags, request_from_flag
from loadgate.config.start import start_from_flag
from loadgate.errors import LoadgateError
from loadgate.flags import CommonFlags


@dataclass(frozen=True, slots=True, kw_only=True)
class AbFlags(CommonFlags):
    """What the command line of `ab` says; None: not given. Texts as typed."""

    what: str | None = None
    base: str | None = None
    head: str | None = None
    base_ref: str | None = None
    head_ref: str | None = None
    build: str | None = None
    request: str | None = None
    rate: str | None = None
    pairs: int | None = None
    length: str | None = None
    warmup: str | None = None
    capacity: str | None = None
    share_cores: bool = False
    time: str | None = None


def asked(flags: AbFlags, spec: AbSpec) -> AbSpec:
    """`spec` with what `flags` say instead: it has a `base_ref`, or else both sides. Raises LoadgateError."""
    if flags.request is not None and flags.what is not None:
        raise LoadgateError(f"--request, and `{flags.what}` says what is asked, too", "give one of them")
    request = spec.request if flags.what is None else None
    return replace(
        _compared(flags, spec),
        request=request if flags.request is None else request_from_flag("--request", flags.request),
        ready=spec.ready if flags.ready is None else flags.ready,
        rate=spec.rate if flags.rate is None else rates_from_flags([flags.rate])[0],
        pairs=spec.pairs if flags.pairs is None else flags.pairs,
        length=_seconds("--length", flags.length, spec.length),
        warmup=spec.warmup if flags.warmup is None else duration_from_flag("--warmup", flags.warmup, zero=True),
        capacity=_seconds("--capacity", flags.capacity, spec.capacity) or 0.0,
        share_cores=spec.share_cores or flags.share_cores,
        time=_seconds("--time", flags.time, spec.time) or spec.time,
    )


def _compared(flags: AbFlags, spec: AbSpec) -> AbSpec:
    """What is compared. A side on the command line stands instead of a `base_ref` in the file."""
    sides = {name: each for name, each in (("--base", flags.base), ("--head", flags.head)) if each is not None}
    if sides and flags.base_ref is not None:
        raise LoadgateError(
            f"--base-ref, and {' and '.join(sides)}",
            "give one of them: both sides are built from Git, or they are there",
        )
    if flags.base_ref is not None or (spec.base_ref and not sides):
        return replace(
            spec,
            base_ref=spec.base_ref if flags.base_ref is None else ref_from_flag(flags.base_ref, "--base-ref"),
            head_ref=spec.head_ref if flags.head_ref is None else ref_from_flag(flags.head_ref, "--head-ref"),
            build=spec.build if flags.build is None else start_from_flag(flags.build, "--build").argv,
            start=spec.start if flags.start is None else Given("--start", argv=start_from_flag(flags.start).argv),
        )
    for name, given in (("--head-ref", flags.head_ref), ("--build", flags.build), ("--start", flags.start)):
        if given is not None:
            raise LoadgateError(
                f"{name} without --base-ref",
                "it is about builds from Git: give --base-ref REF, or `base_ref` in `gate: ab`",
            )
    base = spec.base if flags.base is None else given_from_flag(flags.base, "--base")
    head = spec.head if flags.head is None else given_from_flag(flags.head, "--head")
    missing = [name for name, each in (("base", base), ("head", head)) if each is None]
    if missing:
        raise LoadgateError(
            f"nothing says what {' and '.join(missing)} {'are' if len(missing) > 1 else 'is'}",
            "give --base and --head, or --base-ref to build both from Git; or the same in loadgate.yml: `base` and `head`, or "
            "`base_ref`, in `gate: ab`",
        )
    return replace(spec, base=base, head=head, base_ref="")


def _seconds(flag: str, written: str | None, otherwise: float | None) -> float | None:
    return otherwise if written is None else duration_from_flag(flag, written)
