"""Outcomes and runs for tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rag_api.backends.reports import ReportFiles
from rag_api.evaluation.gate import Finding
from rag_api.evaluation.keeping import keep
from rag_api.evaluation.outcomes import Cited, Failure, Outcome, Run, Said, Seen
from rag_api.evaluation.questions import Question
from rag_api.evaluation.report import make_report


def hit(document: str, text: str = "", *, also: Sequence[str] = (), rank: int = 1) -> dict[str, Any]:
    """As the server sends it, as far as it is read."""
    others = [{"document_id": other, "source": f"{other}.txt", "title": other} for other in also]
    place = {"page": None, "section": ""}
    names = {"document_id": document, "source": f"{document}.txt", "title": document}
    return {"rank": rank, "score": 0.5, **names, "text": text, "also": others, **place}


def outcome(text: str = "Why?", *, failures: tuple[Failure, ...] = (), **scores: float) -> Outcome:
    """Scores by figure, `_at_` for @; a search took 10 ms."""
    named = {name.replace("_at_", "@"): value for name, value in scores.items()}
    times = {} if failures else {"search": 10.0}
    return Outcome(Question(text, sources=("a.txt",)), named, times, failures=failures)


def full_outcome(text: str = "Where is the <well> & how \x0c deep?") -> Outcome:
    question = Question(text, sources=("well.txt",), phrases=("42 metres",), kind="cloze")
    seen = Seen(1, "well.txt", "doc_1", "The <well>", 0.9, "p. 3", 'Deep & <b>"dark"</b> \x00', False, True)
    said = Said("It is deep. [1]", "answered", (Cited("deep <i>", "supported", True), Cited("x", "partial", None)))
    scores = {"recall@10": 0.0, "ndcg@10": 0.0, "mrr@10": 0.0, "phrase@10": 1.0, "answer_phrase": 0.0}
    times = {"search": 12.5, "first_text": 30.0, "answer": 40.0}
    broken = Failure("quotes", "content_gone", "the version was replaced")
    return Outcome(question, scores, times, (seen,), said, ("dense",), ("source old.txt",), (broken,))


def run(outcomes: Sequence[Outcome], *, name: str = "this run", **changes: Any) -> Run:
    given: Mapping[str, Any] = {
        "name": name,
        "server": "http://127.0.0.1:1",
        "made_at": "2026-01-01T00:00:00+00:00",
        "configuration": {"collection": "default", "top_k": 10, "mode": "hybrid"},
        "concurrency": 4,
        "with_answers": False,
        "outcomes": tuple(outcomes),
    }
    return Run(**{**given, **changes})


def kept(home: Path, ours: Run, theirs: Run | None = None, *, origin: str = "questions.jsonl") -> str:
    """The id of a report that the home keeps, as `rag eval` has it kept."""
    gate = [Finding("ndcg@10", False, "ndcg@10 is 0.0 %, wanted >= 90.0 %")]
    report = make_report(ours, theirs, origin=origin, notes=("It was <b>late</b>.",), seed=0, gate=gate)
    return keep(report, ReportFiles(home / "evaluations"))
