"""Secrets in texts: what looks like one is found by its shape or by the name beside it, and masked. Pure.

Rules:
* The time grows as the length of the text does, whatever is in it: a text may be as long as a body, and may come from a
  server. So a repeat that may fail at its end begins only where the run of its characters does, or is bounded, or is
  possessive and takes away what it has seen.
* Masking twice changes nothing.
* A name that always speaks of a secret (`token`, `password`) counts wherever it stands. One that is also an everyday word
  (`key`, `code`, `session`) counts as the whole name of a query value or a form's field, and in quotes before a JSON string.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

MASK: Final = "***"

_STEM: Final = (
    r"(?:token|passw(?:or)?d|passphrase|secret|signature|credentials?|jwt|(?:api|access)[-_.]?key|sess(?:ion)?[-_.]?id(?!\w)"
    r"|(?:auth|app|client|private|signing|encryption|subscription|functions|account|service|license)[-_.]?key(?!\w))"
)
"""Speaks of a secret anywhere in a name, so that what stands before it need not be looked at."""

_WHOLE: Final = r"(?:key|sig|sid|code|session|auth|pwd|pass|otp|[\w.-]{1,32}\.sid|x-(?:amz|goog)-[\w-]{1,64})"

_QUOTED: Final = r"\"[^\"\\]*+(?:\\[\s\S][^\"\\]*+)*+\"?|'[^'\\]*+(?:\\[\s\S][^'\\]*+)*+'?"
_VALUE: Final = rf"(\\{{1,4}}[\"'][^\"']*+|{_QUOTED}|[^\s,&;{{}}\[\]\"'][^\s,&;}}\]\"']*+)"
"""A quoted text, perhaps in a quoted text (JSON in JSON), or a word."""
_ESCAPED_QUOTE: Final = re.compile(r"\\{1,4}[\"']")

_TO_SPACE: Final = re.compile(r"[^\s?#]++")
_USERINFO: Final = re.compile(
    r"(:/{1,2}|//)(?:"  # a path makes one slash of two
    r"([^\s/?#@:]*):[^\s/?#]*"  # user:password
    r"|([^\s/?#@:]+)"  # token
    r"|([^\s/?#@:]*):(?!\d*[/?#\s])[^\s?#]*)@"  # a password with a / in it
)
_BARE_USERINFO: Final = re.compile(r"""(?<![\w/%.-])([^\s:/@"'{}(,]++)(?::([^\s/@"']++)(@(?=[\w\[]))?)?""")
"""user:password@host without a scheme. What is none is matched too, and left: nothing in it could begin one."""

_QUERY: Final = re.compile(
    rf"([?&;#](?:[\w.\[\]%$-]*{_STEM}[\w\]%.-]{{0,64}}|{_WHOLE})="
    rf"|(?<![^\s\"'`({{]){_WHOLE}=(?=[^\s&\"'`({{]*+&))([^&;#\s]++)",  # the first field of a form
    re.IGNORECASE,
)
_CLOSING: Final = "\"'`)]}>,."
"""Ends the quotation of a URL rather than the URL."""

_JWT: Final = re.compile(r"()((?<![\w-])eyJ[\w-]{8,}+(?:\.[\w-]++){1,2}+)")
_SCHEME: Final = re.compile(r"\b((?i:bearer|basic)\s++)(?=[a-z._~+/-]*+[0-9A-Z=])([\w.~+/-]{6,}+=*+)")
_HEADER: Final = re.compile(
    r"((?:authorization|cookie|(?<![\w-])x-[\w-]{0,64}(?:auth|token|key|secret|session)[\w-]{0,64})"
    r"\\{0,4}[\"']?\s*+[:=]\s*+\\{0,4}[\"']?)([^\s\"'\\][^\r\n\"']*+)",
    re.IGNORECASE,
)
_PAIR: Final = re.compile(rf"({_STEM}\w{{0,64}}(?:\]|%5D)?\\{{0,4}}[\"']?\s*+[:=]\s*+){_VALUE}", re.IGNORECASE)
_QUOTED_PAIR: Final = re.compile(
    rf"([\"'](?!code\b){_WHOLE}\\{{0,4}}[\"']\s*+:\s*+|[\"']code\\{{0,4}}[\"']\s*+:\s*+"
    r"(?!\\{0,4}[\"'](?:[a-z_ .:-]*+|\d{1,5})\\{0,4}[\"']))"  # a code that is a word or a short number names an error
    rf"(?=\\{{0,4}}[\"']){_VALUE}",
    re.IGNORECASE,
)

_YAML_PAIR: Final = re.compile(
    rf"((?:{_STEM}|bearer|authorization|auth|basic|cookie)[\"']?\s*+:\s*+)({_QUOTED}|[^\s\"'{{\[,}}][^,}}\]]*+)",
    re.IGNORECASE,
)
_PYTHON_PAIR: Final = re.compile(
    rf"((?:{_STEM}\w{{0,64}}|authorization|cookie)[\"']?\]?\s*+={{1,2}}\s*+[rbfu]{{0,2}})({_QUOTED})", re.IGNORECASE
)
"""Only a text in quotes: after `token =` an error's place must stay readable."""


@lru_cache(maxsize=4096)
def redact_text(text: str) -> str:
    """`text` with what looks like a credential replaced by `***`; the names beside them stay."""
    text = redact_url(text)
    for pattern in (_JWT, _SCHEME, _HEADER):
        text = pattern.sub(rf"\1{MASK}", text)
    for pattern in (_PAIR, _QUOTED_PAIR):
        text = pattern.sub(_pair, text)
    return text


def redact_url(url: str) -> str:
    """`url` (or any text holding URLs) with passwords, bare tokens and secret query values replaced by `***`."""
    url = _userinfo(url, _without_password)
    if "@" in url:
        url = _BARE_USERINFO.sub(lambda found: f"{found[1]}:{MASK}@" if found[3] else found[0], url)
    return _QUERY.sub(_query, url) if "=" in url else url


def mask_source(line: str) -> str:
    """A line of YAML or Python with secrets replaced by as many stars, so that carets stay true.

    References such as `${env.TOKEN}` are not secret.
    """
    for pattern in (_YAML_PAIR, _PYTHON_PAIR, _QUERY, _SCHEME, _JWT):
        line = pattern.sub(_stars, line)
    line = _userinfo(line, lambda found: f"{found[1]}{'*' * (len(found[0]) - len(found[1]) - 1)}@")
    if "@" in line:
        line = _BARE_USERINFO.sub(lambda found: f"{found[1]}:{'*' * len(found[2])}@" if found[3] else found[0], line)
    return line


def _userinfo(text: str, mask: Callable[[re.Match[str]], str]) -> str:
    """`text` with what stands between `://` and `@` put through `mask`.

    It is looked for only up to the last `@` before a blank: without one, a text of `://a:b/` would be read to its end again
    and again.
    """
    if "@" not in text:
        return text

    def masked(found: re.Match[str]) -> str:
        end = found[0].rfind("@") + 1
        return _USERINFO.sub(mask, found[0][:end]) + found[0][end:]

    return _TO_SPACE.sub(masked, text)


def _without_password(found: re.Match[str]) -> str:
    user = found[2] or found[4]
    return f"{found[1]}{user + ':' if user else ''}{MASK}@"


def _query(found: re.Match[str]) -> str:
    value = found[2].rstrip(_CLOSING)
    return f"{found[1]}{MASK if value else ''}{found[2][len(value) :]}"


def _pair(found: re.Match[str]) -> str:
    value = found[2]
    if (opening := _ESCAPED_QUOTE.match(value)) is not None:
        closing = value[len(value.rstrip("\\")) :] if len(value) > opening.end() else ""
        return f"{found[1]}{opening[0]}{MASK}{closing}"
    quote = value[0] if value[0] in "\"'" else ""
    return f"{found[1]}{quote}{MASK}{quote}"


def _stars(found: re.Match[str]) -> str:
    kept, value = found[1], found[2]
    if value.strip("\"' ").startswith("${"):
        return found[0]
    quote = value[0] if value[0] in "\"'" else ""
    closed = quote if len(value) > 1 and value.endswith(quote) else ""
    return f"{kept}{quote}{'*' * (len(value) - len(quote) - len(closed))}{closed}"
