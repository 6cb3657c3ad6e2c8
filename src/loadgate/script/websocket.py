"""Declarative WebSocket steps at work: a session, and what is sent and read while it is open.

A session is opened in each iteration and closed in order behind its last step. Where it cannot be opened, that is the failed
exchange, and its steps are left out. Where it ends early, each step that still wants something of it fails.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from msgspec import json

from loadgate.clients.websocket.questions import Field
from loadgate.config.body import JsonBody, TextBody
from loadgate.config.steps import MessageStep, SessionStep
from loadgate.config.steps.websocket import Deed, Message
from loadgate.config.template import Template, as_written
from loadgate.errors import Problem
from loadgate.script.exchange import ExchangeRules, ExchangeRun, Iteration, Step, note
from loadgate.script.expression import Scope
from loadgate.script.reply import Expectation, Reply
from loadgate.script.request import compile_auth, compile_headers, compile_texts, compile_url
from loadgate.script.template import Compiled, TemplateCompiler

if TYPE_CHECKING:
    from loadgate.clients.websocket.composer import Outgoing
    from loadgate.clients.websocket.message import WsMessage, WsReply
    from loadgate.clients.websocket.session import WsSession
    from loadgate.script.user import User

_LEAST: Final = 0.001
"""Seconds for a message that may have come already, when the time for all of them is up."""
_NEVER: Final = float("inf")


def compile_session(
    spec: SessionStep,
    rules: ExchangeRules,
    steps: tuple[Step, ...],
    compiler: TemplateCompiler,
    problems: list[Problem],
) -> SessionRun:
    """The step of `spec`, within which `steps` run; what is wrong with its templates goes into `problems`."""
    make = KeptSessionRun if spec.kept else SessionRun
    return make(
        spec,
        replace(rules, expectations=(*_expected_of_session(spec), *rules.expectations)),
        steps,
        url=compile_url(spec.url, compiler, problems),
        query=compile_texts(spec.query, compiler),
        headers=compile_headers(spec.headers, compiler, problems),
        auth=compile_auth(spec, compiler),
    )


def compile_message(
    spec: MessageStep, rules: ExchangeRules, compiler: TemplateCompiler, problems: list[Problem]
) -> Step:
    """The step of `spec`; what is wrong with its templates goes into `problems`."""
    if spec.message is None:
        return PingRun(spec, rules) if spec.deed is Deed.PING else ReceiveRun(spec, rules)
    message = _compile(spec.message, compiler)
    if spec.deed is Deed.SEND:
        return SendRun(spec, rules, message)
    if spec.match is not None:
        _check_match(spec.match, spec, problems)
    return AskRun(spec, rules, message)


class SessionReply(Reply):
    """A session that is over: it has no content."""

    __slots__ = ("session",)

    def __init__(self, session: WsSession) -> None:
        super().__init__()
        self.session = session

    @property
    def summary(self) -> str:
        session = self.session
        return f"closed {session.close_code}" if session.error is None else f"{session.error.value} error"

    @property
    def duration(self) -> float:
        """What its opening took."""
        return self.session.connecting

    def header(self, name: str) -> str | None:
        return None

    def body(self) -> bytes:
        return b""

    def text(self) -> str:
        return ""

    def json(self) -> Any:
        raise ValueError("a session has no content")


class MessagesReply(Reply):
    """What came, one message or several. Several are lines as a text, and a list as JSON."""

    __slots__ = ("_duration", "messages", "missing")

    def __init__(self, messages: Sequence[WsMessage], duration: float, missing: str = "") -> None:
        super().__init__()
        self._duration = duration
        self.messages = messages
        self.missing = missing
        """Why there are not as many as there should be."""

    @property
    def summary(self) -> str:
        if self.missing:
            return self.missing
        return "1 message" if len(self.messages) == 1 else f"{len(self.messages):,} messages"

    @property
    def duration(self) -> float:
        return _NEVER if self.missing else self._duration

    def header(self, name: str) -> str | None:
        return None

    def body(self) -> bytes:
        return b"\n".join(message.data for message in self.messages)

    def text(self) -> str:
        return "\n".join(message.text for message in self.messages)

    def json(self) -> Any:
        if self.missing:
            raise ValueError(self.missing)
        found = [message.json() for message in self.messages]
        return found[0] if len(found) == 1 else found


class SessionRun(ExchangeRun["WsSession"]):
    """Opens a session, runs the steps within it, and closes it."""

    __slots__ = ("_auth", "_headers", "_query", "_spec", "_steps", "_url")

    def __init__(
        self,
        spec: SessionStep,
        rules: ExchangeRules,
        steps: tuple[Step, ...],
        *,
        url: Compiled,
        query: tuple[tuple[str, Compiled], ...],
        headers: tuple[tuple[str, Compiled], ...],
        auth: Compiled | None,
    ) -> None:
        super().__init__(rules)
        self._auth = auth
        self._headers = headers
        self._query = query
        self._spec = spec
        self._steps = steps
        self._url = url

    async def send(self, scope: Iteration) -> WsSession:
        async with self._session(scope) as session:
            await self._within(session, scope)
        return session

    async def _within(self, session: WsSession, scope: Iteration) -> None:
        """Run the steps, unless it could not be opened."""
        outer, scope.session = scope.session, session
        try:
            if session.error is None:
                for step in self._steps:
                    await step.run(scope)
        finally:
            scope.session = outer

    def reply(self, user: User, came: WsSession) -> Reply:
        return SessionReply(came)

    def _session(self, scope: Iteration) -> WsSession:
        spec = self._spec
        try:
            return scope.user.ws.connect(
                self._url.render(scope),
                params={name: value.render(scope) for name, value in self._query},
                headers={name: value.render(scope) for name, value in self._headers},
                auth=None if self._auth is None else self._auth.render(scope),
                subprotocols=spec.subprotocols,
                name=spec.name,
                timeout=spec.timeout,
                compress=spec.compress,
            )
        except (ValueError, LookupError) as error:
            raise ValueError(f"step `{spec.name}`: {error}") from None


class KeptSessionRun(SessionRun):
    """As `SessionRun`, but each user goes on in its session at its next iteration; one that has ended is opened anew.

    Sessions end with their users.
    """

    __slots__ = ("_kept",)

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._kept: dict[int, WsSession] = {}

    async def send(self, scope: Iteration) -> WsSession:
        session = self._kept.get(scope.id)
        if session is None or not session.is_open:
            session = self._kept[scope.id] = self._session(scope)
            await session.open()
        await self._within(session, scope)
        return session


class AskRun(ExchangeRun["WsReply"]):
    """Sends a message and waits for the one that answers it."""

    __slots__ = ("_match", "_message", "_name", "_timeout")

    def __init__(self, spec: MessageStep, rules: ExchangeRules, message: Callable[[Scope], Outgoing]) -> None:
        super().__init__(rules)
        self._match = None if spec.match is None else spec.match.text
        self._message = message
        self._name = spec.name if spec.named else None
        self._timeout = spec.timeout

    def send(self, scope: Iteration) -> Awaitable[WsReply]:
        try:
            message = self._message(scope)
            return _session_of(scope).ask(message, match=self._match, name=self._name, timeout=self._timeout)
        except ValueError as error:
            raise ValueError(f"step `{self.rules.name}`: {error}") from None

    def reply(self, user: User, came: WsReply) -> Reply:
        if came.error is None:
            return MessagesReply((came,), came.duration)
        return MessagesReply((), came.duration, f"{came.error.value} error")


class SendRun(ExchangeRun[bool]):
    """Sends a message that nothing answers. That it could not be sent is a failed exchange, which the client counts."""

    __slots__ = ("_message",)

    def __init__(self, spec: MessageStep, rules: ExchangeRules, message: Callable[[Scope], Outgoing]) -> None:
        super().__init__(rules)
        self._message = message

    def send(self, scope: Iteration) -> Awaitable[bool]:
        try:
            return _session_of(scope).send(self._message(scope))
        except ValueError as error:
            raise ValueError(f"step `{self.rules.name}`: {error}") from None

    def reply(self, user: User, came: bool) -> Reply:
        return MessagesReply((), 0.0)


class ReceiveRun(ExchangeRun[MessagesReply]):
    """Waits for messages that answer nothing, all within one time. Whether they came is a check: it is no exchange."""

    __slots__ = ("_check", "_count", "_timeout")

    def __init__(self, spec: MessageStep, rules: ExchangeRules) -> None:
        super().__init__(rules)
        many = "a message" if spec.count == 1 else f"{spec.count:,} messages"
        self._check = f"{spec.name}: received {many}"
        self._count = spec.count
        self._timeout = spec.timeout

    async def send(self, scope: Iteration) -> MessagesReply:
        session = _session_of(scope)
        limit = session.timeout if self._timeout is None else self._timeout
        start = perf_counter()
        messages: list[WsMessage] = []
        missing = ""
        while len(messages) < self._count and not missing:
            message = await session.receive(max(_LEAST, start + limit - perf_counter()))
            if message.error is None:
                messages.append(message)
            else:
                timed_out = session.is_open
                missing = f"{len(messages):,} of {self._count:,} came" + (
                    f" within {limit:g} s" if timed_out else f": {message.error_text}"
                )
        took = (max(start, messages[-1].received_at) - start) * 1e3 if messages else 0.0
        return MessagesReply(messages, took, missing)

    def reply(self, user: User, came: MessagesReply) -> Reply:
        if not user.check(not came.missing, self._check):
            note(user, self._check, came.missing)
        return came


class PingRun(ExchangeRun[float]):
    """Sends pings, each when the one before was answered. One that is not is a failed exchange, which the client counts."""

    __slots__ = ("_count", "_timeout")

    def __init__(self, spec: MessageStep, rules: ExchangeRules) -> None:
        super().__init__(rules)
        self._count = spec.count
        self._timeout = spec.timeout

    async def send(self, scope: Iteration) -> float:
        """The longest time to a pong, in milliseconds."""
        session = _session_of(scope)
        longest = 0.0
        for _ in range(self._count):
            took = await session.ping(self._timeout)
            longest = max(longest, _NEVER if took is None else took)
        return longest

    def reply(self, user: User, came: float) -> Reply:
        return MessagesReply((), came, "no pong" if came == _NEVER else "")


def _session_of(scope: Iteration) -> WsSession:
    session = scope.session
    assert session is not None, "steps of messages stand within a session"
    return session


def _compile(message: Message, compiler: TemplateCompiler) -> Callable[[Scope], Outgoing]:
    """What makes the message. One that never varies is made here, so that it is the same object each time."""
    if isinstance(message, TextBody):
        return compiler.text(message.text).render
    if isinstance(message, JsonBody):
        value = compiler.json(message.value)
        if value.fixed:
            text = json.encode(value.value).decode("utf-8")
            return lambda scope: text
        return value.render
    written = compiler.text(message.base64)
    if written.fixed:
        data = b64decode(written.value)
        return lambda scope: data
    return lambda scope: b64decode(written.render(scope), validate=True)


def _check_match(match: Template, spec: MessageStep, problems: list[Problem]) -> None:
    """Report a field that is not in the message, as far as its text is known. Templates may turn out to be no value."""
    message = spec.message
    if isinstance(message, JsonBody):
        document = as_written(message.value)
    elif isinstance(message, TextBody) and "${" not in message.text.text:
        try:
            document = json.decode(message.text.text)
        except ValueError:
            document = None
    elif isinstance(message, TextBody):
        return
    else:
        document = None
    if Field(match.text).of(document) is None:
        note = "give the dotted path of a text or a number in a JSON message, such as `id` or `data.id`"
        problems.append(Problem(f"no `{match.text}` is in the message of step `{spec.name}`", match.span, "", note))


def _expected_of_session(spec: SessionStep) -> list[Expectation]:
    found = []
    wanted, codes = spec.expect.subprotocol, spec.expect.close_codes
    if wanted is not None:

        def another(reply: Reply, scope: Scope) -> str | None:
            assert isinstance(reply, SessionReply)
            chosen = reply.session.subprotocol
            return None if chosen == wanted else f"got {chosen or 'none'}, {reply.summary}"

        found.append(Expectation(f"{spec.name}: subprotocol is {wanted}", another))
    if codes is not None:

        def otherwise(reply: Reply, scope: Scope) -> str | None:
            assert isinstance(reply, SessionReply)
            return None if reply.session.close_code in codes else f"got {reply.summary}"

        names = " or ".join(map(str, sorted(codes)))
        found.append(Expectation(f"{spec.name}: closed {names}", otherwise))
    return found
