"""Searches in the lexical index.

A reader looks at the index's own list of segments before each search, and opens the new ones when it has changed.
Where an index is small, a search takes less time than a thread takes to be asked, so it may be made in the event loop;
after one that took long, as when the system had to read the files, none is for a while.
"""

import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import tantivy

from rag_api.backends.lexical_among import best_among
from rag_api.backends.lexical_words import open_index, query_terms, words_query
from rag_api.core.hits import Scored

NAMED_DOCUMENTS = 100  # that a query looks up by name; more are looked for among all that have the words
REPLACING_S = 0.02
FEW_CHUNKS = 20_000
LONG_S, WHILE_S = 0.02, 1.0


class LexicalReading:
    """`is_short` and `search_at_once` are for the event loop, all else for one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._readers: dict[str, tuple[int, Any]] = {}
        self._small: set[str] = set()
        self._none_short_before = 0.0

    def forget(self, index: str) -> None:
        self._readers.pop(index, None)
        self._small.discard(index)

    def is_short(self, index: str, documents: Collection[str] | None) -> bool:
        """Nothing has to be opened first."""
        return (
            index in self._small
            and (documents is None or len(documents) <= NAMED_DOCUMENTS)
            and time.monotonic() >= self._none_short_before
            and self._readers.get(index, (0, None))[0] == self._changed(index)
        )

    def search_at_once(self, index: str, *asked: Any) -> list[Scored]:
        """What `is_short` has just said that it may be."""
        began = time.monotonic()
        try:
            _, reader = self._readers.get(index, (0, None))
            return _search(reader, *asked)
        finally:
            if time.monotonic() > began + LONG_S:
                self._none_short_before = time.monotonic() + WHILE_S

    def search(self, index: str, *asked: Any) -> list[Scored]:
        return _search(self.reader(index), *asked)

    def reader(self, index: str) -> Any | None:
        """The index as last committed, or None where there is none."""
        changed = self._changed(index)
        if changed is None and index in self._readers:
            time.sleep(REPLACING_S)  # between the two renames of `_replace`
            changed = self._changed(index)
        if changed is None:
            self._readers.pop(index, None)
            return None
        known, reader = self._readers.get(index, (0, None))
        if reader is None:
            reader = open_index(self._folder / index)
        if known != changed:
            reader.reload()
            self._readers[index] = (changed, reader)
            is_short = reader.searcher().num_docs <= FEW_CHUNKS
            (self._small.add if is_short else self._small.discard)(index)
        return reader

    def _changed(self, index: str) -> int | None:
        try:
            return (self._folder / index / "meta.json").stat().st_mtime_ns
        except FileNotFoundError:
            return None


def _search(reader: Any | None, text: str, top_k: int, documents: Collection[str] | None) -> list[Scored]:
    terms = query_terms(text)
    if reader is None or not terms:
        return []
    searcher, schema = reader.searcher(), reader.schema
    words = words_query(searcher, schema, terms)
    if words is None:
        return []
    if documents is None:
        found = searcher.search(words.query, limit=top_k, count=False).hits
    elif len(documents) <= NAMED_DOCUMENTS:
        among = tantivy.Query.term_set_query(schema, "document", list(documents))
        among = tantivy.Query.boost_query(among, 0.0)
        both = tantivy.Query.boolean_query([(tantivy.Occur.Must, words.query), (tantivy.Occur.Must, among)])
        found = searcher.search(both, limit=top_k, count=False).hits
    else:
        found = best_among(searcher, words.query, documents, top_k=top_k)
    return [Scored(searcher.doc(address)["id"][0], score / words.attainable) for score, address in found]
