"""Requests as bytes, made once and sent many times."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

from loadgate.clients.http.content import FilePart, form_body, multipart_body
from loadgate.clients.http.step import Step
from loadgate.clients.transport import Origin, parse_origin
from loadgate.errors import redact_url

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
"""RFC 9110 section 9.2.2: these may be sent again when an idle connection turns out to be closed."""

CREDENTIALS: Final = ("authorization", "cookie")
"""Header fields that stay with the origin they were given for."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNSAFE = re.compile(r"[^\x21-\x7e]|[\"<>\\^`{|}]")
_SAFE: Final = "!#$%&'()*+,/:;=?@[]~"
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_OF_A_BODY: Final = frozenset(
    {b"content-encoding", b"content-language", b"content-length", b"content-location", b"content-type", b"expect"}
)

LONGEST_TIMEOUT: Final = 86_400
"""Seconds: a day. An event loop's timers cannot take infinity, and a reply that takes longer is not under test."""

Auth = str | tuple[str, str]
"""A bearer token, or (user, password) for Basic."""


class Request:
    """One request, ready to be written.

    `wire` is the whole of it; `head` lacks the empty line, so that a user's own cookies and headers can be put in.
    `away` marks one that a redirect led to another origin, where the user's credentials have no business. Nobody reads the
    body of the reply to one without `keeps_body`: what does not come in one piece with its head is dropped.
    """

    __slots__ = (
        "awaits_continue",
        "away",
        "body",
        "head",
        "keeps_body",
        "method",
        "origin",
        "redirects",
        "step",
        "target",
        "timeout",
        "wire",
    )

    def __init__(
        self,
        method: str,
        origin: Origin,
        target: str,
        head: bytes,
        body: bytes,
        step: Step,
        timeout: float,
        redirects: int,
        *,
        away: bool = False,
        keeps_body: bool = True,
    ) -> None:
        self.method = method
        self.origin = origin
        self.target = target
        self.head = head
        self.body = body
        self.wire = head + b"\r\n" + body
        self.step = step
        self.timeout = timeout
        self.redirects = redirects
        self.away = away
        self.keeps_body = keeps_body
        self.awaits_continue = bool(body) and b"\r\nexpect: 100-continue\r\n" in head.lower()

    @property
    def url(self) -> str:
        origin = self.origin
        authority = quote(origin.path, safe="") if origin.path else origin.authority
        return f"{origin.scheme}{'+unix' if origin.path else ''}://{authority}{self.target}"

    def has_header(self, name: str) -> bool:
        return b"\r\n" + name.lower().encode("latin-1") + b":" in self.head.lower()


@dataclass(frozen=True, slots=True)
class RequestDefaults:
    """What the configuration says of every request to the target. `base` is an absolute URL or empty.

    Secrets are in most of it, so they are left out of the repr.
    """

    base: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: Auth | None = field(default=None, repr=False)
    timeout: float = 60.0
    redirects: int = 10


class RequestBuilder:
    """Turns what a scenario asks for into `Request`s."""

    def __init__(self, defaults: RequestDefaults, user_agent: str) -> None:
        self._defaults = defaults
        self._origins: dict[Origin, Origin] = {}
        self._origin: Origin | None = None
        self._prefix = ""
        headers = {"user-agent": user_agent, "accept": "*/*"}
        if defaults.base:
            clean, auth = split_userinfo(defaults.base)
            origin, target = parse_origin(clean)
            self._origin = self._origins.setdefault(origin, origin)
            self._prefix = target.partition("?")[0].rstrip("/")
            if auth is not None:
                headers["authorization"] = authorization(auth)
        headers.update((name.lower(), value) for name, value in defaults.headers.items())
        if defaults.auth is not None:
            headers["authorization"] = authorization(defaults.auth)
        self._headers = headers
        self._common: dict[Origin, bytes] = {}

    @property
    def timeout(self) -> float:
        """Seconds for a request that says none of its own."""
        return self._defaults.timeout

    def locate(self, url: str) -> tuple[Origin, str, Auth | None]:
        """Origin, request target and credentials of `url`, which is absolute or begins with `/`.

        Raises ValueError for a relative path, for another scheme, or for a path when no base URL is known.
        """
        if url.startswith("/") and not url.startswith("//"):
            if self._origin is None:
                raise ValueError(f"`{redact_url(url)}` is only a path and no target URL is given")
            return self._origin, clean_target(self._prefix + url), None
        if "://" not in url:
            raise ValueError(f"`{redact_url(url)}` is neither a path beginning with / nor an absolute URL")
        clean, auth = split_userinfo(url)
        origin, target = parse_origin(clean)
        # one object for one origin, so that connections can be told apart by identity
        return self._origins.setdefault(origin, origin), clean_target(target), auth

    def build(
        self,
        method: str,
        url: str,
        step: Step,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str | None = None,
        auth: Auth | None = None,
        timeout: float | None = None,
        redirects: int | None = None,
        keeps_body: bool = True,
    ) -> Request:
        """Make a request. Raises ValueError for what cannot be put on the wire."""
        if _TOKEN.fullmatch(method) is None:
            raise ValueError(f"`{method}` is not a method")
        origin, target, own_auth = self.locate(url)
        if params:
            target += ("&" if "?" in target else "?") + urlencode(params, doseq=True)
        auth = auth if auth is not None else own_auth
        timeout = checked_timeout(self._defaults.timeout if timeout is None else timeout)
        if headers is None and body is None and auth is None and method not in _WITH_BODY:
            common = self._common.get(origin)
            if common is None:
                common = self._common[origin] = self._head(origin, {})
            head = f"{method} {target} HTTP/1.1\r\n".encode("ascii") + common
        else:
            own = {name.lower(): value for name, value in (headers or {}).items()}
            if auth is not None:
                own.setdefault("authorization", authorization(auth))
            if content_type is not None:
                own.setdefault("content-type", content_type)
            if body is not None or method in _WITH_BODY:
                own.setdefault("content-length", str(len(body or b"")))
            head = f"{method} {target} HTTP/1.1\r\n".encode("ascii") + self._head(origin, own)
        return Request(
            method,
            origin,
            target,
            head,
            body or b"",
            step,
            timeout,
            self._defaults.redirects if redirects is None else redirects,
            keeps_body=keeps_body,
        )

    def follow(self, request: Request, location: str, status: int) -> Request | None:
        """The request a redirect asks for, or None where there are no more hops or no HTTP to go to.

        303 and, as every client does, 301 and 302 after POST turn into GET without the body (RFC 9110 section 15.4);
        credentials stay with the origin they were given for.
        """
        if request.redirects <= 0:
            return None
        try:
            origin, target, _ = self.locate(resolve(request.url, location))
        except ValueError:
            return None
        method, body = request.method, request.body
        dropped: set[bytes] = set()
        if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
            method, body = "GET", b""
            dropped |= _OF_A_BODY
        first = f"{method} {target} HTTP/1.1\r\n"
        away = origin != request.origin
        if away:
            dropped |= {b"host", *(name.encode("ascii") for name in CREDENTIALS)}
            first += f"host: {origin.authority}\r\n"
        lines = request.head.split(b"\r\n")[1:-1]
        kept = [line + b"\r\n" for line in lines if line.partition(b":")[0].lower() not in dropped]
        return Request(
            method,
            origin,
            target,
            first.encode("ascii") + b"".join(kept),
            body,
            request.step,
            request.timeout,
            request.redirects - 1,
            away=away or request.away,
            keeps_body=request.keeps_body,
        )

    def _head(self, origin: Origin, own: Mapping[str, str]) -> bytes:
        merged = {"host": origin.authority}
        merged.update(self._headers)
        if origin != self._origin:
            for name in CREDENTIALS:  # the target's are not for other hosts
                merged.pop(name, None)
        merged.update(own)
        return b"".join(header_line(name, value) for name, value in merged.items())


def checked_timeout(timeout: float) -> float:
    """`timeout` (s) as it is. Raises ValueError for one that no request can have."""
    if not 0.0 < timeout <= LONGEST_TIMEOUT:
        raise ValueError(f"a timeout is more than 0 and at most {LONGEST_TIMEOUT:,} seconds, not {timeout!r}")
    return timeout


def encode_body(
    *,
    json: Any = None,
    data: Mapping[str, Any] | str | bytes | None = None,
    files: Mapping[str, FilePart] | None = None,
) -> tuple[bytes | None, str | None]:
    """Body and content type from what a scenario gives: at most one of `json` and `data`, `files` with form fields."""
    if json is not None:
        if data is not None or files is not None:
            raise ValueError("a request has one body: give json, or data and files")
        from msgspec import json as codec

        return codec.encode(json), "application/json"
    if files is not None:
        if data is not None and not isinstance(data, Mapping):
            raise ValueError("beside files, data must be a mapping of form fields")
        return multipart_body(data or {}, files)
    if data is None:
        return None, None
    if isinstance(data, Mapping):
        return form_body(data)
    return (data.encode("utf-8") if isinstance(data, str) else bytes(data)), None


def header_line(name: str, value: str) -> bytes:
    """One header field with its line end. Raises ValueError where it could break out of its line."""
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"`{name}` is not a header name")
    if "\r" in value or "\n" in value or "\0" in value:
        raise ValueError(f"the value of header `{name}` has a line break in it")
    try:
        return f"{name}: {value}\r\n".encode("latin-1")
    except UnicodeEncodeError:
        return f"{name}: {value}\r\n".encode()


def authorization(auth: Auth) -> str:
    """Value of `Authorization`: Basic (RFC 7617) for a pair, Bearer (RFC 6750) for a string."""
    if isinstance(auth, str):
        return f"Bearer {auth}"
    if ":" in auth[0]:
        raise ValueError("a user name for Basic authentication cannot hold a colon (RFC 7617 section 2)")
    return "Basic " + b64encode(":".join(auth).encode("utf-8")).decode("ascii")


def clean_target(target: str) -> str:
    """The request target with what may not stand in one percent-encoded, and without a fragment."""
    target = target.partition("#")[0]
    return quote(target, safe=_SAFE) if _UNSAFE.search(target) else target


def split_userinfo(url: str) -> tuple[str, Auth | None]:
    """Take `user:password@` out of a URL. Raises ValueError, the password masked, for what is not one."""
    if "@" not in url:
        return url, None
    try:
        parts = urlsplit(url)
    except ValueError:  # its text may quote the password
        raise ValueError(f"`{redact_url(url)}` is not a URL: look at its host and port") from None
    if "@" not in parts.netloc:
        return url, None
    clean = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return clean, (unquote(parts.username or ""), unquote(parts.password or ""))


def resolve(base: str, location: str) -> str:
    """RFC 3986 reference resolution. `urljoin` does not know http+unix, so its base is lent the http scheme.

    A server behind a Unix socket is told `Host: localhost`, so a location there is the same server.
    """
    if base.startswith("http+unix://"):
        socket = urlsplit(base).netloc
        joined = urljoin("http" + base[len("http+unix") :], location)
        parts = urlsplit(joined)
        if parts.scheme == "http" and parts.netloc == "localhost":
            joined = urlunsplit(parts._replace(netloc=socket))
        same_host = urlsplit(joined).netloc == socket
        return "http+unix" + joined[len("http") :] if same_host else joined
    return urljoin(base, location)
