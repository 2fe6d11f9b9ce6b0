"""Archives, and the law that whatever comes in is read or refused with a reason."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.clean import clean
from ingest.documents import Parsed
from ingest.errors import BrokenDocument, DocumentTooLarge, EmptyDocument, EncryptedDocument, IngestError
from ingest.parsers import FORMATS, Failure, Opened, parse
from tests.ingest.packed import epub, odf, pptx, shape, sheet, xls, xlsx, zipped
from tests.ingest.reading import results_of, source_of


def results(folder: Path, content: bytes) -> list[Parsed | Failure]:
    return list(results_of(source_of(folder, "all.zip", content)))


def told(folder: Path, files: Mapping[str, str | bytes]) -> list[tuple[str | None, str]]:
    """Each result's source, with its media type or its error's code."""
    return [
        (found.source, found.error.code if isinstance(found, Failure) else str(found.media_type))
        for found in results(folder, zipped(files))
    ]


def test_each_file_of_an_archive_is_a_document_by_its_path(tmp_path: Path) -> None:
    files = {"notes/a.md": "# A", "b.csv": "x,y\n1,2", "c/page": "<!doctype html><p>hi", "book.epub": epub({"a": "hi"})}
    assert told(tmp_path, files) == [
        ("notes/a.md", "text/markdown"),
        ("b.csv", "text/csv"),
        ("c/page", "text/html"),
        ("book.epub", "application/epub+zip"),
    ]


def test_a_file_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.txt": "words",
        "empty.txt": "",
        "cat.gif": b"GIF89a\0\0\1\2",
        "inner.zip": zipped({"a.txt": "words"}),
        "broken.pdf": b"%PDF-1.7",
        "z.txt": "more",
    }
    assert told(tmp_path, files) == [
        ("a.txt", "text/plain"),
        ("empty.txt", "empty_document"),
        ("cat.gif", "unsupported_file"),
        ("inner.zip", "unsupported_file"),
        ("broken.pdf", "broken_document"),
        ("z.txt", "text/plain"),
    ]


def test_lines_of_jsonl_in_an_archive_are_documents(tmp_path: Path) -> None:
    lines = '{"text": "one", "id": "d1"}\n{}\n{"text": "two"}\n'
    found = results(tmp_path, zipped({"load/birds.jsonl": lines}))
    assert [result.source for result in found] == ["d1", "load/birds.jsonl#2", "load/birds.jsonl#3"]
    assert isinstance(found[1], Failure)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("../../etc/passwd.txt", "etc/passwd.txt"),
        ("/abs.txt", "abs.txt"),
        ("a\\..\\b.txt", "a/b.txt"),
        ("./x.txt", "x.txt"),
    ],
)
def test_a_path_leads_nowhere_out_of_the_archive(tmp_path: Path, name: str, source: str) -> None:
    before = set(tmp_path.parent.rglob("*"))
    [found] = results(tmp_path, zipped({name: "words"}))
    assert found.source == source
    assert {path.name for path in set(tmp_path.parent.rglob("*")) - before} == {"upload"}


def test_what_systems_leave_in_archives_is_passed_over(tmp_path: Path) -> None:
    files = {"__MACOSX/._a.txt": "\0\0", "docs/.DS_Store": "\0", "docs/": "", "Thumbs.db": "x", "docs/a.txt": "words"}
    assert told(tmp_path, files) == [("docs/a.txt", "text/plain")]


def test_names_in_utf8_are_read_without_their_mark(tmp_path: Path) -> None:
    raw = zipped({"gr\u00fcn.txt": "words"})
    marked, plain = b"\x00\x08", b"\x00\x00"
    assert raw.count(marked) >= 2
    [found] = results(tmp_path, raw.replace(marked, plain))
    assert found.source == "grün.txt"


def test_a_locked_file_is_told_as_such(tmp_path: Path) -> None:
    raw = bytearray(zipped({"a.txt": "words", "b.txt": "more"}))
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + flags] |= 1
    locked, fine = results(tmp_path, bytes(raw))
    assert isinstance(locked, Failure) and isinstance(locked.error, EncryptedDocument)
    assert isinstance(fine, Parsed)


def test_a_file_that_is_damaged_in_the_archive_fails_alone(tmp_path: Path) -> None:
    raw = bytearray(zipped({"a.txt": "words " * 50, "b.txt": "more"}))
    raw[45] ^= 0xFF
    damaged, fine = results(tmp_path, bytes(raw))
    assert isinstance(damaged, Failure) and isinstance(damaged.error, BrokenDocument)
    assert isinstance(fine, Parsed)


def test_a_bomb_in_an_archive_is_not_unpacked(tmp_path: Path) -> None:
    bomb, fine = results(tmp_path, zipped({"bomb.txt": b" " * 60_000_000, "b.txt": "more"}))
    assert isinstance(bomb, Failure) and isinstance(bomb.error, DocumentTooLarge)
    assert isinstance(fine, Parsed)


@pytest.mark.parametrize(("limit", "value"), [("_MOST_UNPACKED", 10), ("_MOST_MEMBERS", 1)])
def test_an_archive_has_limits_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(f"ingest.parsers.zip.{limit}", value)
    with pytest.raises(DocumentTooLarge, match=r"'all\.zip' unpacks to"):
        results(tmp_path, zipped({"a.txt": "words " * 10, "b.txt": "more"}))


def test_an_archive_without_files_is_empty_and_one_cut_off_broken(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument, match=r"'all\.zip'"):
        results(tmp_path, zipped({}))
    with pytest.raises(BrokenDocument, match=r"'all\.zip'"):
        results(tmp_path, zipped({"a.txt": "words"})[:-30])


def test_reading_can_begin_at_any_member(tmp_path: Path) -> None:
    source = source_of(tmp_path, "all.zip", zipped({"a.txt": "a", "b.txt": "b", "c.txt": "c"}))
    found = list(parse(source, first_member=1))
    assert [item for item in found if isinstance(item, Opened)] == [Opened("b.txt", 1), Opened("c.txt", 2)]
    assert [item.source for item in found if isinstance(item, Parsed)] == ["b.txt", "c.txt"]


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}\.(txt|md|csv|json|pdf|bin)", fullmatch=True), st.binary(max_size=60)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_file_of_an_archive_becomes_a_document_or_a_failure(tmp_path: Path, files: dict[str, bytes]) -> None:
    if files:
        assert [found.source for found in results(tmp_path, zipped(files))] == list(files)


EXTENSIONS = sorted({extension for format in FORMATS for extension in format.extensions})
SEEDS = {
    ".pptx": pptx((shape("On Ducks", kind="title") + shape("weed"), "notes")),
    ".xlsx": xlsx({"S": sheet(["a", "b"], [1, 2])}),
    ".xls": xls([["a", "b"], [1.0, 2.0]]),
    ".odt": odf("<text:h text:outline-level='1'>a</text:h><text:p>b</text:p>"),
    ".ods": odf("<table:table><table:table-row/></table:table>", kind="spreadsheet"),
    ".epub": epub({"a.xhtml": "<p>words</p>"}, "<li><a href='a.xhtml'>A</a></li>"),
    ".zip": zipped({"a.txt": "words", "b.json": "{}"}),
    ".eml": b"Subject: a\nContent-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n\nhi\n--x--\n",
    ".rtf": rb"{\rtf1\ansi{\fonttbl{\f0 A;}}\pard a\'e4\u8364?\cell\row\par}",
    ".vtt": b"WEBVTT\n\n00:01.000 --> 00:02.000\n<v A>words\n",
    ".json": json.dumps({"a": [{"b": 1}, {"b": [2, {"c": 3}]}]}).encode(),
    ".ipynb": json.dumps({"cells": [{"cell_type": "code", "source": "x", "outputs": [{"text": "y"}]}]}).encode(),
    ".xml": b"<a b='c'><d>e</d><f>g<h/>i</f></a>",
    ".html": b"<table><tr><th>a<td>b</table><ul><li>c</ul>",
    ".md": b"# a\n\nb\n",
    ".csv": b"a;b\n1;2\n",
    ".pdf": b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF",
}


def assert_read_or_refused(folder: Path, name: str, raw: bytes) -> None:
    try:
        for found in results_of(source_of(folder, name, raw)):
            if isinstance(found, Parsed):
                assert "\x00" not in clean(found).text
    except IngestError as error:
        assert str(error)


@given(st.sampled_from(EXTENSIONS), st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
def test_any_bytes_under_any_name_are_read_or_refused(tmp_path: Path, extension: str, raw: bytes) -> None:
    assert_read_or_refused(tmp_path, f"a{extension}", raw)


@given(st.sampled_from(sorted(SEEDS)), st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=400)
def test_damaged_files_of_any_format_are_read_or_refused(tmp_path: Path, extension: str, data: st.DataObject) -> None:
    raw = bytearray(SEEDS[extension])
    places = st.integers(0, len(raw) - 1)
    for at, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
        raw[at] = value
    assert_read_or_refused(tmp_path, f"a{extension}", bytes(raw[: data.draw(st.none() | places)]))


@given(st.sampled_from([".pptx", ".xlsx", ".odt", ".ods", ".epub", ".docx"]), st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
def test_damaged_parts_of_packed_files_are_read_or_refused(tmp_path: Path, extension: str, data: st.DataObject) -> None:
    """Damage behind the checksums of the zip reaches the readers of the parts."""
    with zipfile.ZipFile(io.BytesIO(SEEDS.get(extension, SEEDS[".pptx"]))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from(sorted(parts)))
    part = bytearray(parts[name])
    if part:
        words = [b"1", b"-1", b"999999999999", b"x", b"", b"\xff", b"<a>", b"</a>", b"&b;"]
        at, gone = data.draw(st.integers(0, len(part) - 1)), data.draw(st.integers(0, 12))
        part[at : at + gone] = data.draw(st.sampled_from(words))
    assert_read_or_refused(tmp_path, f"a{extension}", zipped({**parts, name: bytes(part)}))
