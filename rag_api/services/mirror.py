"""What a process keeps of one collection beside the catalogue (`mirrors`)."""

import asyncio
from collections.abc import Sequence
from itertools import islice

from rag_api.core.filter_table import FilterTable
from rag_api.core.matrices import NOBODY, Matrix, VersionVectors
from rag_api.db.scopes import BEFORE_ALL, Change

VERSIONS_A_STEP = 100
CHUNKS_A_STEP = 1_000


class Mirror:
    def __init__(self) -> None:
        self.table = FilterTable()
        self.matrix: Matrix | None = None
        self.index = ""  # the generation that the matrix is of
        self.seen = -1
        self.place = BEFORE_ALL
        self.asked = 0
        self.has_missed = False  # a deletion, of which nothing can be read any more
        self.lock = asyncio.Lock()
        self.turn = asyncio.Lock()  # of who changes the matrix
        self.filling: asyncio.Task[None] | None = None
        self.fails_until = 0.0  # by time.monotonic
        self.versions: dict[str, int] = {}
        self.lacking: dict[str, int] = {}  # documents whose current version the matrix does not have
        self.leaving: set[str] = set()  # versions that it need not have any more
        self._looked: tuple[int, int, int] | None = None
        self._has_all = False

    @property
    def has_all(self) -> bool:
        """Whether the matrix has the vectors of all documents in the table."""
        if self.matrix is None:
            return False
        table = self.table
        looked = len(table.ids), len(table), self.matrix.changes  # more when one comes, less when one goes
        if looked != self._looked:
            found = table.chunks > 0
            self._has_all, self._looked = bool((self.matrix.covered(found) == found).all()), looked
        return self._has_all

    def lacks_at_most(self, chunks: int) -> bool:
        """Of documents that are not in the matrix."""
        if len(self.lacking) > chunks:
            return False
        return int(sum(self.table.chunks[self.table.ordinals[document_id]] for document_id in self.lacking)) <= chunks

    def take(self, change: Change) -> None:
        before = self.versions.pop(change.document_id, None)
        if before is not None and (change.seen is None or before != change.version):
            self.leaving.add(name := f"{change.document_id}:{before}")
            if self.matrix:
                self.matrix.own({name: NOBODY})
        self.lacking.pop(change.document_id, None)
        if change.seen is None:
            self.table.drop(change.document_id)
            return
        ordinal = self.table.put(change.document_id, change.seen, chunks=change.chunks)
        self.versions[change.document_id] = change.version
        if self.matrix is None or self.matrix.own({f"{change.document_id}:{change.version}": ordinal}):
            self.lacking[change.document_id] = change.version

    def attach(self, matrix: Matrix, index: str) -> None:
        """A matrix, with what it has already."""
        self.matrix, self.index, self._looked = matrix, index, None
        current = {f"{document_id}:{version}": document_id for document_id, version in self.versions.items()}
        unknown = matrix.own({name: self.table.ordinals[document_id] for name, document_id in current.items()})
        self.lacking = {current[name]: self.versions[current[name]] for name in unknown}
        self.leaving = matrix.versions().keys() - current.keys()

    def some_lacking(self) -> list[tuple[str, int]]:
        """The next versions that the matrix should get; they are not lacking any more."""
        some: list[tuple[str, int]] = []
        chunks = 0
        for document_id, version in islice(self.lacking.items(), VERSIONS_A_STEP):
            some.append((document_id, version))
            chunks += int(self.table.chunks[self.table.ordinals[document_id]])
            if chunks >= CHUNKS_A_STEP:
                break
        for document_id, _ in some:
            del self.lacking[document_id]
        return some

    def own(self, appended: Sequence[VersionVectors]) -> None:
        """What came into the matrix counts, unless it has been replaced meanwhile."""
        assert self.matrix
        owners: dict[str, int] = {}
        for one in appended:
            name = f"{one.document_id}:{one.version}"
            if self.versions.get(one.document_id) == one.version:
                owners[name] = self.table.ordinals[one.document_id]
                if self.lacking.get(one.document_id) == one.version:  # it was changed while it came in
                    del self.lacking[one.document_id]
            else:
                self.leaving.add(name)
        self.matrix.own(owners)
