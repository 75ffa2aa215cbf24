"""The client's side of SPDY/3.1, as far as tests need it; written apart from the server's."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from kubesim.http.spdy import DICTIONARY


@dataclass
class SpdyClient:
    """Makes frames, and takes apart those that come."""

    deflate: zlib._Compress = field(default_factory=lambda: zlib.compressobj(zdict=DICTIONARY))
    inflate: zlib._Decompress = field(default_factory=lambda: zlib.decompressobj(zdict=DICTIONARY))
    received: bytes = b""
    data: dict[int, bytes] = field(default_factory=dict)
    replied: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    pings: list[int] = field(default_factory=list)
    goodbyes: int = 0

    def open(self, stream: int, **headers: str) -> bytes:
        block = struct.pack(">I", len(headers))
        for name, value in headers.items():
            for each in (name.encode(), value.encode()):
                block += struct.pack(">I", len(each)) + each
        block = self.deflate.compress(block) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        return control(1, struct.pack(">IIBB", stream, 0, 0, 0) + block)

    def take(self, data: bytes) -> None:
        self.received += data
        while len(self.received) >= 8:
            head, rest = struct.unpack_from(">II", self.received)
            flags, length = rest >> 24, rest & 0xFFFFFF
            if len(self.received) < 8 + length:
                return
            payload = self.received[8 : 8 + length]
            self.received = self.received[8 + length :]
            if not head >> 31:
                self.data[head] = self.data.get(head, b"") + payload
                if flags & 1:
                    self.ended.append(head)
                continue
            (number,) = struct.unpack_from(">I", payload)
            kind = head & 0xFFFF
            if kind == 2:
                assert self.inflate.decompress(payload[4:]) == b"\0\0\0\0"
                self.replied.append(number)
            elif kind == 3:
                self.broken.append(number)
            elif kind == 6:
                self.pings.append(number)
            elif kind == 7:
                self.goodbyes += 1


def control(kind: int, payload: bytes) -> bytes:
    return struct.pack(">HHI", 0x8003, kind, len(payload)) + payload


def data(stream: int, content: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack(">II", stream, flags << 24 | len(content)) + content
