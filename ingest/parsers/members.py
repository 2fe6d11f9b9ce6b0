"""Files inside of files: written out one at a time, read like any other, gone afterwards.

They are written where `tempfile` puts them; a parsing child has a folder of its own for that, which its parent removes.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO

from ingest.documents import Parsed, Source
from ingest.errors import UnsupportedFile
from ingest.parsers import ARCHIVES, Failure, Recogniser, media_type_of, parse
from ingest.parsers.attached import Attachments


def parse_bytes(
    name: str, content: bytes, *, inside: str, recognise: Recogniser | None, attachments: Attachments
) -> Parsed:
    """The one document in it. Raises UnsupportedFile for what holds many, and whatever its parser raises."""
    with written(name, BytesIO(content)) as source:
        if source.media_type in ARCHIVES:
            raise UnsupportedFile(f"'{name}' in '{inside}' is an archive: unpack it and send its files")
        found = next(parse(source, recognise=recognise, attachments=attachments), None)
    if not isinstance(found, Parsed):
        raise found.error if isinstance(found, Failure) else UnsupportedFile(f"'{name}' in '{inside}' holds nothing")
    return found


@contextmanager
def written(name: str, content: IO[bytes]) -> Iterator[Source]:
    """A source whose bytes can be had until the context ends."""
    with tempfile.NamedTemporaryFile(prefix="member-") as file:
        shutil.copyfileobj(content, file, 1024**2)
        file.flush()
        file.seek(0)
        yield Source(name, media_type_of(name, file.read(1024)), Path(file.name))
