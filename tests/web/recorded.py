"""Runs as they may have been, for every dialect to tell."""

from collections.abc import Callable, Mapping, Sequence

from rag_api.core.events import (
    Answer,
    Citation,
    Done,
    Event,
    Failed,
    Logged,
    Reasoned,
    Reset,
    Retrieved,
    Started,
    TextAppended,
    fold,
)
from rag_api.core.hits import IndexedChunk, Passage
from rag_api.core.ports import Usage
from rag_api.web.dialects.ag_ui import AgUiStream
from rag_api.web.dialects.chat_completions import ChatCompletionStream
from rag_api.web.dialects.native import NativeStream
from rag_api.web.dialects.openai import Reply
from rag_api.web.dialects.responses import ResponseStream
from rag_api.web.dialects.ui_messages import UiMessageStream

ANSWER_ID = "ans_1"
MESSAGES = [{"id": "1", "role": "user", "content": "Who?"}]
REPLY = Reply(ANSWER_ID, "rag:hill", 1_763_000_000, "http://here")
LINE_ENDS = "a\u2028b\u2029c\u0085d\r\ne"
HARD = f'Ζάχαρη 👩‍👩‍👧 {LINE_ENDS} \\ " data: x'


def passage(n: int, text: str, source: str, page: int | None = None) -> Passage:
    chunk = IndexedChunk(f"doc{n}:1:0", f"doc{n}", 1, 0, f"Title {n}", source, page, "", 5, 5 + len(text), text, {})
    return Passage(n, chunk, 0.7, 0.6)


PASSAGES = (passage(1, "Ines Karlow built it.", "hill.md", 3), passage(2, HARD, "https://example.org/hill"))
STARTED = Started(ANSWER_ID, None, "hill", "fake", "Who built it?")
RETRIEVED = Retrieved(PASSAGES)
USAGE = Usage(7, 3, 10, 2)
NO_CITATIONS = {"supported": 0, "partial": 0, "unsupported": 0}


def done(outcome: str, text: str, finish_reason: str | None = "stop", usage: Usage | None = USAGE) -> Done:
    return Done(outcome, finish_reason, text, usage, {"total": 1.5}, NO_CITATIONS, None, "fake")  # type: ignore[arg-type]


def texts(*pieces: str, offset: int = 0) -> list[Event]:
    found: list[Event] = []
    for piece in pieces:
        found.append(TextAppended(offset, piece))
        offset += len(piece)
    return found


def citation(n: int, start: int, end: int) -> Citation:
    chunk = PASSAGES[n - 1].chunk
    return Citation(
        n, start, end, chunk.chunk_id, chunk.document_id, 1, 5, 9, chunk.page, chunk.text[:4], "partial", 0.5
    )


RUNS: Mapping[str, Sequence[Event]] = {
    "answered": [
        STARTED,
        RETRIEVED,
        *texts("Ines ", "Karlow built it [1]"),
        citation(1, 0, 20),
        *texts(". It is high [2]", offset=24),
        citation(2, 26, 36),
        citation(1, 26, 36),
        *texts(".", offset=40),
        done("answered", "Ines Karlow built it [1]. It is high [2]."),
    ],
    "without a language model": [
        STARTED,
        RETRIEVED,
        *texts("So [1]"),
        citation(1, 0, 2),
        done("answered", "So [1]", "stop", None),
    ],
    "refused": [STARTED, RETRIEVED, *texts("I found none."), done("no_answer", "I found none.", "no_answer", None)],
    "nothing found": [STARTED, Retrieved(()), *texts("I found none."), done("no_answer", "I found none.", None, None)],
    "cancelled": [STARTED, RETRIEVED, *texts("Ines Ka"), done("cancelled", "Ines Ka", None, None)],
    "cancelled at once": [STARTED, done("cancelled", "", None, None)],
    "cut": [STARTED, RETRIEVED, *texts("Ines Ka"), done("answered", "Ines Ka", "length")],
    "empty": [STARTED, RETRIEVED, done("answered", "")],
    "failed over": [
        STARTED,
        RETRIEVED,
        *texts("Wrong [1]"),
        citation(1, 0, 5),
        *texts(", as", offset=9),
        Reset(0, "the first broke off; the second answers instead"),
        *texts("Ines [1]", "."),
        citation(1, 0, 4),
        done("answered", "Ines [1]."),
    ],
    "failed": [STARTED, Failed("embedder_unavailable", "the embedder can't be reached", "req-1")],
    "failed in mid-stream": [
        STARTED,
        RETRIEVED,
        *texts("Ines Ka"),
        Failed("language_model_broken", f"it broke off {LINE_ENDS}", None),
    ],
    "hard characters": [STARTED, RETRIEVED, *texts(*HARD), citation(2, 7, 12), done("answered", HARD)],
    "reasoning": [
        STARTED,
        RETRIEVED,
        Reasoned("Let me "),
        Reasoned("see."),
        *texts("Ines."),
        done("answered", "Ines."),
    ],
    "reasoning, failed over": [
        STARTED,
        RETRIEVED,
        Reasoned("Let me "),
        Reset(0, "it thought too long; the second answers instead"),
        Reasoned("Ah."),
        *texts("Ines."),
        done("answered", "Ines."),
    ],
}

Projection = Callable[[Sequence[Logged]], bytes]
DIALECTS: Mapping[str, Callable[[], Projection]] = {
    "native": lambda: NativeStream(ANSWER_ID),
    "chat completions": lambda: ChatCompletionStream(REPLY, include_usage=True),
    "responses": lambda: ResponseStream(REPLY, with_results=True),
    "ui messages": UiMessageStream,
    "ag-ui": lambda: AgUiStream("thread", "run", MESSAGES),
}


def answer(run: str) -> Answer:
    return fold(RUNS[run])


def told(dialect: str, run: str, *, at_once: bool = False) -> bytes:
    """The bytes of a run's stream, as events come one by one or all at once."""
    projection = DIALECTS[dialect]()
    log = [Logged(seq, event) for seq, event in enumerate(RUNS[run], start=1)]
    batches = [log] if at_once else [[logged] for logged in log]
    return b"".join(projection(batch) for batch in batches)
