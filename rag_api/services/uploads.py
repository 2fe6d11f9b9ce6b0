"""What is uploaded, what became of it, and where its bytes are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol


class Stored(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def head(self) -> bytes: ...


class Files(Protocol):
    async def keep(self, file: BinaryIO) -> Stored: ...
    async def delete(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it arrives. `source` is its file name unless said otherwise; its media type is told from its bytes."""

    filename: str
    file: BinaryIO
    source: str = ""
    title: str = ""
    metadata: Mapping[str, Any] | None = None
    acl: Sequence[str] = ()
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class UploadRow:
    """What became of a file: queued, unchanged, or rejected with the error."""

    document_id: str | None
    filename: str
    job_id: str | None
    status: str
    error: Mapping[str, str] | None = None
