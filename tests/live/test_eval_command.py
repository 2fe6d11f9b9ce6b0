"""`rag eval` through its command line, with real servers."""

import json
import re
import subprocess
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fake_llm import fake_language_model, says
from tests.processes import BIN, Backends, Service, clean_env

TEXTS = {
    "well.txt": "The village of Ostrava Dolna has a well. The well is 42 metres deep. It was dug by monks in 1622.",
    "mill.txt": "The paper mill beside the river Morava made banknote paper. It closed its gates for good in 1931.",
    "bees.txt": "Beekeepers of the valley move their hives in April. Acacia honey is their best seller by far.",
    "tram.txt": "The tram to the castle runs every 12 minutes. Its drivers sell no tickets, and dogs ride free.",
    "fair.txt": "The autumn fair lasts nine days. Stalls are rented from the parish office for 80 crowns a day.",
}
QUESTIONS: list[dict[str, Any]] = [
    {"question": "How deep is the well of Ostrava Dolna?", "sources": ["well.txt"], "phrases": ["42 metres"]},
    {"question": "When did the paper mill close?", "source": "mill.txt", "phrase": "1931"},
    {"question": "When are the hives moved?", "source": "bees.txt", "phrase": "april"},
    {"question": "How often does the tram run?", "source": "tram.txt", "phrase": "12 minutes"},
    {"question": "What does a stall cost?", "source": "fair.txt", "phrase": "80 crowns"},
    {"question": "Who won the chess olympiad in Baku?", "answerable": False},
]


@pytest.fixture(scope="module")
def town(service: Service) -> Service:
    service.ingest("default", {name: text.encode() for name, text in TEXTS.items()})
    return service


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    return lines(tmp_path / "questions.jsonl", QUESTIONS)


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    return path


def evaluate(home: Path, *args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "rag"), "eval", *map(str, args)]
    settings = clean_env(RAG_HOME=str(home), **env)
    return subprocess.run(command, env=settings, cwd=home.parent, capture_output=True, text=True, timeout=110)


def report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def values(found: dict[str, Any]) -> dict[str, float]:
    return {figure["name"]: figure["value"] for figure in found["figures"]}


def test_questions_are_measured_with_answers_and_reported_in_all_forms(
    town: Service, questions: Path, tmp_path: Path
) -> None:
    page, kept = tmp_path / "report.html", tmp_path / "report.json"
    done = evaluate(town.home, questions, "--answers", "--html", page, "--json", kept)
    assert done.returncode == 0, done.stderr
    assert "ndcg@10" in done.stdout
    assert "asked 6 of 6 questions" in done.stderr
    found = json.loads(kept.read_text("utf-8"))
    assert values(found)["recall@5"] == 1
    assert values(found)["phrase@5"] == 1
    assert values(found)["answer_phrase"] >= 0.8
    assert values(found)["quotes_exact"] == 1
    assert found["counts"]["exact"] == found["counts"]["citations"] > 0
    assert found["counts"]["failures"] == {}
    well = found["run"]["outcomes"][0]
    assert well["times_ms"].keys() == {"search", "first_text", "answer"}
    assert [hit["source"] for hit in well["hits"] if hit["is_wanted"]] == ["well.txt"]
    never = found["run"]["outcomes"][-1]
    assert never["hits"] == []
    assert never["scores"]["refused_rightly"] == (never["answer"]["outcome"] == "no_answer")
    ElementTree.fromstring(page.read_text("utf-8"))
    kept_by_server(town, done, found, page)


def kept_by_server(town: Service, done: subprocess.CompletedProcess[str], found: dict[str, Any], page: Path) -> None:
    """What the server that owns the home shows of the evaluation: the same."""
    [name] = re.findall(r"kept as (eval_\w+)", done.stderr)
    path = f"/api/v1/evaluations/{name}"
    listed = next(one for one in every_evaluation(town) if one["evaluation_id"] == name)
    assert (listed["figures"], listed["counts"], listed["is_whole"]) == (found["figures"], found["counts"], True)
    assert "documents" not in listed
    assert town.http.get(path).json() == found
    shown = town.http.get(f"{path}/page")
    assert shown.text == page.read_text("utf-8")
    assert shown.headers["content-type"].startswith("text/html")
    assert {"sandbox", "default-src 'none'"} <= set(shown.headers["content-security-policy"].split("; "))


def every_evaluation(service: Service) -> list[dict[str, Any]]:
    """One at a time, by the cursor."""
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = service.http.get("/api/v1/evaluations", params={"limit": 1, **({"cursor": cursor} if cursor else {})})
        items += page.raise_for_status().json()["items"]
        cursor = page.json()["next_cursor"]
    assert [one["evaluation_id"] for one in items] == sorted((one["evaluation_id"] for one in items), reverse=True)
    return items


def test_two_ways_of_asking_are_compared_and_an_earlier_report_is_met_again(
    town: Service, questions: Path, tmp_path: Path
) -> None:
    done = evaluate(town.home, questions, "--set", "mode=lexical", "--against", "mode=dense", "--json", "-")
    assert done.returncode == 0, done.stderr
    found = report(done)
    assert (found["run"]["name"], found["against"]["run"]["name"]) == ("mode=lexical", "mode=dense")
    assert {one["pairs"] for one in found["differences"]} == {5}
    assert {one["mark"] for one in found["differences"]} == {"undecided"}  # five questions decide nothing
    earlier = tmp_path / "earlier.json"
    earlier.write_text(done.stdout, "utf-8")
    again = evaluate(town.home, "--set", "mode=lexical", "--against", earlier, "--gate", earlier, "--tolerance", ".01")
    assert again.returncode == 0, again.stderr + again.stdout
    assert "earlier.json" in again.stdout
    assert "those of the earlier run" in again.stdout


def test_a_gate_falls_with_exit_status_1_and_names_the_figure(town: Service, tmp_path: Path) -> None:
    wrong = {"question": "How deep is the well?", "source": "tram.txt", "phrase": "7 fathoms"}
    path = lines(tmp_path / "q.jsonl", [QUESTIONS[0], wrong])
    done = evaluate(town.home, path, "--gate", "phrase@10>=.9, recall@10>=1, search_p50_ms<60000", "--json", "-")
    assert done.returncode == 1
    assert "FAIL phrase@10 is 50.0 %, wanted >= 90.0 %" in done.stderr
    assert [one["is_ok"] for one in report(done)["gate"]] == [False, True, True]
    shown = evaluate(town.home, path, "--gate", "phrase@10>=.9")
    assert shown.returncode == 1
    assert "FAIL phrase@10" in shown.stdout
    assert "no expected phrase" in shown.stdout


def test_a_fall_below_an_earlier_run_is_found(town: Service, tmp_path: Path) -> None:
    rows = [{"question": f"{row['question']} {n}", **{k: v for k, v in row.items() if k != "question"}}
            for n in range(3) for row in QUESTIONS[:5]]  # fmt: skip
    good, kept = lines(tmp_path / "good.jsonl", rows), tmp_path / "good.json"
    assert evaluate(town.home, good, "--json", kept).returncode == 0
    bad = lines(tmp_path / "bad.jsonl", [{**row, "phrase": "nowhere to be found", "phrases": []} for row in rows])
    done = evaluate(town.home, bad, "--gate", kept)
    assert done.returncode == 1
    assert "FAIL phrase@10 is 0.0 %, was 100.0 %" in done.stdout
    assert "ok   recall@10" in done.stdout


def test_questions_are_drawn_from_the_text_and_say_so(town: Service, tmp_path: Path) -> None:
    kept = tmp_path / "drawn.jsonl"
    done = evaluate(town.home, "--draw", "6", "--seed", "3", "--save-questions", kept, "--json", "-")
    assert done.returncode == 0, done.stderr
    found = report(done)
    assert "flatters word matching" in found["notes"][0]
    assert {outcome["question"]["kind"] for outcome in found["run"]["outcomes"]} <= {"cloze", "keywords", "title"}
    assert values(found)["recall@10"] == 1
    again = report(evaluate(town.home, kept, "--json", "-"))
    asked, before = ([one["question"] for one in each["run"]["outcomes"]] for each in (again, found))
    assert asked == before
    assert not any("flatters" in note for note in again["notes"])


def test_a_language_model_phrases_the_questions(town: Service) -> None:
    with fake_language_model() as model:
        model.default = says("What is the depth ", "of that famous hole?")
        llm = {"RAG_LLM__BASE_URL": model.url, "RAG_LLM__MODEL": "m"}
        done = evaluate(town.home, "--draw", "3", "--json", "-", **llm)
    assert done.returncode == 0, done.stderr
    found = report(done)
    assert found["origin"].startswith("phrased by m")
    assert [one["question"]["question"] for one in found["run"]["outcomes"]] == [
        "What is the depth of that famous hole?"
    ]
    assert len(model.requests) == 3


def test_what_is_missing_in_the_collection_counts_as_not_found(town: Service, tmp_path: Path) -> None:
    path = lines(tmp_path / "q.jsonl", [{"question": "Where is the pump?", "sources": ["pump.txt", "well.txt"]}])
    found = report(evaluate(town.home, path, "--json", "-"))
    assert values(found)["recall@10"] == 0.5
    assert found["counts"]["missing"] == 1
    assert any("not in the collection" in note for note in found["notes"])


def test_wrong_use_is_exit_status_2_names_the_line_and_asks_nothing(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("question,source\nWho?,a.md\nWhat?,\n", "utf-8")
    done = evaluate(tmp_path / "home", path)
    assert done.returncode == 2
    assert "line 3" in " ".join(done.stderr.replace("│", " ").split())
    assert evaluate(tmp_path / "home", "--html", "no/such/folder/x.html").returncode == 2
    assert not (tmp_path / "home").exists()


def test_an_empty_collection_and_an_unknown_one_are_said_in_words(town: Service, questions: Path) -> None:
    town.collection("nothing-yet")
    empty = evaluate(town.home, questions, "-c", "nothing-yet")
    assert (empty.returncode, "ingest some first" in empty.stderr) == (1, True)
    unknown = evaluate(town.home, questions, "-c", "atlantis")
    assert (unknown.returncode, "atlantis" in unknown.stderr) == (1, True)


def test_two_collections_are_compared(town: Service, questions: Path) -> None:
    name = town.collection("half")
    town.ingest(name, {source: text.encode() for source, text in list(TEXTS.items())[:3]})
    found = report(evaluate(town.home, questions, "--against", f"collection={name}", "--json", "-"))
    halves = {one["name"]: (one["ours"], one["theirs"]) for one in found["differences"]}
    assert halves["recall@10"] == (1, 0.6)


def test_two_servers_are_compared(town: Service, questions: Path, backends: Backends, tmp_path: Path) -> None:
    with Service.start(tmp_path / "other", backends.env) as other:
        other.ingest("default", {source: text.encode() for source, text in list(TEXTS.items())[:1]})
        done = evaluate(tmp_path / "none", questions, "--base", town.url, "--against-base", other.url, "--json", "-")
    assert done.returncode == 0, done.stderr
    found = report(done)
    assert (found["run"]["server"], found["against"]["run"]["server"]) == (town.url, other.url)
    assert {one["name"]: one["theirs"] for one in found["differences"]}["recall@10"] == 0.2
    assert not (tmp_path / "none").exists()


def test_without_a_server_the_command_starts_the_service_for_its_own_time(
    backends: Backends, questions: Path, tmp_path: Path
) -> None:
    alone = evaluate(tmp_path / "home", questions, **backends.env)
    assert alone.returncode == 1
    assert "the collection 'default' has no document that can be found" in alone.stderr


@contextmanager
def failing_now_and_then(url: str) -> Iterator[str]:
    """A server before the real one, which fails the searches for one question."""

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if b"paper mill" in body:
                self.reply(503, b'{"error": {"code": "too_busy", "message": "a queue is full", "request_id": "r"}}')
                return
            reply = httpx.post(url + self.path, content=body, headers={"Content-Type": "application/json"})
            self.reply(reply.status_code, reply.content)

        def do_GET(self) -> None:
            reply = httpx.get(url + self.path)
            self.reply(reply.status_code, reply.content)

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_search_that_fails_is_counted_and_shown_and_fails_the_command(
    town: Service, questions: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    with failing_now_and_then(town.url) as url:
        done = evaluate(tmp_path / "none", questions, "--base", url, "--html", page, "--gate", "recall@10>=1")
    assert done.returncode == 1
    assert "1 × search: too_busy" in done.stdout
    assert "ok   recall@10 is 100.0 %" in done.stdout  # of the four that were answered
    assert "When did the paper mill close?: search failed: a queue is full" in done.stdout
    assert "1 requests failed" in done.stderr
    assert "a queue is full" in page.read_text("utf-8")


def test_a_report_goes_with_the_documents_that_it_shows_and_its_figures_stay(town: Service, tmp_path: Path) -> None:
    name = town.collection("gone")
    town.ingest(name, {"gate.txt": b"The north gate is closed at nightfall by a porter called Anselm."})
    path = lines(tmp_path / "q.jsonl", [{"question": "Who closes the north gate?", "source": "gate.txt"}])
    names = []
    for _ in range(2):
        done = evaluate(town.home, path, "-c", name)
        names += re.findall(r"kept as (eval_\w+)", done.stderr)
    folders = [town.home / "evaluations" / one for one in names]
    assert all("Anselm" in (folder / "report.json").read_text("utf-8") for folder in folders)
    [row] = town.http.get(f"/api/v1/collections/{name}/documents").json()["items"]
    town.http.delete(f"/api/v1/collections/{name}/documents/{row['document_id']}").raise_for_status()
    for part in ("", "/page"):
        refused = town.http.get(f"/api/v1/evaluations/{names[0]}{part}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (410, "content_gone")
    town.finished(town.http.post("/api/v1/purge").json()["job_id"])
    assert [file.name for folder in folders for file in folder.iterdir()] == ["figures.json"] * 2
    assert not any("Anselm" in (folder / "figures.json").read_text("utf-8") for folder in folders)
    listed = {one["evaluation_id"]: one for one in every_evaluation(town)}
    assert [(listed[one]["is_whole"], bool(listed[one]["figures"])) for one in names] == [(False, True)] * 2


def test_an_evaluation_that_is_not_there_is_told(town: Service) -> None:
    for name in ("eval_20200101T000000000000", "eval_x", "..%2f..%2fcatalogue.db", "lexical"):
        refused = town.http.get(f"/api/v1/evaluations/{name}")
        assert refused.status_code == 404, name
    assert town.http.get("/api/v1/evaluations?cursor=nonsense").json()["error"]["code"] == "invalid_cursor"
