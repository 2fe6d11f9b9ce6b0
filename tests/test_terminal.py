import json

import pytest

from rag_api import terminal


def test_what_looks_like_the_name_of_a_picture_stays_text(capsys: pytest.CaptureFixture[str]) -> None:
    line = {"text": "12:warning:34 [bold]x[/bold]"}
    terminal.print_json(line)
    assert json.loads(capsys.readouterr().out) == line


def test_a_source_that_looks_like_markup_stays_text(capsys: pytest.CaptureFixture[str]) -> None:
    cited = {1: {"verdict": "supported", "quote": "[/INST] and [b]"}}
    passages = {1: {"source": "a[/b].txt", "page": None, "section": "[bold]s"}}
    terminal.print_sources(cited, passages)
    said = capsys.readouterr().out
    assert "a[/b].txt [bold]s" in said
    assert "[/INST] and [b]" in said
