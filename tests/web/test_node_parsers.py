"""Recorded runs through the parsers of the packages that front ends use."""

import base64
import json
from typing import Any

import pytest

from tests.node_clients import need_node, run_node
from tests.web.recorded import ANSWER_ID, HARD, MESSAGES, RUNS, answer, told


def seen(dialect: str) -> dict[str, Any]:
    need_node()
    streams = {run: base64.b64encode(told(dialect, run)).decode() for run in RUNS}
    found: dict[str, Any] = run_node("recorded.mjs", dialect, stdin=json.dumps(streams))
    return found


@pytest.fixture(scope="module")
def ui_messages() -> dict[str, Any]:
    return seen("ui messages")


@pytest.fixture(scope="module")
def ag_ui() -> dict[str, Any]:
    return seen("ag-ui")


@pytest.mark.parametrize("run", RUNS)
def test_the_ai_sdk_makes_the_message_of_the_run(ui_messages: dict[str, Any], run: str) -> None:
    whole, read = answer(run), ui_messages[run]
    assert read["errors"] == ([whole.error.message] if whole.error else [])
    [message] = read["messages"]
    assert (message["id"], message["role"]) == (ANSWER_ID, "assistant")
    parts = message["parts"]
    taken_back = [i for i, part in enumerate(parts) if part["type"] == "data-reset"]
    counted = parts[taken_back[-1] + 1 :] if taken_back else parts
    assert "".join(part["text"] for part in counted if part["type"] == "text") == whole.text
    assert "".join(part["text"] for part in counted if part["type"] == "reasoning") == whole.reasoning
    assert {part["state"] for part in parts if part["type"] in ("text", "reasoning")} <= {"done"}
    cited = [part["data"] for part in counted if part["type"] == "data-citation"]
    assert [(one["n"], one["quote"]) for one in cited] == [(one.n, one.quote) for one in whole.citations]
    sources = {part["sourceId"] for part in parts if part["type"] == "source-document"}
    assert sources >= {str(one.n) for one in whole.citations}


@pytest.mark.parametrize("run", RUNS)
def test_the_ag_ui_client_makes_the_messages_of_the_run(ag_ui: dict[str, Any], run: str) -> None:
    whole, read = answer(run), ag_ui[run]
    assert read["errors"][:1] == ([whole.error.message] if whole.error else [])
    assert read["messages"][0] == MESSAGES[0]
    said = [message["content"] for message in read["messages"] if message["role"] == "assistant"]
    assert said == ([whole.text] if whole.text else [])
    thoughts = [message["content"] for message in read["messages"] if message["role"] == "reasoning"]
    assert "".join(thoughts).endswith(whole.reasoning)
    if not whole.error:
        assert read["custom"].count("citation") >= len(whole.citations)


def test_hard_characters_reach_the_page(ui_messages: dict[str, Any], ag_ui: dict[str, Any]) -> None:
    [message] = ui_messages["hard characters"]["messages"]
    assert [part["text"] for part in message["parts"] if part["type"] == "text"] == [HARD]
    assert ag_ui["hard characters"]["messages"][-1]["content"] == HARD
