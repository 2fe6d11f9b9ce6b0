"""Archives: each file in it is a document of its own, by its path; one that fails leaves the others alone.

The table of contents is checked before anything is unpacked. Then one member at a time is written out, parsed and
removed, so an archive needs no more memory than its hungriest member and no more disk than its largest.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from zipfile import ZipFile, ZipInfo

from ingest.documents import Parsed, Source
from ingest.errors import (
    BrokenDocument,
    DocumentTooLarge,
    EmptyDocument,
    EncryptedDocument,
    IngestError,
    UnsupportedFile,
)
from ingest.parsers import ARCHIVES, Failure, Opened, Recogniser
from ingest.parsers import parse as parse_file
from ingest.parsers.archives import DAMAGED
from ingest.parsers.attached import Attachments
from ingest.parsers.members import written

_GB = 1024**3
_MOST_UNPACKED = 8 * _GB
_LARGEST_MEMBER = _GB
_MOST_MEMBERS = 100_000
_MOST_RATIO = 200
_SMALL = 10 * 1024**2
_UTF8 = 0x800
# What systems leave in archives without their user's knowledge.
_LEFT_BEHIND = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_SYSTEM_FOLDER = "__MACOSX"


def parse(
    source: Source, first_member: int, recognise: Recogniser | None, attachments: Attachments
) -> Iterator[Parsed | Failure | Opened]:
    try:
        with ZipFile(source.path) as archive:
            members = [member for member in archive.infolist() if _is_wanted(member)]
            _check(members, source)
            for index, member in enumerate(members[first_member:], start=first_member):
                yield Opened(_name(member), index)
                yield from _documents(archive, member, recognise, attachments)
                attachments = attachments.of_another()
    except DAMAGED as error:
        raise BrokenDocument(f"'{source.uri}' is no whole archive ({error}): pack it again") from error


def _is_wanted(member: ZipInfo) -> bool:
    path = PurePosixPath(_name(member))
    return not member.is_dir() and path.parts[:1] != (_SYSTEM_FOLDER,) and path.name not in _LEFT_BEHIND


def _check(members: list[ZipInfo], source: Source) -> None:
    if not members:
        raise EmptyDocument(f"'{source.uri}' has no files in it: pack it again")
    unpacked = sum(member.file_size for member in members)
    if unpacked > _MOST_UNPACKED or len(members) > _MOST_MEMBERS:
        raise DocumentTooLarge(
            f"'{source.uri}' unpacks to {unpacked // 1024**2:,} MB in {len(members):,} files, over the limits "
            f"({_MOST_UNPACKED // 1024**2:,} MB, {_MOST_MEMBERS:,} files): split it"
        )


def _documents(
    archive: ZipFile, member: ZipInfo, recognise: Recogniser | None, attachments: Attachments
) -> Iterator[Parsed | Failure]:
    name = _name(member)
    try:
        _check_member(member, name)
        with archive.open(member) as content, written(name, content) as inner:
            if inner.media_type in ARCHIVES:
                raise UnsupportedFile(f"'{name}' is an archive in an archive: unpack it and send its files")
            for found in parse_file(inner, recognise=recognise, attachments=attachments):
                if isinstance(found, Parsed) and found.source is None:
                    yield replace(found, source=name, media_type=inner.media_type)
                elif not isinstance(found, Opened):
                    yield found
    except IngestError as error:
        yield Failure(name, error)
    except DAMAGED as error:
        yield Failure(name, _with_cause(BrokenDocument(f"'{name}' is damaged ({error}): pack it again"), error))
    except RecursionError as error:
        yield Failure(name, _with_cause(BrokenDocument(f"'{name}' is nested too deeply to be read"), error))
    except MemoryError as error:
        message = f"'{name}' needs more memory to be read than is allowed: split it"
        yield Failure(name, _with_cause(DocumentTooLarge(message), error))


def _with_cause(error: IngestError, cause: BaseException) -> IngestError:
    error.__cause__ = cause
    return error


def _check_member(member: ZipInfo, name: str) -> None:
    if member.flag_bits & 1:
        raise EncryptedDocument(f"'{name}' is locked by a password: pack it without one")
    if member.file_size == 0:
        raise EmptyDocument(f"'{name}' is empty (0 bytes): send it again")
    if member.file_size > _LARGEST_MEMBER or member.file_size > max(_SMALL, _MOST_RATIO * member.compress_size):
        raise DocumentTooLarge(
            f"'{name}' unpacks to {member.file_size // 1024**2:,} MB, over the limits "
            f"({_LARGEST_MEMBER // 1024**2:,} MB, {_MOST_RATIO} times its packed size): send it by itself"
        )


def _name(member: ZipInfo) -> str:
    """Its path with slashes, without what leads out of the archive."""
    name = member.filename
    if not member.flag_bits & _UTF8:
        try:
            name = name.encode("cp437").decode("utf-8")  # packed by a program that doesn't say so
        except UnicodeError:
            name = member.filename
    parts = name.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", ".", "..")) or "unnamed"
