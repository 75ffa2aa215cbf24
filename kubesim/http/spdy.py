"""SPDY/3.1 as far as Kubernetes speaks it: many streams of bytes on one connection.

kubectl's `exec` and `port-forward` are older than WebSockets in Kubernetes, and still speak SPDY,
if only inside a WebSocket. This is its framing, free of sockets: bytes that came go in, events
come out, and bytes to send pile up until they are taken.

Source: "SPDY Protocol - Draft 3.1" (chromium.org), sections 2.2 to 2.6; what of it is used, in
github.com/moby/spdystream. Left out: flow control, priorities and settings, which spdystream does
not use either.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_FRAME = 1 << 20
"""How many bytes one frame may have."""

LONGEST_HEADERS = 16 * 1024
"""How many bytes the headers of one stream may have."""

MOST_STREAMS = 256
"""How many streams may be open on one connection."""

PIECE = 32 * 1024
"""Data is sent in frames of so many bytes."""

_VERSION = 3
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _HEADERS, _WINDOW = (
    1, 2, 3, 4, 6, 7, 8, 9,
)  # fmt: skip
_FIN = 1
_LENGTHS = {_SYN_STREAM: 10, _RST_STREAM: 8, _PING: 4, _GOAWAY: 4}
"""How many bytes a frame of a type must have at least."""

_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language "
    "accept-ranges age allow authorization cache-control connection content-base content-encoding "
    "content-language content-length content-location content-md5 content-range content-type date "
    "etag expect expires from host if-match if-modified-since if-none-match if-range "
    "if-unmodified-since last-modified location max-forwards pragma proxy-authenticate "
    "proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status"
)
_MORE_WORDS = (
    "200 OK",
    "version",
    "HTTP/1.1",
    "url",
    "public",
    "set-cookie",
    "keep-alive",
    "origin",
)
_REST = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 "
    "Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age="
    "gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(
        struct.pack(">I", len(word)) + word.encode() for word in (*_WORDS.split(), *_MORE_WORDS)
    )
    + _REST.encode()
)
"""What both sides' compressors know from the start (section 2.6.10.1)."""


class ProtocolError(Exception):
    """The other side does not keep to the protocol; the connection is of no use any more."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The other side has opened a stream.

    Args:
        stream: its number.
        headers: by name, in lower case.
    """

    stream: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Received:
    """Data has come on a stream."""

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The other side will send no more on a stream; if it was broken off, it wants no more, too."""

    stream: int
    is_broken: bool = False


Event = Opened | Received | Ended


class Spdy:
    """The server's side of one connection."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._outgoing = bytearray()
        self._open: dict[int, set[str]] = {}
        """The streams, each with the sides that still send."""
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._last = 0
        self.is_over = False
        """Whether the other side has said goodbye."""

    def receive(self, data: bytes) -> list[Event]:
        """What bytes that came mean.

        Raises:
            ProtocolError: they mean nothing.
        """
        self._received += data
        events: list[Event] = []
        while len(self._received) >= 8:
            head, rest = struct.unpack_from(">II", self._received)
            flags, length = rest >> 24, rest & 0xFFFFFF
            if length > LONGEST_FRAME:
                raise ProtocolError(f"a frame of {length} bytes")
            if len(self._received) < 8 + length:
                break
            payload = bytes(self._received[8 : 8 + length])
            del self._received[: 8 + length]
            if head >> 31:
                events += self._controlled(head >> 16 & 0x7FFF, head & 0xFFFF, flags, payload)
            else:
                events += self._data(head, flags, payload)
        return events

    def take(self) -> bytes:
        """The bytes to send, once."""
        taken = bytes(self._outgoing)
        self._outgoing.clear()
        return taken

    def accept(self, stream: int) -> None:
        """Tell the other side that its stream was accepted."""
        payload = struct.pack(">I", stream) + self._compressed({})
        self._control(_SYN_REPLY, payload)

    def send(self, stream: int, data: bytes) -> None:
        """Send data, if there is anybody to take it."""
        if "us" not in self._open.get(stream, ()):
            return
        for at in range(0, len(data), PIECE):
            piece = data[at : at + PIECE]
            self._outgoing += struct.pack(">II", stream, len(piece)) + piece

    def end(self, stream: int) -> None:
        """Send no more on a stream."""
        if "us" in self._open.get(stream, ()):
            self._outgoing += struct.pack(">II", stream, _FIN << 24)
            self._closed(stream, "us")

    def break_off(self, stream: int) -> None:
        """End a stream in both directions at once."""
        if self._open.pop(stream, None) is not None:
            self._control(_RST_STREAM, struct.pack(">II", stream, 5))

    def say_goodbye(self) -> None:
        """Tell the other side that no more streams will be accepted."""
        self._control(_GOAWAY, struct.pack(">II", self._last, 0))

    # Frames that came

    def _controlled(self, version: int, kind: int, flags: int, payload: bytes) -> list[Event]:
        if version != _VERSION:
            raise ProtocolError(f"version {version}")
        if len(payload) < _LENGTHS.get(kind, 0):
            raise ProtocolError("a frame that is too short")
        if kind == _SYN_STREAM:
            return self._opened(flags, payload)
        if kind == _RST_STREAM:
            (stream,) = struct.unpack_from(">I", payload)
            known = self._open.pop(stream, None)
            return [Ended(stream, is_broken=True)] if known is not None else []
        if kind == _PING:
            self._control(_PING, payload)
        elif kind == _GOAWAY:
            self.is_over = True
        elif kind in (_SYN_REPLY, _HEADERS):
            self._headers(payload[4:])  # keeps the decompressor in step
        elif kind not in (_SETTINGS, _WINDOW):
            raise ProtocolError(f"a frame of type {kind}")
        return []

    def _opened(self, flags: int, payload: bytes) -> list[Event]:
        (stream,) = struct.unpack_from(">I", payload)
        headers = self._headers(payload[10:])
        if stream % 2 == 0 or stream <= self._last or stream >> 31:
            raise ProtocolError(f"stream {stream} after {self._last}")
        if len(self._open) >= MOST_STREAMS:
            raise ProtocolError("too many streams")
        self._last = stream
        self._open[stream] = {"us", "them"}
        events: list[Event] = [Opened(stream, headers)]
        return events + self._finished(stream, flags)

    def _data(self, stream: int, flags: int, payload: bytes) -> list[Event]:
        if "them" not in self._open.get(stream, ()):
            return []  # it was on its way when we ended the stream
        events: list[Event] = [Received(stream, payload)] if payload else []
        return events + self._finished(stream, flags)

    def _finished(self, stream: int, flags: int) -> list[Event]:
        if not flags & _FIN:
            return []
        self._closed(stream, "them")
        return [Ended(stream)]

    def _closed(self, stream: int, side: str) -> None:
        sides = self._open[stream]
        sides.discard(side)
        if not sides:
            del self._open[stream]

    # Headers

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflate.decompress(block, LONGEST_HEADERS)
        except zlib.error as error:
            raise ProtocolError(f"headers that cannot be read: {error}") from None
        if self._inflate.unconsumed_tail:
            raise ProtocolError("headers that are too long")
        try:
            return _pairs(plain)
        except (struct.error, UnicodeDecodeError):
            raise ProtocolError("headers that are cut off") from None

    def _compressed(self, headers: Mapping[str, str]) -> bytes:
        plain = struct.pack(">I", len(headers))
        for each in (part.encode() for pair in headers.items() for part in pair):
            plain += struct.pack(">I", len(each)) + each
        return self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def _control(self, kind: int, payload: bytes) -> None:
        self._outgoing += struct.pack(">HHI", 0x8000 | _VERSION, kind, len(payload)) + payload


def _pairs(plain: bytes) -> dict[str, str]:
    """Names and values of a block: their number, then each with its length in front."""
    if not plain:
        return {}
    (count,) = struct.unpack_from(">I", plain)
    at, texts = 4, []
    for _ in range(min(2 * count, len(plain))):
        (length,) = struct.unpack_from(">I", plain, at)
        at += 4 + length
        if at > len(plain):
            raise struct.error("cut off")
        texts.append(plain[at - length : at].decode())
    return dict(zip(texts[::2], texts[1::2], strict=True))
