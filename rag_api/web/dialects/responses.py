"""OpenAI's responses: a search, perhaps reasoning, a message, as items that each begin and end.

A message can't be taken back: where another language model begins anew, the item ends as incomplete and another one
begins; the whole response at the end has only what counts.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from rag_api.core.events import Citation, Done, Event, Failed, Logged, Reasoned, Reset, Retrieved, Started, fold
from rag_api.core.events import TextAppended as Text
from rag_api.core.hits import Passage
from rag_api.web.dialects.openai import Reply
from rag_api.web.dialects.response_items import (
    Json,
    file_citation,
    message_item,
    reasoning_item,
    response,
    search_item,
)
from rag_api.web.dialects.wire import coalesced, event


class ResponseStream:
    def __init__(self, reply: Reply, *, with_results: bool) -> None:
        self._reply = reply
        self._with_results = with_results
        self._log: list[Event] = []
        self._passages: Sequence[Passage] = ()
        self._seq = -1
        self._index = -1
        self._open: Json | None = None  # the reasoning or message that is being written
        self._begun = 0

    def __call__(self, batch: Sequence[Logged]) -> bytes:
        return b"".join(data for one in coalesced(batch) for data in self._of(one))

    def _of(self, one: Event) -> Iterator[bytes]:
        self._log.append(one)
        match one:
            case Started():
                yield self._say("response.created", response=self._whole())
                yield self._say("response.in_progress", response=self._whole())
            case Retrieved():
                self._passages = one.passages
                yield from self._search()
            case Reasoned():
                yield from self._begin("reasoning")
                yield self._append("response.reasoning_text.delta", one.text)
            case Text():
                yield from self._begin("message")
                yield self._append("response.output_text.delta", one.text, logprobs=[])
            case Citation() if self._open:
                annotations = self._open["content"][0]["annotations"]
                annotations.append(file_citation(one, self._passages))
                yield self._part(
                    "response.output_text.annotation.added",
                    annotation_index=len(annotations) - 1,
                    annotation=annotations[-1],
                )
            case Reset():
                yield from self._end("incomplete")
            case Done() | Failed():
                whole = self._whole()
                if isinstance(one, Done):
                    yield from self._begin("message")  # an answer without a word is a message all the same
                yield from self._end("completed" if whole["status"] == "completed" else "incomplete")
                kind = whole["status"] if whole["status"] in ("completed", "failed") else "incomplete"
                yield self._say(f"response.{kind}", response=self._whole())

    def _whole(self) -> Json:
        return response(self._reply, fold(self._log), with_results=self._with_results, message=max(self._begun, 1))

    def _search(self) -> Iterator[bytes]:
        self._index += 1
        item = search_item(self._reply, fold(self._log).question, self._passages, with_results=self._with_results)
        begun = item | {"status": "in_progress", "results": None}
        yield self._say("response.output_item.added", output_index=self._index, item=begun)
        for stage in ("in_progress", "searching", "completed"):
            yield self._say(f"response.file_search_call.{stage}", output_index=self._index, item_id=item["id"])
        yield self._say("response.output_item.done", output_index=self._index, item=item)

    def _begin(self, kind: str) -> Iterator[bytes]:
        if self._open and self._open["type"] == kind:
            return
        yield from self._end("completed")
        self._index += 1
        self._begun += kind == "message"
        make = message_item if kind == "message" else reasoning_item
        self._open = make(self._reply, self._begun, "in_progress")
        added = self._open | {"content": []}
        yield self._say("response.output_item.added", output_index=self._index, item=added)
        yield self._part("response.content_part.added", part=self._open["content"][0])

    def _end(self, status: str) -> Iterator[bytes]:
        item = self._open
        if not item:
            return
        item["status"], part = status, item["content"][0]
        if item["type"] == "message":
            yield self._part("response.output_text.done", text=part["text"], logprobs=[])
        else:
            yield self._part("response.reasoning_text.done", text=part["text"])
        yield self._part("response.content_part.done", part=part)
        yield self._say("response.output_item.done", output_index=self._index, item=item)
        self._open = None

    def _append(self, kind: str, text: str, **more: Any) -> bytes:
        if self._open:
            self._open["content"][0]["text"] += text
        return self._part(kind, delta=text, **more)

    def _part(self, kind: str, **of: Any) -> bytes:
        item_id = self._open["id"] if self._open else ""
        return self._say(kind, item_id=item_id, output_index=self._index, content_index=0, **of)

    def _say(self, kind: str, **of: Any) -> bytes:
        self._seq += 1
        return event({"type": kind, "sequence_number": self._seq, **of}, kind)
