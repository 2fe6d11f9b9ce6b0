from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.events import (
    Answer,
    Citation,
    Done,
    Event,
    Failed,
    Reasoned,
    Reset,
    Retrieved,
    Started,
    TextAppended,
    fold,
    grounding,
)
from rag_api.core.ports import Usage
from tests.core.values import passage

STARTED = Started("ans_1", "conv_1", "faq", "extractive")
DONE = Done("answered", "stop", "", Usage(1, 2, 3), {"total": 1.5}, {"supported": 1})


def cited(start: int, end: int, verdict: str = "supported") -> Citation:
    return Citation(1, start, end, "doc:1:0", "doc", 1, 0, 5, None, "quote", verdict, 0.9)


def texts(*pieces: str) -> list[Event]:
    offsets = [len("".join(pieces[:i])) for i in range(len(pieces))]
    return [TextAppended(offset, piece) for offset, piece in zip(offsets, pieces, strict=True)]


def test_a_whole_run_folds_to_its_answer() -> None:
    found = passage("Boats leave at noon.")
    events = [STARTED, Retrieved((found,)), *texts("At noon", " [1]."), cited(0, 7), DONE]
    assert fold(events) == Answer(
        answer_id="ans_1",
        conversation_id="conv_1",
        collection="faq",
        model="extractive",
        text="At noon [1].",
        outcome="answered",
        finish_reason="stop",
        citations=[cited(0, 7)],
        passages=(found,),
        usage=Usage(1, 2, 3),
        timings_ms={"total": 1.5},
        grounding={"supported": 1},
    )


def test_an_answer_in_progress_has_no_outcome() -> None:
    answer = fold([STARTED, *texts("At ", "noon")])
    assert (answer.text, answer.outcome, answer.error) == ("At noon", None, None)
    assert fold([]) == Answer()


def test_a_failed_run_keeps_what_was_said_and_why_it_failed() -> None:
    failed = Failed("language_model_timeout", "it said nothing for 30 s", "req_1")
    answer = fold([STARTED, *texts("At no"), failed])
    assert (answer.text, answer.outcome, answer.error) == ("At no", "failed", failed)


def test_a_reset_takes_back_the_text_after_its_offset_and_the_citations_of_it() -> None:
    answer = fold([*texts("Kept. ", "Taken back."), cited(0, 5), cited(0, 6), cited(6, 17), Reset(6, "fail-over")])
    assert answer.text == "Kept. "
    assert answer.citations == [cited(0, 5), cited(0, 6)]


def test_reasoning_is_kept_apart_and_begins_anew_with_another_model() -> None:
    events = [Reasoned("Hm, "), Reasoned("six?"), *texts("Six.")]
    assert (fold(events).reasoning, fold(events).text) == ("Hm, six?", "Six.")
    assert fold([*events, Reset(0, "fail-over"), Reasoned("Well.")]).reasoning == "Well."


def test_the_model_is_the_one_that_answered_in_the_end() -> None:
    assert fold([STARTED, DONE]).model == STARTED.model
    assert fold([STARTED, replace(DONE, model="another")]).model == "another"


def test_text_goes_on_after_a_reset() -> None:
    events = [*texts("Kept. Lost."), Reset(6, "fail-over"), TextAppended(6, "New."), cited(6, 10), DONE]
    assert (fold(events).text, fold(events).citations) == ("Kept. New.", [cited(6, 10)])
    assert fold([*texts("Lost."), Reset(0, "fail-over"), TextAppended(0, "New.")]).text == "New."


@given(st.lists(st.text(max_size=5) | st.integers(0, 12), max_size=15))
def test_folding_is_what_a_reader_with_a_text_field_would_show(steps: list[Any]) -> None:
    shown, events = "", list[Event]()
    for step in steps:
        if isinstance(step, str):
            events.append(TextAppended(len(shown), step))
            shown += step
        else:
            events.append(Reset(min(step, len(shown)), "fail-over"))
            shown = shown[: min(step, len(shown))]
    assert fold(events).text == shown


def test_grounding_counts_every_verdict() -> None:
    citations = [cited(0, 1), cited(0, 1), cited(0, 1, "unsupported")]
    assert grounding(citations) == {"supported": 2, "partial": 0, "unsupported": 1}
    assert grounding([]) == {"supported": 0, "partial": 0, "unsupported": 0}


@pytest.mark.parametrize(
    ("kind", "name"),
    [(Started, "started"), (Retrieved, "retrieved"), (Reasoned, "reasoning"), (TextAppended, "text"),
     (Citation, "citation"), (Reset, "reset"), (Done, "done"), (Failed, "failed")],
)  # fmt: skip
def test_events_have_the_names_that_readers_know(kind: type[Event], name: str) -> None:
    assert kind.type == name
