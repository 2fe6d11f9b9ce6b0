"""What is sent, before it is sent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from ingest.documents import is_bulk
from ingest.errors import IngestError, UnsupportedFile
from ingest.parsers import media_type_of

FILES_A_BATCH = 20
BYTES_A_BATCH = 16 * 1024**2
HEAD_BYTES = 4096
# A folder's documents carry its feed; those out of a file with many documents also that file's path.
FEED, FEED_FILE = "feed", "feed_file"


@dataclass(frozen=True, slots=True)
class LocalFile:
    """`name`: what it is called on the terminal and, unless `source` says otherwise, in the collection."""

    name: str
    path: Path
    feed: str = ""
    source: str = ""
    title: str = ""

    def media_type(self) -> str:
        """Raises UnsupportedFile, BrokenDocument, OSError."""
        with self.path.open("rb") as file:
            return media_type_of(self.name, file.read(HEAD_BYTES))

    @property
    def holds_many(self) -> bool:
        try:
            return is_bulk(self.media_type())
        except (IngestError, OSError):
            return False


@dataclass(frozen=True, slots=True)
class WebPage:
    url: str
    source: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Seen and not sent. `is_wrong`: it was asked for, so that not sending it is a failure."""

    name: str
    reason: str
    is_wrong: bool = False


Item: TypeAlias = LocalFile | WebPage | Skipped


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that go up in one request."""

    files: Sequence[LocalFile]
    metadata: Mapping[str, Any] = field(default_factory=dict)


def unsupported(file: LocalFile, *, unread: str = "") -> Skipped | None:
    """Why the server would refuse it by its kind, found out without sending it.

    `unread`: the beginning of media types that have a parser, but one which is switched off.
    """
    try:
        media_type = file.media_type()
        is_unread = bool(unread) and media_type.startswith(unread)
    except UnsupportedFile:
        is_unread = True
    except IngestError:
        return None  # what else is wrong with it, the server tells better
    except OSError as error:
        return Skipped(file.name, f"can't be read: {error.strerror}", is_wrong=True)
    suffix = PurePosixPath(file.name).suffix.lower()
    return Skipped(file.name, f"unsupported{f' ({suffix})' if suffix else ''}") if is_unread else None


def sendable(item: Item, *, unread: str = "") -> Item:
    """The item; of a folder's files, those that would be refused by their kind are skipped."""
    if isinstance(item, LocalFile) and item.feed:
        return unsupported(item, unread=unread) or item
    return item


def batches(items: Iterator[Item]) -> Iterator[Batch | WebPage | Skipped]:
    """Neighbours of one feed together, up to a number and a size; what holds many documents alone. Lazy."""
    waiting: list[LocalFile] = []
    size = 0
    for item in items:
        if not isinstance(item, LocalFile):
            yield item
            continue
        bytes_ = _size(item)
        is_alone = bool(item.source or item.title or item.holds_many)
        is_other = bool(waiting) and waiting[0].feed != item.feed
        if waiting and (is_alone or is_other or len(waiting) == FILES_A_BATCH or size + bytes_ > BYTES_A_BATCH):
            yield _batch(waiting)
            waiting, size = [], 0
        if is_alone:
            yield _batch([item])
            continue
        waiting.append(item)
        size += bytes_
    if waiting:
        yield _batch(waiting)


def _batch(files: list[LocalFile]) -> Batch:
    [first, *_] = files
    if not first.feed:
        return Batch(files)
    metadata = {FEED: first.feed} | ({FEED_FILE: first.name} if first.holds_many else {})
    return Batch(files, metadata)


def _size(file: LocalFile) -> int:
    try:
        return file.path.stat().st_size
    except OSError:
        return 0  # sending it will say so
