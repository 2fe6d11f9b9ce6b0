import random
from collections.abc import AsyncIterator

import numpy as np
import pytest

from ingest.documents import Chunk, Span, VersionKey
from ingest.ports import EmbeddedChunk
from rag_api.backends.lexical import TantivyIndex
from rag_api.backends.lexical_among import FIRST
from rag_api.backends.lexical_reading import NAMED_DOCUMENTS
from rag_api.core.filter_table import FilterTable
from rag_api.core.filters import Condition

INDEX = "gen_1"
DOCUMENTS = FIRST + 500
WORDS = "ferry pier gull noon ticket".split()


@pytest.fixture(scope="module")
async def lexical(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TantivyIndex]:
    """Every chunk says ferry, some more often than others."""
    index = TantivyIndex(tmp_path_factory.mktemp("lexical"))
    chosen = random.Random(1)
    for i in range(DOCUMENTS):
        text = " ".join(["ferry", *chosen.choices(WORDS, k=1 + i % 17), f"number{i}"])
        piece = Chunk(0, text, Span(0, len(text)), "", None, 1)
        item = EmbeddedChunk(VersionKey(INDEX, f"d{i}", 1), "", piece, np.zeros(1, dtype=np.float32))
        await index.write(INDEX, [item])
    await index.commit(INDEX)
    yield index
    await index.close()


@pytest.mark.parametrize("count", [NAMED_DOCUMENTS, NAMED_DOCUMENTS + 1, 400, DOCUMENTS - 1, DOCUMENTS])
@pytest.mark.parametrize("query", ["ferry", "ferry ticket at noon", "number7", "bicycle"])
async def test_the_best_of_many_documents_are_the_best_of_all_without_the_others(
    lexical: TantivyIndex, query: str, count: int
) -> None:
    documents = random.Random(count).sample([f"d{i}" for i in range(DOCUMENTS)], count)
    everything = await lexical.search(INDEX, query, top_k=DOCUMENTS)
    mine = [scored for scored in everything if scored.chunk_id.partition(":")[0] in set(documents)]
    found = await lexical.search(INDEX, query, top_k=50, documents=documents)
    assert [scored.score for scored in found] == [scored.score for scored in mine[:50]]
    assert set(found) <= set(mine)
    assert len(set(found)) == len(found)


async def test_when_none_of_the_best_pass_the_search_goes_on_until_some_do(lexical: TantivyIndex) -> None:
    everything = await lexical.search(INDEX, "ferry", top_k=DOCUMENTS)
    last = [scored.chunk_id.partition(":")[0] for scored in everything[-(NAMED_DOCUMENTS + 50) :]]
    found = await lexical.search(INDEX, "ferry", top_k=20, documents=last)
    assert len(found) == 20
    assert {scored.chunk_id.partition(":")[0] for scored in found} <= set(last)


async def test_documents_are_known_by_the_keys_that_a_table_keeps(lexical: TantivyIndex) -> None:
    table = FilterTable()
    for i in range(DOCUMENTS):
        table.put(f"d{i}", {"odd": bool(i % 2)}, chunks=1)
    passing = table.passing(Condition("odd", "$eq", True))
    assert len(passing) > NAMED_DOCUMENTS
    found = await lexical.search(INDEX, "ferry", top_k=30, documents=passing)
    assert found == await lexical.search(INDEX, "ferry", top_k=30, documents=list(passing))
    assert {int(scored.chunk_id[1:].partition(":")[0]) % 2 for scored in found} == {1}
