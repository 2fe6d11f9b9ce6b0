"""The settings of language models, as people get them wrong."""

import json

import pytest

from rag_api.errors import InvalidSettings
from rag_api.settings import load_settings
from rag_api.wiring_endpoints import endpoints, judge_endpoint

URL = "http://127.0.0.1:1/v1"


@pytest.fixture(autouse=True)
def first(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setenv("RAG_LLM__BASE_URL", URL)
    monkeypatch.setenv("RAG_LLM__MODEL", "one")


def test_fallbacks_come_in_order_with_their_own_kind_key_and_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [
        {"base_url": "http://127.0.0.1:2", "model": "two", "api_key": "k2", "kind": "anthropic"},
        {"kind": "anthropic", "model": "three", "price_in": 1, "price_out": 2},
    ]
    monkeypatch.setenv("RAG_LLM__FALLBACKS", json.dumps(listed))
    one, two, three = endpoints(load_settings().llm)
    assert [one.root, two.root, three.root] == [f"{URL}/", "http://127.0.0.1:2/v1/", "https://api.anthropic.com/v1/"]
    assert two.headers["x-api-key"] == "k2"
    assert one.headers == {}
    assert (one.prices, three.prices and three.prices.completion) == (None, 2)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("[{", "RAG_LLM__FALLBACKS is no JSON list of objects"),
        ('{"model": "x"}', "RAG_LLM__FALLBACKS: input should be a valid list"),
        ('[{"base_url": "http://a"}]', "RAG_LLM__FALLBACKS, item 1, model: field required"),
        ('[{"model": "x"}]', "RAG_LLM__FALLBACKS, item 1: value error, base_url is missing"),
        ('[{"model": "x", "base_url": "http://a", "url": "b"}]', "item 1, url: extra inputs are not permitted"),
        ('[{"model": "x", "base_url": "http://a", "price_in": 1}]', "price_in and price_out are given together"),
    ],
)
def test_a_wrong_list_of_fallbacks_is_named_without_its_keys(
    monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    monkeypatch.setenv("RAG_LLM__FALLBACKS", value)
    with pytest.raises(InvalidSettings) as caught:
        load_settings()
    assert said in str(caught.value)
    assert "http://a" not in str(caught.value)


@pytest.mark.parametrize("url", ["127.0.0.1:11434/v1", "ftp://x/v1", "http://"])
def test_a_base_url_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("RAG_LLM__BASE_URL", url)
    with pytest.raises(InvalidSettings, match=r"RAG_LLM__BASE_URL: .* is no URL such as"):
        endpoints(load_settings().llm)


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("RAG_LLM__API_KEY", key)
    with pytest.raises(InvalidSettings, match="RAG_LLM__API_KEY has characters") as caught:
        endpoints(load_settings().llm)
    assert key not in str(caught.value)


def test_one_price_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_LLM__PRICE_IN", "1")
    with pytest.raises(InvalidSettings, match="price_in and price_out are given together"):
        load_settings()


def test_a_judge_of_its_own_gets_its_own_key_and_another_model_of_the_same_server_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAG_LLM__API_KEY", "sesame")
    assert judge_endpoint(load_settings()) is None
    monkeypatch.setenv("RAG_JUDGE__KIND", "model")
    assert judge_endpoint(load_settings()) is None  # the language model itself
    monkeypatch.setenv("RAG_JUDGE__MODEL", "two")
    same = judge_endpoint(load_settings())
    assert same and (same.root, same.model, same.api_key) == (f"{URL}/", "two", "sesame")
    monkeypatch.setenv("RAG_JUDGE__BASE_URL", "http://127.0.0.1:2/v1")
    own = judge_endpoint(load_settings())
    assert own and (own.root, own.model, own.api_key) == ("http://127.0.0.1:2/v1/", "two", "")
    monkeypatch.setenv("RAG_JUDGE__BASE_URL", "nowhere")
    with pytest.raises(InvalidSettings, match="RAG_JUDGE__BASE_URL: 'nowhere' is no URL"):
        judge_endpoint(load_settings())


def test_a_judge_without_a_language_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAG_JUDGE__KIND", "model")
    monkeypatch.delenv("RAG_LLM__BASE_URL")
    with pytest.raises(InvalidSettings, match="RAG_JUDGE__KIND=model judges what a language model writes"):
        load_settings()
