"""What an answer took of a language model: tokens, counted or estimated, and their price. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from rag_api.core.ports import Usage

BYTES_A_TOKEN = 4  # of UTF-8, about right for the tokenizers in use and any script
MESSAGE_TOKENS = 4
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """For a million tokens, in any currency."""

    prompt: float
    completion: float

    def of(self, usage: Usage) -> float:
        cost = usage.prompt_tokens * self.prompt + usage.completion_tokens * self.completion
        return round(cost / MILLION, 9)


def asked(messages: Iterable[str]) -> int:
    """Tokens of a prompt, estimated."""
    return sum(_tokens(message) + MESSAGE_TOKENS for message in messages)


def estimated(prompt: int, text: str, reasoning: str) -> Usage:
    """For a server that counts no tokens; `prompt` is what was `asked`."""
    thought = _tokens(reasoning)
    completion = _tokens(text) + thought
    return Usage(prompt, completion, prompt + completion, thought or None, estimated=True)


def priced(usage: Usage, prices: Prices | None) -> Usage:
    return replace(usage, cost=prices.of(usage)) if prices else usage


def total(one: Usage | None, other: Usage | None) -> Usage | None:
    """Of both. What one of them does not know, the sum does not know either."""
    if one is None or other is None:
        return one or other
    thought = [usage.reasoning_tokens for usage in (one, other) if usage.reasoning_tokens is not None]
    return Usage(
        one.prompt_tokens + other.prompt_tokens,
        one.completion_tokens + other.completion_tokens,
        one.total_tokens + other.total_tokens,
        sum(thought) if thought else None,
        one.estimated or other.estimated,
        None if one.cost is None or other.cost is None else one.cost + other.cost,
    )


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // BYTES_A_TOKEN)
