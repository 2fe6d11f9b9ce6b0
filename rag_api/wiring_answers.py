"""The part of the wiring that is about answers."""

from dataclasses import dataclass

from rag_api.core.ports import Embedders, LanguageModel
from rag_api.services.answer_cache import AnswerCache, CacheOptions
from rag_api.services.chats import Chats
from rag_api.services.embedding import Embedding
from rag_api.services.journal import Journal
from rag_api.services.library import Library
from rag_api.services.runs import Runs
from rag_api.services.tasks import Tasks
from rag_api.settings import Settings


@dataclass(frozen=True, slots=True)
class Wires:
    """What clients of other wires want beside answers."""

    tasks: Tasks
    embedding: Embedding
    chats: Chats


def answer_cache(settings: Settings, embedders: Embedders) -> AnswerCache:
    of = settings.answers
    options = CacheOptions(of.cache, of.cache_entries, of.cache_chars, of.cache_age_s, of.cache_similarity)
    return AnswerCache(embedders, options=options)


def open_wires(library: Library, embedders: Embedders, runs: Runs, model: LanguageModel | None) -> Wires:
    return Wires(Tasks(runs, model), Embedding(library, embedders), Chats())


def make_runs(settings: Settings, journal: Journal, cache: AnswerCache) -> Runs:
    of = settings.answers
    return Runs(journal, running=of.running, kept=of.kept, orphan_s=of.orphan_s, forget_document=cache.redact)
