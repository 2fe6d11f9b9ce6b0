import codecs
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.clean import clean
from ingest.documents import Block, BlockKind, Json, Parsed, Source
from ingest.errors import BrokenDocument, DocumentTooLarge, EmptyDocument, UnsupportedFile
from ingest.parsers import Failure, media_type_of, parse
from ingest.parsers.decoding import decode

Write = Callable[[str, str | bytes], Source]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: str | bytes) -> Source:
        raw = content.encode() if isinstance(content, str) else content
        path = tmp_path / name
        path.write_bytes(raw)
        return Source(name, media_type_of(name, raw[:1024]), path)

    return write


def read(source: Source) -> Parsed:
    (parsed,) = parse(source)
    assert isinstance(parsed, Parsed)
    return parsed


def text_of(parsed: Parsed) -> str:
    return "".join(block.text for block in parsed.blocks)


@pytest.mark.parametrize(
    ("name", "head", "media_type"),
    [
        ("a.pdf", b"%PDF-1.7", "application/pdf"),
        ("a.txt", b"%PDF-1.7", "application/pdf"),
        ("a.pdf", b"junk before\n%PDF-1.4", "application/pdf"),
        ("A.MD", b"# A", "text/markdown"),
        ("a.ndjson", b"{}", "application/jsonl"),
        ("README", b"plain words", "text/plain"),
        ("page", b"\n<!DOCTYPE html><p>", "text/html"),
        ("a.docx", b"", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ],
)
def test_the_first_bytes_tell_more_than_the_name(name: str, head: bytes, media_type: str) -> None:
    assert media_type_of(name, head) == media_type


def test_a_web_page_named_as_a_pdf_is_refused() -> None:
    with pytest.raises(BrokenDocument, match=r"'contract\.pdf' is named as PDF"):
        media_type_of("contract.pdf", b"<html>404</html>")


def test_an_unknown_kind_of_file_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnsupportedFile, match=r"'cat\.gif'.*\.pdf.*\.docx.*\.jsonl"):
        media_type_of("cat.gif", b"GIF89a\x00\x01\x02\x03")


def test_an_unknown_media_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFile, match="image/gif"):
        next(parse(Source("cat", "image/gif", tmp_path)))


@pytest.mark.parametrize("content", [b"", b" \n\t\n"])
def test_a_file_without_words_is_refused(write: Write, content: bytes) -> None:
    with pytest.raises(EmptyDocument, match=r"'a\.txt'"):
        read(write("a.txt", content))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (codecs.BOM_UTF8 + "für".encode(), "für"),
        ("für".encode("utf-16"), "für"),
        ("plain words, no mark".encode("utf-16-be"), "plain words, no mark"),
        ("über 5 € – “quoted”, and much more English around it".encode("cp1252"), "über 5 € – “quoted”, and much"),
        ("Все люди рождаются свободными и равными в своем достоинстве".encode("cp1251"), "Все люди рождаются"),
        ("すべての人間は、生まれながらにして自由であり、髙".encode("cp932"), "すべての人間は"),
        ("grün, blöd und schön: ä ö ü ß".encode() + b"\xff", "grün, blöd und schön: ä ö ü ß\ufffd"),
        (b"visible\x00\x00\x00words", "visible words"),
    ],
)
def test_bytes_are_decoded_by_what_they_look_like(raw: bytes, text: str) -> None:
    assert decode(raw, name="a.txt").startswith(text)


def test_a_declared_encoding_is_believed_as_far_as_the_bytes_allow() -> None:
    assert decode("Łódź".encode("iso8859-2"), name="a", declared="iso-8859-2") == "Łódź"
    assert decode("für".encode(), name="a", declared="iso-8859-1") == "für"
    assert decode("für 5 € im Monat".encode("cp1252"), name="a", declared="utf-8") == "für 5 € im Monat"
    assert decode(b"plain", name="a", declared="idna") == "plain"


def test_binary_bytes_are_no_text(write: Write) -> None:
    with pytest.raises(BrokenDocument, match=r"'a\.txt' is not text"):
        read(write("a.txt", bytes(range(256)) * 40))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), min_size=1))
def test_text_is_kept_to_the_character(text: str) -> None:
    assert decode(b"\xef\xbb\xbf" + text.encode(), name="a.txt") == text


def test_line_ends_become_line_feeds(write: Write) -> None:
    parsed = read(write("notes/a.b.txt".replace("/", "-"), "one\r\ntwo\rthree\n"))
    assert text_of(parsed) == "one\ntwo\nthree\n"
    assert parsed.title == "notes-a.b"
    assert parsed.verbatim


def headings(parsed: Parsed) -> list[tuple[int, str]]:
    return [(block.level, block.heading) for block in parsed.blocks if block.kind is BlockKind.HEADING]


def test_markdown_is_cut_at_its_headings(write: Write) -> None:
    text = "intro\n\n# *Big* `x` &amp; [link](u)\ntext\n\nSetext\n------\nmore\n### Closed ###\n"
    parsed = read(write("a.md", text))
    assert text_of(parsed) == text
    assert headings(parsed) == [(1, "Big x & link"), (2, "Setext"), (3, "Closed")]
    assert parsed.title == "Big x & link"


@pytest.mark.parametrize(
    "text", ["```\n# no\n```\n", "    # no\n", "> # no\n", "<pre>\n# no\n</pre>\n", "- a\n  # no\n"]
)
def test_a_heading_inside_of_something_is_text(write: Write, text: str) -> None:
    assert not headings(read(write("a.md", text)))


def test_front_matter_names_the_document(write: Write) -> None:
    text = '---\nlang: en\ntitle: "On ducks"\n---\n# First\n'
    parsed = read(write("a.md", text))
    assert parsed.title == "On ducks"
    assert headings(parsed) == [(1, "First")]
    assert text_of(parsed) == text


def test_a_rule_at_the_top_is_no_front_matter(write: Write) -> None:
    assert headings(read(write("a.md", "---\n# One\n\n---\n"))) == [(1, "One")]


@given(st.text(st.sampled_from("# -=`>~ab\n[]*\\\t<!")))
def test_markdown_is_kept_to_the_character(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "a.md"
    path.write_text(text + "x")
    assert text_of(read(Source("a.md", "text/markdown", path))) == text + "x"


def lines(source: Source) -> list[str]:
    return clean(read(source)).text.split("\n")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_each_row_is_told_by_the_header(write: Write, delimiter: str) -> None:
    table = [["id", "name", "note"], ["1", f'"a{delimiter}b"', ""], ["2", "c", '"two\nlines"']]
    source = write("a.csv", "\r\n".join(delimiter.join(row) for row in table))
    assert lines(source) == [f"id: 1; name: a{delimiter}b".replace("\t", " "), "id: 2; name: c; note: two lines"]


def test_numbers_at_the_top_are_no_header(write: Write) -> None:
    assert lines(write("a.csv", "1,2\n3,4\n")) == ["1 | 2", "3 | 4"]


def test_cells_beyond_the_header_are_kept(write: Write) -> None:
    assert lines(write("a.tsv", "a\tb\n1\t2\t3\n")) == ["a: 1; b: 2; 3"]


def test_a_table_too_wide_is_refused(write: Write) -> None:
    with pytest.raises(DocumentTooLarge, match="6,001 columns in line 1"):
        read(write("a.csv", "," * 6000 + "x"))


def test_a_quote_that_never_closes_is_refused_with_its_line(write: Write) -> None:
    with pytest.raises(DocumentTooLarge, match=r"at line .*close its open quote"):
        read(write("a.csv", 'a,b\n1,"x\n' + "y,z\n" * 50_000))


def test_each_line_of_jsonl_is_a_document(write: Write) -> None:
    record = {
        "text": "  Two\r\nlines ",
        "id": 7,
        "title": "T",
        "url": "http://x",
        "metadata": {"a": [1]},
        "acl": ["me"],
    }
    full, bare = parse(write("a.jsonl", json.dumps(record) + "\n\n" + '{"text": "b"}'))
    metadata: dict[str, Json] = {"a": [1], "url": "http://x"}
    assert full == Parsed("T", (Block("  Two\nlines "),), metadata, verbatim=True, source="7", acl=("me",))
    assert bare == Parsed("a.jsonl#3", (Block("b"),), verbatim=True, source="a.jsonl#3")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"text": 1}', 'no string "text"'),
        (b'{"text": " "}', 'empty "text"'),
        (b'{"text": "a", "acl": "me"}', '"acl"'),
        (b'{"text": "a", "metadata": []  , "title": []}', '"title"'),
        (b'{"text": "\xff"}', "not JSON in UTF-8"),
        (b'{"text": "a", "metadata": ' + b'{"a":' * 600 + b"1" + b"}" * 601, "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_bad_line_of_jsonl_fails_alone(write: Write, line: bytes, reason: str) -> None:
    before, failure, after = parse(write("a.jsonl", b'{"text": "a"}\n' + line + b'\n{"text": "b"}\n'))
    assert isinstance(failure, Failure)
    assert failure.source == "a.jsonl#2"
    assert reason in str(failure.error)
    assert "a.jsonl#2" in str(failure.error)
    assert isinstance(before, Parsed) and isinstance(after, Parsed)


def test_half_a_pair_and_nul_in_jsonl_can_be_stored(write: Write) -> None:
    parsed = read(write("a.jsonl", '{"text": "cut \\ud83d", "metadata": {"a": "\\u0000"}}'))
    assert text_of(parsed) == "cut \ufffd"
    assert parsed.metadata == {"a": " "}


def test_a_line_of_jsonl_over_the_limit_fails_alone(write: Write) -> None:
    failure, after = parse(write("a.jsonl", b'{"text": "' + b"a" * 64 * 1024**2 + b'"}\n{"text": "b"}'))
    assert isinstance(failure, Failure) and isinstance(failure.error, DocumentTooLarge)
    assert isinstance(after, Parsed) and after.source == "a.jsonl#2"
