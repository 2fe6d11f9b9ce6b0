"""All that one call of `rag eval` found, and its JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rag_api.evaluation.comparing import Difference, differences, only_in_one
from rag_api.evaluation.figures import Counts, Figure, count, figures
from rag_api.evaluation.gate import Finding
from rag_api.evaluation.intervals import FEWEST
from rag_api.evaluation.outcomes import FORMAT, Outcome, Run

FLATTERS = (
    "The questions were drawn from the collection's own text by rule: their words are the documents', which flatters "
    "word matching. Such figures show what a change does; how good the answers to people's questions are, they don't."
)
PHRASED = (
    "The questions were phrased by a language model from sentences of the collection: kinder than people's questions, "
    "as each rests on one sentence that is there."
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A run with its figures."""

    run: Run
    figures: list[Figure]
    counts: Counts

    @classmethod
    def of(cls, run: Run, *, seed: int) -> "Measured":
        return cls(run, figures(run, seed=seed), count(run))


@dataclass(frozen=True, slots=True)
class Report:
    """`origin`: where the questions come from; `notes`: what a reader must know before believing a figure.

    `documents`: those of this home among what it was measured on.
    """

    ours: Measured
    theirs: Measured | None
    differences: list[Difference]
    gate: list[Finding]
    origin: str
    notes: tuple[str, ...]
    seed: int
    documents: frozenset[str] = frozenset()

    @property
    def failures(self) -> int:
        return self.ours.run.failures + (self.theirs.run.failures if self.theirs else 0)

    @property
    def fallen(self) -> list[Finding]:
        return [finding for finding in self.gate if not finding.is_ok]

    def as_json(self) -> dict[str, Any]:
        """What `--against` and `--gate` take again."""
        theirs = self.theirs
        return {
            "format": FORMAT,
            "origin": self.origin,
            "seed": self.seed,
            "notes": list(self.notes),
            "figures": [figure.as_json() for figure in self.ours.figures],
            "counts": self.ours.counts.as_json(),
            "differences": [difference.as_json() for difference in self.differences],
            "gate": [finding.as_json() for finding in self.gate],
            "run": self.ours.run.as_json(),
            "against": theirs and {"counts": theirs.counts.as_json(), "run": theirs.run.as_json()},
        }


def make_report(
    ours: Run, theirs: Run | None, *, origin: str, notes: Sequence[str], seed: int, gate: Sequence[Finding] = ()
) -> Report:
    found = differences(ours, theirs, seed=seed) if theirs else []
    measured = Measured.of(ours, seed=seed)
    other = Measured.of(theirs, seed=seed) if theirs else None
    said = (*notes, *_notes(measured), *(_comparison_notes(ours, theirs) if theirs else ()))
    return Report(measured, other, found, list(gate), origin, said, seed)


def went_wrong(outcome: Outcome) -> list[str]:
    """Why a question counts as failed; empty when all went as it was to."""
    scores, reasons = outcome.scores, [f"{one.stage} failed: {one.message}" for one in outcome.failures]
    reasons += [f"{name} is not in the collection" for name in outcome.missing]
    deepest = max((name for name in scores if name.startswith("recall@")), key=_depth, default="")
    if deepest and scores[deepest] < 1:
        reasons.append(f"not all expected documents among the first {_depth(deepest)}")
    deepest = max((name for name in scores if name.startswith("phrase@")), key=_depth, default="")
    if deepest and not scores[deepest]:
        reasons.append(f"no expected phrase in the first {_depth(deepest)} hits")
    if scores.get("refused_wrongly"):
        reasons.append("refused, though it can be answered")
    elif not scores.get("answer_phrase", 1):
        reasons.append("the answer holds no expected phrase")
    if not scores.get("refused_rightly", 1):
        reasons.append("answered, though the documents do not hold the answer")
    if scores.get("quotes_exact", 1) < 1:
        reasons.append("a quote differs from the document's characters")
    return reasons


def _depth(name: str) -> int:
    return int(name.partition("@")[2])


def _notes(measured: Measured) -> list[str]:
    run, counts = measured.run, measured.counts
    notes: list[str] = []
    if counts.failures:
        which = ", ".join(f"{number} × {what}" for what, number in counts.failures.items())
        notes.append(f"{run.name}: {run.failures} requests failed and are in no figure ({which}).")
    if counts.degraded:
        notes.append(f"{run.name}: {counts.degraded} searches had to do without an index (degraded).")
    if counts.missing:
        notes.append(
            f"{run.name}: {counts.missing} expected documents are not in the collection; they count as not found."
        )
    if counts.unchecked:
        notes.append(f"{run.name}: {counts.unchecked} quotes could not be compared with their document.")
    if counts.questions < FEWEST:
        notes.append(f"{run.name}: with fewer than {FEWEST} questions intervals are too narrow to be believed.")
    if not run.with_answers and counts.answerable < counts.questions:
        notes.append("Unanswerable questions were left out: whether they are refused takes --answers.")
    return notes


def _comparison_notes(ours: Run, theirs: Run) -> list[str]:
    notes: list[str] = []
    here, there = only_in_one(ours, theirs)
    if here or there:
        notes.append(f"{here} questions were asked here only, {there} there only; neither are compared.")
    if ours.with_answers and theirs.with_answers and _answers_alike(ours) == _answers_alike(theirs):
        notes.append("Both gave answers under the same settings: mode, top_k and dense_weight change searches only.")
    if ours.made_at != theirs.made_at:
        notes.append("The runs are of different times: their latencies may be those of different machines and loads.")
    return notes


def _answers_alike(run: Run) -> tuple[object, ...]:
    searches_only = ("mode", "top_k", "dense_weight")
    kept = sorted((name, str(value)) for name, value in run.configuration.items() if name not in searches_only)
    return (run.server, *kept)
