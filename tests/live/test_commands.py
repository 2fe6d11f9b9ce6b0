"""The commands, with a server on the home and without one."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.processes import BIN, Service, clean_env

TEXT = "The village of Ostrava Dolna has a well. The well is 42 metres deep. It was dug by monks."


def rag(service: Service, *args: str, program: str = "rag") -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "rag"), *args] if program == "rag" else [str(BIN / "python"), "-m", program, *args]
    env = clean_env(RAG_HOME=str(service.home))
    return subprocess.run(command, env=env, cwd=service.home.parent, capture_output=True, text=True, timeout=100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folder")
    (folder / "inner").mkdir()
    (folder / "inner" / "well.txt").write_text(TEXT)
    (folder / "empty.txt").write_text("")
    (folder / ".hidden").write_text("not this")
    return folder


def test_a_search_is_explained_as_a_table(service: Service) -> None:
    service.collection("explained")
    service.ingest("explained", {"well.txt": TEXT.encode()})
    done = rag(service, "search", "How deep is the well?", "--collection", "explained", "--explain")
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in ("candidate", "lexical", "fate", "shown", "embed"))


def test_ingest_takes_a_folder_and_says_what_became_of_each_file(service: Service, folder: Path) -> None:
    done = rag(service, "ingest", str(folder))
    assert done.returncode == 1  # one of them was refused
    assert "inner/well.txt done" in done.stdout
    assert "empty.txt rejected" in done.stdout
    assert "hidden" not in done.stdout
    again = rag(service, str(folder / "inner"), program="ingest")
    assert again.returncode == 0
    assert "well.txt" in again.stdout


def test_ask_streams_the_answer_and_lists_its_sources(service: Service) -> None:
    service.ingest("default", {"inner/well.txt": TEXT.encode()})
    done = rag(service, "ask", "How deep is the well?")
    assert done.returncode == 0, done.stderr
    assert "The well is 42 metres deep. [1]" in done.stdout
    assert "well.txt" in done.stdout.split("[1]", 2)[2]
    events = [json.loads(line) for line in rag(service, "ask", "How deep is the well?", "--json").stdout.splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["started", "done"]


def test_search_and_documents_print_tables_and_json(service: Service) -> None:
    service.ingest("default", {"inner/well.txt": TEXT.encode()})
    assert "well.txt" in rag(service, "search", "depth of the well").stdout
    hits = json.loads(rag(service, "search", "depth of the well", "--json", "--top-k", "1").stdout)["hits"]
    assert len(hits) == 1
    assert "ready" in rag(service, "documents").stdout
    rows = [json.loads(line) for line in rag(service, "documents", "--json").stdout.splitlines()]
    assert "inner/well.txt" in {row["source"] for row in rows}


def test_text_that_looks_like_markup_of_the_terminal_is_shown_as_it_is(service: Service) -> None:
    service.ingest("default", {"log[/INST].txt": b"The prompt ended with [/INST] and [bold] letters, the log says."})
    shown = rag(service, "search", "prompt letters in the log")
    assert shown.returncode == 0, shown.stderr
    assert "log[/INST].txt" in shown.stdout
    assert "[/INST] and [bold] letters" in shown.stdout
    assert "log[/INST].txt" in rag(service, "documents").stdout


def test_a_wrong_collection_is_said_in_words(service: Service) -> None:
    done = rag(service, "ask", "x", "--collection", "atlantis")
    assert done.returncode == 1
    assert "atlantis" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_finds_a_healthy_service_healthy(service: Service) -> None:
    done = rag(service, "doctor")
    assert done.returncode == 0, done.stdout
    assert "embedder: ok" in done.stdout
    lines = [json.loads(line) for line in rag(service, "doctor", "--json").stdout.splitlines()]
    assert all(line["ok"] for line in lines)


def test_doctor_names_what_is_wrong(service: Service, tmp_path: Path) -> None:
    env = clean_env(RAG_HOME=str(tmp_path / "home"), RAG_LLM__BASE_URL="http://127.0.0.1:9/v1", RAG_LLM__MODEL="m")
    done = subprocess.run(
        [str(BIN / "rag"), "doctor"], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "RAG_LLM__BASE_URL" in done.stdout


def test_without_a_server_a_command_starts_the_service_for_its_own_time(tmp_path: Path) -> None:
    (tmp_path / "well.txt").write_text(TEXT)
    env = clean_env(RAG_HOME=str(tmp_path / "home"))

    def alone(*args: str) -> subprocess.CompletedProcess[str]:
        command = [str(BIN / "rag"), *args]
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=110)

    assert "well.txt done" in alone("ingest", "well.txt").stdout
    assert "42 metres" in alone("ask", "How deep is the well?").stdout
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True).stdout
    assert left == ""
