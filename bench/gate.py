"""Fits the weights of `rag_api/core/gating.py` anew: `python -m bench.gate [--eval FOLDER] [--base URL]`.

Asks a server without a threshold every question of the sets, takes the gate's evidence from the answers, fits on nq
(questions with an answer against those without one, both kinds of the latter weighing as much as each other) and shows
what thresholds do on all sets. The figures by halves come from weights that were fitted on the other half. With --base
the server has the sets already, in collections `eval-<set>` as score.py leaves them, and RAG_ANSWERS__THRESHOLD=0.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt

from bench.figures import lines
from tests.processes import Service

EVAL = Path(__file__).parent.parent.parent / "shared" / "eval"
SETS = ("nq", "squad2")
FITTED_ON = "nq"
FULL = ("closeness", "sentence", "kind", "held")
SIX = ("closeness", "sentence", "quoted", "kind", "held", "words")
ALONE = ("closeness", "held", "missing")
WRONG = 0.055  # wrong refusals on nq that the intercepts and thresholds are compared at
RIDGE = 1.0
ROUNDS = 20
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Asked:
    set: str
    kind: str
    answerable: bool
    evidence: dict[str, float | None]
    holds: bool | None  # the answer holds the gold, None where there is no gold
    quotes: bool | None  # the first citation's quote does


def flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().casefold()


def ask(base: str, name: str, folder: Path) -> list[Asked]:
    def one(query: dict[str, Any]) -> Asked | None:
        body = {"question": query["text"], "collection": f"eval-{name}", "stream": False}
        answer = http.post("/api/v1/answers", json=body).raise_for_status().json()
        if not answer["gate"]:
            return None
        gold = [flat(text) for text in query["answers"]] if query["answerable"] else []
        quote = flat(answer["citations"][0]["quote"]) if answer["citations"] else ""
        return Asked(
            name,
            query["kind"],
            query["answerable"],
            answer["gate"]["evidence"],
            any(text in flat(answer["text"]) for text in gold) if gold else None,
            any(text in quote for text in gold) if gold else None,
        )

    with httpx.Client(base_url=base, timeout=60) as http, ThreadPoolExecutor(4) as pool:
        return [found for found in pool.map(one, lines(folder / name / "queries.jsonl")) if found]


def fit(rows: Floats, is_yes: Flags, weight: Floats) -> Floats:
    """Logistic regression by Newton's method with a small ridge on all but the last, which is added."""
    x = np.column_stack([rows, np.ones(len(rows))])
    ridge = np.diag([RIDGE] * rows.shape[1] + [0.0])
    beta = np.zeros(x.shape[1])
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x.T @ (weight * (is_yes - p)) - ridge @ beta
        beta += np.linalg.solve((x.T * (weight * p * (1 - p))) @ x + ridge, gradient)
    return beta


def scores(rows: Floats, beta: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.column_stack([rows, np.ones(len(rows))]) @ beta)))


@dataclass(frozen=True)
class Table:
    asked: list[Asked]

    def mask(self, name: str, kind: str | None = None) -> Flags:
        """The set's questions of a kind; those with an answer when no kind is named."""
        return np.array(
            [one.set == name and (one.answerable if kind is None else one.kind == kind) for one in self.asked]
        )

    def rows(self, names: Sequence[str]) -> Floats:
        return np.array([[one.evidence[name] or 0.0 for name in names] for one in self.asked])

    def fitted(self, names: Sequence[str], among: Flags) -> Floats:
        weight = np.zeros(len(self.asked))
        parts = [(None, 1.0), ("near_miss", 0.5), ("out_of_corpus", 0.5)]
        for kind, share in parts:
            which = self.mask(FITTED_ON, kind) & among
            weight[which] = share / which.sum()
        used = weight > 0
        weight *= used.sum() / weight.sum()
        is_yes = self.mask(FITTED_ON)
        return fit(self.rows(names)[used], is_yes[used], weight[used])

    def kinds(self) -> list[tuple[str, str]]:
        return sorted({(one.set, one.kind) for one in self.asked if not one.answerable})

    def halves(self) -> Flags:
        """Every second question of each kind."""
        seen: dict[tuple[str, str], int] = {}
        half = []
        for one in self.asked:
            key = (one.set, one.kind)
            seen[key] = seen.get(key, 0) + 1
            half.append(seen[key] % 2 == 0)
        return np.array(half)

    def line(self, score: Floats, threshold: float, among: Flags) -> str:
        below = score < threshold
        said = [f"{threshold:5.3f}"]
        for name in dict.fromkeys(one.set for one in self.asked):
            said.append(f"{name}: wrong {100 * below[self.mask(name) & among].mean():4.1f}")
            for what in ("holds", "quotes"):
                gold = np.array([one.set == name and getattr(one, what) is not None for one in self.asked]) & among
                good = np.array([bool(getattr(one, what)) for one in self.asked]) & ~below
                if gold.any():
                    said.append(f"{what} {100 * good[gold].mean():4.1f}")
        said += [f"{kind} {100 * below[self.mask(name, kind) & among].mean():4.1f}" for name, kind in self.kinds()]
        return "  ".join(said)


def report(table: Table) -> None:
    everyone, half = np.ones(len(table.asked), dtype=bool), table.halves()
    at = None
    for names in (FULL, SIX, ALONE):
        print("\n" + ", ".join(names))
        rows = table.rows(names)
        for train in (half, ~half):
            score = scores(rows, table.fitted(names, train))
            threshold = float(np.quantile(score[table.mask(FITTED_ON) & train], WRONG))
            print("fitted on the other half:", table.line(score, threshold, ~train))
        beta = table.fitted(names, everyone)
        score = scores(rows, beta)
        quantile = float(np.quantile(score[table.mask(FITTED_ON)], WRONG))
        if at is None:
            at = quantile
        else:  # one threshold means the same share of wrong refusals
            beta[-1] += np.log(at / (1 - at)) - np.log(quantile / (1 - quantile))
            score = scores(rows, beta)
        print("weights:", ", ".join(f"{value:.2f}" for value in beta[:-1]), " added:", f"{beta[-1]:.2f}")
        for threshold in (0.1, 0.15, 0.2, 0.25, 0.26, 0.27, 0.28, 0.29, at, 0.3, 0.35, 0.4, 0.5, 0.6):
            print(table.line(score, threshold, everyone))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eval", type=Path, default=EVAL, help="folder of the evaluation sets")
    parser.add_argument("--base", help="a running server that holds the sets")
    parser.add_argument("--sets", nargs="+", default=SETS)
    args = parser.parse_args()
    if args.base:
        report(Table([one for name in args.sets for one in ask(args.base, name, args.eval)]))
        return
    with (
        tempfile.TemporaryDirectory() as home,
        Service.start(Path(home) / "home", {"RAG_ANSWERS__THRESHOLD": "0"}) as service,
    ):
        for name in args.sets:
            command = [sys.executable, str(args.eval / "score.py"), str(args.eval / name), "--base", service.url]
            subprocess.run([*command, "--keep", "--limit", "1"], check=True, stdout=subprocess.DEVNULL)
        report(Table([one for name in args.sets for one in ask(service.url, name, args.eval)]))


if __name__ == "__main__":
    main()
