"""The UI message stream, version 1, of Vercel's AI SDK.

A part can't be taken back: where another language model begins anew, the text part ends, a `data-reset` part says why,
and a new text part follows. Parts `data-citation` have what native citations have.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from rag_api.core.events import Citation, Done, Event, Failed, Logged, Reasoned, Reset, Retrieved, Started
from rag_api.core.events import TextAppended as Text
from rag_api.core.hits import Passage
from rag_api.web.dialects.openai import is_cut
from rag_api.web.dialects.wire import DONE, coalesced, event
from rag_api.web.schemas import citation_out

HEADERS = {"x-vercel-ai-ui-message-stream": "v1"}


class UiMessageStream:
    def __init__(self) -> None:
        self._passages: Sequence[Passage] = ()
        self._shown: set[int] = set()
        self._open: tuple[str, str] | None = None  # kind and id of the part that is being written
        self._begun = 0
        self._cited = 0

    def __call__(self, batch: Sequence[Logged]) -> bytes:
        return b"".join(event(chunk) for one in coalesced(batch) for chunk in self._of(one)) + self._farewell(batch)

    def _of(self, one: Event) -> Iterator[dict[str, Any]]:
        match one:
            case Started():
                about = {"answer_id": one.answer_id, "collection": one.collection, "model": one.model}
                yield {"type": "start", "messageId": one.answer_id, "messageMetadata": about}
            case Retrieved():
                self._passages = one.passages
            case Text():
                yield from self._append("text", one.text)
            case Reasoned():
                yield from self._append("reasoning", one.text)
            case Citation():
                yield from self._cite(one)
            case Reset():
                yield from self._end()
                yield {"type": "data-reset", "data": {"offset": one.offset, "reason": one.reason}}
            case Done(outcome="cancelled"):
                yield from self._end()
                yield {"type": "abort", "reason": "the answer was stopped"}
            case Done():
                yield from self._end()
                ended: dict[str, Any] = {"outcome": one.outcome, "usage": one.usage, "timings_ms": one.timings_ms}
                ended |= {"grounding": one.grounding} | ({"model": one.model} if one.model else {})
                reason = "length" if is_cut(one.finish_reason) else "stop"
                yield {"type": "finish", "finishReason": reason, "messageMetadata": ended}
            case Failed():
                yield from self._end()
                yield {"type": "error", "errorText": one.message}
                yield {"type": "finish", "finishReason": "error", "messageMetadata": {"error": one.code}}

    def _append(self, kind: str, text: str) -> Iterator[dict[str, Any]]:
        if self._open and self._open[0] != kind:
            yield from self._end()
        if not self._open:
            self._begun += 1
            self._open = kind, f"{kind}-{self._begun}"
            yield {"type": f"{kind}-start", "id": self._open[1]}
        yield {"type": f"{kind}-delta", "id": self._open[1], "delta": text}

    def _end(self) -> Iterator[dict[str, Any]]:
        if self._open:
            kind, id_ = self._open
            self._open = None
            yield {"type": f"{kind}-end", "id": id_}

    def _cite(self, citation: Citation) -> Iterator[dict[str, Any]]:
        """The source when it is first cited, then where exactly."""
        if citation.n not in self._shown:
            self._shown.add(citation.n)
            chunk = self._passages[citation.n - 1].chunk
            about = {"n": citation.n, "documentId": chunk.document_id, "version": chunk.version}
            place = {"chunkId": chunk.chunk_id, "start": chunk.start, "end": chunk.end, "page": chunk.page}
            yield {
                "type": "source-document",
                "sourceId": str(citation.n),
                "mediaType": "text/plain",
                "title": chunk.title or chunk.source,
                "filename": chunk.source,
                "providerMetadata": {"rag": about | place},
            }
        self._cited += 1
        yield {"type": "data-citation", "id": f"citation-{self._cited}", "data": citation_out(citation)}

    def _farewell(self, batch: Sequence[Logged]) -> bytes:
        return DONE if any(isinstance(logged.event, Done | Failed) for logged in batch) else b""
