"""What a server says of a connection and its streams besides replies: settings, windows, pings, resets, its leaving.

Source: RFC 9113, sections 5.2, 6.4 to 6.9 and 8.7; what calls end with is gRPC's `PROTOCOL-HTTP2.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadgate.clients.base import ErrorKind
from loadgate.clients.deadlines import SLACK
from loadgate.clients.grpc.call import MOST_REFUSALS, MOST_TRIES
from loadgate.clients.grpc.status import code_of_reset
from loadgate.http2 import ACK, ErrorCode, Http2Error, Kind, Setting, frames
from loadgate.http2.errors import code_name

if TYPE_CHECKING:
    from loadgate.clients.grpc.connection import Connection


def control(on: Connection, kind: int, flags: int, stream: int, payload: bytes, now: float) -> None:
    """Do what a frame that is neither HEADERS nor DATA says. Raises Http2Error for one that is not allowed."""
    if not on.settled.done() and kind != Kind.SETTINGS:
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, f"{Kind(kind).name} before SETTINGS")
    if kind == Kind.WINDOW_UPDATE:
        _widen(on, stream, frames.number(payload) & 0x7FFF_FFFF, now)
    elif kind == Kind.PING:
        if not flags & ACK:
            on.sender.answer(frames.ping(payload, ack=True))
    elif kind == Kind.SETTINGS:
        if not flags & ACK:
            _settle(on, payload)
    elif kind == Kind.RST_STREAM:
        _reset(on, stream, frames.number(payload), now)
    elif kind == Kind.GOAWAY:
        _leave(on, payload, now)
    else:
        raise Http2Error(ErrorCode.PROTOCOL_ERROR, f"{Kind(kind).name}, which was not allowed")


def _settle(on: Connection, payload: bytes) -> None:
    for name, value in frames.read_settings(payload):
        if name == Setting.INITIAL_WINDOW_SIZE:
            on.sender.resize(value, on.calls.values())
        elif name == Setting.MAX_FRAME_SIZE:
            on.sender.largest = value
        elif name == Setting.MAX_CONCURRENT_STREAMS:
            on.most = value
    on.sender.answer(frames.SETTINGS_ACK)
    if not on.settled.done():
        on.settled.set_result(None)
    else:
        on.sender.flush_blocked()
        on.channel.pump()


def _widen(on: Connection, stream: int, more: int, now: float) -> None:
    call = on.calls.get(stream)
    if stream and call is None:
        on.of_no_call(Kind.WINDOW_UPDATE, stream)
        return
    window = call.window if call is not None else on.sender.window
    if not more or window + more > frames.LARGEST_WINDOW:
        what = "a WINDOW_UPDATE of 0" if not more else "a WINDOW_UPDATE beyond the largest window"
        if call is None:
            raise Http2Error(ErrorCode.FLOW_CONTROL_ERROR if more else ErrorCode.PROTOCOL_ERROR, what)
        on.break_off(call, ErrorKind.PROTOCOL, what, now)
    else:
        on.sender.widen(call, more)


def _reset(on: Connection, stream: int, code: int, now: float) -> None:
    call = on.calls.get(stream)
    if call is None:
        on.of_no_call(Kind.RST_STREAM, stream)
        return
    on.remove(call)
    if code == ErrorCode.REFUSED_STREAM and call.repeatable(MOST_REFUSALS):
        on.rest()
        on.channel.resend([call])
    elif code == ErrorCode.CANCEL and now >= call.deadline - SLACK:
        call.late(now)  # servers see the deadline too, and may be first
    else:
        kind = ErrorKind.RESET if call.head is None else ErrorKind.CUT
        call.fail(kind, f"the server reset the stream: {code_name(code)}", now, code=code_of_reset(code))


def _leave(on: Connection, payload: bytes, now: float) -> None:
    """GOAWAY: what the server did not look at goes over another connection, the rest is finished here."""
    last, code, said = frames.read_goaway(payload)
    on.retire()
    text = f"the server closes the connection (GOAWAY, {code_name(code)}"
    text += f": {said.decode('utf-8', 'replace')})" if said else ")"
    unseen = [call for stream, call in on.calls.items() if stream > last]
    for call in unseen:
        on.sender.forget(call)
        del on.calls[call.stream]
    lost = [call for call in unseen if not call.repeatable(MOST_TRIES)]
    on.channel.resend([call for call in unseen if call.repeatable(MOST_TRIES)])
    for call in lost:
        call.fail(ErrorKind.RESET, text, now)
    if not on.calls:
        on.shut()
    on.channel.pump()
