"""Unpacking gzip without being flooded."""

import zlib

_GZIP_OR_ZLIB = 47  # zlib's number for telling them apart by their first bytes


class Gunzip:
    """Unpacks piece by piece, never much more than there is room for."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._is_begun = False

    @property
    def is_whole(self) -> bool:
        return self._member.eof or not self._is_begun

    def feed(self, packed: bytes, room: int) -> bytes:
        """At most one byte more than `room`, which tells that it is too little. Raises zlib.error."""
        plain = bytearray()
        while packed and len(plain) <= room:
            if self._member.eof:
                self._member = zlib.decompressobj(_GZIP_OR_ZLIB)
            self._is_begun = True
            plain += self._member.decompress(packed, room + 1 - len(plain))
            packed = self._member.unused_data
        return bytes(plain)
