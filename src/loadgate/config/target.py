"""The target: where it is, and what every request to it carries unless a step says otherwise.

Secrets (passwords, tokens, header values) are left out of every repr, since reprs end up in logs and tracebacks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar
from urllib.parse import unquote, urlsplit

from loadgate.config import fields
from loadgate.config.fields import Fields, Place, Reader, Refusal
from loadgate.config.graphql import GraphqlSpec, read_graphql
from loadgate.config.grpc import GrpcSpec, is_grpc, read_grpc
from loadgate.config.scrape import KNOWN, ScrapeSpec, read_scrape
from loadgate.config.source import Node, Scalar, Table
from loadgate.config.start import STOP, ReadySpec, StartSpec, WatchSpec, read_ready, read_start, read_watch
from loadgate.config.websocket import http_url, is_websocket, ws_url
from loadgate.errors import ConfigError, Problem, nearest, redact_url

T = TypeVar("T")

TIMEOUT: Final = 60.0  # k6's default for a request
CONNECT_TIMEOUT: Final = 10.0
REDIRECTS: Final = 10  # k6's default
SCHEMES: Final = ("http", "https", "http+unix")
HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # token of RFC 9110, 5.6.2
FRAMING: Final = frozenset({"content-length", "transfer-encoding"})
"""Header fields that say where a request ends: whoever writes it must write them (RFC 9112 section 6)."""
_HEADER_BREAK: Final = re.compile(r"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class BasicAuth(Generic[T]):
    """User and password (RFC 7617); plain text for the target, templates for a step."""

    user: T
    password: T = field(repr=False)


@dataclass(frozen=True, slots=True)
class BearerAuth(Generic[T]):
    """A bearer token (RFC 6750)."""

    token: T = field(repr=False)


Auth: TypeAlias = BasicAuth[T] | BearerAuth[T]


@dataclass(frozen=True, slots=True)
class TlsSpec:
    """Files in PEM form: `ca` is trusted instead of the system's authorities; `verify` False: anyone is."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class TargetSpec:
    """The system under test. `url` None: the command line names it. Times in seconds; `redirects` 0: do not follow.

    That of a WebSocket server is kept as the one of HTTP it stands for; `websocket` says that it was one.
    """

    url: str | None = None
    websocket: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: Auth[str] | None = None
    tls: TlsSpec = TlsSpec()
    timeout: float = TIMEOUT
    connect_timeout: float = CONNECT_TIMEOUT
    redirects: int = REDIRECTS
    start: StartSpec | None = None
    ready: ReadySpec = field(default_factory=ReadySpec)
    stop: float = STOP
    watch: WatchSpec | None = None
    metrics: ScrapeSpec | None = None
    """What is read from its own metrics page."""
    graphql: GraphqlSpec = field(default_factory=GraphqlSpec)
    grpc: GrpcSpec | None = None

    @property
    def place(self) -> str:
        """Where it is, for people: its URL, or that of its gRPC server where it has no other; empty where neither is known."""
        if self.url and self.websocket:
            return ws_url(self.url)
        return self.url or (self.grpc.url if self.grpc is not None else "")

    @property
    def watched(self) -> bool:
        """Whether what it uses can be read from outside."""
        return self.start is not None or self.watch is not None

    def __repr__(self) -> str:
        url = None if self.url is None else redact_url(self.place)
        return (
            f"TargetSpec(url={url!r}, headers={list(self.headers)!r}, auth={self.auth!r}, tls={self.tls!r}, "
            f"timeout={self.timeout!r}, connect_timeout={self.connect_timeout!r}, redirects={self.redirects!r}, "
            f"start={self.start!r}, ready={self.ready!r}, stop={self.stop!r}, watch={self.watch!r}, "
            f"metrics={self.metrics!r}, graphql={self.graphql!r}, grpc={self.grpc!r})"
        )


def target_from_url(url: str, flag: str = "--url") -> TargetSpec:
    """The target said by `flag`. Raises ConfigError."""
    wrong = url_mistake(http_url(url))
    if wrong is not None:
        raise ConfigError([Problem(f"{flag}: `{redact_url(url)}` {wrong[0]}", note=wrong[1])])
    return TargetSpec(url=http_url(url), websocket=is_websocket(url))


def read_target(node: Node, place: Place) -> TargetSpec:
    """The `target` mapping, with `${env.NAME}` filled in."""
    own = Fields(node, place, "in `target`")
    written = own.take("url", _url, None)
    target = TargetSpec(
        url=None if written is None else http_url(written),
        websocket=written is not None and is_websocket(written),
        headers=own.take("headers", headers(fields.plain), {}),
        auth=own.take("auth", auth(fields.plain), None),
        tls=own.take("tls", _tls, TlsSpec()),
        timeout=own.take("timeout", fields.timeout, TIMEOUT),
        connect_timeout=own.take("connect_timeout", fields.positive(fields.duration), CONNECT_TIMEOUT),
        redirects=own.take("redirects", fields.whole(0), REDIRECTS),
        start=own.take("start", read_start, None),
        ready=own.take("ready", read_ready, ReadySpec()),
        stop=own.take("stop", fields.positive(fields.duration), STOP),
        watch=own.take("watch", read_watch, None),
        metrics=own.take("metrics", read_scrape, None),
        graphql=own.take("graphql", read_graphql, GraphqlSpec()),
        grpc=own.take("grpc", read_grpc, None),
    )
    own.done()
    if target.start is None:
        for key in ("ready", "stop"):
            if key in own:
                own.report(f"`{key}` without `start` in `target`", key, "it is about a program that Loadgate starts")
        if target.watch is not None and target.watch.kind is None:
            own.report("nothing to watch in `target`", "watch", "give pid, container, unit or cgroup, or `start`")
    if target.watched and target.metrics is not None:
        twice = [series.name for series in target.metrics.series if series.name in KNOWN]
        if twice:
            message = f"`{twice[0]}` is read twice: from the program, and from its metrics page"
            own.report(message, "metrics", "give it another name there, or leave out `start` and `watch`")
    return target


def auth(read: Reader[T]) -> Reader[Auth[T] | None]:
    """A reader of `{basic: {user, password}}` or `{bearer: token}`, with `read` for the texts."""

    def basic(node: Node, place: Place) -> Auth[T] | None:
        own = Fields(node, place, f"in {place.what}")
        user, password = own.need("user", read, None), own.need("password", read, None)
        own.done()
        return None if user is None or password is None else BasicAuth(user, password)

    def bearer(node: Node, place: Place) -> Auth[T] | None:
        return BearerAuth(read(node, place))

    def read_auth(node: Node, place: Place) -> Auth[T] | None:
        own = Fields(node, place, f"in {place.what}")
        found = own.take("basic", basic, None), own.take("bearer", bearer, None)
        if "basic" in own and "bearer" in own:
            own.report(f"{place.what} has both `basic` and `bearer`", "bearer", "give one of them")
        elif "basic" not in own and "bearer" not in own:
            own.report(f"{place.what} needs `basic` or `bearer`")
        own.done()
        return found[0] or found[1]

    return read_auth


def headers(read: Reader[T]) -> Reader[dict[str, T]]:
    """A reader of header mappings, with `read` for the values; names are checked, they cannot be templates."""

    def read_headers(node: Node, place: Place) -> dict[str, T]:
        values = fields.mapping(read)(node, place)
        for entry in node.entries.values() if isinstance(node, Table) else ():
            if not HEADER_NAME.fullmatch(entry.key):
                place.report(Problem(f"`{entry.key}` in {place.what} is not a header name", entry.key_span))
            if entry.key.lower() in FRAMING:
                message = f"`{entry.key}` in {place.what} cannot be set"
                place.report(Problem(message, entry.key_span, "Loadgate writes it itself, for the body it sends"))
            if isinstance(entry.value, Scalar) and _HEADER_BREAK.search(entry.value.text):
                message = f"`{entry.key}` in {place.what} must stay on one line"
                place.report(Problem(message, entry.value.span, "a line break would start another header"))
        return values

    return read_headers


def url_mistake(url: str) -> tuple[str, str] | None:
    """What is wrong with `url` as a base URL (the end of a sentence, and advice), or None."""
    if not url or any(character <= " " or character == "\x7f" for character in url):
        return "is not a URL", "no blanks and no control characters"
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        if not separator:
            return "has no scheme", f"did you mean http://{redact_url(f'http://{url}')[7:]}?"
        likely = nearest(scheme, SCHEMES)
        known = ", ".join((*SCHEMES, "ws", "wss", "grpc", "grpcs"))
        return f"has the scheme `{scheme}`", f"did you mean `{likely}`?" if likely else f"can be {known}"
    if "?" in rest or "#" in rest:
        return "has a query or fragment", "a base URL ends with its path; steps add the query"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is not a URL", "check host and port; write / ? # in a password as %2F %3F %23"
    if not host or (scheme.lower() == "http+unix" and not unquote(parts.netloc).startswith("/")):
        if scheme.lower() == "http+unix":
            return (
                "names no socket",
                "write the path with %2F for /, for example http+unix://%2Frun%2Fapp.sock",
            )
        return "has no host", "for example http://127.0.0.1:3000"
    return ("is not a URL", "port 0 cannot be reached") if port == 0 else None


def _url(node: Node, place: Place) -> str:
    url = fields.plain(node, place)
    if is_grpc(url):
        raise Refusal(Problem(f"{place.what} is of a gRPC server", node.span, "write it as `grpc` in `target`"))
    wrong = url_mistake(http_url(url))
    if wrong is not None:
        raise Refusal(Problem(f"{place.what} {wrong[0]}", node.span, wrong[1]))
    return url


def _tls(node: Node, place: Place) -> TlsSpec:
    own = Fields(node, place, "in `tls` in `target`")
    spec = TlsSpec(
        ca=own.take("ca", fields.file, None),
        cert=own.take("cert", fields.file, None),
        key=own.take("key", fields.file, None),
        verify=own.take("verify", fields.flag, True),
    )
    if "key" in own and "cert" not in own:
        own.report("`key` without `cert` in `tls` in `target`", "key", "a key alone proves nothing")
    own.done()
    return spec
