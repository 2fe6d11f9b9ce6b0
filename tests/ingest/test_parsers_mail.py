"""Mails and books."""

import email.policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from ingest.clean import clean
from ingest.documents import Parsed
from ingest.errors import BrokenDocument, EncryptedDocument
from ingest.parsers import Opened, parse
from ingest.parsers.attached import Attachments
from tests.ingest.packed import epub, zipped
from tests.ingest.reading import document_of, sections_of, source_of, text_of


def mail(subject: str = "On Ducks") -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "Ann <ann@example.com>", "bob@example.com"
    message["Date"] = "Tue, 01 Oct 2024 12:34:56 -0500"
    return message


HEADERS = "From: Ann <ann@example.com>\nTo: bob@example.com\nDate: Tue, 01 Oct 2024 12:34:56 -0500\nSubject: On Ducks"


def test_a_mail_has_its_headers_and_its_body_once(tmp_path: Path) -> None:
    message = mail()
    message.set_content("They eat\nwéed.\n\nAll day.\n", cte="quoted-printable")
    message.add_alternative("<p>They eat <b>wéed</b>.</p>", subtype="html")
    document = document_of(tmp_path, "a.eml", message.as_bytes())
    assert document.text == f"{HEADERS}\n\nThey eat\nwéed.\n\nAll day."
    assert document.title == "On Ducks"
    assert document.metadata == {
        "from": "Ann <ann@example.com>",
        "to": "bob@example.com",
        "date": "2024-10-01T12:34:56-05:00",
    }


def test_a_mail_in_html_only_is_read_as_a_page(tmp_path: Path) -> None:
    message = mail()
    message.set_content("<h2>Food</h2><p>Größe</p>", subtype="html", charset="iso-8859-1", cte="base64")
    assert text_of(tmp_path, "a.eml", message.as_bytes()) == f"{HEADERS}\n\nFood\n\nGröße"


def test_encoded_and_raw_headers_are_decoded(tmp_path: Path) -> None:
    encoded = mail("Grüße aus Łódź")
    encoded.set_content("x")
    assert document_of(tmp_path, "a.eml", encoded.as_bytes()).title == "Grüße aus Łódź"
    raw = "Subject: Grüße\nFrom: a@b.c\n\nbody"
    assert document_of(tmp_path, "a.eml", raw.encode()).title == "Grüße"
    assert document_of(tmp_path, "a.eml", raw.encode("cp1252")).title == "Grüße"
    assert document_of(tmp_path, "a.eml", b"Subject: =?no-such?q?x?=\n\nbody").title == "=?no-such?q?x?="


def test_attachments_are_read_or_at_least_named(tmp_path: Path) -> None:
    message = mail()
    message.set_content("See below.")
    message.add_attachment(b"bird,food\nduck,weed\nswan,grass\n", maintype="text", subtype="csv", filename="birds.csv")
    message.add_attachment(b"\x89PNG\r\n\x1a\n\0\0\0", maintype="image", subtype="png", filename="duck.xyz")
    message.add_attachment(zipped({"x": "y"}), maintype="application", subtype="zip", filename="all.zip")
    message.add_attachment(b"# Food\nWeed.", maintype="text", subtype="markdown", filename="notes.md")
    document = document_of(tmp_path, "a.eml", message.as_bytes())
    assert document.text.split("\n\n")[1:] == [
        "See below.",
        "Attachment: birds.csv",
        "bird: duck; food: weed\nbird: swan; food: grass",
        "Attachment: duck.xyz",
        "(not read: unsupported file)",
        "Attachment: all.zip",
        "(not read: unsupported file)",
        "Attachment: notes.md",
        "# Food",
        "Weed.",
    ]
    assert sections_of(document)[-1] == ("notes.md", "Food")


def test_attachments_of_attached_mails_are_read_once(tmp_path: Path) -> None:
    inner = mail("The first one")
    inner.set_content("Inside.")
    inner.add_attachment(b"Deep down.", maintype="text", subtype="plain", filename="deep.txt")
    outer = mail()
    outer.set_content("Outside.")
    outer.add_attachment(inner.as_bytes(), maintype="application", subtype="octet-stream", filename="first.eml")
    outer.add_attachment(b"At last.", maintype="text", subtype="plain", filename="last.txt")
    told: list[int | None] = []
    source = source_of(tmp_path, "a.eml", outer.as_bytes())
    [parsed] = parse(source, attachments=Attachments(on_open=told.append))
    assert isinstance(parsed, Parsed)
    texts = [block.text for block in parsed.blocks]
    assert [texts.count(text) for text in ("Outside.", "Inside.", "Deep down.", "At last.")] == [1, 1, 1, 1]
    assert told == [0, 1, 0, None, 2, None]


def test_attachments_that_were_lost_are_named_with_the_reason_and_after_three_no_more_are_tried(tmp_path: Path) -> None:
    message = mail()
    message.set_content("See below.")
    for at in range(6):
        message.add_attachment(b"Words.", maintype="text", subtype="plain", filename=f"{at}.txt")
    told: list[int | None] = []
    lost = Attachments({0: "parser crashed", 2: "parser timed out", 3: "parser crashed"}, told.append)
    [parsed] = parse(source_of(tmp_path, "a.eml", message.as_bytes()), attachments=lost)
    assert isinstance(parsed, Parsed)
    assert [block.text for block in parsed.blocks[2:]] == [
        "Attachment: 0.txt",
        "(not read: parser crashed)",
        "Attachment: 1.txt",
        "Words.",
        "Attachment: 2.txt",
        "(not read: parser timed out)",
        "Attachment: 3.txt",
        "(not read: parser crashed)",
        "Attachment: 4.txt",
        "(not read: 3 before it could not be)",
        "Attachment: 5.txt",
        "(not read: 3 before it could not be)",
    ]
    assert told == [1, None]


def test_pictures_in_a_mail_are_recognised_when_they_can_be(tmp_path: Path) -> None:
    message = mail()
    message.set_content("A photograph.")
    message.add_attachment(b"\x89PNG\r\n\x1a\n\0\0\0", maintype="image", subtype="png", filename="sign.png")
    raw = message.as_bytes()
    [seen] = parse(source_of(tmp_path, "a.eml", raw), recognise=lambda picture, name: [f"{name}: NO SWIMMING"])
    assert isinstance(seen, Parsed)
    assert clean(seen).text.split("\n\n")[-2:] == ["Attachment: sign.png", "sign.png: NO SWIMMING"]
    assert text_of(tmp_path, "a.eml", raw).split("\n\n")[-1] == "(not read: no text layer)"
    packed = source_of(tmp_path, "all.zip", zipped({"in/a.eml": raw}))
    [read] = [found for found in parse(packed, recognise=lambda *_: ["NO SWIMMING"]) if not isinstance(found, Opened)]
    assert isinstance(read, Parsed) and read.blocks[-1].text == "NO SWIMMING"


def test_a_forwarded_mail_is_a_section(tmp_path: Path) -> None:
    inner = mail("The first one")
    inner.set_content("Inside.")
    outer = mail()
    outer.set_content("Outside.")
    outer.add_attachment(inner)
    document = document_of(tmp_path, "a.eml", outer.as_bytes())
    assert document.section_at(document.text.index("Inside.")) == "The first one"
    assert document.text.index("Outside.") < document.text.index("Inside.")


def test_mails_in_mails_end_somewhere(tmp_path: Path) -> None:
    raw = b"Subject: x\nContent-Type: message/rfc822\n\n" * 60 + b"Subject: last\n\nwords"
    with pytest.raises(BrokenDocument, match="nested too deeply"):
        text_of(tmp_path, "a.eml", raw)


def test_what_has_no_headers_is_no_mail(tmp_path: Path) -> None:
    with pytest.raises(BrokenDocument, match="no headers"):
        text_of(tmp_path, "a.eml", "just words\n\nand more")


def test_line_ends_of_mails_are_line_feeds(tmp_path: Path) -> None:
    message = mail()
    message.set_content("one\ntwo\n")
    assert "\r" not in text_of(tmp_path, "a.eml", message.as_bytes(policy=email.policy.SMTP))


def test_a_book_is_read_by_its_spine(tmp_path: Path) -> None:
    pages = {"two.xhtml": "<p>Second.</p>", "one.xhtml": "<h3>Own</h3><p>First.</p><h4>Deep</h4><p>Down.</p>"}
    nav = '<li><a href="two.xhtml">Two</a><ol><li><a href="one.xhtml#x">One</a></li></ol></li>'
    document = document_of(tmp_path, "a.epub", epub(pages, nav))
    assert document.text == "Two\n\nSecond.\n\nOwn\n\nFirst.\n\nDeep\n\nDown."
    assert sections_of(document) == [("Two",), ("Two", "Own"), ("Two", "Own", "Deep")]
    assert (document.title, document.metadata) == ("The Book", {"author": "Ann"})


def test_the_table_of_contents_tells_where_a_page_stands(tmp_path: Path) -> None:
    pages = {"imprint.xhtml": "<h2>Imprint</h2><p>Who.</p>", "poems.xhtml": "<h3>Poems</h3><p>What.</p>"}
    nav = '<li><a href="imprint.xhtml">Imprint</a></li><li><a href="poems.xhtml">Poems</a></li>'
    assert sections_of(document_of(tmp_path, "a.epub", epub(pages, nav))) == [("Imprint",), ("Poems",)]


def test_a_book_may_not_name_parts_outside_of_itself(tmp_path: Path) -> None:
    outside = {"../evil.xhtml": "<p>evil</p>"}
    book = epub({"../../evil.xhtml": "<p>evil</p>", "one.xhtml": "<p>inside</p>"}, **outside)
    assert text_of(tmp_path, "a.epub", book) == "inside"


def test_a_locked_book_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(EncryptedDocument, match="locked by its shop"):
        text_of(tmp_path, "a.epub", epub({"a.xhtml": "x"}, **{"META-INF/rights.xml": "<r/>"}))
