"""The WebSocket session that a command line says: `--url ws://host:port/path --body 'hello'` asks one question."""

from __future__ import annotations

from loadgate.config.body import TextBody
from loadgate.config.steps.websocket import Deed, MessageStep, SessionStep
from loadgate.config.template import Template
from loadgate.errors import ConfigError, Problem, Span, redact_url


def session_from_flags(url: str, body: str | None) -> SessionStep:
    """A session with `url` in which `body` is sent as a text, and its answer awaited. Nothing in them is filled in.

    Raises ConfigError.
    """
    whole = Span("--url", 1, 1, len(url), (url,))
    if body is None:
        note = "give --body TEXT, which is sent and its answer awaited, or a file that says what to do"
        raise ConfigError([Problem("--url of a WebSocket server, and nothing to send", whole, "", note)])
    try:
        body.encode("utf-8")
    except UnicodeEncodeError:
        note = "a text message is UTF-8; bytes are sent by a step with `binary`"
        raise ConfigError([Problem("--body holds bytes that are no UTF-8", note=note)]) from None
    name = redact_url(f"WS {url}")
    ask = MessageStep(name=name, span=whole, deed=Deed.ASK, message=TextBody(_literal(body)))
    return SessionStep(name=name, span=whole, url=_literal(url), steps=(ask,))


def _literal(text: str) -> Template:
    return Template(text.replace("${", "$${"))
