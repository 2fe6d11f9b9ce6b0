"""Carries a plan out: opens the servers, draws questions where there are none, asks, and compares."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rag_api.client import Client
from rag_api.evaluation.asking import Documents, Target, ask_all
from rag_api.evaluation.comparing import differences
from rag_api.evaluation.drawing import Material, draw, facts, read_material
from rag_api.evaluation.figures import figures
from rag_api.evaluation.gate import Finding, check_against, check_rules
from rag_api.evaluation.outcomes import Run
from rag_api.evaluation.phrasing import Phrased, phrase
from rag_api.evaluation.planning import Plan, Side, Wanted
from rag_api.evaluation.questions import Question
from rag_api.evaluation.report import FLATTERS, PHRASED, Report, make_report
from rag_api.home import serving
from rag_api.settings import Settings

Tell = Callable[[str, int, int], None]  # what, done, of how many
ANSWER_S = 300.0


class NothingToMeasure(ValueError):
    """`str(error)` says what is missing."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Questions with where they come from, and what a reader must know of them."""

    questions: Sequence[Question]
    origin: str
    notes: tuple[str, ...] = ()


def measure(
    plan: Plan, wanted: Wanted, settings: Settings, *, home: Callable[[], AbstractContextManager[Client]], tell: Tell
) -> tuple[Report, Drawn]:
    """`home` opens the home's own server. Raises ServerError, NothingToMeasure and UncheckableGate."""
    sides = [plan.ours, *([plan.theirs] if plan.theirs else [])]
    with _clients([side.base for side in sides], settings, home) as clients:
        documents = [_documents(client, side) for client, side in zip(clients, sides, strict=True)]
        drawn = _questions(plan, wanted, settings, clients[0], tell)
        targets = [
            Target(client, side.configuration, there, answers=wanted.with_answers)
            for client, side, there in zip(clients, sides, documents, strict=True)
        ]
        notes = [*drawn.notes, *(note for client in clients[:1] for note in _busy(client))]
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        rows = ask_all(
            targets,
            drawn.questions,
            concurrency=wanted.concurrency,
            tell=lambda done: tell("asked", done, len(drawn.questions)),
        )
        runs = [
            Run(
                name=name,
                server=client.url,
                made_at=made_at,
                configuration=side.configuration.as_json(),
                concurrency=wanted.concurrency,
                with_answers=wanted.with_answers,
                outcomes=tuple(row[at] for row in rows),
            )
            for at, (name, client, side) in enumerate(zip(plan.names, clients, sides, strict=False))
        ]
    theirs = runs[1] if plan.theirs else plan.earlier
    report = make_report(runs[0], theirs, origin=drawn.origin, notes=notes, seed=wanted.seed)
    ours = [there.ids for there, side in zip(documents, sides, strict=True) if _is_home(side.base, settings)]
    return replace(report, gate=_gate(plan, wanted, runs[0]), documents=frozenset().union(*ours)), drawn


def _is_home(base: str, settings: Settings) -> bool:
    owner = serving(settings.home)
    return not base or (owner is not None and owner.url.rstrip("/") == base.rstrip("/"))


def _gate(plan: Plan, wanted: Wanted, run: Run) -> list[Finding]:
    if plan.baseline:
        return check_against(differences(run, plan.baseline, seed=wanted.seed), wanted.tolerance)
    return check_rules(plan.rules, figures(run, seed=wanted.seed)) if plan.rules else []


@contextmanager
def _clients(
    bases: Sequence[str], settings: Settings, home: Callable[[], AbstractContextManager[Client]]
) -> Iterator[list[Client]]:
    """One for each address, the home's where it is empty; the same client for the same address."""
    key = settings.admin_key.get_secret_value()
    with ExitStack() as stack:
        opened: dict[str, Client] = {}
        for base in bases:
            if base not in opened:
                opening = Client(base, key=key, timeout_s=ANSWER_S) if base else home()
                opened[base] = stack.enter_context(opening)
        yield [opened[base] for base in bases]


def _documents(client: Client, side: Side) -> Documents:
    documents = Documents.of(client, side.configuration.collection)
    if not documents.ids:
        raise NothingToMeasure(
            f"the collection {side.configuration.collection!r} has no document that can be found; ingest some first"
        )
    return documents


def _busy(client: Client) -> list[str]:
    jobs = client.stats()["jobs"]
    open_jobs = jobs.get("queued", 0) + jobs.get("running", 0)
    return [f"{open_jobs} jobs were not done yet; what they bring or replace may change figures."] if open_jobs else []


def _questions(plan: Plan, wanted: Wanted, settings: Settings, client: Client, tell: Tell) -> Drawn:
    if plan.questions is not None:
        origin = wanted.questions.name if wanted.questions else "those of the earlier run"
        return Drawn(plan.questions, origin)
    collection = plan.ours.configuration.collection
    material = read_material(client, collection, wanted=wanted.draw, seed=wanted.seed)
    phrased = asyncio.run(_phrased(material, wanted, settings, tell))
    if phrased is None:
        questions = draw(material, wanted=wanted.draw, seed=wanted.seed)
        drawn = Drawn(questions, f"drawn from the collection, seed {wanted.seed}", (FLATTERS,))
    else:
        left = [f"{number} questions stayed clozes: {why}." for why, number in phrased.left.items()]
        origin = f"phrased by {settings.llm.model or 'the language model'}, seed {wanted.seed}"
        drawn = Drawn(phrased.questions, origin, (PHRASED, *([FLATTERS] if left else []), *left))
    if not drawn.questions:
        raise NothingToMeasure(
            f"the documents read of collection {collection!r} hold no sentence to draw a question from; "
            "write some questions (docs/evaluation.md)"
        )
    if len(drawn.questions) < wanted.draw:
        short = f"The text gave {len(drawn.questions)} of the {wanted.draw} questions that were to be drawn."
        drawn = replace(drawn, notes=(*drawn.notes, short))
    return drawn


async def _phrased(material: Sequence[Material], wanted: Wanted, settings: Settings, tell: Tell) -> Phrased | None:
    """None without a language model."""
    from rag_api.wiring import open_writer

    async with open_writer(settings) as model:
        if model is None:
            return None
        found = facts(material, wanted=wanted.draw, seed=wanted.seed)
        return await phrase(
            model, found, concurrency=wanted.concurrency, tell=lambda done: tell("phrased", done, len(found))
        )
