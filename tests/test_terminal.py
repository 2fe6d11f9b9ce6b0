import json

import pytest

from rag_api import terminal


def test_what_looks_like_the_name_of_a_picture_stays_text(capsys: pytest.CaptureFixture[str]) -> None:
    line = {"text": "12:warning:34 [bold]x[/bold]"}
    terminal.print_json(line)
    assert json.loads(capsys.readouterr().out) == line
