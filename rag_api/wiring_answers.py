"""The part of the wiring that is about answers."""

from rag_api.core.ports import Embedders
from rag_api.services.answer_cache import AnswerCache, CacheOptions
from rag_api.settings import Settings


def answer_cache(settings: Settings, embedders: Embedders) -> AnswerCache:
    of = settings.answers
    options = CacheOptions(of.cache, of.cache_entries, of.cache_chars, of.cache_age_s, of.cache_similarity)
    return AnswerCache(embedders, options=options)
