"""Attachments that cost the parsing child: real deaths, brought about by a parser that does what its file says."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from email.message import EmailMessage
from pathlib import Path

import pytest

from ingest.documents import Source
from ingest.errors import ParserCrashed
from ingest.sandbox import Limits, ParserPool, SplitDocument
from ingest.split import Splitting
from tests.ingest.packed import zipped

# Python imports this at the start of every child, as its folder is on PYTHONPATH.
OBEDIENT = """
import os, signal, time
from ingest.parsers import text
read = text.parse
def parse(source):
    match source.path.read_bytes().split()[:1]:
        case [b"die"]: os.kill(os.getpid(), signal.SIGSEGV)
        case [b"fail"]: raise ZeroDivisionError
        case [b"hang"]: time.sleep(600)
        case [b"hoard"]: bytearray(8 * 1024**3)
    return read(source)
text.parse = parse
"""


@pytest.fixture
async def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ParserPool]:
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "sitecustomize.py").write_text(OBEDIENT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hooks"))
    pool = ParserPool(Limits(document_s=5), 1)
    yield pool
    await pool.close()


def mail(attachments: Mapping[str, bytes]) -> bytes:
    message = EmailMessage()
    message["Subject"] = "On Ducks"
    message.set_content("See below.")
    for name, content in attachments.items():
        message.add_attachment(content, maintype="text", subtype="plain", filename=name)
    return message.as_bytes()


async def read(pool: ParserPool, folder: Path, name: str, content: bytes) -> list[SplitDocument]:
    path = folder / name
    path.write_bytes(content)
    media_type = {".eml": "message/rfc822", ".zip": "application/zip", ".txt": "text/plain"}[path.suffix]
    async with (
        asyncio.timeout(60),
        aclosing(pool.parse(Source(name, media_type, path), "", None, Splitting(32))) as all_,
    ):
        return [found async for found in all_]


def shown(found: SplitDocument) -> list[str]:
    return found.document.text.split("\n\n")[1:]


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (b"die", "parser crashed"),
        (b"fail", "parser crashed"),
        (b"hang", "parser timed out"),
        (b"hoard", "document too large"),
    ],
)
async def test_an_attachment_that_costs_its_parser_is_named_and_the_rest_of_the_mail_is_read(
    pool: ParserPool, tmp_path: Path, order: bytes, reason: str
) -> None:
    attached = {"good.txt": b"Good words.", "bad.txt": order, "last.txt": b"Last words."}
    [found] = await read(pool, tmp_path, "a.eml", mail(attached))
    assert found.error is None
    assert shown(found) == [
        "See below.",
        "Attachment: good.txt",
        "Good words.",
        "Attachment: bad.txt",
        f"(not read: {reason})",
        "Attachment: last.txt",
        "Last words.",
    ]


async def test_a_mail_of_nothing_but_such_attachments_ends(pool: ParserPool, tmp_path: Path) -> None:
    [found] = await read(pool, tmp_path, "a.eml", mail({f"{at}.txt": b"die" for at in range(9)}))
    reasons = ["(not read: parser crashed)"] * 3 + ["(not read: 3 before it could not be)"] * 6
    assert shown(found)[2::2] == reasons


async def test_a_mail_in_an_archive_is_kept_in_the_same_way(pool: ParserPool, tmp_path: Path) -> None:
    bad = mail({"bad.txt": b"die", "good.txt": b"Good words."})
    files = {"first.txt": b"First.", "a.eml": bad, "dies.txt": b"die", "b.eml": bad, "last.txt": b"Last."}
    found = await read(pool, tmp_path, "all.zip", zipped(files))
    assert [(one.document.source, type(one.error)) for one in found] == [
        ("first.txt", type(None)),
        ("a.eml", type(None)),
        ("dies.txt", ParserCrashed),
        ("b.eml", type(None)),
        ("last.txt", type(None)),
    ]
    for one in (found[1], found[3]):
        assert shown(one) == [
            "See below.",
            "Attachment: bad.txt",
            "(not read: parser crashed)",
            "Attachment: good.txt",
            "Good words.",
        ]


async def test_a_file_that_costs_its_parser_still_fails(pool: ParserPool, tmp_path: Path) -> None:
    with pytest.raises(ParserCrashed, match=r"a\.txt"):
        await read(pool, tmp_path, "a.txt", b"die")
