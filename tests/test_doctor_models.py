"""What `rag doctor` says of language models, from a server that answers in each way."""

from collections.abc import Iterator

import pytest

from rag_api.doctor_models import examine_models
from rag_api.settings import Settings
from rag_api.settings_models import LanguageModelSettings
from tests.fake_llm import FakeLanguageModel, fake_language_model


@pytest.fixture
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        model.models = ("llama3.1:latest", "qwen3:8b", "claude-nice-4-20250514")
        model.key = "sesame"
        yield model


def said(**llm: object) -> list[tuple[str, bool, str]]:
    return list(examine_models(Settings(llm=LanguageModelSettings(**llm))))  # type: ignore[arg-type,call-arg]


@pytest.mark.parametrize("kind", ["chat_completions", "anthropic"])
@pytest.mark.parametrize("model", ["llama3.1", "qwen3:8b", "claude-nice-4", "claude-nice-4-latest"])
def test_a_model_that_is_there_is_right(llm: FakeLanguageModel, kind: str, model: str) -> None:
    [(name, is_right, text)] = said(kind=kind, base_url=llm.url, model=model, api_key="sesame")
    assert (name, is_right) == ("language model", True)
    assert text.startswith(f"{model} at 127.0.0.1:")


@pytest.mark.parametrize("kind", ["chat_completions", "anthropic"])
def test_a_name_that_the_server_does_not_know_is_shown_with_those_that_it_knows(
    llm: FakeLanguageModel, kind: str
) -> None:
    [(_, is_right, text)] = said(kind=kind, base_url=llm.url, model="qwen3", api_key="sesame")
    assert not is_right
    assert "knows no model 'qwen3', but qwen3:8b, " in text
    assert "check RAG_LLM__MODEL" in text


@pytest.mark.parametrize("kind", ["chat_completions", "anthropic"])
def test_a_wrong_key_and_a_missing_one_are_told_apart_and_not_shown(llm: FakeLanguageModel, kind: str) -> None:
    [(_, is_right, text)] = said(kind=kind, base_url=llm.url, model="qwen3:8b", api_key="open-up")
    assert not is_right
    assert "answers 401: it rejects the key that it got; check RAG_LLM__API_KEY" in text
    assert "open-up" not in text
    [(_, _, text)] = said(kind=kind, base_url=llm.url, model="qwen3:8b")
    assert "it rejects requests without a key" in text


@pytest.mark.parametrize("kind", ["chat_completions", "anthropic"])
def test_a_server_that_is_not_there_is_named_without_a_password(kind: str) -> None:
    [(_, is_right, text)] = said(kind=kind, base_url="http://me:secret@127.0.0.1:9/v1", model="x")
    assert not is_right
    assert "http://127.0.0.1:9/v1/models can't be reached" in text
    assert "secret" not in text


def test_each_fallback_is_examined_and_named_by_its_place(llm: FakeLanguageModel) -> None:
    fallbacks = [{"base_url": llm.url, "model": "qwen3:8b", "api_key": "no"}, {"base_url": llm.url, "model": "gone"}]
    found = said(base_url=llm.url, model="llama3.1", api_key="sesame", fallbacks=fallbacks)
    assert [(name, is_right) for name, is_right, _ in found] == [
        ("language model", True),
        ("fallback 1", False),
        ("fallback 2", False),
    ]
    assert "check api_key of item 1 in RAG_LLM__FALLBACKS" in found[1][2]


def test_without_a_model_nothing_is_wrong() -> None:
    [(_, is_right, text)] = said()
    assert is_right
    assert "RAG_LLM__BASE_URL" in text
