"""What is to be measured, read and checked before anything is asked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag_api.evaluation.configuration import Configuration, configured
from rag_api.evaluation.figures import possible_names
from rag_api.evaluation.gate import Rule, are_rules, read_rules
from rag_api.evaluation.outcomes import Run, WrongRun, read_run
from rag_api.evaluation.questions import Question, read_questions

STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says."""

    questions: Path | None
    collection: str
    settings: Sequence[str]
    against: Sequence[str]
    base: str
    against_base: str
    with_answers: bool
    draw: int
    seed: int
    concurrency: int
    gate: str
    tolerance: float | None


@dataclass(frozen=True, slots=True)
class Side:
    """`base`: the server's URL, empty for that of the home."""

    configuration: Configuration
    base: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`theirs` is asked besides, `earlier` and `baseline` were asked before; `questions` None: to be drawn."""

    ours: Side
    theirs: Side | None
    earlier: Run | None
    baseline: Run | None
    rules: Sequence[Rule]
    questions: Sequence[Question] | None

    @property
    def names(self) -> tuple[str, str]:
        """What tells the two sides apart."""
        if self.earlier:
            return "now", self.earlier.name
        if not self.theirs:
            return "this run", ""
        here, there = (side.configuration.as_json() | {"server": side.base} for side in (self.ours, self.theirs))
        differing = [name for name in here | there if here.get(name) != there.get(name)]
        return _name(here, differing) or "this run", _name(there, differing) or "against"


def make_plan(wanted: Wanted) -> Plan:
    """Raises ValueError that says what is wrong with the command line or a file, and OSError."""
    ours = Side(configured(Configuration(collection=wanted.collection), wanted.settings), wanted.base)
    earlier = _earlier(wanted)
    theirs = None
    if not earlier and (wanted.against or wanted.against_base):
        theirs = Side(configured(ours.configuration, wanted.against), wanted.against_base or wanted.base)
        if theirs == ours:
            raise ValueError("--against names what is measured already; change a setting or the server")
    is_bounds = are_rules(wanted.gate)
    if wanted.tolerance is not None and (is_bounds or not wanted.gate):
        raise ValueError("--tolerance is for --gate with an earlier report")
    rules = _rules(wanted, ours.configuration.top_k) if is_bounds else ()
    baseline = _read_report(Path(wanted.gate), "--gate") if wanted.gate and not is_bounds else None
    questions = read_questions(wanted.questions) if wanted.questions else None
    if questions is None and (before := earlier or baseline):
        questions = [outcome.question for outcome in before.outcomes]
    return Plan(ours, theirs, earlier, baseline, rules, questions)


def _rules(wanted: Wanted, top_k: int) -> list[Rule]:
    """Raises ValueError for a figure that this run can't have, before anything is asked."""
    possible = possible_names(top_k, with_answers=wanted.with_answers)
    rules = read_rules(wanted.gate)
    for rule in rules:
        if rule.name not in possible:
            raise ValueError(
                f"--gate: there is no figure {rule.name!r} here; there are {', '.join(possible)} "
                "(those of answers need --answers, those at another k --set top_k=…)"
            )
    return rules


def _earlier(wanted: Wanted) -> Run | None:
    files = [text for text in wanted.against if "=" not in text or Path(text).is_file()]
    if not files:
        return None
    if len(wanted.against) > 1 or wanted.against_base:
        raise ValueError(f"--against {files[0]} is an earlier report, which takes no settings and no other server")
    return _read_report(Path(files[0]), "--against")


def _read_report(path: Path, option: str) -> Run:
    try:
        run = read_run(json.loads(path.read_text("utf-8")))
    except FileNotFoundError as error:
        raise ValueError(f"{option} {path}: there is no such file, and it is no setting or bound either") from error
    except (WrongRun, ValueError, RecursionError) as error:
        raise ValueError(f"{option} {path}: {error}") from error
    return Run(
        name=path.name,
        server=run.server,
        made_at=run.made_at,
        configuration=run.configuration,
        concurrency=run.concurrency,
        with_answers=run.with_answers,
        outcomes=run.outcomes,
    )


def _name(side: Mapping[str, object], differing: Sequence[str]) -> str:
    return " ".join(
        str(side[name]) if name == "server" else f"{name}={json.dumps(side[name])}".replace('"', "")
        for name in differing
        if side.get(name)
    )
