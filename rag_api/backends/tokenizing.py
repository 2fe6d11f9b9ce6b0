"""How many tokens a text is, by a language model's own tokenizer."""

from collections.abc import Callable
from pathlib import Path

from rag_api.errors import InvalidSettings


def load_counter(path: Path) -> Callable[[str], int]:
    """By a `tokenizer.json` in the Hugging Face format. Raises InvalidSettings."""
    from tokenizers import Tokenizer  # some 30 MB that nobody else here needs

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # it raises nothing more precise
        raise InvalidSettings(f"RAG_LLM__TOKENIZER: {path} is no tokenizer.json that can be read: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
