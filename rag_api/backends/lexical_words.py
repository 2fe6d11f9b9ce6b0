"""How texts become the lexical index's words, and questions its queries."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tantivy

from rag_api.core.words import STOP_WORDS

ANALYZER = "words"
MAX_QUERY_WORDS = 32
COMMON_SHARE = 0.3  # of the chunks: a word in more of them tells none apart
COMMON_FROM = 1_000  # chunks: in fewer, a word's share of them says little
SATURATION = 2.2  # k1 + 1, with tantivy's k1: what a term's weight is multiplied by at most
# scripts written without spaces: each character is a word
_UNSPACED = re.compile(r"([\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])")


@dataclass(frozen=True, slots=True)
class WordsQuery:
    """`attainable`: the BM25 score that a chunk would near which has all of the question's words many times."""

    query: Any
    attainable: float


def query_terms(text: str) -> list[str]:
    """The stems to look for, each once: words that all texts have only when there are no others."""
    words = dict.fromkeys(_PLAIN.analyze(spaced(text)))
    spoken = [word for word in words if word not in STOP_WORDS]
    return list(dict.fromkeys(_ANALYZER.analyze(" ".join(spoken or words))))


def words_query(searcher: Any, schema: Any, terms: Sequence[str]) -> WordsQuery | None:
    """For the rarest of the terms that the index has, without common ones; None where it has none of them."""
    chunks = searcher.num_docs
    counts = {term: searcher.doc_freq("text", term) for term in terms}
    known = sorted((term for term in terms if counts[term]), key=lambda term: counts[term])
    if not known:
        return None
    if chunks >= COMMON_FROM:
        known = [term for term in known if counts[term] <= COMMON_SHARE * chunks] or known
    chosen = known[:MAX_QUERY_WORDS]
    unknown = [term for term in terms if not counts[term]][: MAX_QUERY_WORDS - len(chosen)]
    query = tantivy.Query.boolean_query(
        [(tantivy.Occur.Should, tantivy.Query.term_query(schema, "text", term)) for term in chosen]
    )
    return WordsQuery(query, SATURATION * sum(_idf(chunks, counts[term]) for term in chosen + unknown))


def _idf(chunks: int, having: int) -> float:
    """As tantivy's BM25 has it; chunks that are removed but not yet forgotten count among `having` alone."""
    return math.log(1 + (max(chunks, having) - having + 0.5) / (having + 0.5))


def spaced(text: str) -> str:
    return _UNSPACED.sub(r" \1 ", text.encode("utf-8", "replace").decode())  # half a surrogate pair is no text


def _builder() -> Any:
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(60))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
    )


def open_index(folder: Path) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    schema = (
        tantivy.SchemaBuilder()
        .add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
        .add_text_field("document", tokenizer_name="raw", index_option="basic")
        .add_integer_field("document_key", fast=True)
        .add_text_field("text", tokenizer_name=ANALYZER, index_option="freq")
        .build()
    )
    index = tantivy.Index(schema, path=str(folder))
    index.register_tokenizer(ANALYZER, _ANALYZER)
    return index


_PLAIN = _builder().build()
_ANALYZER = _builder().filter(tantivy.Filter.stemmer("english")).build()
