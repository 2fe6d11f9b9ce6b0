from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag_api.eventstream import EventStreamDecoder, ServerSentEvent

PIECES = st.sampled_from(
    ["data: ", "data:", "data", "event: ", "id: ", "id", "retry: 5", ": comment", ":", "text", "done", " ", "猫",
     "👩‍💻", "\u2028", "\x85", "\ufeff", "\0", "\n", "\n\n", "\r", "\r\n", "\r\r", "\r\n\r\n"]
)  # fmt: skip
STREAMS = st.lists(PIECES, max_size=30).map(lambda pieces: "".join(pieces).encode()) | st.binary(max_size=40)


def decoded(*pieces: bytes) -> list[ServerSentEvent]:
    decoder = EventStreamDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def datas(stream: str) -> list[str]:
    return [event.data for event in decoded(stream.encode())]


@settings(max_examples=300)
@given(STREAMS, st.data())
@example(b"\xef\xbb\xbfdata: \xf0\x9f\x91\xa9\r\n\r\n", None)
def test_the_bytes_may_be_cut_anywhere(stream: bytes, data: st.DataObject | None) -> None:
    whole = decoded(stream)
    assert decoded(*(stream[i : i + 1] for i in range(len(stream)))) == whole
    if data:
        places = [0, *sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6))), len(stream)]
        assert decoded(*(stream[a:b] for a, b in pairwise(places))) == whole


@given(st.lists(st.tuples(st.text(st.characters(exclude_characters="\r\n\ufeff", codec="utf-8")), st.integers(0, 2))))
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_what_was_sent_arrives(line_end: str, sent: list[tuple[str, int]]) -> None:
    stream = "".join(f"data: {text}{line_end}" * (count + 1) + line_end for text, count in sent)
    assert datas(stream) == ["\n".join([text] * (count + 1)) for text, count in sent]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_all_three_line_ends_end_lines_and_events(end: str) -> None:
    assert datas(end.join(["data: one", "data: two", "", "data: three", "", ""])) == ["one\ntwo", "three"]


def test_line_ends_may_be_mixed() -> None:
    assert datas("data: one\r\n\ndata: two\r\r\ndata: three\n\r\n") == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        ("data: one\n\n", ["one"]),
        ("data:one\n\n", ["one"]),
        ("data:  one\n\n", [" one"]),
        ("data\n\n", [""]),
        ("data\ndata\n\n", ["\n"]),
        ("data: a: b\n\n", ["a: b"]),
        ("data: one\n: a comment\ndata: two\n\n", ["one\ntwo"]),
        (": only a comment\n\n", []),
        ("event: ping\n\n", []),
        ("\n\n\n", []),
        ("nonsense: one\n\n", []),
        (" data: one\n\n", []),
        ("retry: 500\n\n", []),
        ("data: one\u2028two\x85three\x0bfour\n\n", ["one\u2028two\x85three\x0bfour"]),
        ("\ufeffdata: one\n\n", ["one"]),
        ("\ufeff\ufeffdata: one\n\n", []),
        ("data: one\n\n\ufeffdata: two\n\n", ["one"]),
        ("data: never ended\n", []),
        ("data: never ended", []),
    ],
)
def test_only_data_makes_an_event(stream: str, data: list[str]) -> None:
    assert datas(stream) == data


def test_an_event_has_a_name_for_itself_only_and_an_id_that_lasts() -> None:
    stream = b"event: text\nid: 1\ndata: a\n\ndata: b\n\nid: 2\n\nid\nevent: done\ndata: c\n\n"
    assert decoded(stream) == [
        ServerSentEvent("text", "a", "1"),
        ServerSentEvent("message", "b", "1"),
        ServerSentEvent("done", "c", ""),
    ]


def test_a_name_without_data_is_forgotten_and_an_id_without_data_is_not() -> None:
    assert decoded(b"event: text\nid: 7\n\ndata: a\n\n") == [ServerSentEvent("message", "a", "7")]


def test_the_last_name_before_the_blank_line_counts() -> None:
    assert decoded(b"event: a\nevent: b\ndata: x\n\n") == [ServerSentEvent("b", "x", "")]


def test_an_id_with_a_nul_is_ignored() -> None:
    assert decoded(b"id: 1\nid: 2\0\ndata: a\n\n") == [ServerSentEvent("message", "a", "1")]


def test_bytes_that_are_not_utf8_become_replacement_characters() -> None:
    assert decoded(b"data: a\xff\n", b"\n") == [ServerSentEvent("message", "a\ufffd", "")]


def test_an_event_is_given_as_soon_as_its_blank_line_is_in() -> None:
    decoder = EventStreamDecoder()
    assert list(decoder.feed(b"data: one\n")) == []
    assert [event.data for event in decoder.feed(b"\nda")] == ["one"]
    assert [event.data for event in decoder.feed(b"ta: two\r\n\r\n")] == ["two"]


@pytest.mark.timeout(5)
def test_a_long_line_is_read_in_linear_time() -> None:
    pieces = [b"x" * 1_000] * 500
    [event] = decoded(b"data: ", *pieces, b"\n\n")
    assert len(event.data) == 500_000
