"""What a file of questions may say, and the line that an error names."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.evaluation.questions import Question, WrongQuestions, read_question, read_questions


def written(folder: Path, text: str, name: str = "questions.jsonl") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_jsonl_with_lists_or_single_texts(tmp_path: Path) -> None:
    lines = [
        {"question": " Who? ", "sources": ["a.md", "b.md"], "phrases": ["Ann", "Ann"], "note": "from the helpdesk"},
        {"question": "What?", "source": "c.md", "phrase": "a thing", "kind": "help"},
        {"question": "Where?", "document_id": "doc_1"},
        {"question": "Never?", "answerable": False},
    ]
    path = written(tmp_path, "\ufeff" + "\n\n".join(json.dumps(line) for line in lines) + "\n")
    assert read_questions(path) == [
        Question("Who?", sources=("a.md", "b.md"), phrases=("Ann",)),
        Question("What?", sources=("c.md",), phrases=("a thing",), kind="help"),
        Question("Where?", document_ids=("doc_1",)),
        Question("Never?", answerable=False),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_as_spreadsheets_write_it(tmp_path: Path, delimiter: str) -> None:
    rows = [
        ["Question", "sources", "phrase", "answerable"],
        ["Who?", "a.md | b.md", '"Ann, of course"', ""],
        ["", "", "", ""],
        ["Never?", "", "", "No"],
    ]
    if delimiter != ",":
        rows[1][2] = "Ann, of course"
    path = written(tmp_path, "\r\n".join(delimiter.join(row) for row in rows), "questions.csv")
    assert read_questions(path) == [
        Question("Who?", sources=("a.md", "b.md"), phrases=("Ann, of course",)),
        Question("Never?", answerable=False),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "no JSON"),
        ("[1]", "must be an object"),
        ('{"question": ""}', "'question' must be a text"),
        ('{"question": 7}', "'question' must be a text"),
        ('{"question": "x"}', "nothing is expected"),
        ('{"question": "x", "sources": "a", "answerable": "no"}', "'answerable' must be true or false"),
        ('{"question": "x", "sources": [1]}', "'sources' must be a list of texts"),
        ('{"question": "x", "sources": {"a": 1}}', "'sources' must be a list of texts"),
        ('{"question": "x", "source": "a", "answerable": false}', "leave them out"),
        ('{"question": "x", "sorce": "a"}', "the nearest is 'source'"),
        ('{"question": "x \\ud800", "source": "a"}', "surrogate"),
        (json.dumps({"question": "x" * 20_001, "source": "a"}), "20,001 characters"),
        ('{"question": "first", "source": "a"}', "the same as line 1"),
    ],
)
def test_an_error_names_the_file_and_the_line(tmp_path: Path, line: str, said: str) -> None:
    path = written(tmp_path, '{"question": "first", "source": "a"}\n\n' + line + "\n")
    with pytest.raises(WrongQuestions, match=r"questions\.jsonl, line 3") as error:
        read_questions(path)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("question,source\nWho?,a.md,b.md\n", "line 2: 3 cells under 2 headings"),
        ('question,source\n"Who?,a.md\n', "no CSV"),
        ("question,source,answerable\nWho?,a.md,perhaps\n", "line 2: 'answerable'"),
        ("question,document\nWho?,a.md\n", "the nearest is 'document_id'"),
        ('question,source\n"Who\nis\nit?",a.md\nWhat?,\n', "line 5: nothing is expected"),
    ],
)
def test_an_error_in_a_csv_names_the_line_too(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(WrongQuestions, match=said):
        read_questions(written(tmp_path, text, "questions.csv"))


def test_an_empty_file_and_other_encodings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongQuestions, match="holds no question"):
        read_questions(written(tmp_path, "\n"))
    path = tmp_path / "latin.jsonl"
    path.write_bytes('{"question": "Wie groß?", "source": "a"}'.encode("latin-1"))
    with pytest.raises(WrongQuestions, match="not UTF-8"):
        read_questions(path)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip).map(str.strip)


@given(TEXTS, st.lists(TEXTS, max_size=3, unique=True), st.lists(TEXTS, min_size=1, max_size=3, unique=True))
def test_what_is_written_reads_the_same(text: str, sources: list[str], phrases: list[str]) -> None:
    question = Question(text, sources=tuple(sources), phrases=tuple(phrases))
    raw: Any = json.loads(json.dumps(question.as_json()))
    assert read_question(raw) == question
