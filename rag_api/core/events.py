"""What happens in an answer, as values: a run's log is a list of these, and every response is a view of that log."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from rag_api.core.gating import Gate
from rag_api.core.hits import Passage
from rag_api.core.ports import Usage

Outcome: TypeAlias = Literal["answered", "no_answer", "cancelled"]


@dataclass(frozen=True, slots=True)
class Started:
    type: ClassVar[str] = "started"
    answer_id: str
    conversation_id: str | None
    collection: str
    model: str
    question: str = ""
    parent_id: str | None = None
    prompts: str = ""
    owner: str = ""  # the principal that asked; shown to nobody


@dataclass(frozen=True, slots=True)
class Retrieved:
    type: ClassVar[str] = "retrieved"
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class TextAppended:
    type: ClassVar[str] = "text"
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Reasoned:
    """What a model thinks aloud, for who asked to see it: no part of the answer."""

    type: ClassVar[str] = "reasoning"
    text: str


@dataclass(frozen=True, slots=True)
class Citation:
    """`quote` is the document's text at start:end; answer_start:answer_end is what it is quoted for."""

    type: ClassVar[str] = "citation"
    n: int
    answer_start: int
    answer_end: int
    chunk_id: str
    document_id: str
    version: int
    start: int
    end: int
    page: int | None
    quote: str
    verdict: str
    score: float


@dataclass(frozen=True, slots=True)
class Reset:
    type: ClassVar[str] = "reset"
    offset: int
    reason: str


@dataclass(frozen=True, slots=True)
class Done:
    type: ClassVar[str] = "done"
    outcome: Outcome
    finish_reason: str | None
    text: str
    usage: Usage | None
    timings_ms: Mapping[str, float]
    grounding: Mapping[str, int]
    gate: Gate | None = None
    model: str | None = None  # that answered in the end
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    type: ClassVar[str] = "failed"
    code: str
    message: str
    request_id: str | None


Event: TypeAlias = Started | Retrieved | Reasoned | TextAppended | Citation | Reset | Done | Failed
EVENTS: Mapping[str, type[Event]] = {
    kind.type: kind for kind in (Started, Retrieved, Reasoned, TextAppended, Citation, Reset, Done, Failed)
}


def is_end(event: Event) -> bool:
    return isinstance(event, Done | Failed)


def documents_in(events: Iterable[Event]) -> set[str]:
    """Those that passages are from."""
    found = (event for event in events if isinstance(event, Retrieved))
    return {passage.chunk.document_id for event in found for passage in event.passages}


@dataclass(frozen=True, slots=True)
class Logged:
    """An event with its place in its run's log; `seq` counts from 1."""

    seq: int
    event: Event


@dataclass(slots=True)
class Answer:
    """What a run's events fold to. `outcome` is None while it runs."""

    answer_id: str = ""
    conversation_id: str | None = None
    collection: str = ""
    model: str = ""
    question: str = ""
    parent_id: str | None = None
    prompts: str = ""
    text: str = ""
    reasoning: str = ""
    outcome: str | None = None
    finish_reason: str | None = None
    citations: list[Citation] = field(default_factory=list)
    passages: tuple[Passage, ...] = ()
    usage: Usage | None = None
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    grounding: Mapping[str, int] = field(default_factory=dict)
    gate: Gate | None = None
    cached: bool = False
    error: Failed | None = None


def fold(events: Iterable[Event]) -> Answer:
    answer = Answer()
    pieces: list[str] = []
    thoughts: list[str] = []
    for event in events:
        match event:
            case Started():
                answer.answer_id, answer.conversation_id = event.answer_id, event.conversation_id
                answer.collection, answer.model = event.collection, event.model
                answer.question, answer.parent_id = event.question, event.parent_id
                answer.prompts = event.prompts
            case Retrieved():
                answer.passages = event.passages
            case Reasoned():
                thoughts.append(event.text)
            case TextAppended():
                pieces.append(event.text)
            case Citation():
                answer.citations.append(event)
            case Reset():
                pieces = ["".join(pieces)[: event.offset]]
                answer.citations = [found for found in answer.citations if found.answer_end <= event.offset]
                thoughts = thoughts if event.offset else []
            case Done():
                answer.outcome, answer.finish_reason = event.outcome, event.finish_reason
                answer.usage, answer.timings_ms, answer.grounding = event.usage, event.timings_ms, event.grounding
                answer.gate, answer.model = event.gate, event.model or answer.model
                answer.cached = event.cached
            case Failed():
                answer.outcome, answer.error = "failed", event
    answer.text, answer.reasoning = "".join(pieces), "".join(thoughts)
    return answer


def grounding(citations: Iterable[Citation]) -> dict[str, int]:
    """How many citations have each verdict."""
    counts: dict[str, Any] = {"supported": 0, "partial": 0, "unsupported": 0}
    for citation in citations:
        counts[citation.verdict] += 1
    return counts
