"""Deleting, purging, reindexing: what an admin relies on, over HTTP and in the files of the home."""

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.models import make_smaller_model
from tests.processes import BIN, Backends, Service, clean_env

SHARES_SERVICE = True

PHRASE = "the walrus signed the harbour ledger in violet ink"


def text_about(topic: str, paragraphs: int = 12) -> bytes:
    return "\n\n".join(f"{topic} {i}: " + "plain words to fill a paragraph. " * 12 for i in range(paragraphs)).encode()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, backends: Backends) -> Iterator[Service]:
    """A service that runs its own Chroma, as `rag purge` empties its files."""
    env = {"RAG_EMBEDDER__URL": backends.env["RAG_EMBEDDER__URL"]}
    with Service.start(tmp_path_factory.mktemp("own"), env) as started:
        yield started


def follow(service: Service, job: dict[str, Any]) -> dict[str, Any]:
    return service.finished(job["job_id"])


def files_with(home: Path, phrase: bytes) -> list[str]:
    return [str(file.relative_to(home)) for file in home.rglob("*") if file.is_file() and phrase in file.read_bytes()]


def test_after_a_purge_no_file_of_the_home_holds_what_was_deleted(own: Service) -> None:
    name = own.collection("purged")
    kept = own.ingest(name, {"kept.txt": text_about("the otter keeps its place")})
    secret = text_about("filler") + b"\n\n" + PHRASE.encode() + b"\n\n" + text_about("more")
    lines = "\n".join(json.dumps({"id": f"line-{i}", "text": f"line {i} says {PHRASE} {i}"}) for i in range(30))
    jobs = own.ingest(name, {"secret.md": secret, "lines.jsonl": lines.encode()})
    assert [job["state"] for job in kept + jobs] == ["done"] * 3
    assert files_with(own.home, PHRASE.encode())
    documents = own.http.get(f"/api/v1/collections/{name}/documents?limit=100").json()["items"]
    for row in documents:
        if row["source"] != "kept.txt":
            own.http.delete(f"/api/v1/collections/{name}/documents/{row['document_id']}").raise_for_status()
    assert not [hit for hit in own.search(name, PHRASE, top_k=50) if PHRASE in hit["text"]]
    purge = own.http.post("/api/v1/purge")
    assert purge.status_code == 202 and purge.json()["kind"] == "purge"
    assert follow(own, purge.json())["state"] == "done"
    assert files_with(own.home, PHRASE.encode()) == []
    stats = own.http.get("/api/v1/stats").json()
    assert stats["documents"] == 1
    [hit, *_] = own.search(name, "otter", mode="dense")
    assert hit["source"] == "kept.txt"
    assert own.search(name, "otter", mode="lexical")[0]["source"] == "kept.txt"


def test_search_goes_on_while_a_purge_writes_the_indexes_anew(own: Service) -> None:
    name = own.collection("busy")
    own.ingest(
        name,
        {
            "a.txt": text_about("the heron waits"),
        },
    )
    [gone] = own.ingest(name, {"b.txt": text_about("the stork leaves")})
    own.http.delete(f"/api/v1/collections/{name}/documents/{gone['document_id']}").raise_for_status()
    failures: list[str] = []
    stopped = threading.Event()

    def keep_searching() -> None:
        while not stopped.is_set():
            reply = own.http.post(f"/api/v1/collections/{name}/search", json={"query": "heron"})
            if reply.status_code != 200 or not reply.json()["hits"]:
                failures.append(reply.text)

    thread = threading.Thread(target=keep_searching)
    thread.start()
    try:
        assert follow(own, own.http.post("/api/v1/purge").json())["state"] == "done"
    finally:
        stopped.set()
        thread.join()
    assert failures == []
    assert own.http.get("/readyz").status_code == 200


def test_an_answer_that_rests_on_a_deleted_document_is_no_more(service: Service) -> None:
    name = service.collection("redacted")
    [job] = service.ingest(name, {"walrus.txt": PHRASE.encode()})
    answer = service.answer("What did the walrus sign?", name)
    assert PHRASE in answer["text"]
    service.http.delete(f"/api/v1/collections/{name}/documents/{job['document_id']}").raise_for_status()
    for path in ("", "/events"):
        reply = service.http.get(f"/api/v1/answers/{answer['answer_id']}{path}")
        assert reply.status_code == 410 and reply.json()["error"]["code"] == "answer_redacted"
    assert PHRASE not in service.answer("What did the walrus sign?", name)["text"]


def test_a_collection_is_indexed_anew_and_back_while_it_answers(service: Service) -> None:
    name = service.collection("moved")
    service.ingest(name, {f"{i}.txt": text_about(f"subject number {i}") for i in range(6)})
    before = {hit["chunk_id"] for hit in service.search(name, "subject number 3", top_k=50)}
    job = follow(service, service.http.post(f"/api/v1/collections/{name}/reindex").json())
    assert (job["state"], job["kind"], job["documents_done"], job["documents_total"]) == ("done", "reindex", 6, 6)
    assert {hit["chunk_id"] for hit in service.search(name, "subject number 3", top_k=50)} == before
    [late] = service.ingest(name, {"late.txt": text_about("the late one")})
    assert service.search(name, "late one", mode="dense")[0]["document_id"] == late["document_id"]
    back = service.http.post(f"/api/v1/collections/{name}/reindex", json={"back": True}).json()
    assert follow(service, back)["state"] == "done"
    hits = service.search(name, "late one", mode="dense")
    assert hits[0]["document_id"] == late["document_id"]  # the way back has caught up
    assert service.search(name, "subject number 3", top_k=5, mode="dense")[0]["source"] == "3.txt"


def test_a_reindex_that_makes_no_sense_is_refused(service: Service) -> None:
    name = service.collection("senseless")
    back = service.http.post(f"/api/v1/collections/{name}/reindex", json={"back": True})
    assert (back.status_code, back.json()["error"]["code"]) == (422, "invalid_request")
    both = service.http.post(f"/api/v1/collections/{name}/reindex", json={"back": True, "embedder": "x"})
    assert both.status_code == 422
    absent = service.http.post("/api/v1/collections/absent/reindex")
    assert absent.status_code == 404


def test_the_same_text_under_two_names_is_found_once_with_both_named(service: Service) -> None:
    name = service.collection("twins")
    text = b"The pelican inspects the pier each Thursday and writes down what it finds."
    rows = service.ingest(name, {"one.txt": text, "two.txt": text, "other.txt": b"Pelicans are birds."})
    hits = service.search(name, "pelican pier Thursday")
    assert [hit["text"] for hit in hits].count(text.decode()) == 1
    named = {hits[0]["document_id"], *(holder["document_id"] for holder in hits[0]["also"])}
    assert named == {row["document_id"] for row in rows[:2]}
    service.http.delete(f"/api/v1/collections/{name}/documents/{hits[0]['document_id']}").raise_for_status()
    [hit, *_] = service.search(name, "pelican pier Thursday")
    assert hit["text"] == text.decode() and hit["also"] == []


def test_a_collection_moves_to_another_embedder_and_back(service: Service, tmp_path: Path) -> None:
    model = str(make_smaller_model(tmp_path / "smaller"))
    name = service.collection("moving")
    service.ingest(name, {f"{bird}.txt": text_about(f"the {bird} on the pier") for bird in ("heron", "stork", "crane")})
    default = service.http.get(f"/api/v1/collections/{name}").json()["embedder"]
    [before, *_] = service.search(name, "stork on the pier", mode="dense")
    job = service.http.post(f"/api/v1/collections/{name}/reindex", json={"embedder": model}).json()
    assert follow(service, job)["state"] == "done"
    assert service.http.get(f"/api/v1/collections/{name}").json()["embedder"] == model
    [after, *_] = service.search(name, "stork on the pier", mode="dense")
    assert after["source"] == before["source"] == "stork.txt"
    assert after["scores"]["dense"] != pytest.approx(before["scores"]["dense"], abs=1e-3)
    service.ingest(name, {"egret.txt": text_about("the egret on the pier")})
    assert service.search(name, "egret on the pier", mode="dense")[0]["source"] == "egret.txt"
    back = service.http.post(f"/api/v1/collections/{name}/reindex", json={"back": True}).json()
    assert follow(service, back)["state"] == "done"
    assert service.http.get(f"/api/v1/collections/{name}").json()["embedder"] == default
    [again, *_] = service.search(name, "stork on the pier", mode="dense")
    assert again["scores"]["dense"] == pytest.approx(before["scores"]["dense"], abs=1e-3)
    assert service.search(name, "egret on the pier", mode="dense")[0]["source"] == "egret.txt"


def test_an_embedder_that_can_not_be_loaded_is_refused_by_name(service: Service) -> None:
    name = service.collection("unloadable")
    reindex = service.http.post(f"/api/v1/collections/{name}/reindex", json={"embedder": "/no/such/model"})
    create = service.http.post("/api/v1/collections", json={"name": "never", "embedder": "/no/such/model"})
    for reply in (reindex, create):
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "embedder_unavailable")
        assert "/no/such/model" in reply.json()["error"]["message"]
    assert service.http.get("/api/v1/collections/never").status_code == 404


def test_a_start_with_another_embedder_keeps_serving_with_the_right_one(tmp_path: Path, backends: Backends) -> None:
    home, model = tmp_path / "home", make_smaller_model(tmp_path / "smaller")
    chroma = {"RAG_CHROMA__URL": backends.env["RAG_CHROMA__URL"]}
    with Service.start(home, backends.env) as first:
        first.ingest("default", {"stork.txt": text_about("the stork on the pier")})
        [before] = first.search("default", "stork", mode="dense", top_k=1)
    with Service.start(home, {**chroma, "RAG_EMBEDDER__MODEL": str(model)}) as second:
        [after] = second.search("default", "stork", mode="dense", top_k=1)
        assert after["scores"] == pytest.approx(before["scores"], abs=1e-3)
        assert second.http.get("/api/v1/collections/default").json()["embedder"] == "all-MiniLM-L6-v2"
        second.collection("new")
        second.ingest("new", {"crane.txt": text_about("the crane on the quay")})
        assert second.http.get("/api/v1/collections/new").json()["embedder"] == str(model)
    said = (tmp_path / "home.log").read_text("utf-8")
    assert "a collection keeps its embedder" in said and "rag reindex default" in said


def test_the_commands_reindex_and_purge_with_a_proof(own: Service) -> None:
    name = own.collection("by-command")
    [job] = own.ingest(
        name, {"secret.txt": b"The cormorant hid the harbour master's spare key under the third bollard."}
    )
    env = clean_env(RAG_HOME=str(own.home))
    again = subprocess.run([BIN / "rag", "reindex", name, "--wait", "--json"], env=env, capture_output=True, check=True)
    assert json.loads(again.stdout)["state"] == "done"
    prove = [BIN / "rag", "purge", "--prove", "under the third bollard"]
    kept = subprocess.run(prove, env=env, capture_output=True, text=True)
    assert kept.returncode == 1 and "catalogue.db holds the phrase" in kept.stderr
    own.http.delete(f"/api/v1/collections/{name}/documents/{job['document_id']}").raise_for_status()
    gone = subprocess.run(prove, env=env, capture_output=True, text=True)
    assert (gone.returncode, "no file of the home holds the phrase" in gone.stdout) == (0, True), gone.stderr
    wrong = subprocess.run([BIN / "rag", "reindex", name, "--back", "--embedder", "x"], env=env, capture_output=True)
    assert wrong.returncode == 2
