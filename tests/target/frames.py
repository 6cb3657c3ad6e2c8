"""An HTTP/2 client over one socket that sends and sees single frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from loadgate.http2 import PREFACE, Decoder, ErrorCode, Frame, FrameReader, Kind, encode_headers, frames, read_goaway
from loadgate.http2.grpc import prefixed
from tests.target.greeting import SERVICE, hello, named
from tests.target.raw import Raw, connect

Fields = tuple[tuple[bytes, bytes], ...]


def head_of(name: str = "SayHello", *more: tuple[bytes, bytes]) -> Fields:
    """The fields of a call."""
    path = f"/{SERVICE}/{name}".encode()
    needed = ((b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"a"))
    return (*needed, (b"te", b"trailers"), (b"content-type", b"application/grpc"), *more)


MESSAGE: bytes = prefixed(named().SerializeToString())
REPLY: bytes = prefixed(b"\x0a%c%b" % (len(hello()), hello().encode()))


def call(stream: int, name: str = "SayHello", *more: tuple[bytes, bytes], data: bytes = MESSAGE) -> bytes:
    """A whole call of one message."""
    return frames.headers(stream, encode_headers(head_of(name, *more)), end=False) + frames.data(stream, data, end=True)


class Peer:
    """One connection. Frames are taken in order; those that come of themselves (SETTINGS, its ACK) are not shown."""

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self._reader = FrameReader(2**20)
        self._decoder = Decoder()
        self._frames: list[Frame] = []

    def send(self, *data: bytes) -> None:
        self.raw.send(b"".join(data))

    def next(self) -> Frame:
        """The next frame. Raises EOFError at the end of the connection, TimeoutError after 5 seconds."""
        while True:
            while not self._frames:
                self.raw._more()
                data, self.raw.buffer = self.raw.buffer, b""
                self._frames = self._reader.feed(data)
            frame = self._frames.pop(0)
            own = frame.kind == Kind.WINDOW_UPDATE and not frame.stream
            if frame.kind != Kind.SETTINGS and not own:
                return frame

    def fields(self) -> dict[str, str]:
        """The next frame, which must be HEADERS."""
        frame = self.next()
        assert frame.kind == Kind.HEADERS, frame
        return {name.decode(): value.decode() for name, value in self._decoder.decode(frame.payload)}

    def reply(self, stream: int) -> tuple[bytes, dict[str, str]]:
        """Data and all fields of the reply on `stream`, which is next."""
        data = b""
        fields: dict[str, str] = {}
        while True:
            frame = self.next()
            assert frame.stream == stream, frame
            if frame.kind == Kind.DATA:
                data += frame.payload
            else:
                assert frame.kind == Kind.HEADERS, frame
                fields |= {name.decode(): value.decode() for name, value in self._decoder.decode(frame.payload)}
            if frame.flags & 1:
                return data, fields

    def reset(self) -> tuple[int, str]:
        """Stream and code of the RST_STREAM that is next."""
        frame = self.next()
        assert frame.kind == Kind.RST_STREAM, frame
        return frame.stream, ErrorCode(frames.number(frame.payload)).name

    def goaway(self) -> tuple[str, str]:
        """Code and text of the GOAWAY that is next, behind which the connection ends."""
        frame = self.next()
        assert frame.kind == Kind.GOAWAY, frame
        _, code, text = read_goaway(frame.payload)
        assert self.raw.ended()
        return ErrorCode(code).name, text.decode()

    def works(self, stream: int) -> None:
        """A plain call is answered."""
        self.send(call(stream))
        data, fields = self.reply(stream)
        assert (data, fields["grpc-status"]) == (REPLY, "0")


@contextmanager
def opened(url: str, settings: dict[int, int] | None = None) -> Iterator[Peer]:
    """A connection whose greetings are sent."""
    with connect(url.replace("grpc", "http")) as raw:
        peer = Peer(raw)
        peer.send(PREFACE, frames.settings(settings or {}))
        yield peer
