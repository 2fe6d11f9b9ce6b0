"""Mails and books."""

import email.policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from ingest.errors import BrokenDocument, EncryptedDocument
from tests.ingest.packed import epub, zipped
from tests.ingest.reading import document_of, sections_of, text_of


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
        "(not read: UnsupportedFile)",
        "Attachment: all.zip",
        "(not read: UnsupportedFile)",
        "Attachment: notes.md",
        "# Food",
        "Weed.",
    ]
    assert sections_of(document)[-1] == ("notes.md", "Food")


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
