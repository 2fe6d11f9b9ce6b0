"""The file of a matrix (`matrix`): records of one width, mapped for reading, written with pwrite.

Not written through the map: a full disk is an error there, not a signal that ends the process. For the same reason the
map shows only what is known to be written: where a file system keeps holes, tmpfs say, looking at one takes room.
"""

import errno
import fcntl
import mmap
import os
import tempfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ingest.ports import Vectors
from rag_api.core.matrices import VersionVectors

HEAD = np.dtype([("document", "S48"), ("version", "<u4"), ("index", "<u4"), ("of", "<u4"), ("crc", "<u4")])
HEAD_FLOATS = HEAD.itemsize // 4
CHECKED_BYTES = HEAD.itemsize - 4
LONGEST_ID = 48
ROWS_OF_ROOM = 1_024
ROWS_A_READ = 1_024


@dataclass(frozen=True, slots=True)
class Run:
    """The rows of a version, `document:version`."""

    name: str
    start: int
    count: int


class VectorFile:
    """Blocks. Raises OSError. `length`: in rows, the blank ones among them."""

    def __init__(self, path: Path, dimension: int) -> None:
        self._path = path
        self._dimension = dimension
        self._width = HEAD_FLOATS + dimension
        self._file, self._has_name = _own(path)
        self.length = 0
        self.records = self._mapped(ROWS_OF_ROOM)

    @classmethod
    def open(cls, path: Path, dimension: int) -> tuple["VectorFile", list[Run]]:
        """With the whole versions in it; the rest is blanked."""
        path.parent.mkdir(parents=True, exist_ok=True)
        file = cls(path, dimension)
        try:
            return file, file._found()
        except BaseException:
            file.close()
            raise

    def append(self, versions: Sequence[VersionVectors]) -> int:
        """The row of the first one."""
        start = self.length
        self._add(np.concatenate([_records(one, self._width) for one in versions]))
        return start

    def blank(self, places: Iterable[tuple[int, int]]) -> None:
        for start, count in places:
            self._write(np.zeros((count, self._width), dtype=np.float32), start)

    def move(self, runs: Sequence[Run]) -> tuple["VectorFile", list[Run]]:
        """To a new file with these versions alone, under the name of this one, which is closed."""
        beside = self._path.with_suffix(".new")
        beside.unlink(missing_ok=True)
        file = VectorFile(beside, self._dimension)
        moved: list[Run] = []
        try:
            for run in runs:
                moved.append(Run(run.name, file.length, run.count))
                file._add(self.records[run.start : run.start + run.count])
            if self._has_name:
                beside.replace(self._path)
        except OSError:
            file.close()
            raise
        finally:
            beside.unlink(missing_ok=True)
        file._path, file._has_name = self._path, self._has_name
        self.close()
        return file, moved

    def close(self) -> None:
        """What was mapped can still be read."""
        if not self._file.closed:
            fcntl.flock(self._file, fcntl.LOCK_UN)  # which the map, as it is there, would keep
            self._file.close()

    def _add(self, records: Vectors) -> None:
        if self.length + len(records) > len(self.records):
            self.records = self._mapped(max(self.length + len(records), len(self.records) * 3 // 2))
        self._write(records, self.length)
        self.length += len(records)

    def _write(self, records: Vectors, row: int) -> None:
        data, at = _bytes(np.ascontiguousarray(records)), row * self._width * 4
        while data:
            written = os.pwrite(self._file.fileno(), data, at)
            data, at = data[written:], at + written

    def _mapped(self, rows: int) -> Vectors:
        """All that is there, and room for so many."""
        record_bytes = self._width * 4
        size = os.fstat(self._file.fileno()).st_size
        rows = max(rows, -(-size // record_bytes))
        os.ftruncate(self._file.fileno(), rows * record_bytes)
        mapped = mmap.mmap(self._file.fileno(), rows * record_bytes, prot=mmap.PROT_READ)
        return np.frombuffer(mapped, dtype=np.float32).reshape(rows, self._width)

    def _found(self) -> list[Run]:
        heads, is_sound = self._read()
        written = np.flatnonzero(heads["of"])
        self.length = int(written[-1]) + 1 if len(written) else 0
        heads, is_sound = heads[: self.length], is_sound[: self.length]
        runs: dict[str, Run] = {}
        for start, end in _stretches(heads, is_sound):
            head = heads[start]
            if is_sound[start] and head["index"] == 0 and head["of"] == end - start:
                name = f"{head['document'].decode()}:{head['version']}"
                runs[name] = Run(name, start, end - start)  # the last one, where it is there twice
        is_kept = np.zeros(self.length, dtype=np.bool_)
        for run in runs.values():
            is_kept[run.start : run.start + run.count] = True
        self.blank((int(row), 1) for row in np.flatnonzero(~is_kept & (heads["of"] > 0)))
        return sorted(runs.values(), key=lambda run: run.start)

    def _read(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """The heads of all records, and whether each is whole; not by the map, see above."""
        heads, is_sound = np.zeros(len(self.records), HEAD), np.zeros(len(self.records), np.bool_)
        block = np.empty((ROWS_A_READ, self._width), dtype=np.float32)
        for start in range(0, len(self.records), ROWS_A_READ):
            records = block[: len(self.records) - start]
            self._read_into(records, start)
            found = heads[start : start + len(records)]
            found[:] = np.ascontiguousarray(records[:, :HEAD_FLOATS]).view(HEAD)[:, 0]
            for row in np.flatnonzero(found["of"]).tolist():
                is_sound[start + row] = int(found["crc"][row]) == _crc(records[row])
        return heads, is_sound

    def _read_into(self, records: Vectors, start: int) -> None:
        data, at = _bytes(records), start * self._width * 4
        while data:
            if not (count := os.preadv(self._file.fileno(), [data], at)):
                raise OSError(errno.EIO, "ends before its last record", str(self._path))
            data, at = data[count:], at + count


def _stretches(heads: npt.NDArray[Any], is_sound: npt.NDArray[np.bool_]) -> Iterable[tuple[int, int]]:
    """From where to where rows follow each other in one version."""
    if not len(heads):
        return []
    goes_on = is_sound[1:] & is_sound[:-1] & (heads["index"][1:] == heads["index"][:-1] + 1)
    for field in ("document", "version", "of"):
        goes_on &= heads[field][1:] == heads[field][:-1]
    starts = np.concatenate([[0], np.flatnonzero(~goes_on) + 1]).tolist()
    return zip(starts, [*starts[1:], len(heads)], strict=True)


def _records(one: VersionVectors, width: int) -> Vectors:
    document = one.document_id.encode()
    if len(document) > LONGEST_ID:
        raise ValueError(f"{one.document_id!r} is longer than the {LONGEST_ID} bytes that an id may have")
    records = np.zeros((len(one.vectors), width), dtype=np.float32)
    records[:, HEAD_FLOATS:] = one.vectors
    heads = records[:, :HEAD_FLOATS].view(HEAD)[:, 0]
    heads["document"], heads["version"], heads["of"] = document, one.version, len(records)
    heads["index"] = np.arange(len(records))
    heads["crc"] = [_crc(record) for record in records]
    return records


def _crc(record: Vectors) -> int:
    data = _bytes(record)
    return zlib.crc32(data[HEAD.itemsize :], zlib.crc32(data[:CHECKED_BYTES]))


def _bytes(records: Vectors) -> memoryview:
    return records.data.cast("B")


def _own(path: Path) -> tuple[IO[bytes], bool]:
    """The file of that name for this process alone; one without a name where another process has it."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return tempfile.TemporaryFile(dir=path.parent, buffering=0), False
    return file, True
