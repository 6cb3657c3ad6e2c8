"""What all users of a run share: the recorder, the connector, and the bytes of prepared requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from loadgate.clients.http.request import Auth, Request, RequestBuilder, RequestDefaults
from loadgate.clients.http.step import Judge, Step
from loadgate.clients.transport import Connector, TlsOptions
from loadgate.config.graphql import GraphqlSpec
from loadgate.config.grpc import GrpcSpec
from loadgate.config.target import BasicAuth, TargetSpec
from loadgate.measure.recorder import Recorder

if TYPE_CHECKING:
    from loadgate.clients.http.client import HttpClient

_STEPS: Final = 4096
"""Steps kept per context; names with ids in them would otherwise be kept for ever."""


class Context:
    """The tags that hold for a stretch of a scenario, and the steps met under them."""

    __slots__ = ("_recorder", "_steps", "prepared", "tags")

    def __init__(self, recorder: Recorder, tags: Mapping[str, str]) -> None:
        self._recorder = recorder
        self._steps: dict[tuple[str, str, frozenset[int] | None, Judge | None], Step] = {}
        self.tags = tags
        self.prepared: dict[tuple[str, str], Request] = {}

    def step(self, method: str, name: str, expected: frozenset[int] | None, judge: Judge | None = None) -> Step:
        key = (method, name, expected, judge)
        step = self._steps.get(key)
        if step is None:
            if len(self._steps) >= _STEPS:
                self._steps.clear()  # the recorder knows their series, so one made anew goes on where it was
            tags = {**self.tags, "method": method, "name": name, "proto": "HTTP/1.1"}
            step = self._steps[key] = Step(self._recorder, name, tags, expected, judge)
        return step


class HttpStack:
    """HTTP for one run, on one event loop. Raises LoadgateError or ValueError for options that cannot be used.

    `graphql` says where the target answers GraphQL, and what queries are held against; `grpc` where its gRPC server is, whose
    calls share nothing else with HTTP than the files of TLS.
    """

    def __init__(
        self,
        recorder: Recorder,
        defaults: RequestDefaults | None = None,
        *,
        tls: TlsOptions | None = None,
        connect_timeout: float = 10.0,
        user_agent: str = "loadgate",
        graphql: GraphqlSpec | None = None,
        grpc: GrpcSpec | None = None,
    ) -> None:
        self.recorder = recorder
        self.connector = Connector(tls or TlsOptions(), connect_timeout)
        self.builder = RequestBuilder(defaults or RequestDefaults(), user_agent)
        self.graphql = graphql or GraphqlSpec()
        self.grpc = grpc
        self.user_agent = user_agent
        self.resent = 0
        """Requests sent once more because the server had given their idle connection up."""
        self._contexts: dict[tuple[tuple[str, str], ...], Context] = {}

    def context(self, tags: Mapping[str, str]) -> Context:
        """The context of these tags; equal tags share one."""
        key = tuple(sorted(tags.items()))
        context = self._contexts.get(key)
        if context is None:
            context = self._contexts[key] = Context(self.recorder, dict(key))
        return context

    def client(self, tags: Mapping[str, str]) -> HttpClient:
        """A new user's client. It opens nothing until its first request."""
        from loadgate.clients.http.client import HttpClient

        return HttpClient(self, self.context(tags))


def stack_for(target: TargetSpec, recorder: Recorder, user_agent: str) -> HttpStack:
    """HTTP as `target` says: its URL, headers, credentials, TLS files and timeouts."""
    auth: Auth | None = None
    if isinstance(target.auth, BasicAuth):
        auth = (target.auth.user, target.auth.password)
    elif target.auth is not None:
        auth = target.auth.token
    tls = target.tls
    return HttpStack(
        recorder,
        RequestDefaults(target.url or "", target.headers, auth, target.timeout, target.redirects),
        tls=TlsOptions(tls.ca, tls.cert, tls.key, tls.verify),
        connect_timeout=target.connect_timeout,
        user_agent=user_agent,
        graphql=target.graphql,
        grpc=None if target.grpc is None else replace(target.grpc, timeout=target.grpc.timeout or target.timeout),
    )
