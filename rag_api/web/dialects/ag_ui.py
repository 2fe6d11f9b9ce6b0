"""AG-UI, version 1.0: a run's life, messages that are written, and what the protocol has no word for as custom events.

Where another language model begins anew, the message ends, a snapshot of the messages takes it out, and another one
follows.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rag_api.core.events import Citation, Done, Event, Failed, Logged, Reasoned, Reset, Retrieved, Started
from rag_api.core.events import TextAppended as Text
from rag_api.core.ports import Usage
from rag_api.web.dialects.wire import coalesced, event
from rag_api.web.schemas import citation_out, passage_out

VERSION = "1.0"
Json = dict[str, Any]


class AgUiStream:
    """`messages`: as the client sent them, for it to keep where an answer is taken back."""

    def __init__(self, thread_id: str, run_id: str, messages: Sequence[Mapping[str, Any]]) -> None:
        self._of_run = {"threadId": thread_id, "runId": run_id}
        self._messages = messages
        self._answer_id = ""
        self._model = ""
        self._open: tuple[str, str] | None = None  # kind and id of the message that is being written
        self._begun = 0

    def __call__(self, batch: Sequence[Logged]) -> bytes:
        return b"".join(event(said) for one in coalesced(batch) for said in self._of(one))

    def _of(self, one: Event) -> Iterator[Json]:
        match one:
            case Started():
                self._answer_id, self._model = one.answer_id, one.model
                yield {"type": "RUN_STARTED", **self._of_run, "protocolVersion": VERSION}
                about = {"answer_id": one.answer_id, "collection": one.collection, "model": one.model}
                yield {"type": "CUSTOM", "name": "started", "value": about}
            case Retrieved():
                passages = [passage_out(passage) for passage in one.passages]
                yield {"type": "CUSTOM", "name": "retrieved", "value": {"passages": passages}}
            case Text():
                yield from self._append("TEXT", one.text)
            case Reasoned():
                yield from self._append("REASONING", one.text)
            case Citation():
                yield {"type": "CUSTOM", "name": "citation", "value": citation_out(one)}
            case Reset():
                yield from self._end()
                yield {"type": "MESSAGES_SNAPSHOT", "messages": self._messages}
                yield {"type": "CUSTOM", "name": "reset", "value": {"offset": one.offset, "reason": one.reason}}
            case Done():
                yield from self._end()
                result = {"outcome": one.outcome, "grounding": one.grounding, "timings_ms": one.timings_ms}
                outcome = {"type": "cancelled" if one.outcome == "cancelled" else "success"}
                spent = {"usage": [_usage(one.usage, one.model or self._model)]} if one.usage else {}
                yield {"type": "RUN_FINISHED", **self._of_run, "result": result, "outcome": outcome, **spent}
            case Failed():
                yield from self._end()
                yield {"type": "RUN_ERROR", "message": one.message, "code": one.code}

    def _append(self, kind: str, text: str) -> Iterator[Json]:
        if self._open and self._open[0] != kind:
            yield from self._end()
        if not self._open:
            self._begun += 1
            id_ = self._answer_id + (f"_{self._begun}" if self._begun > 1 else "")
            self._open = kind, id_
            if kind == "TEXT":
                yield {"type": "TEXT_MESSAGE_START", "messageId": id_, "role": "assistant"}
            else:
                yield {"type": "REASONING_START", "messageId": id_}
                yield {"type": "REASONING_MESSAGE_START", "messageId": id_, "role": "reasoning"}
        yield {"type": f"{kind}_MESSAGE_CONTENT", "messageId": self._open[1], "delta": text}

    def _end(self) -> Iterator[Json]:
        if self._open:
            kind, id_ = self._open
            self._open = None
            yield {"type": f"{kind}_MESSAGE_END", "messageId": id_}
            if kind == "REASONING":
                yield {"type": "REASONING_END", "messageId": id_}


def _usage(usage: Usage, model: str) -> Json:
    spent = {
        "model": model,
        "inputTokens": usage.prompt_tokens,
        "outputTokens": usage.completion_tokens,
        "totalTokens": usage.total_tokens,
    }
    return spent | ({} if usage.reasoning_tokens is None else {"reasoningTokens": usage.reasoning_tokens})
