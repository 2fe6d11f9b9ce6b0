from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.hits import Passage
from rag_api.core.packing import LEAST_TOKENS, Window, fit, pack, pack_history
from rag_api.core.prompts import Message, PastTurn, Prompt
from rag_api.core.tokens import estimate_tokens
from rag_api.errors import QuestionTooLong
from tests.core.values import hit, passage

LENGTHS = st.lists(st.integers(0, 50), max_size=10)


@given(LENGTHS, st.integers(0, 200))
def test_the_best_hits_that_fit_are_passages_in_order(lengths: list[int], budget: int) -> None:
    hits = [hit("x" * length, rank) for rank, length in enumerate(lengths, start=1)]
    passages = pack(hits, budget_chars=budget)
    assert [passage.chunk for passage in passages] == [hit.chunk for hit in hits[: len(passages)]]
    assert [passage.n for passage in passages] == list(range(1, len(passages) + 1))
    if len(passages) > 1:
        assert sum(lengths[: len(passages)]) <= budget
    if len(passages) < len(hits):
        assert sum(lengths[: len(passages) + 1]) > budget


def test_the_first_always_fits_and_nothing_follows_what_does_not() -> None:
    assert [passage.chunk.text for passage in pack([hit("long"), hit("")], budget_chars=1)] == ["long"]
    packed = pack([hit("one"), hit("too long"), hit("x")], budget_chars=5)
    assert [passage.chunk.text for passage in packed] == ["one"]


def test_no_hits_are_no_passages() -> None:
    assert pack([], budget_chars=100) == []


def test_a_passage_keeps_its_score_and_its_similarity_to_the_question() -> None:
    dense, lexical = pack([hit("a", fused=0.9, dense=0.7), hit("b", fused=0.2, dense=None)], budget_chars=100)
    assert (dense.score, dense.similarity) == (0.9, 0.7)
    assert (lexical.score, lexical.similarity) == (0.2, None)


def render(passages: Sequence[Passage], turns: Sequence[PastTurn], question: str = "When?") -> Prompt:
    """A tag of 10 characters around each passage."""
    past = [Message("user", said) for turn in turns for said in (turn.question, turn.text)]
    text = "".join(f"<{one.n:03}>{one.chunk.text}</{one.n}>" for one in passages) + question
    return Prompt((Message("system", "Be brief."), *past, Message("user", text)), question, tuple(passages))


def window(tokens: int) -> Window:
    return Window(tokens, 100, len)


@given(
    st.lists(st.text("ab. ", min_size=1, max_size=400), min_size=1, max_size=8),
    st.lists(st.text("cd", max_size=200), max_size=5),
    st.integers(300, 3_000),
    st.one_of(st.none(), st.integers(1, 5_000)),
)
def test_a_prompt_always_fits_and_holds_what_comes_first(
    texts: list[str], said: list[str], tokens: int, max_tokens: int | None
) -> None:
    passages = [passage(text, n) for n, text in enumerate(texts, start=1)]
    history = [PastTurn(text, text) for text in said]
    prompt = fit(render, passages, history, window=window(tokens), max_tokens=max_tokens)
    assert window(tokens).taken(prompt.messages) <= window(tokens).room(max_tokens) < tokens
    turns = [message.text for message in prompt.messages[1:-1:2]]
    assert turns == said[len(said) - len(turns) :]
    kept = prompt.passages
    assert [one.n for one in kept] == list(range(1, len(kept) + 1))
    if len(kept) > 1:
        assert list(kept) == passages[: len(kept)]
    [first, *_] = kept
    assert first.chunk.text and texts[0].startswith(first.chunk.text)
    assert first.chunk.end - first.chunk.start == len(first.chunk.text)
    if len(kept) < len(passages):
        more = render(passages[: len(kept) + 1], history[len(said) - len(turns) :])
        assert window(tokens).taken(more.messages) > window(tokens).room(max_tokens)


def test_what_fits_is_left_as_it_is() -> None:
    passages, history = [passage("Noon."), passage("Free.", 2)], [PastTurn("Boats?", "Yes.")]
    assert fit(render, passages, history, window=window(8_000)) == render(passages, history)


def test_a_first_passage_that_is_too_long_is_cut_at_the_end_of_a_sentence() -> None:
    text = "Boats leave at noon. " * 20
    [kept] = fit(render, [passage(text), passage("Dogs.", 2)], [], window=window(350)).passages
    assert kept.chunk.text.endswith("noon.")
    assert 100 < len(kept.chunk.text) < len(text)


def test_history_takes_a_quarter_of_what_the_question_leaves() -> None:
    history = [PastTurn("a" * 50, "b" * 50) for _ in range(10)]
    prompt = fit(render, [passage("x" * 5_000)], history, window=window(1_100))
    assert len(prompt.messages[1:-1]) == 2 * 2  # 1,000 less 54 for the rest, a quarter, 116 a turn
    assert len(prompt.passages[0].chunk.text) > 600


def test_a_question_that_leaves_no_room_is_an_error_that_says_so() -> None:
    for length in (268 - LEAST_TOKENS, 10_000):
        with pytest.raises(QuestionTooLong, match=r"of the language model's 400 are for the prompt.*CONTEXT_TOKENS"):
            fit(lambda some, turns, n=length: render(some, turns, "x" * n), [], [], window=window(400))
    assert (
        fit(lambda some, turns: render(some, turns, "x" * (267 - LEAST_TOKENS)), [], [], window=window(400)).passages
        == ()
    )


def test_an_answer_that_may_be_long_gets_half_of_the_window_at_most() -> None:
    assert [window(1_000).room(max_tokens) for max_tokens in (None, 10, 500, 9_000)] == [900, 990, 500, 500]


def test_the_latest_turns_are_kept_whole() -> None:
    history = [PastTurn("one", "two"), PastTurn("three", "four"), PastTurn("five", "six")]
    assert pack_history(history, budget_chars=16) == history[1:]
    assert pack_history(history, budget_chars=15) == history[2:]
    assert list(pack_history(history, budget_chars=6)) == []


def test_estimates_of_a_text_and_its_parts_are_alike() -> None:
    parts = ["Boats leave at noon.", "Die Überfahrt kostet 4,50 €.", "船は正午に出ます。"]
    assert estimate_tokens("\n".join(parts)) <= sum(map(estimate_tokens, parts)) + 3
