"""How texts become the lexical index's words, and questions its queries."""

import re
from pathlib import Path
from typing import Any

import tantivy

from rag_api.core.words import STOP_WORDS

ANALYZER = "words"
MAX_QUERY_WORDS = 64
TITLE_BOOST = 1.0
# scripts written without spaces: each character is a word
_UNSPACED = re.compile(r"([\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])")


def query_terms(text: str) -> list[str]:
    """The stems to look for, each once: words that all texts have only when there are no others."""
    words = _ANALYZER.analyze(spaced(text))
    spoken = [word for word in _PLAIN.analyze(spaced(text)) if word not in STOP_WORDS]
    terms = list(dict.fromkeys(_ANALYZER.analyze(" ".join(spoken)) if spoken else words))
    return terms[:MAX_QUERY_WORDS]


def term_queries(schema: Any, term: str) -> list[Any]:
    title = tantivy.Query.boost_query(tantivy.Query.term_query(schema, "title", term), TITLE_BOOST)
    return [title, tantivy.Query.term_query(schema, "text", term)]


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
        .add_text_field("title", tokenizer_name=ANALYZER, index_option="freq")
        .add_text_field("text", tokenizer_name=ANALYZER, index_option="freq")
        .build()
    )
    index = tantivy.Index(schema, path=str(folder))
    index.register_tokenizer(ANALYZER, _ANALYZER)
    return index


_PLAIN = _builder().build()
_ANALYZER = _builder().filter(tantivy.Filter.stemmer("english")).build()
