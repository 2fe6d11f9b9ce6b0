import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_api.core.ports import Piece, Quote, Sampling, Usage
from rag_api.errors import LanguageModelBroken, LanguageModelBusy, LanguageModelError, LanguageModelRefused
from tests.backends.model_streams import PROMPT, TEXTS, Server, anthropic, joined, reply, spoken
from tests.fake_llm import cites, delta, event, message

OPENS, OLGA = "The bakery opens at six. ", "Ask for Olga."
CITED = message(
    "Well: ",
    ("it opens at six", [cites(0, 0, 25, OPENS), cites(0, 25, 44, "It sells rye bread."), cites(1, 0, 13, OLGA)]),
    ". ",
    ("Ask Olga.\n", [cites(1, 0, 13, OLGA)]),
    "Ünd 🥖.",
    thinking="Hm… ",
    stop_reason="max_tokens",
)
STREAM = b"".join(CITED)


async def test_the_models_own_citations_become_markers_and_quotes() -> None:
    whole = joined(await spoken(anthropic(Server([reply(STREAM)]))))
    assert whole.text == "Well: it opens at six [1][2]. Ask Olga. [2]\nÜnd 🥖."
    assert whole.reasoning == "Hm… "
    assert whole.finish_reason == "length"
    assert whole.usage == Usage(11, 5, 16)
    assert [(quote.n, TEXTS[quote.n - 1][quote.start : quote.end]) for quote in whole.quotes] == [
        (1, "The bakery opens at six."),
        (1, "It sells rye bread."),
        (2, OLGA),
        (2, OLGA),
    ]


async def test_quotes_come_with_the_piece_that_holds_their_markers() -> None:
    pieces = await spoken(anthropic(Server([reply(STREAM)])))
    assert [(piece.text, len(piece.quotes)) for piece in pieces if piece.quotes] == [(" [1][2]", 3), (" [2]", 1)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
async def test_the_bytes_may_be_cut_anywhere(places: list[int]) -> None:
    ends = [0, *sorted(places), len(STREAM)]
    cut = reply(*(STREAM[a:b] for a, b in pairwise(ends)))
    assert joined(await spoken(anthropic(Server([cut])))) == joined(await spoken(anthropic(Server([reply(STREAM)]))))


@pytest.mark.parametrize(
    ("citation", "text", "quotes"),
    [
        (cites(0, 4, 10, "bakery"), "Six [1]", (Quote(1, 4, 10),)),
        (cites(0, 0, 6, "bakery"), "Six [1]", (Quote(1, 4, 10),)),  # at other places than it says
        (cites(0, 0, 99, "never said"), "Six [1]", ()),
        (cites(0, 3, 3, ""), "Six [1]", ()),
        (cites(0, -5, 400, ""), "Six [1]", ()),
        (cites(7, 0, 6, "bakery"), "Six", ()),
        (cites(-1, 0, 6, "bakery"), "Six", ()),
        ({"type": "page_location", "document_index": 1, "cited_text": "x"}, "Six [2]", ()),
        ({"type": "unheard_of"}, "Six", ()),
    ],
)
async def test_a_citation_that_is_not_quite_right_never_points_at_wrong_words(
    citation: dict[str, object], text: str, quotes: tuple[Quote, ...]
) -> None:
    whole = joined(await spoken(anthropic(Server([reply(*message(("Six", [citation])))]))))
    assert (whole.text, whole.quotes) == (text, quotes)


async def test_a_marker_that_the_model_wrote_itself_is_not_repeated() -> None:
    written = message(("It opens at six [1].", [cites(0, 4, 10, "bakery")]), ("Olga [1]", [cites(0, 4, 10, "bakery")]))
    assert joined(await spoken(anthropic(Server([reply(*written)])))).text == "It opens at six [1].Olga [1]"


async def test_passages_go_as_documents_when_asked_for() -> None:
    server = Server([reply(*message("Six."))])
    await spoken(anthropic(server, sends_documents=True))
    [body] = server.bodies
    *documents, question = body["messages"][-1]["content"]
    assert [document["source"]["data"] for document in documents] == list(TEXTS)
    assert all(document["citations"] == {"enabled": True} for document in documents)
    assert question == {"type": "text", "text": "When?"}
    assert body["system"].startswith("Be brief.\n\n")


async def test_else_the_prompt_goes_as_it_is_with_the_limit_that_the_server_wants() -> None:
    server = Server([reply(*message("Six."))])
    await spoken(anthropic(server), sampling=Sampling(0.3, None))
    [body] = server.bodies
    assert body["messages"] == [{"role": "user", "content": PROMPT.messages[1].text}]
    assert (body["system"], body["max_tokens"], body["temperature"], body["stream"]) == ("Be brief.", 4096, 0.3, True)
    assert str(server.requests[0].url) == "http://llm.test/v1/messages"


async def test_an_answer_that_does_not_stream_is_taken_whole() -> None:
    content = [
        {"type": "thinking", "thinking": "Hm."},
        {"type": "text", "text": "At six", "citations": [cites(0, 4, 10, "bakery")]},
        {"type": "text", "text": "."},
    ]
    body = {"type": "message", "content": content, "stop_reason": "end_turn", "usage": {"input_tokens": 3}}
    server = Server([reply(json.dumps(body).encode(), kind="application/json")])
    whole = joined(await spoken(anthropic(server)))
    assert whole == Piece("At six [1].", "stop", Usage(3, 0, 3), "Hm.", (Quote(1, 4, 10),))


@pytest.mark.parametrize(
    ("name", "kind", "passes"),
    [
        ("overloaded_error", LanguageModelBusy, True),
        ("rate_limit_error", LanguageModelBusy, True),
        ("api_error", LanguageModelBroken, True),
        ("unheard_of", LanguageModelBroken, True),
        ("invalid_request_error", LanguageModelRefused, False),
        ("authentication_error", LanguageModelRefused, False),
        ("not_found_error", LanguageModelRefused, False),
    ],
)
async def test_an_error_event_means_what_its_type_says(name: str, kind: type[LanguageModelError], passes: bool) -> None:
    error = {"type": name, "message": "sk-secret is why"}
    whole = json.dumps({"type": "error", "error": error}).encode()
    for answered in (reply(event("ping"), event("error", error=error)), reply(whole, kind="application/json")):
        with pytest.raises(kind, match=r"\[key\] is why") as caught:
            await spoken(anthropic(Server([answered])))
        assert caught.value.passes == passes


async def test_usage_is_the_last_that_was_said_and_counts_what_came_from_a_cache() -> None:
    begun = event("message_start", message={"usage": {"input_tokens": 3, "cache_read_input_tokens": 20}})
    ended = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 8, "input_tokens": 4})
    text = event("content_block_start", index=0, content_block={"type": "text", "text": "Six."})
    server = Server([reply(begun, text, ended, event("message_stop"))])
    assert joined(await spoken(anthropic(server))).usage == Usage(24, 8, 32)


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (message("Six.")[:-2], "broke off in the middle"),
        (message(), "without a word"),
        (message(thinking="Hm", stop_reason="max_tokens"), r"without an answer \(max_tokens\)"),
        ([b"data: {\n\n"], "no JSON"),
        ([b"data: []\n\n"], "no event of a message"),
        ([delta(0, "text_delta", text=5)], "whose text is no text"),
        ([], "without a word"),
    ],
)
async def test_an_answer_that_is_none_says_why(stream: list[bytes], said: str) -> None:
    with pytest.raises(LanguageModelBroken, match=said):
        await spoken(anthropic(Server([reply(*stream)])))


async def test_events_of_kinds_to_come_do_no_harm() -> None:
    strange = [event("new_thing", data=[1]), delta(0, "new_delta", value=1), b"event: x\ndata: {}\n\n"]
    assert joined(await spoken(anthropic(Server([reply(*strange, *message("Six."))])))).text == "Six."
