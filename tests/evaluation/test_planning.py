"""The command line is checked before anything is asked."""

import json
from pathlib import Path
from typing import Any

import pytest

from rag_api.evaluation.planning import Plan, Wanted, make_plan
from rag_api.evaluation.report import make_report
from tests.evaluation.values import outcome, run

DEFAULTS: dict[str, Any] = {
    "questions": None,
    "collection": "default",
    "settings": [],
    "against": [],
    "base": "",
    "against_base": "",
    "with_answers": False,
    "draw": 10,
    "seed": 0,
    "concurrency": 1,
    "gate": "",
    "tolerance": None,
}


def plan(**changes: Any) -> Plan:
    return make_plan(Wanted(**{**DEFAULTS, **changes}))


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    path = tmp_path / "earlier.json"
    report = make_report(run([outcome("Why?", ndcg_at_10=1.0)]), None, origin="", notes=(), seed=0)
    path.write_text(json.dumps(report.as_json()), "utf-8")
    return path


def test_sides_are_named_by_what_tells_them_apart() -> None:
    assert plan(settings=["top_k=20"]).names == ("this run", "")
    assert plan(against=["mode=dense"]).names == ("mode=hybrid", "mode=dense")
    assert plan(settings=["dense_weight=.6"], against=["dense_weight=.4"]).names == (
        "dense_weight=0.6",
        "dense_weight=0.4",
    )
    assert plan(against=["collection=new"]).names == ("collection=default", "collection=new")
    assert plan(base="http://a", against_base="http://b").names == ("http://a", "http://b")
    assert plan(against_base="http://b").names == ("this run", "http://b")


def test_the_other_side_takes_over_what_is_set() -> None:
    found = plan(settings=["top_k=20", "mode=lexical"], against=["mode=dense"])
    assert found.theirs
    assert (found.theirs.configuration.top_k, found.theirs.configuration.mode) == (20, "dense")


def test_an_earlier_report_brings_its_questions(earlier: Path) -> None:
    found = plan(against=[str(earlier)])
    assert found.earlier
    assert found.names == ("now", "earlier.json")
    assert found.theirs is None
    for one in (found, plan(gate=str(earlier))):
        assert one.questions is not None
        assert [question.text for question in one.questions] == ["Why?"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"against": ["mode=hybrid"]}, "measured already"),
        ({"against": ["dense"]}, "no such file, and it is no setting"),
        ({"gate": "nowhere.json"}, "no such file"),
        ({"gate": "ndcg@10>=x"}, "is no bound"),
        ({"gate": "ndcg@20>=.9"}, "no figure 'ndcg@20'"),
        ({"gate": "answer_phrase>=.9"}, "need --answers"),
        ({"tolerance": 0.1}, "--tolerance"),
        ({"tolerance": 0.1, "gate": "ndcg@10>=.9"}, "--tolerance"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        plan(**changes)


def test_a_file_that_is_no_report_is_refused(tmp_path: Path, earlier: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"a": 1}')
    with pytest.raises(ValueError, match="no report that rag eval"):
        plan(against=[str(wrong)])
    with pytest.raises(ValueError, match="takes no settings"):
        plan(against=[str(earlier), "mode=dense"])
