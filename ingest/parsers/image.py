"""Pictures of text: photographs and scans, of which some formats hold many pages."""

from ingest.documents import Parsed, Source
from ingest.errors import DocumentTooLarge, NoTextLayer
from ingest.parsers import Recogniser
from ingest.parsers.ocr import ADVICE, page_blocks

_MOST_BYTES = 256 * 1024**2


def parse(source: Source, recognise: Recogniser | None) -> Parsed:
    if recognise is None:
        raise NoTextLayer(f"'{source.uri}' is a picture: {ADVICE}")
    if source.path.stat().st_size > _MOST_BYTES:
        raise DocumentTooLarge(f"'{source.uri}' is over {_MOST_BYTES // 1024**2} MB of pictures: split it")
    pages = recognise(source.path.read_bytes(), source.uri)
    blocks = tuple(block for number, text in enumerate(pages, start=1) for block in page_blocks(text, number))
    if not blocks:
        raise NoTextLayer(f"'{source.uri}' is a picture in which no text was recognised: send a sharper one")
    return Parsed("", blocks)
