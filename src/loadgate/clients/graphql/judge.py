"""Whether a GraphQL reply is a usable one, by its body: a reply of status 200 that holds errors is a failed exchange.

This is looked at for each reply, before its sample is recorded. Only the outermost level is read; values within are skipped,
but must be JSON (RFC 8259: NaN is none). That costs what a search for `"errors"` does: 0.6 us of 450 bytes, 4 us of 4,600.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from loadgate.clients.base import ErrorKind, Fault

MISS: Final = "PERSISTED_QUERY_NOT_FOUND"
_MISS_TEXT: Final = "PersistedQueryNotFound"
"""What servers say that do not know the query a hash stands for (Apollo, "Automatic persisted queries")."""


class _Failure(msgspec.Struct):
    """One member of `errors`; a server may leave out or add what it likes."""

    message: Any = None
    path: Any = None
    extensions: Any = None


_NULL: Final = msgspec.Raw(b"null")


class _Envelope(msgspec.Struct):
    """The outermost level of a reply."""

    data: msgspec.Raw = _NULL
    errors: list[_Failure] | None = None


_one: Final = msgspec.json.Decoder(_Envelope)
_several: Final = msgspec.json.Decoder(list[_Envelope])


@dataclass(frozen=True, slots=True)
class GraphqlJudge:
    """`errors`: replies may hold errors without having failed. `hashed`: the server may not know the query yet."""

    errors: bool = False
    hashed: bool = False
    protocol: str = "graphql"

    def fault(self, body: bytes) -> Fault | None:
        """Why the reply with this body is of no use, or None."""
        envelope = _read(_one, body)
        if isinstance(envelope, Fault):
            return envelope
        return _fault_of(envelope, errors=self.errors)

    def passes(self, body: bytes) -> bool:
        """Whether a reply of no use is no failure either: it asks for the query that its hash stands for."""
        return self.hashed and is_miss(body)


@dataclass(frozen=True, slots=True)
class BatchJudge:
    """As `GraphqlJudge`, of `size` operations in one exchange, which has failed if one of them has."""

    size: int
    protocol: str = "graphql"

    def fault(self, body: bytes) -> Fault | None:
        """Why the reply with this body is of no use, or None."""
        if body.lstrip()[:1] != b"[":
            single = GraphqlJudge().fault(body)  # of a server that takes no batches
            return single or Fault(ErrorKind.PROTOCOL, "one reply, where a list of them was asked for")
        envelopes = _read(_several, body)
        if isinstance(envelopes, Fault):
            return envelopes
        if len(envelopes) != self.size:
            return Fault(ErrorKind.PROTOCOL, f"{len(envelopes)} replies to {self.size} operations")
        for number, envelope in enumerate(envelopes, 1):
            fault = _fault_of(envelope, errors=False)
            if fault is not None:
                return Fault(fault.kind, f"operation {number} of {self.size}: {fault.text}")
        return None

    def passes(self, body: bytes) -> bool:
        return False


def is_miss(body: bytes) -> bool:
    """Whether the reply says that the server does not know the query a hash stands for."""
    if MISS.encode() not in body and _MISS_TEXT.encode() not in body:
        return False
    envelope = _read(_one, body)
    if isinstance(envelope, Fault) or not envelope.errors:
        return False
    first = envelope.errors[0]
    code = first.extensions.get("code") if isinstance(first.extensions, dict) else None
    return code == MISS or first.message == _MISS_TEXT


def _read(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """The envelope, or the fault that keeps it from being read."""
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError) as error:  # msgspec's are ValueErrors
        about = "is empty" if not body.strip() else f"is no GraphQL reply: {error}"
        return Fault(ErrorKind.PROTOCOL, f"body of {len(body):,} bytes {about}")


def _fault_of(envelope: _Envelope, *, errors: bool) -> Fault | None:
    if envelope.errors:
        return None if errors else Fault(ErrorKind.GRAPHQL, text_of(envelope.errors))
    if bytes(envelope.data) == b"null":
        return Fault(ErrorKind.PROTOCOL, "the reply has neither data nor errors")
    return None


def text_of(errors: list[_Failure]) -> str:
    """The first message, where it happened, and how many more there are."""
    first = errors[0]
    text = first.message if isinstance(first.message, str) and first.message else "an error without a message"
    if isinstance(first.path, list) and first.path:
        text += f" (at {'.'.join(str(part) for part in first.path)})"
    return text if len(errors) == 1 else f"{text}, and {len(errors) - 1} more"
