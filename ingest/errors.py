"""Why a document could not be taken in.

IngestError
├── UnsupportedFile        no parser for this kind of file
├── EmptyDocument          nothing in it: no bytes, no pages, no words
├── NoTextLayer            pages, but pictures of text only
├── EncryptedDocument      needs a password
├── BrokenDocument         the bytes are not what they claim to be
├── DocumentTooLarge       its unpacked content, its text or its rows are over the limit
├── ParserTimedOut         took longer than allowed
├── ParserCrashed          the parser's process died
├── EmbedderFailed         its vectors could not be made
└── SourceTaken            its source is that of a document which the sender may not see
"""

import re


class IngestError(Exception):
    """`str(error)` is a sentence for the person who sent the file: what, which, what to do."""

    @property
    def code(self) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()


class UnsupportedFile(IngestError):
    pass


class EmptyDocument(IngestError):
    pass


class NoTextLayer(IngestError):
    pass


class EncryptedDocument(IngestError):
    pass


class BrokenDocument(IngestError):
    pass


class DocumentTooLarge(IngestError):
    pass


class ParserTimedOut(IngestError):
    pass


class ParserCrashed(IngestError):
    pass


class EmbedderFailed(IngestError):
    pass


class SourceTaken(IngestError):
    pass


def all_errors() -> dict[str, type[IngestError]]:
    """Every error by its code, so that one can cross a process boundary."""
    return {kind("").code: kind for kind in IngestError.__subclasses__()}
