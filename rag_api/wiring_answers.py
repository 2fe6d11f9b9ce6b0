"""The part of the wiring that is about answers."""

from dataclasses import dataclass
from pathlib import Path

from rag_api.backends.tokenizing import load_counter
from rag_api.core.packing import Window
from rag_api.core.ports import Embedders, LanguageModel
from rag_api.core.prompts import ALL_TEMPLATES, Prompts
from rag_api.core.tokens import estimate_tokens
from rag_api.errors import InvalidPrompt, InvalidSettings
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


def language_window(settings: Settings) -> Window:
    """Raises InvalidSettings."""
    of = settings.llm
    count = load_counter(of.tokenizer) if of.tokenizer else estimate_tokens
    return Window(of.context_tokens, of.max_tokens or of.reserve_tokens, count)


def load_prompts(settings: Settings) -> Prompts:
    """Raises InvalidSettings."""
    try:
        return Prompts(read_templates(settings))
    except InvalidPrompt as error:
        raise InvalidSettings(f"{error}; correct the file in {_templates_folder(settings)}") from error


def read_templates(settings: Settings) -> dict[str, str]:
    folder = _templates_folder(settings)
    return {name: (folder / name).read_text("utf-8") for name in ALL_TEMPLATES if (folder / name).is_file()}


def _templates_folder(settings: Settings) -> Path:
    """RAG_PROMPTS_DIR, else the folder beside the packages, else the copy that a wheel carries."""
    package = Path(__file__).parent
    folders = [settings.prompts_dir] if settings.prompts_dir else [package.parent / "prompts", package / "prompts"]
    folder = next((folder for folder in folders if folder.is_dir()), None)
    if folder is None:
        raise InvalidSettings(f"there is no folder of prompt templates at {folders[0]}; correct RAG_PROMPTS_DIR")
    return folder
