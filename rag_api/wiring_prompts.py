"""The prompts, and how many of their tokens a language model reads. Settings stop here, too."""

from pathlib import Path

from rag_api.backends.tokenizing import load_counter
from rag_api.core.packing import Window
from rag_api.core.prompts import ALL_TEMPLATES, Prompts
from rag_api.core.tokens import estimate_tokens
from rag_api.errors import InvalidPrompt, InvalidSettings
from rag_api.settings import Settings


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
