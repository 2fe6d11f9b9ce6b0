"""Figures, differences and gates of runs that are made by hand."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_api.evaluation.comparing import differences, only_in_one
from rag_api.evaluation.figures import count, figures, possible_names, shown
from rag_api.evaluation.gate import UncheckableGate, are_rules, check_against, check_rules, read_rules
from rag_api.evaluation.outcomes import Failure, Outcome, Run, WrongRun, read_run
from rag_api.evaluation.report import make_report, went_wrong
from tests.evaluation.values import full_outcome, outcome, run

BROKEN = (Failure("search", "embedder_unavailable", "it is away"),)


def scored(values: list[float], **changes: object) -> Run:
    return run([outcome(f"q{number}", ndcg_at_10=value) for number, value in enumerate(values)], **changes)


def test_figures_are_means_and_percentiles_of_what_did_not_fail() -> None:
    outcomes = [outcome("a", ndcg_at_10=1.0), outcome("b", ndcg_at_10=0.5), outcome("c", failures=BROKEN)]
    found = {figure.name: figure for figure in figures(run(outcomes), seed=0)}
    assert found["ndcg@10"].value == 0.75
    assert found["ndcg@10"].questions == 2
    assert (found["search_p50_ms"].value, found["search_p99_ms"].value) == (10, 10)
    assert count(run(outcomes)).failures == {"search: embedder_unavailable": 1}


def test_every_figure_that_a_run_has_is_foreseen() -> None:
    names = {figure.name for figure in figures(run([full_outcome()]), seed=0)}
    assert names <= set(possible_names(10, with_answers=True))
    assert "answer_phrase" not in possible_names(10, with_answers=False)


def test_questions_are_paired_by_their_text_whatever_their_order() -> None:
    ours = run([outcome("a", mrr_at_10=1.0), outcome("b", mrr_at_10=0.0), outcome("new", mrr_at_10=1.0)])
    theirs = run([outcome("b", mrr_at_10=0.5), outcome("a", mrr_at_10=0.0), outcome("old", failures=BROKEN)])
    found = {difference.name: difference for difference in differences(ours, theirs, seed=0)}["mrr@10"]
    assert (found.ours, found.theirs, found.pairs) == (0.5, 0.25, 2)
    assert found.mark == "undecided"
    assert only_in_one(ours, theirs) == (1, 1)


def test_a_clear_gain_is_better_and_a_clear_loss_worse() -> None:
    low, high = scored([0.2, 0.4] * 10), scored([0.5, 0.6] * 10)
    marks = [
        [one.mark for one in differences(*pair, seed=0) if one.name == "ndcg@10"] for pair in ((high, low), (low, high))
    ]
    assert marks == [["better"], ["worse"]]


def test_more_wrong_refusals_are_worse() -> None:
    many = run([outcome(f"q{n}", refused_wrongly=1.0) for n in range(20)])
    few = run([outcome(f"q{n}", refused_wrongly=0.0) for n in range(20)])
    assert differences(many, few, seed=0)[0].mark == "worse"


def test_bounds_are_read_and_checked() -> None:
    rules = read_rules("ndcg@10>=.9, recall@5 > 95 %,search_p95_ms<100")
    assert [(rule.name, rule.sign, rule.bound) for rule in rules] == [
        ("ndcg@10", ">=", 0.9),
        ("recall@5", ">", 0.95),
        ("search_p95_ms", "<", 100),
    ]
    found = figures(run([outcome("a", **{"recall@5": 0.95, "ndcg@10": 0.9})]), seed=0)
    findings = check_rules(rules, found)
    assert [finding.is_ok for finding in findings] == [True, False, True]
    assert findings[1].said == "recall@5 is 95.0 %, wanted > 95.0 %"


@pytest.mark.parametrize("text", ["ndcg@10", "ndcg@10>=", ">=.9", "ndcg@10>=.9,", "ndcg@10=>.9", "ndcg@10>=1e-3"])
def test_what_is_no_bound_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no bound"):
        read_rules(text)


def test_a_gate_does_not_pass_on_what_was_not_measured() -> None:
    with pytest.raises(UncheckableGate, match="phrase@5"):
        check_rules(read_rules("phrase@5>=.1"), figures(scored([1.0]), seed=0))
    with pytest.raises(UncheckableGate, match="in common"):
        check_against(differences(scored([1.0]), run([outcome("other", ndcg_at_10=1.0)]), seed=0), None)


def test_a_gate_falls_with_a_doubtless_loss_and_names_the_figure() -> None:
    before, after = scored([0.9, 1.0] * 20), scored([0.6, 0.9] * 20)
    [found] = check_against(differences(after, before, seed=0), None)
    assert not found.is_ok
    assert found.said.startswith("ndcg@10 is 75.0 %, was 95.0 %: −20.0 %")
    assert all(one.is_ok for one in check_against(differences(before, after, seed=0), None))


def test_a_gate_bears_a_loss_that_the_interval_allows() -> None:
    before, after = scored([0.0, 1.0] * 20), scored([1.0, 0.0] * 18 + [0.0, 0.0] * 2)
    found = differences(after, before, seed=0)
    assert check_against(found, None)[0].is_ok
    assert check_against(found, 0.06)[0].is_ok
    assert not check_against(found, 0.04)[0].is_ok


def test_times_do_not_make_a_gate_fall_and_too_few_questions_are_said() -> None:
    before, after = scored([1.0] * 5), scored([0.0] * 5)
    [found] = check_against(differences(after, before, seed=0), None)
    assert found.is_ok
    assert "too few to decide" in found.said
    assert not check_against(differences(after, before, seed=0), 0.5)[0].is_ok


def test_bounds_and_files_are_told_apart() -> None:
    assert are_rules("ndcg@10>=.9")
    assert not are_rules("baseline.json")


def test_a_run_survives_its_json() -> None:
    kept = run([full_outcome(), outcome("b", ndcg_at_10=1.0), outcome("c", failures=BROKEN)], with_answers=True)
    report = make_report(kept, None, origin="x", notes=(), seed=0)
    assert read_run(json.loads(json.dumps(report.as_json()))) == kept


@pytest.mark.parametrize("raw", [[], {}, {"format": 2, "run": {}}, {"format": 1, "run": {"outcomes": 3}}])
def test_what_is_no_report_is_refused(raw: object) -> None:
    with pytest.raises(WrongRun):
        read_run(raw)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=10, max_size=40))
def test_no_run_is_better_than_one_that_is_better_than_it(pairs: list[tuple[float, float]]) -> None:
    ours, theirs = scored([one for one, _ in pairs]), scored([other for _, other in pairs])
    there, back = (next(one.mark for one in differences(*two, seed=1)) for two in ((ours, theirs), (theirs, ours)))
    assert back == {"better": "worse", "worse": "better", "undecided": "undecided"}[there]


def test_notes_say_what_makes_figures_doubtful() -> None:
    ours = run([full_outcome()], with_answers=True)
    notes = " ".join(make_report(ours, run([outcome("b")], name="old"), origin="x", notes=("first",), seed=0).notes)
    for said in ("first", "1 requests failed", "quotes: content_gone", "degraded", "1 expected documents", "fewer than",
                 "1 questions were asked here only", "1 quotes could not be compared"):  # fmt: skip
        assert said in notes


def test_what_went_wrong_is_said_in_words() -> None:
    assert went_wrong(outcome("a", recall_at_1=0.0, recall_at_10=1.0)) == []
    assert went_wrong(outcome("a", recall_at_5=1.0, recall_at_10=0.5)) == [
        "not all expected documents among the first 10"
    ]
    assert went_wrong(outcome("a", refused_wrongly=1.0, answer_phrase=0.0)) == ["refused, though it can be answered"]
    assert went_wrong(outcome("a", refused_rightly=0.0)) == ["answered, though the documents do not hold the answer"]
    assert went_wrong(outcome("a", quotes_exact=0.5)) == ["a quote differs from the document's characters"]
    assert went_wrong(Outcome(outcome("a").question, failures=BROKEN)) == ["search failed: it is away"]


def test_numbers_are_shown_with_their_unit() -> None:
    assert shown(0.9661, "share") == "96.6 %"
    assert shown(-0.0661, "share", signed=True) == "−6.6 %"
    assert shown(12.34, "ms", signed=True) == "+12.3 ms"
