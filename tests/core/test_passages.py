from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.hits import Hit, Scores
from rag_api.core.passages import gaps, join, neighbours
from tests.core.values import chunk, hit

TEXT = "One two.  Three four.\n\nFive six seven. Eight.  Nine ten."
SPANS = [(0, 8), (10, 21), (23, 38), (30, 45), (47, 56)]  # the third and the fourth overlap


def at(index: int, rank: int, *, document: str = "doc", page: int | None = 1) -> Hit:
    start, end = SPANS[index]
    piece = replace(
        chunk(TEXT[start:end], page=page),
        chunk_id=f"{document}:1:{index}",
        document_id=document,
        index=index,
        start=start,
        end=end,
    )
    return Hit(rank, piece, Scores(0.1 * rank, None, 1 / rank))


def joined(hits: list[Hit]) -> list[Hit]:
    return [join(group, {span: TEXT[slice(*span)] for span in gaps(group)}) for group in neighbours(hits)]


@given(st.permutations(range(len(SPANS))), st.integers(1, len(SPANS)))
def test_what_is_joined_is_the_documents_text_and_holds_each_hit(order: list[int], count: int) -> None:
    hits = [at(index, rank) for rank, index in enumerate(order[:count], start=1)]
    found = joined(hits)
    for one in found:
        assert one.chunk.text == TEXT[one.chunk.start : one.chunk.end]
    for one in hits:
        assert any(other.chunk.start <= one.chunk.start <= one.chunk.end <= other.chunk.end for other in found)
    indexes = sorted(order[:count])
    assert len(found) == 1 + sum(b - a > 1 for a, b in pairwise(indexes))
    assert [one.rank for one in found] == sorted(one.rank for one in found)


def test_the_best_hit_lends_its_id_rank_and_score_and_the_nearest_its_similarity() -> None:
    [one] = joined([at(2, 1), at(1, 2)])
    assert (one.chunk.chunk_id, one.rank, one.score, one.scores.dense) == ("doc:1:2", 1, 1.0, 0.2)
    assert (one.chunk.index, one.chunk.start, one.chunk.end) == (1, 10, 38)


def test_another_document_page_or_section_is_another_passage() -> None:
    assert len(joined([at(0, 1), at(1, 2, document="other")])) == 2
    assert len(joined([at(0, 1), at(1, 2, page=2)])) == 2
    assert len(joined([at(0, 1), at(2, 2)])) == 2


def test_nothing_and_one_stay_as_they_are() -> None:
    assert joined([]) == []
    assert joined([at(3, 1)]) == [at(3, 1)]
    assert neighbours([hit("a"), hit("a", 2)]) == [[hit("a"), hit("a", 2)]]
