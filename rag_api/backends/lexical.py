"""The lexical index: tantivy in folders of the home, one a generation, written by one process and read by all.

What the worker has committed is found by the API at once (`lexical_reading`).
"""

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import tantivy

from ingest.ports import EmbeddedChunk
from rag_api.backends.lexical_files import damaged
from rag_api.backends.lexical_reading import LexicalReading
from rag_api.backends.lexical_words import open_index, spaced
from rag_api.backends.sharing import SharedCalls
from rag_api.core.filter_table import document_key
from rag_api.core.hits import Scored
from rag_api.errors import LexicalIndexUnavailable
from rag_api.telemetry import log

T = TypeVar("T")
WRITER_BYTES = 32_000_000
SEARCHES_A_TRIP = 25
_Asked: TypeAlias = tuple[str, str, int, Collection[str] | None]  # index, text, top_k, documents


class TantivyIndex:
    """Calls run on one thread of this index's own, but for short searches. Only one process may write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lexical")
        self._reading = LexicalReading(folder)
        self._writers: dict[str, Any] = {}
        self._lost: set[str] = set()  # a writer failed since the last commit
        self._searches = SharedCalls(self._search_together, most=SEARCHES_A_TRIP, lanes=1)

    async def write(self, index: str, chunks: Sequence[EmbeddedChunk]) -> None:
        await self._run(self._write, index, chunks)

    async def commit(self, index: str) -> None:
        await self._run(self._commit, index)

    async def ids(self, index: str) -> set[str]:
        return await self._run(self._ids, index)

    async def present(self, index: str, ids: Sequence[str]) -> set[str]:
        return await self._run(self._present, index, ids)

    async def begin_anew(self, index: str) -> None:
        await self._run(self._drop, _beside(index))

    async def write_anew(self, index: str, chunks: Sequence[EmbeddedChunk]) -> None:
        await self._run(self._write, _beside(index), chunks)

    async def replace(self, index: str) -> None:
        await self._run(self._replace, index)

    async def search(
        self, index: str, text: str, *, top_k: int, documents: Collection[str] | None = None
    ) -> Sequence[Scored]:
        with self._told():
            found = self._reading.search_at_once(index, text, top_k, documents)
        if found is not None:
            return found
        return await self._searches.ask((index, text, top_k, documents))

    async def _search_together(self, asked: Sequence[_Asked]) -> Sequence[Sequence[Scored]]:
        return await self._run(lambda: [self._reading.search(*one) for one in asked])

    async def delete(self, index: str, ids: Sequence[str]) -> None:
        await self._run(self._delete, index, ids)

    async def drop(self, index: str) -> None:
        await self._run(self._drop, index)

    async def count(self, index: str) -> int:
        return await self._run(self._count, index)

    async def close(self) -> None:
        await self._run(self._close)
        self._thread.shutdown()

    async def _run(self, function: Callable[..., T], *args: Any) -> T:
        with self._told(*args[:1]):
            return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    @contextlib.contextmanager
    def _told(self, written: str = "") -> Iterator[None]:
        """What goes wrong in the index, as an error of ours. `written`: the index that may have a writer."""
        try:
            yield
        except BaseException as error:
            if not _is_of_the_index(error):
                raise
            if self._writers.pop(written, None):  # it takes nothing any more
                self._lost.add(written)
            if "LockBusy" in str(error):
                raise LexicalIndexUnavailable("another worker writes to the lexical index: in a moment") from error
            raise LexicalIndexUnavailable(
                f"the lexical index can't be used ({error}); see to the disk's space"
            ) from error

    def _write(self, index: str, chunks: Sequence[EmbeddedChunk]) -> None:
        writer = self._writer(index)
        for item in chunks:
            chunk_id = item.version.chunk_id(item.chunk.index)
            writer.delete_documents_by_term("id", chunk_id)
            writer.add_document(
                tantivy.Document(
                    id=chunk_id,
                    document=item.version.document_id,
                    document_key=document_key(item.version.document_id),
                    text=spaced(f"{item.title}\n{item.chunk.section}\n{item.chunk.text}"),
                )
            )

    def _commit(self, index: str) -> None:
        if index in self._lost:
            self._lost.discard(index)
            raise ValueError("what was written since the last commit has been lost")
        if index in self._writers:
            self._end_writer(index)

    def _end_writer(self, index: str) -> None:
        """Commits; the lock on the index is another worker's to take from now on."""
        writer = self._writers[index]
        writer.commit()
        del self._writers[index]
        writer.wait_merging_threads()

    def _delete(self, index: str, ids: Sequence[str]) -> None:
        if (self._folder / index).exists():
            writer = self._writer(index)
            for chunk_id in ids:
                writer.delete_documents_by_term("id", chunk_id)
            self._end_writer(index)

    def _drop(self, index: str) -> None:
        self._reading.forget(index)
        if writer := self._writers.pop(index, None):
            with contextlib.suppress(OSError, ValueError):  # of an index that is damaged
                writer.wait_merging_threads()
        shutil.rmtree(self._folder / index, ignore_errors=True)

    def _ids(self, index: str) -> set[str]:
        self._drop(_beside(index))
        try:
            reader = self._reading.reader(index)
            if reader is None:
                return set()
            if name := damaged(self._folder / index):
                raise ValueError(f"{name} is not what was written to it")
            searcher = reader.searcher()
            found = searcher.search(tantivy.Query.all_query(), limit=max(1, searcher.num_docs), count=False).hits
            return {searcher.doc(address)["id"][0] for _, address in found}
        except BaseException as error:
            if not _is_of_the_index(error):
                raise
            log(__name__).warning("lexical index unreadable", index=index, reason=str(error))
            self._drop(index)
            return set()

    def _present(self, index: str, ids: Sequence[str]) -> set[str]:
        reader = self._reading.reader(index)
        if reader is None or not ids:
            return set()
        searcher = reader.searcher()
        query = tantivy.Query.term_set_query(reader.schema, "id", list(ids))
        found = searcher.search(query, limit=len(ids), count=False).hits
        return {searcher.doc(address)["id"][0] for _, address in found}

    def _replace(self, index: str) -> None:
        """Readers find either the old files or the new ones; see `_reader`."""
        beside, gone = self._folder / _beside(index), self._folder / f"{index}.gone"
        self._writer(_beside(index)).commit()
        self._writers.pop(_beside(index)).wait_merging_threads()
        if old := self._writers.pop(index, None):
            old.wait_merging_threads()
        shutil.rmtree(gone, ignore_errors=True)
        if (self._folder / index).exists():
            (self._folder / index).rename(gone)
        beside.rename(self._folder / index)
        shutil.rmtree(gone, ignore_errors=True)

    def _count(self, index: str) -> int:
        reader = self._reading.reader(index)
        return int(reader.searcher().num_docs) if reader else 0

    def _close(self) -> None:
        while self._writers:
            self._end_writer(next(iter(self._writers)))

    def _writer(self, index: str) -> Any:
        if index not in self._writers:
            self._writers[index] = open_index(self._folder / index).writer(WRITER_BYTES, 1)
        return self._writers[index]


def _is_of_the_index(error: BaseException) -> bool:
    """tantivy's own failures are ValueErrors, and panics over damaged files, which Python counts as no Exception."""
    return isinstance(error, OSError | ValueError) or type(error).__name__ == "PanicException"


def _beside(index: str) -> str:
    return f"{index}.new"
