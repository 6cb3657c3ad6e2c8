"""Why an HTTP/2 peer gave a stream or a connection up: the codes of RFC 9113 section 7."""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """What RST_STREAM and GOAWAY carry. Peers may send numbers that are none of these (section 7)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


class Http2Error(Exception):
    """The peer sent what HTTP/2 does not allow, so the connection cannot go on. `code` is what GOAWAY then says."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


def code_name(code: int) -> str:
    """`CANCEL` for 8; the number itself where RFC 9113 has no name for it."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error code {code}"
