"""Searches in the lexical index.

A reader looks at the index's own list of segments before each search, and opens the new ones when it has changed.
Where an index is small, a search takes less time than a thread takes to be asked, so it may be made in the event loop;
after one that took long, as when the system had to read the files, none is for a while.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import tantivy

from rag_api.backends.lexical_among import best_among
from rag_api.backends.lexical_words import open_index, query_terms, words_query
from rag_api.core.hits import Scored, ScoredList

NAMED_DOCUMENTS = 100  # that a query looks up by name; more are looked for among all that have the words
REPLACING_S = 0.02
FEW_CHUNKS = 20_000
LONG_S, WHILE_S = 0.02, 1.0

_Stamp: TypeAlias = tuple[int, int, int]  # of the list of segments: each is a file of its own


@dataclass(frozen=True, slots=True)
class _Opened:
    """An index as it was when its list of segments was `changed`. `ids`: of its chunks, by where they are in it, as
    far as somebody has asked; None where they are too many to be kept."""

    reader: Any
    changed: _Stamp
    ids: dict[int, str] | None


class _View(NamedTuple):
    """One state of an index, and what is remembered of that."""

    schema: Any
    searcher: Any
    ids: dict[int, str] | None


class LexicalReading:
    """`search_at_once` is for the event loop, all else for one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: dict[str, _Opened] = {}
        self._none_short_before = 0.0

    def forget(self, index: str) -> None:
        self._opened.pop(index, None)

    def search_at_once(
        self, index: str, text: str, top_k: int, documents: Collection[str] | None
    ) -> Sequence[Scored] | None:
        """None where that may take long, or something has to be opened first."""
        began = time.monotonic()
        opened = self._opened.get(index)
        if opened is None or opened.ids is None or began < self._none_short_before:
            return None
        if documents is not None and len(documents) > NAMED_DOCUMENTS:
            return None
        searcher = opened.reader.searcher()  # before the look: of what is opened, or of something newer that shows
        if self._changed(index) != opened.changed:
            return None
        try:
            return _search(_View(opened.reader.schema, searcher, opened.ids), text, top_k, documents)
        finally:
            if time.monotonic() > began + LONG_S:
                self._none_short_before = time.monotonic() + WHILE_S

    def search(self, index: str, text: str, top_k: int, documents: Collection[str] | None) -> Sequence[Scored]:
        opened = self._open(index)
        if opened is None:
            return []
        searcher = opened.reader.searcher()  # which may be newer, as the reader reloads by itself
        ids = opened.ids if self._changed(index) == opened.changed else None
        return _search(_View(opened.reader.schema, searcher, ids), text, top_k, documents)

    def reader(self, index: str) -> Any | None:
        """The index as last committed, or None where there is none."""
        opened = self._open(index)
        return opened.reader if opened else None

    def _open(self, index: str) -> _Opened | None:
        changed = self._changed(index)
        if changed is None and index in self._opened:
            time.sleep(REPLACING_S)  # between the two renames of `_replace`
            changed = self._changed(index)
        if changed is None:
            self.forget(index)
            return None
        known = self._opened.get(index)
        if known is None or known.changed != changed:
            reader = known.reader if known else open_index(self._folder / index)
            reader.reload()
            known = _Opened(reader, changed, {} if reader.searcher().num_docs <= FEW_CHUNKS else None)
            self._opened[index] = known
        return known

    def _changed(self, index: str) -> _Stamp | None:
        try:
            found = (self._folder / index / "meta.json").stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _search(view: _View, text: str, top_k: int, documents: Collection[str] | None) -> Sequence[Scored]:
    schema, searcher, ids = view
    terms = query_terms(text)
    words = words_query(searcher, schema, terms) if terms else None
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
    names = [_id(ids, searcher, address) for _, address in found]
    return ScoredList(names, [score / words.attainable for score, _ in found])


def _id(ids: dict[int, str] | None, searcher: Any, address: Any) -> str:
    """A chunk's id is read from a block of ids that is packed."""
    key = address.segment_ord << 32 | address.doc
    found = ids.get(key) if ids is not None else None
    if found is None:
        found = str(searcher.doc(address)["id"][0])
        if ids is not None:
            ids[key] = found
    return found
