"""What --set and --against say."""

import pytest

from rag_api.evaluation.configuration import Configuration, configured


def test_settings_are_read_in_several_texts_or_in_one() -> None:
    wanted = Configuration(top_k=20, mode="dense", dense_weight=0.6)
    assert configured(Configuration(), ["mode=dense", "top_k=20", "dense_weight=.6"]) == wanted
    assert configured(Configuration(), ["mode=dense, top_k=20 dense_weight=.6"]) == wanted


def test_a_filter_may_hold_what_separates_settings() -> None:
    found = configured(Configuration(), ['filter={"a": 1, "b": {"$in": [2, 3]}}, passages=3'])
    assert found.filter == {"a": 1, "b": {"$in": [2, 3]}}
    assert found.passages == 3


def test_what_is_not_set_stays_the_servers_own() -> None:
    assert Configuration().search_options() == {"top_k": 10, "mode": "hybrid"}
    assert Configuration().answer_options() == {}
    found = configured(Configuration(collection="books"), ["passages=3", "temperature=0", "model=qwen3"])
    assert found.answer_options() == {"top_k": 3, "temperature": 0.0, "model": "qwen3"}
    assert found.collection == "books"


def test_answers_are_asked_for_in_the_same_mode_and_weight_as_searches() -> None:
    assert configured(Configuration(), ["mode=lexical"]).answer_options() == {"mode": "lexical"}
    assert configured(Configuration(), ["dense_weight=.7"]).answer_options() == {"dense_weight": 0.7}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dense", "write name=value"),
        ("mod=dense", "the nearest is 'mode'"),
        ("mode=sparse", "hybrid, dense, lexical"),
        ("top_k=0", "from 1 to 100"),
        ("top_k=ten", "whole number"),
        ("dense_weight=1.1", "from 0 to 1"),
        ("dense_weight=nan", "from 0 to 1"),
        ("filter=x", "must be JSON"),
        ("filter=[1]", "must be an object"),
        ("mode=dense mode=hybrid", "set twice"),
        ("collection=", "must not be empty"),
    ],
)
def test_a_wrong_setting_is_named(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        configured(Configuration(), [text])
