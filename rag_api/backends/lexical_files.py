"""Whether a tantivy index's files are what was written: each ends with a checksum of what stands before.

tantivy itself reads the checksum of no file, so a damaged one gives wrong hits, or none, without a word.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

TAIL = struct.Struct("<II")  # the footer's length, and a number that says that it is one
MAGIC = 1337
PARTS = ("store", "idx", "pos", "term", "fast", "fieldnorm")  # of each segment
PIECE_BYTES = 1024**2


def damaged(folder: Path) -> str | None:
    """The name of a file of the last commit that is missing, cut off or changed. Raises ValueError, OSError."""
    meta = folder / "meta.json"
    while True:
        committed = meta.read_bytes()
        found = next((path for path in _committed(orjson.loads(committed), folder) if not _is_whole(path)), None)
        if found is None:
            return None
        if meta.read_bytes() == committed:  # else it went with segments that have been merged meanwhile
            return found.name


def _committed(meta: Any, folder: Path) -> Iterator[Path]:
    for segment in meta["segments"]:
        name = segment["segment_id"].replace("-", "")
        yield from (folder / f"{name}.{part}" for part in PARTS)
        if segment["deletes"]:
            yield folder / f"{name}.{segment['deletes']['opstamp']}.del"


def _is_whole(path: Path) -> bool:
    if not path.exists():
        return False
    with path.open("rb") as file:
        end = file.seek(0, 2)
        if end < TAIL.size:
            return False
        file.seek(end - TAIL.size)
        length, magic = TAIL.unpack(file.read(TAIL.size))
        left = end - TAIL.size - length
        if magic != MAGIC or left < 0:
            return False
        file.seek(left)
        footer = file.read(length)
        file.seek(0)
        checksum = 0
        while left and (piece := file.read(min(left, PIECE_BYTES))):
            checksum = zlib.crc32(piece, checksum)
            left -= len(piece)
    try:
        return bool(orjson.loads(footer)["crc"] == checksum)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False
