"""Small files of packed formats, made by hand."""

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence

R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_SLIDES = "http://schemas.openxmlformats.org/presentationml/2006/main"
_DRAWN = "http://schemas.openxmlformats.org/drawingml/2006/main"
_ODF = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{value}:1.0"'
    for name, value in {
        "office": "office", "text": "text", "table": "table", "draw": "drawing", "style": "style",
        "presentation": "presentation",
    }.items()
)  # fmt: skip


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def relations(**targets: str) -> str:
    """`id=kind:target`."""
    found = "".join(
        f'<Relationship Id="{key}" Type="{R}/{value.partition(":")[0]}" Target="{value.partition(":")[2]}"/>'
        for key, value in targets.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}">{found}</Relationships>'


def xlsx(sheets: Mapping[str, str], *, styles: str = "", strings: Sequence[str] = ()) -> bytes:
    """`sheets`: what is in each `worksheet`, by name."""
    names = list(sheets)
    entries = "".join(f'<sheet name="{name}" sheetId="{at}" r:id="s{at}"/>' for at, name in enumerate(names))
    parts = {f"s{at}": f"worksheet:worksheets/sheet{at}.xml" for at in range(len(names))}
    shared = "".join(f"<si><t>{text}</t></si>" for text in strings)
    return zipped(
        {
            "_rels/.rels": relations(a="officeDocument:xl/workbook.xml"),
            "xl/workbook.xml": f'<workbook xmlns="{_SHEETS}" xmlns:r="{R}"><sheets>{entries}</sheets></workbook>',
            "xl/_rels/workbook.xml.rels": relations(
                **parts, st="styles:styles.xml", ss="sharedStrings:sharedStrings.xml"
            ),
            "xl/styles.xml": f'<styleSheet xmlns="{_SHEETS}">{styles}</styleSheet>',
            "xl/sharedStrings.xml": f'<sst xmlns="{_SHEETS}">{shared}</sst>',
        }
        | {
            f"xl/worksheets/sheet{at}.xml": f'<worksheet xmlns="{_SHEETS}">{sheets[name]}</worksheet>'
            for at, name in enumerate(names)
        }
    )


def sheet(*rows: Sequence[str | float], after: str = "") -> str:
    """Cells row by row from A1 on; empty texts are empty cells, empty rows are left out."""
    lines = []
    for number, row in enumerate(rows, start=1):
        cells = ""
        for column, value in zip("ABCDEFGH", row, strict=False):
            if isinstance(value, str) and value:
                cells += f'<c r="{column}{number}" t="inlineStr"><is><t>{value}</t></is></c>'
            elif not isinstance(value, str):
                cells += f'<c r="{column}{number}"><v>{value}</v></c>'
        lines.append(f'<row r="{number}">{cells}</row>' if row else "")
    return f"<sheetData>{''.join(lines)}</sheetData>{after}"


def pptx(*slides: tuple[str, str]) -> bytes:
    """Slides of shapes and of notes, empty for none."""
    files: dict[str, str | bytes] = {"_rels/.rels": relations(a="officeDocument:ppt/presentation.xml")}
    files["ppt/_rels/presentation.xml.rels"] = relations(
        **{f"r{at}": f"slide:slides/slide{at}.xml" for at in range(len(slides))}
    )
    ids = "".join(f'<p:sldId id="{256 + at}" r:id="r{at}"/>' for at in range(len(slides)))
    spaces = f'xmlns:p="{_SLIDES}" xmlns:a="{_DRAWN}" xmlns:r="{R}"'
    files["ppt/presentation.xml"] = f"<p:presentation {spaces}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>"
    for at, (shapes, notes) in enumerate(slides):
        tree = "<p:cSld><p:spTree>{}</p:spTree></p:cSld>"
        files[f"ppt/slides/slide{at}.xml"] = f"<p:sld {spaces}>{tree.format(shapes)}</p:sld>"
        if notes:
            files[f"ppt/slides/_rels/slide{at}.xml.rels"] = relations(n=f"notesSlide:../notesSlides/n{at}.xml")
            files[f"ppt/notesSlides/n{at}.xml"] = (
                f"<p:notes {spaces}>{tree.format(shape(notes, kind='body'))}</p:notes>"
            )
    return zipped(files)


def shape(*paragraphs: str, kind: str | None = None) -> str:
    """`kind` of placeholder; None is a box of its own."""
    holder = "" if kind is None else f'<p:ph type="{kind}"/>'
    texts = "".join(f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>" for text in paragraphs)
    return f"<p:sp><p:nvSpPr><p:nvPr>{holder}</p:nvPr></p:nvSpPr><p:txBody>{texts}</p:txBody></p:sp>"


def odf(body: str, *, styles: str = "", kind: str = "text") -> bytes:
    return zipped(
        {
            "content.xml": f"<office:document-content {_ODF}><office:automatic-styles>{styles}"
            f"</office:automatic-styles><office:body><office:{kind}>{body}</office:{kind}></office:body>"
            "</office:document-content>"
        }
    )


def epub(pages: Mapping[str, str], nav: str = "", **more: str) -> bytes:
    """Pages of the spine in order, by their file names; `nav` is the list of the table of contents."""
    items = "".join(
        f'<item id="i{at}" href="{name}" media-type="application/xhtml+xml"/>' for at, name in enumerate(pages)
    )
    items += '<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
    spine = "".join(f'<itemref idref="i{at}"/>' for at in range(len(pages)))
    known = "<dc:title>The Book</dc:title><dc:creator>Ann</dc:creator>"
    meta = f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">{known}</metadata>'
    return zipped(
        {
            "META-INF/container.xml": "<container xmlns='urn:oasis:names:tc:opendocument:xmlns:container'><rootfiles>"
            '<rootfile full-path="OPS/book.opf"/></rootfiles></container>',
            "OPS/book.opf": f'<package xmlns="http://www.idpf.org/2007/opf">{meta}<manifest>{items}</manifest>'
            f"<spine>{spine}</spine></package>",
            "OPS/nav.xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml"><body><nav><ol>{nav}</ol></nav></body></html>',
        }
        | {f"OPS/{name}": f"<html><body>{body}</body></html>" for name, body in pages.items()}
        | more
    )


def xls(rows: Sequence[Sequence[str | float]], *, name: str = "Sheet1") -> bytes:
    """A workbook as before 2007: records of BIFF8 in a compound file."""

    def record(kind: int, body: bytes) -> bytes:
        return struct.pack("<HH", kind, len(body)) + body

    cells = b""
    for at, row in enumerate(rows):
        for column, value in enumerate(row):
            if isinstance(value, str):
                text = struct.pack("<HB", len(value), 1) + value.encode("utf-16-le")
                cells += record(0x204, struct.pack("<HHH", at, column, 0) + text)
            else:
                cells += record(0x203, struct.pack("<HHHd", at, column, 0, value))
    begin = lambda kind: record(0x809, struct.pack("<HHHHII", 0x600, kind, 0, 0, 0, 0))  # noqa: E731
    end = record(0x0A, b"")
    label = struct.pack("<BB", len(name), 0) + name.encode("latin-1")
    size = len(begin(5)) + 4 + 6 + len(label) + len(end)
    bound = record(0x85, struct.pack("<IH", size, 0) + label)
    return _compound("Workbook", begin(5) + bound + end + begin(16) + cells + end)


def _compound(name: str, stream: bytes) -> bytes:
    """One stream in sectors of 512 bytes; of 4,096 bytes at least, or it would go into smaller sectors."""
    stream = stream.ljust(max(4096, -(-len(stream) // 512) * 512), b"\0")
    sectors = len(stream) // 512
    last, free, table = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
    chain = [table, last, *range(3, 2 + sectors), last]
    fat = struct.pack("<128I", *chain, *[free] * (128 - len(chain)))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, last, 0, last, 0) + struct.pack("<I", 0)
    header += struct.pack("<108I", *[free] * 108)

    def entry(title: str, kind: int, child: int, start: int, size: int) -> bytes:
        raw = title.encode("utf-16-le") + b"\0\0"
        found = raw.ljust(64, b"\0") + struct.pack("<HBBIII", len(raw), kind, 1, free, free, child)
        return found + bytes(36) + struct.pack("<IQ", start, size)

    folder = entry("Root Entry", 5, 1, last, 0) + entry(name, 2, free, 2, len(stream)) + bytes(256)
    return header + fat + folder + stream
