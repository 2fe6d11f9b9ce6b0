"""Text recognition, with the real program."""

import shutil
import struct
import zlib
from email.message import EmailMessage
from pathlib import Path

import pypdfium2
import pytest

from ingest.clean import clean
from ingest.documents import Document, Parsed, Source
from ingest.errors import BrokenDocument, IngestError, NoTextLayer, ParserTimedOut
from ingest.parsers import Recogniser, media_type_of, parse
from ingest.parsers.ocr import Tesseract
from ingest.sandbox import Limits, ParserPool
from ingest.split import Splitting
from tests.ingest.packed import zipped
from tests.ingest.test_parsers_pages import pdf

WORDS = "The heron stands in the reeds"
needs_tesseract = pytest.mark.skipif(not shutil.which("tesseract"), reason="tesseract is not installed")


def picture(folder: Path, text: str) -> tuple[int, int, bytes]:
    """Width, height and grey pixels of a page with this text."""
    path = folder / "page.pdf"
    path.write_bytes(pdf([(70, 700, 24, text)]))
    with pypdfium2.PdfDocument(path) as document:
        bitmap = document[0].render(scale=2, grayscale=True)
        raw = bytes(bitmap.buffer)
        rows = [raw[at : at + bitmap.width] for at in range(0, bitmap.stride * bitmap.height, bitmap.stride)]
        return bitmap.width, bitmap.height, b"".join(rows)


def png(folder: Path, text: str) -> bytes:
    width, height, grey = picture(folder, text)

    def part(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + grey[at * width : (at + 1) * width] for at in range(height))
    head = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


def scan(folder: Path, text: str) -> bytes:
    """Two pages: one of printed text, one that is a picture of this text."""
    width, height, grey = picture(folder, text)
    packed = zlib.compress(grey)
    font = "/Font << /F 6 0 R >>"
    drawn = ["BT /F 12 Tf 70 700 Td (A printed page.) Tj ET", "q 600 0 0 800 0 0 cm /I Do Q"]
    parts = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R 4 0 R] /Count 2 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 7 0 R /Resources << {font} >> >>".encode(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 8 0 R "
        b"/Resources << /XObject << /I 5 0 R >> >> >>",
        f"<< /Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceGray "
        f"/BitsPerComponent 8 /Filter /FlateDecode /Length {len(packed)} >>\nstream\n".encode()
        + packed
        + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        *(f"<< /Length {len(text)} >>\nstream\n{text}\nendstream".encode() for text in drawn),
    ]
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, part) for number, part in enumerate(parts, start=1))
    return b"%PDF-1.4\n" + body + b"trailer\n<< /Root 1 0 R >>\n%%EOF"


def read(folder: Path, name: str, raw: bytes, recognise: Recogniser | None) -> Document:
    path = folder / "upload"
    path.write_bytes(raw)
    [parsed] = parse(Source(name, media_type_of(name, raw[:1024]), path), recognise=recognise)
    assert isinstance(parsed, Parsed)
    return clean(parsed)


@needs_tesseract
def test_the_text_of_a_picture_is_recognised(tmp_path: Path) -> None:
    document = read(tmp_path, "heron.png", png(tmp_path, WORDS), Tesseract())
    assert document.text == WORDS
    assert (document.title, document.page_at(0)) == ("heron", 1)


@needs_tesseract
def test_only_the_pages_of_a_pdf_without_text_are_recognised(tmp_path: Path) -> None:
    seen: list[None] = []
    document = read(tmp_path, "a.pdf", scan(tmp_path, WORDS), Tesseract(lambda: seen.append(None)))
    assert document.text == f"A printed page.\n\n{WORDS}"
    assert document.page_at(document.text.index(WORDS)) == 2
    assert document.metadata == {"pages": 2, "pages_recognised": [2]}
    assert len(seen) == 1


def test_without_recognition_the_page_is_told_to_have_no_text(tmp_path: Path) -> None:
    document = read(tmp_path, "a.pdf", scan(tmp_path, WORDS), None)
    assert (document.text, document.metadata) == ("A printed page.", {"pages": 2, "pages_without_text": [2]})


@pytest.mark.parametrize("name", ["a.png", "a.pdf"])
def test_a_picture_is_refused_with_what_would_help(tmp_path: Path, name: str) -> None:
    raw = png(tmp_path, WORDS) if name == "a.png" else pdf([])
    with pytest.raises(NoTextLayer, match=rf"'{name}'.*install tesseract-ocr and set RAG_INGEST__OCR=true"):
        read(tmp_path, name, raw, None)


def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoTextLayer, match=r"'a\.png'.*tesseract is missing: install"):
        read(tmp_path, "a.png", png(tmp_path, WORDS), Tesseract())


@needs_tesseract
@pytest.mark.parametrize(("name", "raw"), [("a.png", b"\x89PNG and no more"), ("a.jpg", b"\xff\xd8\xff\xe0 no more")])
def test_a_broken_picture_is_told_as_such(tmp_path: Path, name: str, raw: bytes) -> None:
    with pytest.raises(BrokenDocument, match=name):
        read(tmp_path, name, raw, Tesseract())


@needs_tesseract
def test_a_picture_without_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoTextLayer, match="no text was recognised"):
        read(tmp_path, "a.png", png(tmp_path, ""), Tesseract())


@needs_tesseract
def test_recognition_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ParserTimedOut, match=r"'a\.png'"):
        read(tmp_path, "a.png", png(tmp_path, WORDS), Tesseract(page_s=0.001))


@needs_tesseract
@pytest.mark.parametrize("ocr", [True, False])
async def test_parsers_recognise_text_when_they_are_told_to(tmp_path: Path, ocr: bool) -> None:
    path = tmp_path / "heron.png"
    path.write_bytes(png(tmp_path, WORDS))
    pool, found = ParserPool(Limits(ocr=ocr), 1), []
    try:
        async for document in pool.parse(Source("heron.png", "image/png", path), "", None, Splitting(32)):
            found.append(document.document.text)
    except IngestError as error:
        found.append(error.code)
    finally:
        await pool.close()
    assert found == [WORDS if ocr else "no_text_layer"]


@needs_tesseract
async def test_pictures_in_mails_and_archives_are_recognised(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"] = "The sign"
    message.set_content("See the picture.")
    message.add_attachment(png(tmp_path, WORDS), maintype="image", subtype="png", filename="sign.png")
    path = tmp_path / "all.zip"
    path.write_bytes(zipped({"sign.png": png(tmp_path, WORDS), "mails/sign.eml": message.as_bytes()}))
    pool = ParserPool(Limits(ocr=True), 1)
    try:
        found = [one async for one in pool.parse(Source("all.zip", "application/zip", path), "", None, Splitting(32))]
    finally:
        await pool.close()
    assert [(one.document.source, one.document.text.split("\n\n")[-1]) for one in found] == [
        ("sign.png", WORDS),
        ("mails/sign.eml", WORDS),
    ]
