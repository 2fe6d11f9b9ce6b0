"""Real and hostile files, which lie outside of the repository."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.clean import clean
from ingest.documents import Document, Parsed, Source
from ingest.errors import IngestError
from ingest.parsers import FORMATS, media_type_of, parse

EVAL = Path(__file__).parents[3] / "shared" / "eval"
READ = {extension for format in FORMATS for extension in format.extensions}


def cases(folder: str) -> list[Any]:
    manifest = EVAL / folder / "manifest.json"
    if not manifest.exists():
        skip = pytest.mark.skip(reason=f"shared/eval/{folder} is not here")
        return [pytest.param({}, id=folder, marks=skip)]
    entries = json.loads(manifest.read_text())
    return [pytest.param(entry, id=entry["file"]) for entry in entries if Path(entry["file"]).suffix in READ]


def read(path: Path) -> Document:
    (parsed,) = parse(Source(path.name, media_type_of(path.name, path.read_bytes()[:1024]), path))
    assert isinstance(parsed, Parsed)
    return clean(parsed)


@pytest.mark.parametrize("entry", cases("docs"))
def test_a_real_file_gives_its_text(entry: dict[str, Any]) -> None:
    text = read(EVAL / "docs" / "files" / entry["file"]).text
    spaced = " ".join(text.split())
    assert [words for words in [*entry["expect"], *entry["expect_soft"]] if words not in spaced] == []
    assert [words for words in entry["must_not_contain"] if words in text] == []


@pytest.mark.timeout(30)
@pytest.mark.parametrize("entry", cases("hostile"))
def test_a_hostile_file_gives_text_or_a_reason(entry: dict[str, Any]) -> None:
    try:
        text = read(EVAL / "hostile" / "files" / entry["file"]).text
    except IngestError as error:
        assert entry["file"] in str(error)
    else:
        assert "\x00" not in text
        assert "root:x:0" not in text
        assert "lollol" not in text
