"""Slides, sheets and OpenDocument."""

import io
import zipfile
from pathlib import Path

import pytest

from ingest.errors import BrokenDocument, DocumentTooLarge, EmptyDocument, EncryptedDocument
from ingest.parsers import OLE
from tests.ingest.packed import odf, pptx, relations, shape, sheet, xls, xlsx, zipped
from tests.ingest.reading import document_of, sections_of, text_of


def test_slides_are_pages_under_their_titles(tmp_path: Path) -> None:
    first = shape("eat weed", "swim", kind="body") + shape("On Ducks", kind="ctrTitle") + shape("3", kind="sldNum")
    document = document_of(tmp_path, "a.pptx", pptx((first, "Say hello."), (shape("A box."), "")))
    assert document.text == "On Ducks\n\n- eat weed\n- swim\n\nNotes: Say hello.\n\nSlide 2\n\nA box."
    assert sections_of(document) == [("On Ducks",), ("Slide 2",)]
    assert document.page_at(document.text.index("swim")) == 1
    assert document.page_at(document.text.index("A box")) == 2
    assert (document.title, document.metadata) == ("On Ducks", {"pages": 2})


def test_a_table_on_a_slide_keeps_its_header(tmp_path: Path) -> None:
    def row(*cells: str) -> str:
        texts = (f"<a:txBody><a:p><a:r><a:t>{cell}</a:t></a:r></a:p></a:txBody>" for cell in cells)
        return f"<a:tr>{''.join(f'<a:tc>{text}</a:tc>' for text in texts)}</a:tr>"

    table = f"<a:tbl><a:tblPr firstRow='1'/>{row('Bird', '2024')}{row('Duck', '7')}</a:tbl>"
    frame = f"<p:graphicFrame><a:graphic><a:graphicData>{table}</a:graphicData></a:graphic></p:graphicFrame>"
    grouped = f"<p:grpSp>{frame}{shape('inside')}</p:grpSp>"
    text = text_of(tmp_path, "a.pptx", pptx((grouped, "")))
    assert text == "Slide 1\n\nBird: Duck; 2024: 7\n\ninside"


def test_a_slide_that_is_missing_costs_only_itself(tmp_path: Path) -> None:
    whole = pptx((shape("One.", kind="title"), ""), (shape("Two.", kind="title"), ""))
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if name != "ppt/slides/slide0.xml"}
    assert text_of(tmp_path, "a.pptx", zipped(kept)) == "Two."


def test_rows_of_a_sheet_are_told_by_their_header(tmp_path: Path) -> None:
    birds = sheet(["Birds of the lake"], ["Bird", "Count"], ["Duck", 120.0], ["Swan", 3.5])
    document = document_of(tmp_path, "a.xlsx", xlsx({"Lake": birds, "Empty": sheet(), "Pond": sheet([1, 2])}))
    assert document.text == (
        "Lake\n\nBirds of the lake\n\nBird: Duck; Count: 120\nBird: Swan; Count: 3.5\n\nEmpty\n\nPond\n\n1 | 2"
    )
    assert document.section_at(document.text.index("Swan")) == "Lake"
    assert document.section_at(document.text.index("1 | 2")) == "Pond"


def test_two_tables_on_a_sheet_have_a_header_each(tmp_path: Path) -> None:
    both = sheet(["Bird", "Count"], ["Duck", 1], [], ["City", "Country", "Since"], ["Oslo", "Norway", 1040])
    assert text_of(tmp_path, "a.xlsx", xlsx({"S": both})).split("\n")[2:] == [
        "Bird: Duck; Count: 1",
        "City: Oslo; Country: Norway; Since: 1040",
    ]


def test_an_empty_row_inside_of_a_table_keeps_the_header(tmp_path: Path) -> None:
    table = sheet(["Bird", "Food"], ["Duck", "weed"], [], ["Swan", "grass"])
    assert text_of(tmp_path, "a.xlsx", xlsx({"S": table})).split("\n")[2:] == [
        "Bird: Duck; Food: weed",
        "Bird: Swan; Food: grass",
    ]


def test_cells_show_what_people_see(tmp_path: Path) -> None:
    styles = (
        '<numFmts><numFmt numFmtId="200" formatCode="dd/mm/yy &quot;m&quot;"/>'
        '<numFmt numFmtId="201" formatCode="&quot;day&quot; 0.0"/></numFmts>'
        + "<cellXfs>"
        + "".join(f'<xf numFmtId="{key}"/>' for key in (0, 14, 10, 200, 201, 22))
        + "</cellXfs>"
    )
    cells = (
        '<c r="A1" s="1"><v>45000</v></c><c r="B1" s="2"><v>0.125</v></c><c r="C1" s="3"><v>45000</v></c>'
        '<c r="D1" s="4"><v>45000</v></c><c r="E1" s="5"><v>45000.75</v></c><c r="F1" t="b"><v>1</v></c>'
        '<c r="G1" t="s"><v>0</v></c><c r="H1" t="e"><v>#REF!</v></c><c r="I1" t="str"><f>A1</f><v>sum</v></c>'
        '<c r="J1"><v>1234567890123</v></c><c r="K1" t="s"><v>99</v></c>'
    )
    data = f'<sheetData><row r="1">{cells}</row></sheetData>'
    text = text_of(tmp_path, "a.xlsx", xlsx({"S": data}, styles=styles, strings=["shared"]))
    assert text.split("\n")[-1] == (
        "2023-03-15 | 12.5% | 2023-03-15 | 45000 | 2023-03-15 18:00 | TRUE | shared | sum | 1234567890123"
    )


def test_a_cell_merged_over_rows_of_a_sheet_is_told_in_each(tmp_path: Path) -> None:
    merged = '<mergeCells><mergeCell ref="A2:A3"/></mergeCells>'
    rows = sheet(["Bird", "Food"], ["Duck", "weed"], ["", "snails"], ["", "nothing"], after=merged)
    assert text_of(tmp_path, "a.xlsx", xlsx({"S": rows})).split("\n")[2:] == [
        "Bird: Duck; Food: weed",
        "Bird: Duck; Food: snails",
        "Food: nothing",
    ]


@pytest.mark.timeout(20)
def test_a_cell_in_the_far_corner_costs_nothing(tmp_path: Path) -> None:
    cell = '<row r="{0}"><c r="{1}{0}" t="inlineStr"><is><t>{2}</t></is></c></row>'
    rows = cell.format(1, "A", "first") + cell.format(1048576, "XFD", "last")
    text = text_of(tmp_path, "a.xlsx", xlsx({"S": f"<sheetData>{rows}</sheetData>"}))
    assert text == "S\n\nfirst\n\nlast"


def test_a_workbook_without_cells_is_empty(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument, match=r"'a\.xlsx'"):
        text_of(tmp_path, "a.xlsx", xlsx({"S": sheet()}))


def test_headers_that_come_again_in_each_row_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.parsers.sheets._MOST_CHARACTERS", 1_000)
    rows = sheet(["A long name of a column", "Another one"], *[["a", "b"]] * 30)
    with pytest.raises(DocumentTooLarge, match="over 1,000 characters of rows"):
        text_of(tmp_path, "a.xlsx", xlsx({"S": rows}))


def test_a_workbook_from_before_2007(tmp_path: Path) -> None:
    document = document_of(tmp_path, "a.xls", xls([["Bird", "Count"], ["Dück", 7.0], ["Swan", 0.5]], name="Lake"))
    assert document.text == "Lake\n\nBird: Dück; Count: 7\nBird: Swan; Count: 0.5"


@pytest.mark.parametrize("name", ["a.xlsx", "a.pptx", "a.xls", "a.odt", "a.ods", "a.epub"])
def test_a_zip_that_is_something_else_is_broken(tmp_path: Path, name: str) -> None:
    with pytest.raises(BrokenDocument, match=name):
        text_of(tmp_path, name, zipped({"x": "y"}))


@pytest.mark.parametrize("name", ["a.xlsx", "a.pptx"])
def test_a_locked_office_file_is_told_as_such(tmp_path: Path, name: str) -> None:
    with pytest.raises(EncryptedDocument, match=name):
        text_of(tmp_path, name, OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le"))


def test_an_opendocument_text_is_read_in_its_order(tmp_path: Path) -> None:
    level = '<text:list-level-style-number text:level="1" style:num-format="1"/>'
    numbered = f'<text:list-style style:name="N">{level}</text:list-style>'
    body = (
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
        '<text:h text:outline-level="1">On <text:span>Ducks</text:span></text:h>'
        "<text:p>They<text:s text:c='2'/>eat<text:note><text:note-citation>1</text:note-citation><text:note-body>"
        "<text:p>Often.</text:p></text:note-body></text:note>:<text:line-break/>all day</text:p>"
        '<text:list text:style-name="N"><text:list-item><text:p>weed</text:p><text:list><text:list-item>'
        "<text:p>green</text:p></text:list-item></text:list></text:list-item><text:list-item><text:p>bread</text:p>"
        "</text:list-item></text:list>"
        '<text:h text:outline-level="2">Water</text:h><text:p>Wet.</text:p>'
    )
    document = document_of(tmp_path, "a.odt", odf(body, styles=numbered))
    assert document.text == (
        "On Ducks\n\nThey eat:\nall day\n\n1. weed\n  - green\n2. bread\n\nWater\n\nWet.\n\nOften."
    )
    assert document.section_at(document.text.index("Wet.")) == "On Ducks > Water"
    assert document.title == "On Ducks"


def odf_row(*cells: str, attributes: str = "") -> str:
    found = "".join(f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in cells)
    return f"<table:table-row {attributes}>{found}</table:table-row>"


def test_a_table_of_an_opendocument_text_keeps_its_header(tmp_path: Path) -> None:
    rows = f"<table:table-header-rows>{odf_row('Bird', '7')}</table:table-header-rows>{odf_row('Duck', '8')}"
    assert text_of(tmp_path, "a.odt", odf(f"<table:table>{rows}</table:table>")) == "Bird: Duck; 7: 8"


@pytest.mark.timeout(20)
def test_an_opendocument_sheet_is_not_unrolled(tmp_path: Path) -> None:
    filler = '<table:table-cell table:number-columns-repeated="16000"/>'
    last = '<table:table-row table:number-rows-repeated="1048000"><table:table-cell/></table:table-row>'
    table = f"<table:table table:name='Lake'>{odf_row('Bird', 'Food')}{odf_row('Duck', 'weed')}{last}"
    cell = "<table:table-cell><text:p>far</text:p></table:table-cell>"
    table += f"<table:table-row>{filler}{cell}</table:table-row></table:table>"
    text = text_of(tmp_path, "a.ods", odf(table, kind="spreadsheet"))
    assert text == "Lake\n\nBird: Duck; Food: weed\n\nfar"


@pytest.mark.timeout(20)
def test_a_cell_that_is_repeated_without_end_is_told_so_often_only(tmp_path: Path) -> None:
    cell = '<table:table-cell table:number-columns-repeated="900000000"><text:p>x</text:p></table:table-cell>'
    table = f"<table:table table:name='S'><table:table-row>{cell}</table:table-row></table:table>"
    assert text_of(tmp_path, "a.ods", odf(table, kind="spreadsheet")).count("x") == 20_000


def test_pages_of_an_opendocument_presentation(tmp_path: Path) -> None:
    def frame(kind: str, text: str) -> str:
        box = f"<draw:text-box><text:p>{text}</text:p></draw:text-box>"
        return f'<draw:frame presentation:class="{kind}">{box}</draw:frame>'

    first, second = frame("outline", "Weed.") + frame("title", "Food"), frame("outline", "End.")
    pages = f"<draw:page>{first}</draw:page><draw:page>{second}</draw:page>"
    document = document_of(tmp_path, "a.odp", odf(pages, kind="presentation"))
    assert document.text == "Food\n\nWeed.\n\nSlide 2\n\nEnd."
    assert document.page_at(document.text.index("End.")) == 2


@pytest.mark.parametrize("name", ["a.odt", "a.xlsx", "a.pptx"])
def test_entities_in_packed_xml_are_not_expanded(tmp_path: Path, name: str) -> None:
    evil = '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><d>&x;</d>'
    parts = ("content.xml", "xl/workbook.xml", "ppt/presentation.xml")
    main = "xl/workbook.xml" if name == "a.xlsx" else "ppt/presentation.xml"
    files = {"_rels/.rels": relations(a=f"officeDocument:{main}")} | dict.fromkeys(parts, evil)
    with pytest.raises(BrokenDocument, match="entities"):
        text_of(tmp_path, name, zipped(files))
