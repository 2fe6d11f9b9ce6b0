"""What came of one question, and of all of them: values that are kept as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rag_api.evaluation.questions import Question, read_question

FORMAT = 1


class WrongRun(ValueError):
    """`str(error)` says what the file is instead of a run."""


@dataclass(frozen=True, slots=True)
class Failure:
    """`stage`: search, answer, or quotes (the check of citations against the document)."""

    stage: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A hit as it is kept: what it was, and whether it was what was wanted. `text` is cut short."""

    rank: int
    source: str
    document_id: str
    title: str
    score: float
    place: str
    text: str
    is_wanted: bool
    holds_phrase: bool


@dataclass(frozen=True, slots=True)
class Cited:
    """`is_exact`: the quote equals the document's characters at its offsets; None: that could not be checked."""

    quote: str
    verdict: str
    is_exact: bool | None
    document_id: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    text: str
    outcome: str
    citations: tuple[Cited, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`scores` by figure, from 0 to 1; `times_ms` by what was waited for. What failed has neither."""

    question: Question
    scores: Mapping[str, float] = field(default_factory=dict)
    times_ms: Mapping[str, float] = field(default_factory=dict)
    hits: tuple[Seen, ...] = ()
    answer: Said | None = None
    degraded: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()  # expected documents that the collection does not have
    failures: tuple[Failure, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"question": self.question.as_json()}


@dataclass(frozen=True, slots=True)
class Run:
    """One configuration's outcomes, in the order of the questions."""

    name: str
    server: str
    made_at: str
    configuration: Mapping[str, Any]
    concurrency: int
    with_answers: bool
    outcomes: tuple[Outcome, ...]

    @property
    def failures(self) -> int:
        return sum(len(outcome.failures) for outcome in self.outcomes)

    def as_json(self) -> dict[str, Any]:
        names = ("name", "server", "made_at", "configuration", "concurrency", "with_answers")
        return {name: getattr(self, name) for name in names} | {
            "outcomes": [outcome.as_json() for outcome in self.outcomes]
        }


def read_run(raw: Any) -> Run:
    """The run of a report as `--json` wrote it. Raises WrongRun."""
    if not isinstance(raw, dict) or raw.get("format") != FORMAT or "run" not in raw:
        raise WrongRun(f'it is no report that rag eval --json wrote (an object with "format": {FORMAT} and "run")')
    try:
        run = raw["run"]
        outcomes = tuple(_outcome(one) for one in run["outcomes"])
        return Run(
            name=str(run["name"]),
            server=str(run["server"]),
            made_at=str(run["made_at"]),
            configuration=dict(run["configuration"]),
            concurrency=int(run["concurrency"]),
            with_answers=bool(run["with_answers"]),
            outcomes=outcomes,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WrongRun(f"it is a damaged report of rag eval ({type(error).__name__}: {error})") from error


def _outcome(raw: Mapping[str, Any]) -> Outcome:
    said = raw["answer"]
    return Outcome(
        question=read_question(raw["question"]),
        scores=_floats(raw["scores"]),
        times_ms=_floats(raw["times_ms"]),
        hits=tuple(Seen(**hit) for hit in raw["hits"]),
        answer=said and Said(said["text"], said["outcome"], tuple(Cited(**one) for one in said["citations"])),
        degraded=_texts(raw["degraded"]),
        missing=_texts(raw["missing"]),
        failures=tuple(Failure(**one) for one in raw["failures"]),
    )


def _floats(raw: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in raw.items()}


def _texts(raw: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(one) for one in raw)
