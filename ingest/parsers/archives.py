"""Zip-packed documents are measured before anything is unpacked."""

import lzma
import struct
import zlib
from zipfile import BadZipFile, ZipFile

from ingest.documents import Source
from ingest.errors import BrokenDocument, DocumentTooLarge, EncryptedDocument, UnsupportedFile
from ingest.parsers import OLE

MB = 1024**2
# What reading a damaged zip raises; a seek to where nothing is, too.
DAMAGED = (BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, NotImplementedError, ValueError)
_MOST_UNPACKED = 200 * MB
_MOST_XML = 64 * MB  # a tree of XML takes ten times its bytes
_MOST_FILES = 20_000
_MOST_RATIO = 200
_SMALL = 10 * MB


def check_archive(source: Source) -> None:
    """Raises EncryptedDocument, DocumentTooLarge or BrokenDocument unless it is safe to unpack."""
    with source.path.open("rb") as file:
        if file.read(len(OLE)) == OLE:
            raise _ole_error(source, file.read(MB))
    try:
        with ZipFile(source.path) as archive:
            _check_sizes(source, archive)
    except DAMAGED as error:
        raise BrokenDocument(f"'{source.uri}' is damaged ({error}): save it again and send it anew") from error


def _check_sizes(source: Source, archive: ZipFile) -> None:
    files = archive.infolist()
    if any(file.flag_bits & 1 for file in files):
        raise EncryptedDocument(f"'{source.uri}' is locked by a password: save it without one")
    unpacked = sum(file.file_size for file in files)
    xml = sum(file.file_size for file in files if file.filename.lower().endswith((".xml", ".rels")))
    is_bomb = any(file.file_size > max(_SMALL, _MOST_RATIO * file.compress_size) for file in files)
    if unpacked > _MOST_UNPACKED or xml > _MOST_XML or len(files) > _MOST_FILES or is_bomb:
        raise DocumentTooLarge(
            f"'{source.uri}' unpacks to {unpacked // MB} MB in {len(files):,} parts, over the limits "
            f"({_MOST_UNPACKED // MB} MB, {_MOST_XML // MB} MB of text, {_MOST_RATIO} times its size): split it"
        )


def _ole_error(source: Source, rest: bytes) -> EncryptedDocument | UnsupportedFile:
    """An OLE container in place of a zip is a locked document or one of the formats before 2007."""
    if "EncryptedPackage".encode("utf-16-le") in rest:
        return EncryptedDocument(f"'{source.uri}' is locked by a password: save it without one")
    return UnsupportedFile(f"'{source.uri}' is in an Office format from before 2007: save it in today's format")
