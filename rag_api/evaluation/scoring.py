"""From what a server said to one question's scores. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from rag_api.evaluation.metrics import holds, ndcg, recall, reciprocal_rank, relevance
from rag_api.evaluation.outcomes import Said, Seen
from rag_api.evaluation.questions import Question

DEPTHS = (1, 5, 10, 20, 50, 100)
SHOWN_CHARS = 300


def depths(top_k: int) -> list[int]:
    """The k of recall@k and its like: the customary ones up to what was asked for, and that itself."""
    return sorted({*(k for k in DEPTHS if k < top_k), top_k})


def score_hits(
    question: Question, hits: Sequence[Mapping[str, Any]], wanted: frozenset[str], top_k: int
) -> dict[str, float]:
    """`wanted`: ids of the expected documents; what is expected and not there counts as never found."""
    scores: dict[str, float] = {}
    if question.wants_documents:
        ranking = relevance([_holders(hit) for hit in hits], wanted)
        for k in depths(top_k):
            scores[f"recall@{k}"] = recall(ranking, len(wanted), k)
            scores[f"ndcg@{k}"] = ndcg(ranking, len(wanted), k)
        scores[f"mrr@{top_k}"] = reciprocal_rank(ranking)
    if question.phrases:
        held = [holds(hit["text"], question.phrases) for hit in hits]
        scores |= {f"phrase@{k}": float(any(held[:k])) for k in depths(top_k)}
    return scores


def score_answer(question: Question, said: Said) -> dict[str, float]:
    """Of a refusal of what can be answered, the phrases count as not held."""
    is_refusal = said.outcome == "no_answer"
    scores: dict[str, float] = {}
    if not question.answerable:
        scores["refused_rightly"] = float(is_refusal)
    else:
        scores["refused_wrongly"] = float(is_refusal)
    if question.phrases:
        first = said.citations[0].quote if said.citations else ""
        scores["answer_phrase"] = float(not is_refusal and holds(said.text, question.phrases))
        scores["quote_phrase"] = float(holds(first, question.phrases))
    checked = [citation.is_exact for citation in said.citations if citation.is_exact is not None]
    if checked:
        scores["quotes_exact"] = sum(checked) / len(checked)
    if said.citations:
        supported = sum(citation.verdict == "supported" for citation in said.citations)
        scores["citations_supported"] = supported / len(said.citations)
    return scores


def seen(question: Question, hits: Sequence[Mapping[str, Any]], wanted: frozenset[str]) -> tuple[Seen, ...]:
    return tuple(
        Seen(
            rank=hit["rank"],
            source=hit["source"],
            document_id=hit["document_id"],
            title=hit["title"] or "",
            score=hit["score"],
            place=", ".join(part for part in (f"p. {hit['page']}" if hit["page"] else "", hit["section"]) if part),
            text=_short(hit["text"]),
            is_wanted=bool(wanted & set(_holders(hit))),
            holds_phrase=holds(hit["text"], question.phrases),
        )
        for hit in hits
    )


def _holders(hit: Mapping[str, Any]) -> list[str]:
    return [hit["document_id"], *(other["document_id"] for other in hit["also"])]


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= SHOWN_CHARS else words[: SHOWN_CHARS - 1] + "…"
