"""Cookies of one user (RFC 6265 section 5).

The standard library's jar wants urllib request objects and weighs several KB empty, which 5,000 users would all pay;
this one is nothing until the first `Set-Cookie`. It has no list of public suffixes: a domain of one label is refused,
`co.uk` is not. Times are Unix seconds and are handed in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"-?[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Cookie:
    """One stored cookie; `host_only` ones go back to the very host that set them."""

    name: str
    value: str
    domain: str
    path: str
    host_only: bool
    secure: bool
    expires: float | None
    """Unix seconds, or None for a session cookie."""

    def matches(self, host: str, path: str, *, tls: bool, now: float) -> bool:
        if self.expires is not None and self.expires <= now:
            return False
        if self.secure and not tls:
            return False
        if self.domain and host != self.domain and (self.host_only or not host.endswith("." + self.domain)):
            return False
        at_boundary = self.path.endswith("/") or path[len(self.path) : len(self.path) + 1] in ("", "/")
        return path.startswith(self.path) and at_boundary


class CookieJar(MutableMapping[str, str]):
    """A user's cookies; as a mapping it shows and sets them by name, for every host."""

    __slots__ = ("_cookies",)

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def header(self, host: str, path: str, *, tls: bool, now: float, foreign: bool = False) -> str:
        """Value of the `Cookie` header for a request, longest path first (section 5.4); empty if none applies.

        `foreign` marks a request that a redirect led to another origin: what the scenario has set is not for that one.
        """
        path = path.partition("?")[0]
        fitting = [
            cookie
            for cookie in self._cookies.values()
            if cookie.matches(host, path, tls=tls, now=now) and (cookie.domain or not foreign)
        ]
        fitting.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in fitting)

    def store(self, line: str, host: str, path: str, now: float) -> None:
        """Take one `Set-Cookie` value; a malformed one, or one for a foreign domain, is ignored (section 5.2)."""
        cookie = parse_cookie(line, host, path, now)
        if cookie is None:
            return
        key = (cookie.domain, cookie.path, cookie.name)
        self._cookies.pop(("", "/", cookie.name), None)  # the server's word is newer than the scenario's
        if cookie.expires is not None and cookie.expires <= now:
            self._cookies.pop(key, None)
        else:
            self._cookies[key] = cookie

    def __getitem__(self, name: str) -> str:
        for cookie in self._cookies.values():
            if cookie.name == name:
                return cookie.value
        raise KeyError(name)

    def __setitem__(self, name: str, value: str) -> None:
        self._drop(name)
        self._cookies["", "/", name] = Cookie(name, value, "", "/", False, False, None)

    def __delitem__(self, name: str) -> None:
        self[name]
        self._drop(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(cookie.name for cookie in self._cookies.values()))

    def __len__(self) -> int:
        return len({cookie.name for cookie in self._cookies.values()})

    def _drop(self, name: str) -> None:
        self._cookies = {key: cookie for key, cookie in self._cookies.items() if cookie.name != name}


def parse_cookie(line: str, host: str, path: str, now: float) -> Cookie | None:
    """The cookie in a `Set-Cookie` value sent by `host` for a request of `path`, or None if it must be ignored."""
    pair, _, rest = line.partition(";")
    name, equals, value = pair.partition("=")
    if not equals or not name.strip():
        return None
    attributes = _attributes(rest)
    domain = attributes.get("domain", "").lstrip(".").lower()
    if domain and domain != host and (not host.endswith("." + domain) or "." not in domain or _is_address(host)):
        return None
    given = attributes.get("path", "")
    return Cookie(
        name.strip(),
        value.strip(),
        domain or host,
        given if given.startswith("/") else _default_path(path),
        not domain,
        "secure" in attributes,
        _expiry(attributes, now),
    )


def _attributes(text: str) -> dict[str, str]:
    found = {}
    for part in text.split(";"):
        key, _, value = part.partition("=")
        found[key.strip().lower()] = value.strip()
    return found


def _expiry(attributes: dict[str, str], now: float) -> float | None:
    """Max-Age wins over Expires (section 5.3 step 3); what does not parse counts as not given."""
    seconds = attributes.get("max-age", "")
    if _SECONDS.fullmatch(seconds):
        return now + int(seconds)
    try:
        return parsedate_to_datetime(attributes["expires"].replace("-", " ")).timestamp()
    except (KeyError, ValueError, OverflowError, OSError, TypeError, IndexError):
        return None  # the parser lets through more kinds of error than it documents


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _default_path(path: str) -> str:
    """Section 5.1.4: everything up to, but not including, the last slash of the request's path."""
    folder = path.partition("?")[0].rpartition("/")[0]
    return folder if folder.startswith("/") else "/"
