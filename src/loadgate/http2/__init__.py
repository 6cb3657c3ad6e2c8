"""HTTP/2 without any input or output: frames (RFC 9113) and header compression (RFC 7541), for clients and servers alike."""

from loadgate.http2.errors import ErrorCode, Http2Error
from loadgate.http2.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    HEADER_SIZE,
    PREFACE,
    Frame,
    FrameReader,
    Kind,
    Setting,
    data,
    goaway,
    headers,
    ping,
    read_goaway,
    read_settings,
    reset,
    settings,
    window_update,
)
from loadgate.http2.hpack import Decoder, encode_headers

__all__ = [
    "ACK",
    "END_HEADERS",
    "END_STREAM",
    "HEADER_SIZE",
    "PREFACE",
    "Decoder",
    "ErrorCode",
    "Frame",
    "FrameReader",
    "Http2Error",
    "Kind",
    "Setting",
    "data",
    "encode_headers",
    "goaway",
    "headers",
    "ping",
    "read_goaway",
    "read_settings",
    "reset",
    "settings",
    "window_update",
]
