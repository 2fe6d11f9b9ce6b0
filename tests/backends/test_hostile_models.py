"""Whatever a language model's server sends, it is an answer or one of the errors that say what is wrong with it."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag_api.errors import LanguageModelError
from tests.backends.model_streams import Server, anthropic, chat, reply, spoken

NAMES = st.sampled_from(
    ["choices", "delta", "message", "content", "reasoning", "finish_reason", "usage", "prompt_tokens", "error", "code",
     "completion_tokens_details", "type", "content_block", "text", "thinking", "citation", "citations", "index",
     "document_index", "start_char_index", "end_char_index", "cited_text", "stop_reason", "input_tokens"]
)  # fmt: skip
TYPES = st.sampled_from(
    ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "error",
     "message_stop", "ping"]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers(-5, 600) | st.floats(allow_nan=False) | st.text(max_size=8) | TYPES
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
EVENTS = st.lists(VALUES | st.dictionaries(NAMES, VALUES, max_size=5), max_size=6)
KINDS = ["text/event-stream", "application/json"]
MODELS = [chat, anthropic]


async def hear(make: Any, answered: Any) -> None:
    try:
        pieces = await spoken(make(Server([answered])))
    except LanguageModelError as error:
        assert len(str(error)) > 20
    else:
        assert pieces[-1].finish_reason


@settings(max_examples=150, deadline=None)
@given(EVENTS)
@example([{"choices": [None]}])
@pytest.mark.parametrize("make", MODELS)
async def test_json_of_any_shape_in_a_stream(make: Any, events: list[Any]) -> None:
    await hear(make, reply(*(f"data: {json.dumps(event)}\n\n".encode() for event in events)))


@settings(max_examples=100, deadline=None)
@given(VALUES)
@pytest.mark.parametrize("make", MODELS)
async def test_json_of_any_shape_instead_of_a_stream(make: Any, value: Any) -> None:
    await hear(make, reply(json.dumps(value).encode(), kind="application/json"))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([*KINDS, "", "text/html"]), st.sampled_from([200, 204, 400, 500]))
@pytest.mark.parametrize("make", MODELS)
async def test_any_bytes_of_any_kind(make: Any, data: bytes, kind: str, status: int) -> None:
    await hear(make, reply(data, kind=kind, status=status))
