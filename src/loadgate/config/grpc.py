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
from loadgate.errors import Problem, Span, nearest

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
        own.take("timeout", fields.positive(fields.duration), None),
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


def _url(node: Node, place: Place) -> str:
    written = fields.plain(node, place)
    scheme, found, rest = written.partition("://")
    if not found:
        scheme, rest = "grpc", written
    scheme = {"http": "grpc", "https": "grpcs"}.get(scheme.lower(), scheme.lower())
    if scheme not in _SCHEMES:
        likely = nearest(scheme, _SCHEMES)
        label = f"did you mean `{likely}`?" if likely else "can be grpc, grpcs"
        raise Refusal(Problem(f"{place.what} has the scheme `{scheme}`", node.span, label))
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or any(character <= " " or character == "\x7f" for character in rest) or parts.username is not None:
        raise Refusal(Problem(f"{place.what} names no host", node.span, _EXAMPLE))
    if not port:
        raise Refusal(Problem(f"{place.what} has no port", node.span, _EXAMPLE))
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise Refusal(Problem(f"{place.what} has a path", node.span, "a gRPC server is a host and a port"))
    return f"{scheme}://{parts.netloc}"


def _folder(node: Node, place: Place) -> Path:
    path = place.context.folder / fields.plain(node, place)
    if not path.is_dir():
        raise place.refuse(node, "a folder", f"there is no folder {path}")
    return path
