"""The target's gRPC server: where it is, how its methods become known, and what goes with each call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from loadgate.config import fields
from loadgate.config.fields import Fields, Place, Refusal
from loadgate.config.source import Node, Scalar
from loadgate.errors import ConfigError, Problem, Span, nearest, redact_url

_SCHEMES: Final = ("grpc", "grpcs")
_EXAMPLE: Final = "for example 127.0.0.1:50051, or grpcs://host:443 for TLS"


@dataclass(frozen=True, slots=True)
class GrpcSpec:
    """`url` is `grpc://host:port`, or `grpcs://host:port` with TLS as the target's `tls` says.

    Methods are known from the files `protos`, whose imports are looked for in the folders `paths`; where `reflection` is set
    the server itself is asked; with neither, messages are bytes. `timeout` (s) None: the target's. `shared`: all users have
    one connection. `span` is where it is written.
    """

    url: str
    protos: tuple[Path, ...] = ()
    paths: tuple[Path, ...] = ()
    reflection: bool = True
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float | None = None
    shared: bool = False
    span: Span | None = field(default=None, repr=False, compare=False)


class UrlMistake(ValueError):
    """What is wrong with the URL of a server: the end of a sentence, and `advice`."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice


def read_grpc(node: Node, place: Place) -> GrpcSpec | None:
    """`host:port`, or a mapping with `url`. None, after a report, where it has no usable `url`."""
    if isinstance(node, Scalar):
        return GrpcSpec(_url(node, place), span=node.span)
    own = Fields(node, place, "in `grpc` in `target`")
    url = own.need("url", _url, "")
    protos: tuple[Path, ...] = ()
    protos = own.take("proto", fields.one_or_more(fields.file), protos)
    spec = GrpcSpec(
        url,
        protos,
        own.take("proto_path", fields.one_or_more(_folder), ()),
        own.take("reflection", fields.flag, "proto" not in own),
        own.take("metadata", fields.mapping(fields.plain), {}),
        own.take("timeout", fields.timeout, None),
        own.take("shared", fields.flag, False),
        own.span,
    )
    own.done()
    if "proto" in own and "reflection" in own and spec.reflection:
        own.report("`proto` and `reflection` in `grpc` in `target`", "reflection", "methods come from one of them")
    if "proto_path" in own and "proto" not in own:
        own.report(
            "`proto_path` without `proto` in `grpc` in `target`", "proto_path", "it is where imports are looked for"
        )
    return spec if url else None


def is_grpc(url: str) -> bool:
    """Whether the scheme of `url` is that of a gRPC server."""
    scheme, found, _ = url.partition("://")
    return bool(found) and scheme.lower() in _SCHEMES


def split_url(written: str) -> tuple[str, str]:
    """The URL of a server as `GrpcSpec` has it, and what is written after its port, without the slash.

    Raises UrlMistake for what names no server.
    """
    scheme, found, rest = written.partition("://")
    if not found:
        scheme, rest = "grpc", written
    scheme = {"http": "grpc", "https": "grpcs"}.get(scheme.lower(), scheme.lower())
    if scheme not in _SCHEMES:
        likely = nearest(scheme, _SCHEMES)
        raise UrlMistake(f"has the scheme `{scheme}`", f"did you mean `{likely}`?" if likely else "can be grpc, grpcs")
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or any(character <= " " or character == "\x7f" for character in rest):
        raise UrlMistake("names no host", _EXAMPLE)
    if parts.username is not None:
        raise UrlMistake("has a user in it", "gRPC knows none: give `authorization` as metadata")
    if not port:
        raise UrlMistake("has no port", _EXAMPLE)
    return f"{scheme}://{parts.netloc}", rest[len(parts.netloc) :].removeprefix("/")


def server_from_flag(url: str, flag: str = "--url") -> str:
    """The server that `flag` names, as `GrpcSpec` has it. Raises ConfigError."""
    server, rest = split_flag(url, flag)
    if rest:
        message = f"{flag}: `{redact_url(url)}` has a path, and a profile or script says what to call"
        raise ConfigError([Problem(message, note=f"give {flag} {server}, or no profile and no script")])
    return server


def split_flag(url: str, flag: str = "--url") -> tuple[str, str]:
    """`split_url` for `flag`. Raises ConfigError."""
    try:
        return split_url(url)
    except UrlMistake as wrong:
        raise ConfigError([Problem(f"{flag}: `{redact_url(url)}` {wrong}", note=wrong.advice)]) from None


def _url(node: Node, place: Place) -> str:
    try:
        url, rest = split_url(fields.plain(node, place))
    except UrlMistake as wrong:
        raise Refusal(Problem(f"{place.what} {wrong}", node.span, wrong.advice)) from None
    if rest:
        raise Refusal(Problem(f"{place.what} has a path", node.span, "a gRPC server is a host and a port"))
    return url


def _folder(node: Node, place: Place) -> Path:
    path = place.context.folder / fields.plain(node, place)
    if not path.is_dir():
        raise place.refuse(node, "a folder", f"there is no folder {path}")
    return path
