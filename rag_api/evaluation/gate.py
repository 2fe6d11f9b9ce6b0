"""Whether figures are good enough: fixed bounds, or no worse than an earlier run. Pure."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rag_api.evaluation.comparing import Difference
from rag_api.evaluation.figures import Figure, shown
from rag_api.evaluation.intervals import FEWEST

_RULE = re.compile(r"\s*(?P<name>[a-z0-9_@]+)\s*(?P<sign>>=|<=|>|<)\s*(?P<bound>\d*\.?\d+)\s*(?P<percent>%?)\s*")
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


class UncheckableGate(ValueError):
    """What was to be compared was not measured, and a gate must not pass on what is not there."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Shares are from 0 to 1, times in milliseconds."""

    name: str
    sign: str
    bound: float


@dataclass(frozen=True, slots=True)
class Finding:
    """`said` names the figure, what it is and what it was to be."""

    name: str
    is_ok: bool
    said: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def are_rules(text: str) -> bool:
    return bool(re.search(r"[<>]", text))


def read_rules(text: str) -> list[Rule]:
    """Of a list such as `ndcg@10>=.9, search_p95_ms<100`. Raises ValueError."""
    rules: list[Rule] = []
    for part in text.split(","):
        found = _RULE.fullmatch(part)
        if not found:
            raise ValueError(f"{part.strip()!r} is no bound; write a figure, a sign and a number, such as ndcg@10>=.9")
        bound = float(found["bound"]) / (100 if found["percent"] else 1)
        rules.append(Rule(found["name"], found["sign"], bound))
    return rules


def check_rules(rules: Sequence[Rule], figures: Sequence[Figure]) -> list[Finding]:
    """Raises UncheckableGate."""
    known = {figure.name: figure for figure in figures}
    findings: list[Finding] = []
    for rule in rules:
        if rule.name not in known:
            raise UncheckableGate(
                f"--gate: these questions give no figure {rule.name!r}, only {', '.join(known) or 'none'}; "
                "recall, ndcg and mrr need expected documents, phrase expected phrases"
            )
        figure = known[rule.name]
        unit = figure.measure.unit
        is_ok = _SIGNS[rule.sign](figure.value, rule.bound)
        said = f"{rule.name} is {shown(figure.value, unit)}, wanted {rule.sign} {shown(rule.bound, unit)}"
        findings.append(Finding(rule.name, is_ok, said))
    return findings


def check_against(differences: Sequence[Difference], tolerance: float | None) -> list[Finding]:
    """Quality against an earlier run's; times are those of a machine and a moment and are left out.

    Without a tolerance a figure has fallen when its interval leaves no doubt; with one, when it is worse by more than
    that. Raises UncheckableGate.
    """
    findings: list[Finding] = []
    for found in differences:
        if found.measure.unit != "share":
            continue
        loss = -found.value if found.measure.higher_is_better else found.value
        is_worse = found.mark == "worse" if tolerance is None else loss > tolerance
        low, high = (shown(bound, "share", signed=True) for bound in (found.interval.low, found.interval.high))
        said = (
            f"{found.name} is {shown(found.ours, 'share')}, was {shown(found.theirs, 'share')}: "
            f"{shown(found.value, 'share', signed=True)} ({low} to {high}) over {found.pairs} questions"
        )
        if tolerance is None and found.pairs < FEWEST:
            said += f", too few to decide; ask {FEWEST} or more, or give a tolerance"
        findings.append(Finding(found.name, not is_worse, said))
    if not findings:
        raise UncheckableGate(
            "--gate: the earlier run has no question and figure in common with this one; measure it anew"
        )
    return findings
