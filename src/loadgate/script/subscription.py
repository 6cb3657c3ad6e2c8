"""A declarative step that subscribes: so many events are waited for, each within the timeout, then it is stopped.

Whether they came is a check. An event that did not come in time, or holds errors, is a failed exchange too, which the client
counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadgate.clients.websocket.message import WsMessage
from loadgate.config.steps import GraphqlStep
from loadgate.config.steps.graphql import ErrorsExpected
from loadgate.script.exchange import ExchangeRules, ExchangeRun, Iteration, note
from loadgate.script.graphql import Parts, with_errors_check
from loadgate.script.reply import Reply
from loadgate.script.template import Compiled
from loadgate.script.websocket import MessagesReply

if TYPE_CHECKING:
    from loadgate.clients.graphql.subscription import Subscription
    from loadgate.script.user import User


class SubscriptionRun(ExchangeRun[MessagesReply]):
    """Subscribes and takes events. They are kept only where something looks at them."""

    __slots__ = ("_check", "_keeps", "_parts", "_payload", "_spec")

    def __init__(self, spec: GraphqlStep, rules: ExchangeRules, parts: Parts, payload: Compiled | None) -> None:
        super().__init__(with_errors_check(spec, rules, _results))
        many = "an event" if spec.events == 1 else f"{spec.events:,} events"
        self._check = f"{spec.name}: received {many}"
        self._keeps = bool(self.rules.expectations or rules.captures)
        self._parts = parts
        self._payload = payload
        self._spec = spec

    async def send(self, scope: Iteration) -> MessagesReply:
        wanted = self._spec.events
        came, first, missing = 0, 0.0, ""
        kept: list[WsMessage] = []
        async with self._subscribe(scope) as subscription:
            while came < wanted and not missing:
                event = await subscription.next()
                if event.content and self._keeps:
                    kept.append(WsMessage(event.content, event.received_at))
                if event.last or not event.content:
                    missing = f"{came:,} of {wanted:,} came: {event.error_text}"
                else:
                    came += 1
                    first = first or event.wait
        return MessagesReply(kept, first, missing)

    def reply(self, user: User, came: MessagesReply) -> Reply:
        if not user.check(not came.missing, self._check):
            note(user, self._check, came.missing)
        return came

    def _subscribe(self, scope: Iteration) -> Subscription:
        spec, parts = self._spec, self._parts
        try:
            return scope.user.graphql.subscribe(
                spec.text,
                parts.variables.render(scope),
                operation=spec.operation,
                name=spec.name,
                url=None if parts.url is None else parts.url.render(scope),
                headers={name: value.render(scope) for name, value in parts.headers},
                timeout=spec.timeout,
                connection_payload=None if self._payload is None else self._payload.render(scope),
                auth=None if parts.auth is None else parts.auth.render(scope),
                allow_errors=spec.errors in (ErrorsExpected.SOME, ErrorsExpected.ANY),
            )
        except (ValueError, LookupError) as error:
            raise ValueError(f"step `{spec.name}`: {error}") from None


def _results(reply: Reply) -> list[bytes]:
    assert isinstance(reply, MessagesReply)
    return [message.data for message in reply.messages]
