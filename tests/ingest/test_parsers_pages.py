"""The formats with pages: PDF and Word."""

import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path

import docx
import pytest

from ingest.clean import clean
from ingest.documents import Document, Parsed, Source
from ingest.errors import (
    BrokenDocument,
    DocumentTooLarge,
    EncryptedDocument,
    IngestError,
    NoTextLayer,
    UnsupportedFile,
)
from ingest.parsers import OLE, media_type_of, parse


def document_of(path: Path) -> Document:
    (parsed,) = parse(Source(path.name, media_type_of(path.name, path.read_bytes()[:1024]), path))
    assert isinstance(parsed, Parsed)
    return clean(parsed)


def pdf(*pages: Sequence[tuple[float, float, int, str]], info: str = "", bold: Collection[str] = ()) -> bytes:
    """Pages of texts, each (x, y, size, text), in Helvetica; `bold` are the texts that are set so."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = [f"{4 + 2 * number} 0 R" for number in range(len(pages))]
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(pages)} >>"
    for number, page in enumerate(pages):
        drawn = "".join(
            f"BT /{'B' if text in bold else 'F'} {size} Tf {x} {y} Td ({text}) Tj ET\n" for x, y, size, text in page
        )
        heavy = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>"
        font = f"/Resources << /Font << /F 3 0 R /B {heavy} >> >>"
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {5 + 2 * number} 0 R {font} >>")
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    objects.append(f"<< {info} >>")
    body = "".join(f"{number} 0 obj\n{text}\nendobj\n" for number, text in enumerate(objects, start=1))
    return f"%PDF-1.4\n{body}trailer\n<< /Root 1 0 R /Info {len(objects)} 0 R >>\n%%EOF".encode("latin-1")


def pdf_document(tmp_path: Path, *pages: Sequence[tuple[int, int, int, str]], info: str = "") -> Document:
    path = tmp_path / "paper.pdf"
    path.write_bytes(pdf(*pages, info=info))
    return document_of(path)


BODY = [
    (70, 700, 10, "The first paragraph of this paper is long enough to be broken, as its author"),
    (70, 688, 10, "wrote more than one line of it and then some more."),
    (70, 660, 10, "The second one is short."),
]


def test_lines_of_a_pdf_become_paragraphs(tmp_path: Path) -> None:
    first, second = pdf_document(tmp_path, BODY).text.split("\n\n")
    assert first.endswith("as its author wrote more than one line of it and then some more.")
    assert second == "The second one is short."


def test_larger_letters_in_a_pdf_are_headings(tmp_path: Path) -> None:
    document = pdf_document(tmp_path, [(70, 750, 20, "On Ducks"), (70, 720, 14, "Feathers"), *BODY])
    assert [section.path for section in document.sections] == [("On Ducks",), ("On Ducks", "Feathers")]
    assert document.title == "On Ducks"


def test_a_pdf_is_named_by_its_metadata_unless_they_are_its_file_name(tmp_path: Path) -> None:
    assert pdf_document(tmp_path, BODY, info="/Title (A Title) /Author (Ann)").title == "A Title"
    assert pdf_document(tmp_path, BODY, info="/Title (draft7.docx)").title == "paper"


def test_items_of_a_list_in_a_pdf_stand_line_by_line(tmp_path: Path) -> None:
    page = [(70, 700, 10, "\\267 one that is"), (80, 688, 10, "going on"), (70, 676, 10, "\\267 two")]
    assert pdf_document(tmp_path, page).text == "- one that is going on\n- two"


def test_pages_of_a_pdf_are_numbered_and_those_without_text_told(tmp_path: Path) -> None:
    document = pdf_document(tmp_path, BODY, [], [(70, 700, 10, "Third page.")])
    assert document.page_at(document.text.index("Third")) == 3
    assert document.metadata == {"pages": 3, "pages_without_text": [2]}


def test_text_turned_on_its_side_has_paragraphs_too(tmp_path: Path) -> None:
    path = tmp_path / "side.pdf"
    upright = pdf(BODY).decode("latin-1")
    for x, y, _, _ in BODY:
        upright = upright.replace(f"{x} {y} Td", f"0 1 -1 0 {800 - y} {x} Tm")
    path.write_text(upright)
    assert len(document_of(path).text.split("\n\n")) == 2


def test_a_scan_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(NoTextLayer, match=r"'paper\.pdf' is a scan: 2 pages.*OCR"):
        pdf_document(tmp_path, [], [])


def test_a_pdf_that_is_cut_off_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "cut.pdf"
    path.write_bytes(pdf(BODY)[:60])
    with pytest.raises(BrokenDocument, match=r"'cut\.pdf'"):
        document_of(path)


def test_a_word_document_is_read_in_its_order(tmp_path: Path) -> None:
    word = docx.Document()
    word.core_properties.title, word.core_properties.author = "On Ducks", "Ann"
    word.add_heading("Food", 1)
    word.add_paragraph("They eat:")
    word.add_paragraph("bread", style="List Bullet")
    word.add_paragraph("weed", style="List Bullet")
    table = word.add_table(3, 2)
    for at, text in enumerate(["Food", "Calories", "bread", "265", "weed", ""]):
        table.cell(at // 2, at % 2).text = text
    word.add_heading("Water", 2)
    word.add_paragraph("Wet.")
    word.save(str(tmp_path / "a.docx"))
    document = document_of(tmp_path / "a.docx")
    assert document.text == (
        "Food\n\nThey eat:\n\n- bread\n- weed\n\nFood: bread; Calories: 265\nFood: weed\n\nWater\n\nWet."
    )
    assert document.section_at(len(document.text) - 1) == "Food > Water"
    assert (document.title, document.metadata) == ("On Ducks", {"author": "Ann"})


def word_with(path: Path, body: str, prolog: str = "", **parts: str) -> Path:
    """A Word document with this body in place of an empty one's, and `parts` such as `numbering` in theirs."""
    docx.Document().save(str(path.with_suffix(".base")))
    with zipfile.ZipFile(path.with_suffix(".base")) as base, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
        made = {f"word/{part}.xml": f"<w:{part} {space}>{content}</w:{part}>" for part, content in parts.items()}
        made["word/document.xml"] = f"{prolog}<w:document {space}><w:body>{body}</w:body></w:document>"
        for name in base.namelist():
            out.writestr(name, made.get(name) or base.read(name))
    return path


def run(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


def test_deleted_and_hidden_words_stay_out_and_inserted_ones_stay_in(tmp_path: Path) -> None:
    body = (
        f"<w:sdt><w:sdtContent><w:p>{run('kept')}<w:ins>{run(' inserted')}</w:ins>"
        "<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    )
    assert document_of(word_with(tmp_path / "a.docx", body)).text == "kept inserted"


def test_a_cell_merged_over_rows_is_told_in_each(tmp_path: Path) -> None:
    def cell(text: str, merge: str = "") -> str:
        return f"<w:tc><w:tcPr>{merge}</w:tcPr><w:p>{run(text)}</w:p></w:tc>"

    rows = [
        cell("Bird") + cell("Food"),
        cell("Duck", '<w:vMerge w:val="restart"/>') + cell("weed"),
        cell("", "<w:vMerge/>") + cell("snails"),
    ]
    body = f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>"
    assert document_of(word_with(tmp_path / "a.docx", body)).text == "Bird: Duck; Food: weed\nBird: Duck; Food: snails"


@pytest.mark.parametrize("entity", ['SYSTEM "file:///etc/passwd"', '"expanded"'])
def test_entities_in_a_word_document_are_not_expanded(tmp_path: Path, entity: str) -> None:
    path = word_with(tmp_path / "a.docx", f"<w:p>{run('&x;')}</w:p>", f"<!DOCTYPE d [<!ENTITY x {entity}>]>")
    with pytest.raises(BrokenDocument, match="declares entities"):
        document_of(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = word_with(tmp_path / "bomb.docx", " " * 70_000_000)
    with pytest.raises(DocumentTooLarge, match=r"'bomb\.docx' unpacks to 6\d MB"):
        document_of(path)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le"), EncryptedDocument),
        (OLE + bytes(600), UnsupportedFile),
        (b"PK\x03\x04" + bytes(100), BrokenDocument),
    ],
)
def test_what_is_no_word_document_is_named(tmp_path: Path, raw: bytes, error: type[IngestError]) -> None:
    path = tmp_path / "a.docx"
    path.write_bytes(raw)
    with pytest.raises(error, match=r"'a\.docx'"):
        document_of(path)


def test_a_zip_without_a_document_is_broken(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(BrokenDocument, match="no whole Word document"):
        document_of(tmp_path / "a.docx")
