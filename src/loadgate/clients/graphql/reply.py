"""What a scenario sees of a GraphQL exchange."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final

from loadgate.clients.base import ErrorKind, Fault, Timings
from loadgate.clients.graphql.judge import BatchJudge, GraphqlJudge
from loadgate.clients.http.response import Headers, Response

_UNREAD: Final = object()


class Result(ABC):
    """What a reply or an event says, once it is read as JSON."""

    __slots__ = ()

    @abstractmethod
    def json(self) -> Any:
        """All of it as JSON. Raises ValueError if it is none."""

    @property
    def data(self) -> Any:
        """What was asked for; None where there is none. A result with errors may hold a part of it."""
        return self._member("data")

    @property
    def errors(self) -> Sequence[Mapping[str, Any]]:
        """The errors as the server wrote them; empty where there are none."""
        errors = self._member("errors")
        return errors if isinstance(errors, list) else ()

    @property
    def extensions(self) -> Mapping[str, Any]:
        """What the server says beside data and errors."""
        extensions = self._member("extensions")
        return extensions if isinstance(extensions, dict) else {}

    def _member(self, name: str) -> Any:
        try:
            document = self.json()
        except ValueError:
            return None
        return document.get(name) if isinstance(document, dict) else None


class _Answer:
    """What a reply to one operation and one to a batch have in common. The body is decoded when it is first asked for."""

    __slots__ = ("_document", "_judge", "response")

    def __init__(self, response: Response, judge: GraphqlJudge | BatchJudge) -> None:
        self.response = response
        """The HTTP reply that carried it."""
        self._judge = judge
        self._document: Any = _UNREAD

    @property
    def ok(self) -> bool:
        """Whether the reply came, with an expected status, with data and without errors."""
        return self.response.ok

    @property
    def status(self) -> int:
        """The status of HTTP; 0 where there was no reply."""
        return self.response.status

    @property
    def headers(self) -> Headers:
        return self.response.headers

    @property
    def timings(self) -> Timings:
        """Where the time went, in milliseconds."""
        return self.response.timings

    @property
    def error(self) -> ErrorKind | None:
        """Why it is of no use: `graphql` where it holds errors. None too where only its status was not expected."""
        fault = self._fault()
        return None if fault is None else fault.kind

    @property
    def error_text(self) -> str:
        """The first error's message and where it happened; empty where there is none."""
        fault = self._fault()
        return "" if fault is None else fault.text

    def json(self) -> Any:
        """The whole reply as JSON. Raises ValueError if it is none."""
        if self._document is _UNREAD:
            self._document = self.response.json()
        return self._document

    def _fault(self) -> Fault | None:
        response = self.response
        if response.error is not None:
            return Fault(response.error, response.error_text)
        if response.ok:
            return None
        try:
            fault = self._judge.fault(response.body)
        except ValueError as error:
            return Fault(ErrorKind.PROTOCOL, str(error))
        if fault is not None and fault.kind is ErrorKind.PROTOCOL and not 200 <= response.status < 400:
            return None
        return fault

    def __repr__(self) -> str:
        text = self.error_text or f"status {self.status}"
        return f"<{type(self).__name__} {text}>"


class GraphqlReply(_Answer, Result):
    """One reply, or one failure to get one: then `status` is 0 and `error` says of what kind. Nothing raises but `json`."""

    __slots__ = ()


class BatchReply(_Answer):
    """The reply to several operations that were sent in one exchange. It has failed if one of them has."""

    __slots__ = ()

    @property
    def results(self) -> Sequence[Mapping[str, Any]]:
        """For each operation, in the order they were sent, an object with `data` and `errors`; empty where none came."""
        try:
            document = self.json()
        except ValueError:
            return ()
        return document if isinstance(document, list) else ()
