"""What is asked, and what is expected: from JSONL or CSV, one question a line."""

import csv
import difflib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST_QUESTION = 20_000
LISTS = {"sources": "source", "document_ids": "document_id", "phrases": "phrase"}
FIELDS = ("question", *LISTS, *LISTS.values(), "answerable", "kind", "note")
BETWEEN = "|"  # what separates the items of a list in a cell of a CSV
TRUE, FALSE = ("true", "yes", "1", ""), ("false", "no", "0")


class WrongQuestions(ValueError):
    """`str(error)` names the file, the line, and what to do."""


@dataclass(frozen=True, slots=True)
class Question:
    """All of the documents are wanted, any one of the phrases will do. `kind` is a label of its author's."""

    text: str
    sources: tuple[str, ...] = ()
    document_ids: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    answerable: bool = True
    kind: str = ""

    @property
    def wants_documents(self) -> bool:
        return bool(self.sources or self.document_ids)

    def as_json(self) -> dict[str, Any]:
        """A line of the file that `read_questions` takes."""
        lists = {name: list(getattr(self, name)) for name in LISTS if getattr(self, name)}
        kind = {"kind": self.kind} if self.kind else {}
        return {"question": self.text, **lists, "answerable": self.answerable, **kind}


def read_questions(path: Path) -> list[Question]:
    """Raises WrongQuestions, and OSError."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongQuestions(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    rows = _csv_rows(path, text) if path.suffix.lower() in (".csv", ".tsv") else _json_rows(path, text)
    questions: list[Question] = []
    seen: dict[str, int] = {}
    for line, row in rows:
        try:
            question = read_question(row)
        except ValueError as error:
            raise WrongQuestions(f"{path}, line {line}: {error}") from error
        if question.text in seen:
            raise WrongQuestions(
                f"{path}, line {line}: asks the same as line {seen[question.text]}; put what both expect into one line"
            )
        seen[question.text] = line
        questions.append(question)
    if not questions:
        raise WrongQuestions(f"{path} holds no question")
    return questions


def read_question(row: Mapping[str, Any]) -> Question:
    """Raises ValueError that says what is wrong with it."""
    for name in row:
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1, cutoff=0)[0]
            raise ValueError(f"there is no field {name!r}; the nearest is {near!r}, for remarks there is 'note'")
    text = row.get("question")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("'question' must be a text")
    if len(text) > LONGEST_QUESTION:
        raise ValueError(f"'question' has {len(text):,} characters, at most {LONGEST_QUESTION:,} can be asked")
    if not _is_unicode(row):
        raise ValueError("there is half a surrogate pair in it, which is no character")
    answerable = row.get("answerable", True)
    if not isinstance(answerable, bool):
        raise ValueError(f"'answerable' must be true or false, not {answerable!r}")
    lists = {name: _list(row, name, single) for name, single in LISTS.items()}
    if answerable and not any(lists.values()):
        raise ValueError("nothing is expected; add 'sources', 'document_ids' or 'phrases', or \"answerable\": false")
    if not answerable and any(lists.values()):
        raise ValueError("what can't be answered has no expected document and no phrase; leave them out")
    return Question(text.strip(), answerable=answerable, kind=str(row.get("kind") or ""), **lists)


def _is_unicode(row: Mapping[str, Any]) -> bool:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _list(row: Mapping[str, Any], name: str, single: str) -> tuple[str, ...]:
    """Both spellings: a list under the plural, one text under the singular."""
    many, one = row.get(name) or [], row.get(single) or []
    items = (
        [*([many] if isinstance(many, str) else many), *([one] if isinstance(one, str) else one)]
        if (isinstance(many, str | list) and isinstance(one, str | list))
        else [None]
    )
    if not all(isinstance(item, str) and item.strip() for item in items):
        raise ValueError(f"'{name}' must be a list of texts, '{single}' one text")
    return tuple(dict.fromkeys(item.strip() for item in items if item))


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise WrongQuestions(f"{path}, line {number}: no JSON ({error})") from error
        if not isinstance(row, dict):
            raise WrongQuestions(f'{path}, line {number}: must be an object such as {{"question": …}}')
        yield number, row


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, _csv_row(path, reader.line_num, names, cells)
    except csv.Error as error:
        raise WrongQuestions(f"{path}, line {reader.line_num}: no CSV ({error})") from error


def _csv_row(path: Path, line: int, names: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    if len(cells) > len(names):
        raise WrongQuestions(
            f"{path}, line {line}: {len(cells)} cells under {len(names)} headings; quote cells that hold the delimiter"
        )
    row: dict[str, Any] = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()}
    for name in LISTS:
        if name in row:
            row[name] = [item.strip() for item in row[name].split(BETWEEN) if item.strip()]
    if "answerable" in row:
        said = row["answerable"].lower()
        if said not in (*TRUE, *FALSE):
            raise WrongQuestions(f"{path}, line {line}: 'answerable' must be true or false, not {said!r}")
        row["answerable"] = said in TRUE
    return row
