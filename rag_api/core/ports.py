"""What the application needs from outside; `backends` implement them, `wiring` chooses."""

from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ingest.ports import EmbeddedChunk, Vectors
from rag_api.core.hits import Scored
from rag_api.core.prompts import Prompt


@dataclass(frozen=True, slots=True)
class EmbedderIdentity:
    """What makes two embedders the same: vectors of one can be compared with vectors of the other."""

    model: str
    fingerprint: str
    dimension: int
    max_tokens: int


class Embedder(Protocol):
    async def identity(self) -> EmbedderIdentity: ...

    async def embed_query(self, text: str) -> Vectors:
        """A unit vector of shape (dimension,). Raises EmbedderUnavailable."""
        ...

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of shape (len(texts), dimension). Raises EmbedderUnavailable."""
        ...

    async def tokenizer(self) -> Path | None:
        """A `tokenizer.json` that counts as this embedder does, or None where there is none to be had."""
        ...


class Doorbell(Protocol):
    """Tells workers that there is work; they look for themselves, too."""

    async def ring(self) -> None: ...

    async def wait(self, timeout_s: float) -> None:
        """Until it is rung, or has been since the last time, for a limited time."""
        ...


class Embedders(Protocol):
    def of(self, model: str | None) -> Embedder:
        """The embedder of that name; None is the one that new generations get."""
        ...


class VectorStore(Protocol):
    """Vectors by id in named indexes.

    All calls raise VectorStoreUnavailable when it can't be reached, and VectorStoreBroken when it is there and fails.
    """

    async def upsert(self, index: str, ids: Sequence[str], vectors: Vectors, *, are_new: bool = False) -> None:
        """`are_new`: none of the ids is there yet, so nobody need look."""
        ...

    async def query(self, index: str, vector: Vectors, *, top_k: int) -> Sequence[Scored]:
        """The nearest ids by cosine similarity, best first."""
        ...

    async def nearest(self, index: str, vectors: Vectors) -> list[float]:
        """For each vector of shape (n, dimension) the similarity of the one that is nearest to it; -1: none is."""
        ...

    async def lost(self, index: str, chunk_ids: Sequence[str]) -> list[str]:
        """Those of the ids that have no vector to be read, whatever is said of their number."""
        ...

    async def ids(self, index: str) -> set[str]: ...

    async def present(self, index: str, ids: Sequence[str]) -> set[str]:
        """Those of the ids that are in the index."""
        ...

    async def delete(self, index: str, ids: Sequence[str]) -> None: ...

    async def drop(self, index: str) -> None: ...

    async def count(self, index: str) -> int: ...

    async def ping(self) -> None: ...


class LexicalIndex(Protocol):
    """Words by chunk id in named indexes. Takes any text of a user as a query.

    All calls may raise LexicalIndexUnavailable; what was written since the last commit is lost then, and the next
    commit raises it, too.
    """

    async def write(self, index: str, chunks: Sequence[EmbeddedChunk]) -> None:
        """Visible after `commit`; the same chunk again replaces itself."""
        ...

    async def commit(self, index: str) -> None: ...

    async def ids(self, index: str) -> set[str]:
        """Of all chunks in the index; of none where its files can't be read any more, which are then removed."""
        ...

    async def present(self, index: str, ids: Sequence[str]) -> set[str]:
        """Those of the ids that have been committed."""
        ...

    async def begin_anew(self, index: str) -> None:
        """Opens an empty index beside the one of that name, which goes on answering."""
        ...

    async def write_anew(self, index: str, chunks: Sequence[EmbeddedChunk]) -> None:
        """Writes to the one beside."""
        ...

    async def replace(self, index: str) -> None:
        """Puts the one beside in the place of the other, whose files are removed."""
        ...

    async def search(
        self, index: str, text: str, *, top_k: int, documents: Collection[str] | None = None
    ) -> Sequence[Scored]:
        """The best ids by BM25, best first; among the chunks of `documents` only, when given."""
        ...

    async def delete(self, index: str, ids: Sequence[str]) -> None: ...

    async def drop(self, index: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens. `reasoning_tokens` are among the completion's, None when not known; `estimated`: nobody counted them.

    `cost` is in the currency of the settings' prices, None without prices.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    reasoning_tokens: int | None = None
    estimated: bool = False
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """Characters of passage `n` that a model itself says it rests on."""

    n: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Turn:
    """Another model answers from here on, and from the beginning: what came before is void.

    `quotes`: it quotes sentences, whatever is asked, so that somebody else has to judge whether they answer.
    """

    model: str
    reason: str
    quotes: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of an answer as it comes; the last piece may have no text, but says why it ended.

    `reasoning` is what the model thinks aloud, no part of the answer. `quotes` belong to the markers in this piece's
    text. `usage` is of what was said since a piece said it last; until it comes, `meter` tells at any moment what it
    would be if the answer were stopped then.
    """

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    reasoning: str = ""
    quotes: tuple[Quote, ...] = ()
    turn: Turn | None = None
    meter: Callable[[], Usage] | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    temperature: float | None = None
    max_tokens: int | None = None


class LanguageModel(Protocol):
    @property
    def name(self) -> str: ...

    def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """The answer in pieces; closing the generator closes the upstream connection. Raises LanguageModelError."""
        ...
