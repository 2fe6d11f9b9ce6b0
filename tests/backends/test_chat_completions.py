import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_api.core.ports import Piece, Sampling, Usage
from rag_api.errors import LanguageModelBroken, LanguageModelBusy, LanguageModelError, LanguageModelRefused
from tests.backends.model_streams import Server, chat, joined, reply, spoken


def chunk(content: str | None = None, *, end: str = "\n\n", usage: Any = None, **choice: Any) -> bytes:
    delta = choice.pop("delta", {} if content is None else {"content": content})
    body = {"choices": [{"index": 0, "delta": delta, **choice}], "usage": usage}
    return f"data: {json.dumps(body, ensure_ascii=False)}{end}".encode()


COUNTED = {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}
STREAM = b"".join(
    [
        b"\xef\xbb\xbf: hello\r\n\r\n",
        chunk("", delta={"role": "assistant", "content": ""}),
        b'data: {"choices": []}\r\r',
        chunk(delta={"reasoning_content": "Hm… "}, end="\r\n\r\n"),
        chunk("<think>bread?"),
        chunk("</think>\n\n"),
        chunk("Um 6\u2028Uhr 🥖", end="\r\r"),
        b": keep-alive\n\n",
        b'event: x\nid: 3\ndata: {"choices":\ndata: [{"delta": {"content": " [1"}}]}\n\n',
        chunk("]."),
        chunk(finish_reason="length"),
        f'data: {{"choices": [], "usage": {json.dumps(COUNTED)}}}\n\n'.encode(),
        b"data: [DONE]\n\n",
        b'data: {"choices": [{"delta": {"content": "after the end"}}]}\n\n',
    ]
)


async def test_text_reasoning_finish_reason_and_usage_are_read() -> None:
    whole = joined(await spoken(chat(Server([reply(STREAM)]))))
    assert whole == Piece("Um 6\u2028Uhr 🥖 [1].", "length", Usage(7, 9, 16), "Hm… bread?")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
async def test_the_bytes_may_be_cut_anywhere(places: list[int]) -> None:
    ends = [0, *sorted(places), len(STREAM)]
    cut = reply(*(STREAM[a:b] for a, b in pairwise(ends)))
    assert joined(await spoken(chat(Server([cut])))) == joined(await spoken(chat(Server([reply(STREAM)]))))


async def test_every_single_byte_may_come_alone() -> None:
    cut = reply(*(STREAM[i : i + 1] for i in range(len(STREAM))))
    assert joined(await spoken(chat(Server([cut])))) == joined(await spoken(chat(Server([reply(STREAM)]))))


async def test_what_arrives_together_is_one_piece() -> None:
    arrived = chunk("a") + chunk("b"), chunk("c") + chunk("d"), chunk(finish_reason="stop")
    pieces = await spoken(chat(Server([reply(*arrived)])))
    assert [piece.text for piece in pieces] == ["ab", "cd", ""]


async def test_a_last_event_without_its_blank_line_is_dropped() -> None:
    with pytest.raises(LanguageModelBroken, match="broke off in the middle"):
        await spoken(chat(Server([reply(chunk("Six"), chunk(finish_reason="stop").rstrip())])))


async def test_an_answer_that_does_not_stream_is_taken_whole() -> None:
    said = {"role": "assistant", "content": "<think>Hm.</think>Six [1].", "reasoning": "Well. "}
    body = json.dumps({"choices": [{"message": said, "finish_reason": "stop"}], "usage": COUNTED}).encode()
    server = Server([reply(body[:20], body[20:], kind="application/json; charset=utf-8")])
    assert joined(await spoken(chat(server))) == Piece("Six [1].", "stop", Usage(7, 9, 16), "Well. Hm.")


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "", "text/plain"])
async def test_another_content_type_is_named(kind: str) -> None:
    with pytest.raises(
        LanguageModelBroken, match=f"answers with {kind.split(';', maxsplit=1)[0] or 'no content type'} where"
    ):
        await spoken(chat(Server([reply(chunk("Six."), kind=kind)])))


async def test_reasoning_tokens_are_told_when_the_server_counts_them() -> None:
    counted = {**COUNTED, "completion_tokens_details": {"reasoning_tokens": 4}}
    pieces = await spoken(chat(Server([reply(chunk("Six."), chunk(finish_reason="stop", usage=counted))])))
    assert joined(pieces).usage == Usage(7, 9, 16, 4)


async def test_an_answer_of_reasoning_alone_is_none() -> None:
    with pytest.raises(LanguageModelBroken, match=r"ended after its reasoning, without an answer \(length\)"):
        await spoken(chat(Server([reply(chunk("<think>Hm"), chunk(finish_reason="length"))])))


async def test_a_filtered_answer_says_so() -> None:
    with pytest.raises(LanguageModelBroken, match=r"without a word \(content_filter\)"):
        await spoken(chat(Server([reply(chunk(finish_reason="content_filter"))])))


@pytest.mark.parametrize(
    ("error", "kind", "passes"),
    [
        ({"message": "slow down", "code": 429}, LanguageModelBusy, True),
        ({"message": "no", "code": 400}, LanguageModelRefused, False),
        ({"message": "dead", "code": 502}, LanguageModelBroken, True),
        ({"message": "dead", "code": "server_error"}, LanguageModelBroken, True),
        ("dead", LanguageModelBroken, True),
        ({"weird": 1}, LanguageModelBroken, True),
    ],
)
async def test_an_error_in_the_stream_or_instead_of_it_means_what_it_says(
    error: object, kind: type[LanguageModelError], passes: bool
) -> None:
    body = json.dumps({"error": error}).encode()
    for answered in (reply(b"data: " + body + b"\n\n"), reply(body, kind="application/json")):
        with pytest.raises(kind) as caught:
            await spoken(chat(Server([answered])))
        assert (type(caught.value), caught.value.passes) == (kind, passes)


@pytest.mark.parametrize(
    ("status", "kind", "passes"),
    [
        (400, LanguageModelRefused, False),
        (401, LanguageModelRefused, False),
        (403, LanguageModelRefused, False),
        (404, LanguageModelRefused, False),
        (422, LanguageModelRefused, False),
        (408, LanguageModelBroken, True),
        (409, LanguageModelBroken, True),
        (429, LanguageModelBusy, True),
        (500, LanguageModelBroken, True),
        (503, LanguageModelBroken, True),
        (529, LanguageModelBusy, True),
        (307, LanguageModelBroken, False),
    ],
)
async def test_the_servers_own_words_are_kept_without_the_key(
    status: int, kind: type[LanguageModelError], passes: bool
) -> None:
    said = b'{"error": {"message": "sk-secret may not do this"}}'
    with pytest.raises(kind, match=rf"answers {status}: \[key\] may not do this") as caught:
        await spoken(chat(Server([reply(said, status=status, kind="application/json", retry_after="7")])))
    assert (caught.value.passes, caught.value.after_s) == (passes, 7 if passes else None)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": "no"}', "no"),
        (b'{"message": "no"}', "no"),
        (b'{"detail": [{"msg": "no"}]}', '[{"msg":"no"}]'),
        (b"<html>\n no\n</html>", "<html> no </html>"),
        (b"", "nothing"),
        (b"\xff", "\ufffd"),
        (b"[]", "[]"),
        (b"x" * 1_000_000, "x" * 500),
    ],
)
async def test_an_error_says_something_in_whatever_form_it_comes(body: bytes, said: str) -> None:
    with pytest.raises(LanguageModelRefused) as caught:
        await spoken(chat(Server([reply(body, status=418)])))
    assert str(caught.value).endswith(f"answers 418: {said}")


async def test_a_server_that_knows_fewer_fields_is_asked_in_its_own_words_from_then_on() -> None:
    good = [chunk("Six."), chunk(finish_reason="stop")]
    no = {"status": 400, "kind": "application/json"}
    server = Server(
        [
            reply(b'{"error": {"message": "unknown field stream_options"}}', **no),  # type: ignore[arg-type]
            reply(b'{"error": {"message": "Use max_completion_tokens instead of max_tokens"}}', **no),  # type: ignore[arg-type]
            reply(*good),
            reply(*good),
        ]
    )
    model = chat(server, Sampling(None, 50))
    for _ in range(2):
        assert joined(await spoken(model)).text == "Six."
    assert [set(body) - {"model", "messages", "stream"} for body in server.bodies] == [
        {"stream_options", "max_tokens"},
        {"max_tokens"},
        {"max_completion_tokens"},
        {"max_completion_tokens"},
    ]


async def test_a_refusal_for_another_reason_is_not_asked_twice() -> None:
    server = Server([reply(b'{"error": {"message": "context too long"}}', status=400)])
    with pytest.raises(LanguageModelRefused, match="context too long"):
        await spoken(chat(server))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "data",
    ['{"choices":["x"]}', '{"choices":{"a":1}}', '{"choices":[{"delta":{"content":5}}]}', "[]", '"x"', "{",
     '{"choices":[{"delta":["x"]}]}', '{"choices":[{"finish_reason":1}]}',
     '{"choices":[{"delta":{"reasoning":{"a":1}}}]}'],
)  # fmt: skip
async def test_nonsense_is_called_so(data: str) -> None:
    with pytest.raises(LanguageModelBroken, match=r"sent JSON that is no|something that is no JSON"):
        await spoken(chat(Server([reply(chunk("Six"), f"data: {data}\n\n".encode())])))


@pytest.mark.parametrize("data", ["{}", '{"choices":null}', '{"choices":[{"delta":null}]}', '{"usage":5}'])
async def test_chunks_that_say_nothing_do_no_harm(data: str) -> None:
    pieces = await spoken(chat(Server([reply(f"data: {data}\n\n".encode(), chunk("Six."), b"data: [DONE]\n\n")])))
    assert joined(pieces) == Piece("Six.", "stop")
