"""Searches with filters and groups, against a look at every document."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from ingest.ports import Vectors
from rag_api.core.filters import parse_filter
from rag_api.core.hits import Scored
from rag_api.core.ports import EmbedderIdentity
from rag_api.services.mirrors import Mirrors
from rag_api.services.retriever import Mode, Retriever, RetrieverOptions, Search
from rag_api.services.scoping import Scoping
from tests.core.test_filters import FILTERS
from tests.fakes import MemoryLexicalIndex
from tests.services.library import DIMENSION, KnownLibrary, vector_of
from tests.services.test_scoping import READERS, STEPS, opened, step

MODES: tuple[Mode, ...] = ("hybrid", "dense", "lexical")


class KnownEmbedder:
    """The embedder of every model."""

    def of(self, model: str | None) -> "KnownEmbedder":
        return self

    async def identity(self) -> EmbedderIdentity:
        return EmbedderIdentity("tiny", "print", DIMENSION, 100)

    async def embed_query(self, text: str) -> Vectors:
        return vector_of(text)


class InterruptedIndex(MemoryLexicalIndex):
    """Between what it finds and its reply, something happens."""

    def __init__(self) -> None:
        super().__init__()
        self.happens: list[Callable[[], Awaitable[None]]] = []

    async def search(
        self, index: str, text: str, *, top_k: int, documents: Collection[str] | None = None
    ) -> list[Scored]:
        found = await super().search(index, text, top_k=top_k, documents=documents)
        if self.happens:
            await self.happens.pop(0)()
        return found


def open_retriever(known: KnownLibrary, scoping: Scoping) -> Retriever:
    options = RetrieverOptions(dense_weight=0.5, candidates=10)
    return Retriever(known.db, KnownEmbedder(), scoping, known.lexical, options=options)  # type: ignore[arg-type]


@asynccontextmanager
async def searched(folder: Path, catalogue: Path, exact_below: int) -> AsyncIterator[tuple[KnownLibrary, Mirrors, Any]]:
    async with opened(folder, catalogue, exact_below=exact_below) as (known, mirrors, scoping):
        known.lexical = InterruptedIndex()
        yield known, mirrors, open_retriever(known, scoping)


@pytest.mark.parametrize("exact_below", [0, 1_000])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(STEPS, FILTERS, READERS)
async def test_whatever_comes_and_goes_hits_are_what_passes_now(
    tmp_path_factory: pytest.TempPathFactory, empty_catalogue: Path, exact_below: int, steps: Any, raw: Any, groups: Any
) -> None:
    async with searched(tmp_path_factory.mktemp("searched"), empty_catalogue, exact_below) as (known, mirrors, search):
        for action, first, *rest in [*steps, ("ask", raw, groups), ("ask", raw, None)]:
            if action != "ask":
                await step(known, mirrors, action, first, rest)
                continue
            wanted = parse_filter(first)
            passing = known.passing(wanted, rest[0])
            expected = {f"{one.document_id}:{one.version}:{i}" for one in passing for i in range(len(one.texts))}
            for mode in MODES:
                everything = await search.search("faq", Search("ferry", 100, mode, wanted, groups=rest[0]))
                assert {hit.chunk.chunk_id for hit in everything.hits} == expected
                some = await search.search("faq", Search("ferry", 2, mode, wanted, groups=rest[0]))
                assert {hit.chunk.chunk_id for hit in some.hits} <= expected
                assert len(some.hits) == min(2, len(expected))


@pytest.mark.parametrize("mode", ["hybrid", "lexical"])
async def test_what_changes_while_the_indexes_are_asked_is_held_against_the_filter_again(
    tmp_path: Path, empty_catalogue: Path, mode: Mode
) -> None:
    async with searched(tmp_path, empty_catalogue, 100) as (known, _, retriever):
        await known.publish("a", {"year": 1})
        await known.publish("b", {"year": 1})
        await known.publish("c", {"year": 2})

        async def year_passes() -> None:
            await known.change("a", {"year": 2}, [])
            await known.change("c", {"year": 1}, [])

        known.lexical.happens = [year_passes]  # type: ignore[attr-defined]
        found = await retriever.search("faq", Search("ferry", 9, mode, parse_filter({"year": 1})))
        assert {hit.chunk.source for hit in found.hits} == {"b", "c"}


@pytest.mark.parametrize("mode", ["hybrid", "lexical"])
async def test_what_is_closed_or_deleted_while_the_indexes_are_asked_is_not_shown(
    tmp_path: Path, empty_catalogue: Path, mode: Mode
) -> None:
    async with searched(tmp_path, empty_catalogue, 100) as (known, _, retriever):
        for source in ("a", "b", "c"):
            await known.publish(source, {"year": 1}, ["staff"])

        async def close() -> None:
            await known.change("a", {"year": 1}, ["board"])
            await known.delete("b")

        known.lexical.happens = [close]  # type: ignore[attr-defined]
        search = Search("ferry", 9, mode, groups=frozenset({"staff"}))
        assert {hit.chunk.source for hit in (await retriever.search("faq", search)).hits} == {"c"}


async def test_who_may_not_see_a_document_is_not_told_that_it_has_the_same_text(
    tmp_path: Path, empty_catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with searched(tmp_path, empty_catalogue, 100) as (known, _, retriever):
        for source, acl in (("open", []), ("closed", ["board"]), ("other", ["staff"])):
            monkeypatch.setattr("tests.services.library.text_of", lambda *_: "the ferry leaves at nine")
            await known.publish(source, {}, acl, count=1)
        for groups, expected in (
            (None, {"open", "closed", "other"}),
            (frozenset({"staff"}), {"open", "other"}),
            (frozenset[str](), {"open"}),
        ):
            for mode in MODES:
                found = await retriever.search("faq", Search("ferry", 9, mode, groups=groups))
                [hit] = found.hits
                assert {hit.chunk.source, *(one.source for one in hit.also)} == expected
