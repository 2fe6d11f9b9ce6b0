"""OpenAI's chat completions.

A chunk can't take text back: where another language model begins anew, the text says so and the answer follows whole.
Positions of annotations count in the text as it was sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rag_api.core.events import Answer, Citation, Done, Event, Failed, Logged, Reasoned, Reset, Retrieved, Started
from rag_api.core.events import TextAppended as Text
from rag_api.core.hits import Passage
from rag_api.web.dialects.openai import Reply, error, is_cut, url_citation, url_of, usage
from rag_api.web.dialects.wire import DONE, coalesced, event

BEGINS_ANEW = "\n\n[{reason}; it begins anew]\n\n"


class ChatCompletionStream:
    def __init__(self, reply: Reply, *, include_usage: bool) -> None:
        self._reply = reply
        self._include_usage = include_usage
        self._collection = ""
        self._passages: Sequence[Passage] = ()
        self._sent = 0
        self._shift = 0

    def __call__(self, batch: Sequence[Logged]) -> bytes:
        return b"".join(data for one in coalesced(batch) for data in self._of(one))

    def _of(self, one: Event) -> Iterator[bytes]:
        match one:
            case Started():
                self._collection = one.collection
                yield self._chunk({"role": "assistant", "content": ""})
            case Retrieved():
                self._passages = one.passages
            case Reasoned():
                yield self._chunk({"reasoning_content": one.text})
            case Text():
                yield self._text(one.text)
            case Citation():
                passage = self._passages[one.n - 1]
                url = url_of(passage, self._reply.site, self._collection)
                yield self._chunk({"annotations": [url_citation(one, passage, url, shift=self._shift)]})
            case Reset():
                if self._sent:
                    yield self._text(BEGINS_ANEW.format(reason=one.reason))
                self._shift = self._sent - one.offset
            case Done():
                yield self._chunk({}, finish_reason="length" if is_cut(one.finish_reason) else "stop")
                if self._include_usage:
                    yield event(
                        _head(self._reply, "chat.completion.chunk") | {"choices": [], "usage": usage(one.usage)}
                    )
                yield DONE
            case Failed():
                yield event({"error": error(one.code, one.message, 500, None) | {"request_id": one.request_id}})
                yield DONE

    def _text(self, text: str) -> bytes:
        self._sent += len(text)
        return self._chunk({"content": text})

    def _chunk(self, delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        spent = {"usage": None} if self._include_usage else {}
        return event(_head(self._reply, "chat.completion.chunk") | {"choices": [choice]} | spent)


def chat_completion(reply: Reply, answer: Answer) -> dict[str, Any]:
    annotations = []
    for citation in answer.citations:
        passage = answer.passages[citation.n - 1]
        annotations.append(url_citation(citation, passage, url_of(passage, reply.site, answer.collection)))
    message = {"role": "assistant", "content": answer.text, "refusal": None, "annotations": annotations}
    message |= {"reasoning_content": answer.reasoning} if answer.reasoning else {}
    reason = "length" if is_cut(answer.finish_reason) else "stop"
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return _head(reply, "chat.completion") | {"choices": [choice], "usage": usage(answer.usage)}


def _head(reply: Reply, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{reply.answer_id}",
        "object": kind,
        "created": reply.created,
        "model": reply.model,
        "system_fingerprint": None,
    }
