"""PDF by PDFium: the text of each page in paragraphs, with headings where the outline or the letters show them."""

import ctypes
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import chain, islice

import pypdfium2
from pypdfium2 import raw as pdfium

from ingest.documents import Block, BlockKind, Json, Parsed, Source
from ingest.errors import BrokenDocument, EmptyDocument, EncryptedDocument, IngestError, NoTextLayer
from ingest.parsers import Recogniser
from ingest.parsers.columns import Table, tables_in
from ingest.parsers.headings import Entry, Paragraph, levels_of, title_of
from ingest.parsers.ocr import ADVICE, page_blocks
from ingest.parsers.paragraphs import BULLET, NUMBER, Line, Part, paragraphs_of, pitch_of
from ingest.parsers.pdf_seen import Sight
from ingest.parsers.rows import lines_of

_LINE = re.compile("([^\r\n\ufffe]+)(\ufffe?)")  # PDFium writes U+FFFE for a hyphen and the line end after it
_GAP = re.compile(r"\s+")
_WIDE = 0.9  # of the size: wider than between words, also where lines are justified
_BOLD = re.compile(rb"bold|black|heavy|cmbx|demi", re.IGNORECASE)
_NO_TITLE = re.compile(
    r"\(?(?:anonymous|untitled|unspecified)\)?|microsoft \w+ - .*|.*\.(?:docx?|pptx?|xlsx?|dvi|tex|indd|pdf|rtf)",
    re.IGNORECASE,
)
_UPRIGHT = 0.999  # the cosine of text that runs to the right
_MOST_OUTLINE_ENTRIES = 5_000
_DOTS_PER_INCH = 300
_MOST_PIXELS = 40_000_000


def parse(source: Source, recognise: Recogniser | None = None) -> Parsed:
    try:
        pdf = pypdfium2.PdfDocument(source.path)
    except pypdfium2.PdfiumError as error:
        raise _opening_error(error, source) from error
    with pdf:
        pages = [_lines_of(pdf, index) for index in range(len(pdf))]
        scanned = _recognised(pdf, pages, recognise, source) if recognise else {}
        outline = list(islice(_outline(pdf), _MOST_OUTLINE_ENTRIES))
        named = {key: pdf.get_metadata_value(key).strip() for key in ("Title", "Author")}
    if not scanned:
        _check_text(pages, source)
    printed = _printed([page or [] for page in pages])
    paragraphs = [one for one in printed if isinstance(one, Paragraph)]
    levels = iter(levels_of(paragraphs, outline))
    written = [_block(one, next(levels)) if isinstance(one, Paragraph) else one for one in printed]
    blocks = tuple(sorted([*written, *chain(*scanned.values())], key=lambda block: block.page or 0))
    known = {key: value for key, value in named.items() if value and not _NO_TITLE.fullmatch(value)}
    metadata = {"author": known["Author"]} if "Author" in known else {}
    return Parsed(known.get("Title") or title_of(paragraphs), blocks, metadata | _page_metadata(pages, scanned))


def _opening_error(error: pypdfium2.PdfiumError, source: Source) -> IngestError:
    match error.err_code:
        case pdfium.FPDF_ERR_PASSWORD | pdfium.FPDF_ERR_SECURITY:
            return EncryptedDocument(f"'{source.uri}' is locked by a password: save it without one")
        case pdfium.FPDF_ERR_SUCCESS:
            return EmptyDocument(f"'{source.uri}' has no pages: save it again and send it anew")
    return BrokenDocument(f"'{source.uri}' can't be opened as a PDF: save it again and send it anew")


def _check_text(pages: list[list[Line] | None], source: Source) -> None:
    if all(page is None for page in pages):
        raise BrokenDocument(f"'{source.uri}' has {len(pages)} pages and none can be read: save it again")
    if not any(pages):
        raise NoTextLayer(f"'{source.uri}' is a scan: {len(pages)} pages without text: {ADVICE}")


def _recognised(
    pdf: pypdfium2.PdfDocument, pages: list[list[Line] | None], recognise: Recogniser, source: Source
) -> dict[int, list[Block]]:
    """By page what is to be seen on those that have pictures and no text."""
    found: dict[int, list[Block]] = {}
    for number, lines in enumerate(pages, start=1):
        if lines == []:
            with closing(pdf[number - 1]) as page:
                has_picture = any(True for _ in page.get_objects([pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3))
                texts = recognise(_picture_of(page), source.uri) if has_picture else []
            if blocks := [block for text in texts for block in page_blocks(text, number)]:
                found[number] = blocks
    return found


def _picture_of(page: pypdfium2.PdfPage) -> bytes:
    """The page in grey, as a PGM."""
    width, height = page.get_size()
    scale = min(_DOTS_PER_INCH / 72, (_MOST_PIXELS / max(1.0, width * height)) ** 0.5)
    bitmap = page.render(scale=scale, grayscale=True)
    try:
        raw, stride = bytes(bitmap.buffer), bitmap.stride
        rows = b"".join(raw[at : at + bitmap.width] for at in range(0, stride * bitmap.height, stride))
        return b"P5\n%d %d\n255\n" % (bitmap.width, bitmap.height) + rows
    finally:
        bitmap.close()


def _lines_of(pdf: pypdfium2.PdfDocument, index: int) -> list[Line] | None:
    """None for a page that is broken."""
    try:
        with closing(pdf[index]) as page, closing(page.get_textpage()) as letters:
            text = letters.get_text_range()
            geometry = _Geometry(letters, Sight(page, letters))
            return list(_lines(text, geometry))
    except pypdfium2.PdfiumError:
        return None


def _lines(text: str, geometry: "_Geometry") -> Iterator[Line]:
    surplus = 0  # PDFium counts in UTF-16
    for found in _LINE.finditer(text):
        line, hyphen = found[1].strip(), "-" if found[2] else ""
        if line:
            start = found.start(1) + surplus + len(found[1]) - len(found[1].lstrip())
            if found_line := geometry.line(line + hyphen, start, start + _units(line) - 1):
                yield found_line
        surplus += _surplus(found[1])


def _units(text: str) -> int:
    return len(text) + _surplus(text)


def _surplus(text: str) -> int:
    """Letters that are two units of UTF-16."""
    return 0 if text.isascii() else len(text.encode("utf-16-le")) // 2 - len(text)


class _Geometry:
    """Where the letters of a page stand, in the direction of the text."""

    def __init__(self, letters: pypdfium2.PdfTextPage, sight: Sight) -> None:
        self._letters = letters
        self._sight = sight
        self._x, self._y = ctypes.c_double(), ctypes.c_double()
        self._sides = tuple(ctypes.c_double() for _ in range(4))
        self._matrix = pdfium.FS_MATRIX()
        self._font, self._flags = ctypes.create_string_buffer(128), ctypes.c_int()

    def line(self, text: str, start: int, end: int) -> Line | None:
        """None for one that nobody sees."""
        first, last = (pdfium.FPDFText_GetCharIndexFromTextIndex(self._letters, at) for at in (start, end))
        size = max(self._size(last), self._size(first))  # a bullet or a footnote's number is smaller than its line
        if not self._sight.sees(first, last, size):
            return None
        scale = math.hypot(self._matrix.a, self._matrix.b) or 1.0
        across, up = self._matrix.a / scale, self._matrix.b / scale
        x, y = self._place(first, across, up)
        right, _ = self._place(last, across, up)
        is_mirrored = right < x
        if is_mirrored:
            x, right = -x, -right
        parts = () if is_mirrored or across < _UPRIGHT else tuple(self._parts(text, start, end, size))
        return Line(text, x, y, right + size / 2, size, self._is_bold(first) and self._is_bold(last), parts)

    def _parts(self, text: str, start: int, end: int, size: float) -> Iterator[Part]:
        """What stands between wide gaps, if there are any."""
        begin, left, surplus, seen = 0, None, start, 0
        for gap in _GAP.finditer(text):
            surplus, seen = surplus + _surplus(text[seen : gap.start()]), gap.end()
            before, after = self._box(surplus + gap.start() - 1)[1], self._box(surplus + gap.end())[0]
            if after - before > _WIDE * size:
                yield Part(text[begin : gap.start()], self._box(start)[0] if left is None else left, before)
                begin, left = gap.end(), after
        if left is not None:
            yield Part(text[begin:], left, self._box(end)[1])

    def _box(self, at: int) -> tuple[float, float]:
        """From where to where a letter reaches."""
        index = pdfium.FPDFText_GetCharIndexFromTextIndex(self._letters, at)
        pdfium.FPDFText_GetCharBox(self._letters, index, *self._sides)
        return self._sides[0].value, self._sides[1].value

    def _size(self, at: int) -> float:
        if not pdfium.FPDFText_GetMatrix(self._letters, at, self._matrix):
            self._matrix = pdfium.FS_MATRIX(1, 0, 0, 1, 0, 0)
        scale = math.hypot(self._matrix.c, self._matrix.d)
        return float(pdfium.FPDFText_GetFontSize(self._letters, at) * scale) or 1.0

    def _place(self, at: int, across: float, up: float) -> tuple[float, float]:
        pdfium.FPDFText_GetCharOrigin(self._letters, at, self._x, self._y)
        x, y = self._x.value, self._y.value
        return x * across + y * up, y * across - x * up

    def _is_bold(self, at: int) -> bool:
        length = pdfium.FPDFText_GetFontInfo(self._letters, at, self._font, len(self._font), self._flags)
        return 0 < length <= len(self._font) and bool(_BOLD.search(self._font.value))


def _outline(pdf: pypdfium2.PdfDocument) -> Iterator[Entry]:
    try:
        for bookmark in pdf.get_toc():
            place = bookmark.get_dest()
            page = place.get_index() if place else None
            if page is not None:
                yield Entry(page + 1, bookmark.level + 1, bookmark.get_title())
    except (pypdfium2.PdfiumError, UnicodeDecodeError):
        return  # a broken outline is a missing outline


def _printed(pages: list[list[Line]]) -> list[Paragraph | Block]:
    """Paragraphs, which may turn out to be headings, and the rows of tables."""
    pitch = pitch_of(pages)
    found: list[Paragraph | Block] = []
    for number, page in enumerate(pages, start=1):
        for stretch in tables_in(page):
            if isinstance(stretch, Table):
                found += (Block(line, BlockKind.TABLE, page=number) for line in lines_of(stretch.rows))
            else:
                found += (Paragraph(number, tuple(lines)) for lines in paragraphs_of(stretch, pitch=pitch))
    return found


def _block(paragraph: Paragraph, level: int) -> Block:
    text = paragraph.text
    if level:
        return Block(text, BlockKind.HEADING, level, page=paragraph.page)
    if BULLET.match(text):
        return Block(BULLET.sub("- ", text, count=1), BlockKind.LIST, page=paragraph.page)
    kind = BlockKind.LIST if NUMBER.match(text) else BlockKind.PARAGRAPH
    return Block(text, kind, page=paragraph.page)


def _page_metadata(pages: list[list[Line] | None], scanned: Mapping[int, object]) -> dict[str, Json]:
    numbered = list(enumerate(pages, start=1))
    told: dict[str, list[Json]] = {
        "pages_without_text": [number for number, page in numbered if not page and number not in scanned],
        "pages_recognised": list(scanned),
    }
    return {"pages": len(pages)} | {name: numbers for name, numbers in told.items() if numbers}
