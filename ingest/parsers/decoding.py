"""Bytes become characters: by what they say of themselves, then by what they look like."""

import codecs
from collections.abc import Iterator

import charset_normalizer

from ingest.clean import storable
from ingest.documents import Source
from ingest.errors import BrokenDocument

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = bytes(set(range(1, 32)) - set(b"\t\n\v\f\r\x1b"))
_HIGH = bytes(range(0x80, 0x100))
_SAMPLE_BYTES = 100_000
# What people write calls an encoding, and the larger one that their programs mean by it.
_MEANT = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "tis-620": "cp874",
}
# Codecs of Python that are no character sets, take quadratic time, or would undo what the ASCII bytes prove.
_NOT_MEANT = frozenset(
    {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7", "utf-16", "utf-16-le", "utf-16-be", "utf-32"}
)
_WESTERN = frozenset("ÄÖÜäöüßÉÈÊËéèêëÀÂàâÁáÃãÅåÆæÇçÑñÍÎÏìíîïÓÔÕòóôõØøŒœÙÛÚùúûÿ–—‘’“”„…€£§°©®«»¿¡ºª·•´\xa0")


def read_text(source: Source) -> str:
    """The whole file as text with line feeds only. Raises BrokenDocument if it isn't text."""
    text = decode(source.path.read_bytes(), name=source.uri)
    return with_line_feeds(text)


def with_line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decode(raw: bytes, *, name: str, declared: str = "") -> str:
    """The characters of `raw`. `declared` is the encoding it claims, believed as far as the bytes allow."""
    for encoding, errors in _guesses(raw, declared):
        try:
            return storable(raw.decode(encoding, errors))
        except (UnicodeDecodeError, LookupError):
            continue
    raise BrokenDocument(f"'{name}' is not text in any known encoding: save it as UTF-8 and send it again")


def is_binary(raw: bytes) -> bool:
    """More control characters than any text has."""
    if any(raw.startswith(mark) for mark, _ in _BOMS) or _wide_encoding(raw):
        return False
    printed = raw.replace(b"\x00", b"")
    return (len(printed) - len(printed.translate(None, _CONTROLS))) * 50 > len(printed)


def _guesses(raw: bytes, declared: str) -> Iterator[tuple[str, str]]:
    yield from ((encoding, "strict") for mark, encoding in _BOMS if raw.startswith(mark))
    if wide := _wide_encoding(raw):
        yield wide, "strict"
    if is_binary(raw):
        return
    meant = _meant(declared)
    if meant and raw.isascii():
        yield meant, "strict"
    yield "utf-8", "strict"
    if _is_mostly_utf8(raw):
        yield "utf-8", "replace"
    if meant:
        yield meant, "strict"
    if _is_western(raw):
        yield "cp1252", "strict"
    for match in charset_normalizer.from_bytes(_telling_part(raw)):
        yield _meant(match.encoding) or match.encoding, "strict"
    yield "cp1252", "strict"


def _wide_encoding(raw: bytes) -> str:
    """UTF-16 without a mark: every other byte of Western text is zero."""
    half = len(raw) // 2
    first, second = raw[0::2].count(0), raw[1::2].count(0)
    if half == 0 or max(first, second) * 5 < half * 2 or min(first, second) * 20 > half:
        return ""
    return "utf-16-be" if first > second else "utf-16-le"


def _meant(declared: str) -> str:
    try:
        name = codecs.lookup(declared).name
    except (LookupError, ValueError):
        return ""
    return "" if name in _NOT_MEANT else _MEANT.get(name, name)


def _is_mostly_utf8(raw: bytes) -> bool:
    """A few bytes of a UTF-8 text got damaged."""
    characters = len(raw.decode("utf-8", "ignore")) - len(raw.translate(None, _HIGH))
    return characters > 4 * raw.decode("utf-8", "replace").count("\ufffd")


def _is_western(raw: bytes) -> bool:
    # Detectors mistake a few accents among much ASCII for whatever comes first in their alphabet.
    high = raw.translate(None, bytes(range(0x80)))
    return len(high) * 5 < len(raw) and _WESTERN.issuperset(bytes(set(high)).decode("cp1252", "replace"))


def _telling_part(raw: bytes) -> bytes:
    if len(raw) <= _SAMPLE_BYTES:
        return raw
    lines: list[bytes] = []
    size = 0
    for line in raw.splitlines(keepends=True):
        if not line.isascii():
            lines.append(line)
            size += len(line)
        if size > _SAMPLE_BYTES:
            break
    return b"".join(lines)
