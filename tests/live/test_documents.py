"""Documents through the front door."""

import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import docx
import httpx
import pytest

from tests.processes import Backends, Service, sent

SHARES_SERVICE = True

HANDBOOK = b"# Handbook\n\n## Leave\n\nEverybody has 27 days of leave a year.\n\n## Pay\n\nWages come on the 25th.\n"
MINIMAL_PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Resources<</Font<</F1 4 0 R>>>>/Contents 5 0 R>>endobj
4 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
5 0 obj<</Length 68>>stream
BT /F1 12 Tf 20 100 Td (The lighthouse keeper is Bram Oosterhuis.) Tj ET
endstream endobj
trailer<</Root 1 0 R>>
"""
EMPTY_PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
BLANK_PDF = MINIMAL_PDF.replace(b"(The lighthouse keeper is Bram Oosterhuis.) Tj", b"").replace(b"68", b"25")


def word_file() -> bytes:
    document, data = docx.Document(), io.BytesIO()
    document.add_heading("Boats", level=1)
    document.add_paragraph("The sloop is called Zilverreiger.")
    document.save(data)
    return data.getvalue()


FORMATS = {
    "handbook.md": (HANDBOOK, "How many days of leave are there?", "27 days"),
    "notes.txt": ("Der Schlüssel liegt unter der Fußmatte.".encode("cp1252"), "Wo ist der Schlüssel?", "Fußmatte"),
    "page.html": (b"<html><title>T</title><body><h1>Tea</h1><p>Tea is at four.</p>", "When is tea?", "Tea is at four"),
    "prices.csv": (b"item,price\nrope,12\nanchor,340\n", "What does an anchor cost?", "item: anchor; price: 340"),
    "boats.docx": (word_file(), "What is the sloop called?", "Zilverreiger"),
    "keeper.pdf": (MINIMAL_PDF, "Who keeps the lighthouse?", "Bram Oosterhuis"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_each_format_is_found_by_its_exact_characters(service: Service, name: str) -> None:
    data, question, wanted = FORMATS[name]
    collection = service.collection("format-" + name.replace(".", "-"))
    [job] = service.ingest(collection, {name: data})
    assert (job["state"], job["error"]) == ("done", None)
    hit = service.search(collection, question)[0]
    assert wanted in hit["text"]
    path = f"/api/v1/collections/{collection}/documents/{hit['document_id']}"
    content = service.http.get(f"{path}/content")
    assert content.headers["content-type"] == "text/plain; charset=utf-8"
    for chunk in service.http.get(f"{path}/chunks").json()["items"]:
        assert content.text[chunk["start"] : chunk["end"]] == chunk["text"]
    assert content.text[hit["start"] : hit["end"]] == hit["text"]
    original = service.http.get(f"{path}/file")
    assert original.content == data
    assert original.headers["content-disposition"].startswith("attachment")


def test_a_bulk_file_is_one_document_a_line_and_says_which_lines_failed(service: Service) -> None:
    collection = service.collection("bulk")
    lines = [
        json.dumps({"id": "a", "title": "Gulls", "text": "Gulls eat chips.", "metadata": {"year": 2024}}),
        "{broken",
        json.dumps({"id": "b", "text": "Terns dive for sand eels."}),
    ]
    [row] = service.upload(collection, {"birds.jsonl": "\n".join(lines).encode()})
    assert (row["document_id"], row["status"]) == (None, "queued")
    job = service.finished(row["job_id"])
    assert (job["state"], job["documents_done"], job["documents_total"]) == ("done", 2, 3)
    assert [failure["source"] for failure in job["failures"]] == ["birds.jsonl#2"]
    assert {hit["source"] for hit in service.search(collection, "What do terns dive for?")} == {"a", "b"}
    assert service.search(collection, "birds", filter={"year": 2024})[0]["source"] == "a"


def test_the_same_bytes_again_are_unchanged(service: Service) -> None:
    collection = service.collection("again")
    service.ingest(collection, {"handbook.md": HANDBOOK})
    [row] = service.upload(collection, {"handbook.md": HANDBOOK})
    assert (row["status"], row["job_id"]) == ("unchanged", None)


def test_a_new_version_replaces_the_old_one(service: Service) -> None:
    collection = service.collection("versions")
    [first] = service.ingest(collection, {"rule.txt": b"The gate closes at nine."})
    service.ingest(collection, {"rule.txt": b"The gate closes at eleven."})
    [document] = service.http.get(f"/api/v1/collections/{collection}/documents").json()["items"]
    assert (document["document_id"], document["version"]) == (first["document_id"], 2)
    assert [hit["text"] for hit in service.search(collection, "When does the gate close?")] == [
        "The gate closes at eleven."
    ]
    old = service.http.get(f"/api/v1/collections/{collection}/documents/{document['document_id']}/content?version=1")
    assert (old.status_code, old.json()["error"]["code"]) == (410, "content_gone")


def test_a_deleted_document_is_gone_when_the_call_returns(service: Service) -> None:
    collection = service.collection("deleted")
    [job] = service.ingest(collection, {"secret.txt": b"The treasure is under the oak."})
    path = f"/api/v1/collections/{collection}/documents/{job['document_id']}"
    receipt = service.http.delete(path)
    assert receipt.json() == {
        "document_id": job["document_id"], "chunks": 1, "vectors": 1, "bytes": 30, "purged": False
    }  # fmt: skip
    assert service.search(collection, "Where is the treasure?") == []
    for gone in (path, f"{path}/content", f"{path}/chunks", f"{path}/file"):
        assert service.http.get(gone).status_code == 404
    assert service.answer("Where is the treasure?", collection)["outcome"] == "no_answer"


def test_a_text_can_be_sent_as_json(service: Service) -> None:
    collection = service.collection("json")
    body = {"text": "Figs ripen in August.", "title": "Figs", "source": "figs", "metadata": {"kind": "fruit"}}
    reply = service.http.post(f"/api/v1/collections/{collection}/documents", json=body)
    assert reply.status_code == 202
    service.finished(reply.json()["documents"][0]["job_id"])
    hit = service.search(collection, "When do figs ripen?", filter={"kind": "fruit"})[0]
    assert (hit["source"], hit["title"], hit["metadata"]["kind"]) == ("figs", "Figs", "fruit")


def test_one_bad_file_does_not_keep_the_others_out(service: Service) -> None:
    collection = service.collection("mixed")
    rows = service.upload(collection, {"good.txt": b"Good.", "empty.txt": b"", "film.mp4": b"\0\0\0 ftypmp42\x01\x02"})
    assert [row["status"] for row in rows] == ["queued", "rejected", "rejected"]
    assert [row["error"]["code"] for row in rows[1:]] == ["empty_document", "unsupported_file"]
    assert service.finished(rows[0]["job_id"])["state"] == "done"


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [("empty.txt", b"", "empty_document"), ("film.mp4", b"\0\0\0 ftypmp42\x01\x02", "unsupported_file")],
)
def test_an_upload_of_which_nothing_can_be_taken_is_422_with_the_reasons(
    service: Service, name: str, data: bytes, code: str
) -> None:
    reply = service.http.post("/api/v1/collections/default/documents", files=[("files", (name, data))])
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (422, "nothing_accepted")
    assert error["details"][0]["error"]["code"] == code
    assert name in error["details"][0]["error"]["message"]


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("no-pages.pdf", EMPTY_PDF, ("empty_document", "broken_document")),
        ("scan.pdf", BLANK_PDF, ("no_text_layer",)),
        ("blank.txt", b" \n\t\n", ("empty_document",)),
        ("all-bad.jsonl", b"{\n[]\n", ("nothing_accepted",)),
    ],
)
def test_a_file_without_text_fails_with_its_own_code_and_sentence(
    service: Service, name: str, data: bytes, code: tuple[str, ...]
) -> None:
    [job] = service.ingest("default", {name: data})
    assert job["state"] == "failed"
    assert job["error"]["code"] in code
    assert name in job["error"]["message"]
    if job["document_id"]:
        document = service.http.get(f"/api/v1/collections/default/documents/{job['document_id']}").json()
        assert (document["status"], document["error"]) == ("failed", job["error"])


def test_a_job_tells_its_stages_as_they_happen(service: Service) -> None:
    collection = service.collection("stages")
    text = "\n\n".join(f"Paragraph {i} tells of lighthouse number {i} and its keeper." for i in range(3000))
    [row] = service.upload(collection, {"long.txt": text.encode()})
    with service.http.stream("GET", f"/api/v1/jobs/{row['job_id']}/events") as response:
        assert response.headers["cache-control"] == "no-cache, no-transform"
        events = list(sent(response))
    assert [event.name for event in events[:-1]] == ["progress"] * (len(events) - 1)
    assert (events[-1].name, events[-1].data["state"]) == ("done", "done")
    assert events[-1].data["chunks_done"] == events[-1].data["chunks_total"] > 100
    assert len({event.data["stage"] for event in events}) > 2


def test_questions_are_answered_while_a_large_file_is_ingested(service: Service) -> None:
    collection = service.collection("busy")
    text = "\n\n".join(f"Row {i}: the ferry carries {i} passengers to the island." for i in range(2500))
    [row] = service.upload(collection, {"large.txt": text.encode()})
    asked = 0
    while service.http.get(f"/api/v1/jobs/{row['job_id']}").json()["state"] in ("queued", "running"):
        assert service.http.get("/livez").status_code == 200
        service.search("default", "anything")
        asked += 1
    assert asked > 3
    assert service.finished(row["job_id"])["state"] == "done"


def test_a_job_can_be_cancelled_and_tried_again(service: Service) -> None:
    collection = service.collection("cancelled")
    text = "\n\n".join(f"Line {i} of a very long log about rope number {i}." for i in range(3000))
    [row] = service.upload(collection, {"log.txt": text.encode()})
    assert service.http.post(f"/api/v1/jobs/{row['job_id']}/cancel").status_code == 200
    job = service.finished(row["job_id"])
    assert (job["state"], job["error"]["code"] if job["error"] else "cancelled") == ("cancelled", "cancelled")
    assert service.search(collection, "rope") == []
    assert service.http.post(f"/api/v1/jobs/{row['job_id']}/cancel").json()["error"]["code"] == "job_finished"
    assert service.http.post(f"/api/v1/jobs/{row['job_id']}/retry").status_code == 200
    assert service.finished(row["job_id"])["state"] == "done"
    assert service.search(collection, "rope")


def test_a_collection_is_made_changed_listed_and_deleted(service: Service) -> None:
    made = service.http.post("/api/v1/collections", json={"name": "birds", "description": "of the coast"})
    assert (made.status_code, made.json()["description"]) == (201, "of the coast")
    taken = service.http.post("/api/v1/collections", json={"name": "birds"})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "collection_exists")
    service.http.patch("/api/v1/collections/birds", json={"description": "of the sea"})
    assert service.http.get("/api/v1/collections/birds").json()["description"] == "of the sea"
    service.ingest("birds", {"a.txt": b"A puffin has a bright beak."})
    assert service.http.delete("/api/v1/collections/birds").status_code == 200
    assert service.http.get("/api/v1/collections/birds").json()["error"]["code"] == "collection_not_found"
    service.collection("birds")
    assert service.search("birds", "puffin") == []


def test_pages_of_a_list_hold_every_item_once(service: Service) -> None:
    collection = service.collection("paged")
    service.ingest(collection, {f"{i}.txt": f"Text {i}.".encode() for i in range(7)})
    seen, cursor = [], ""
    while cursor is not None:
        query = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = service.http.get(f"/api/v1/collections/{collection}/documents", params=query).json()
        seen += [item["source"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == [f"{i}.txt" for i in range(7)]
    wrong = service.http.get(f"/api/v1/collections/{collection}/documents", params={"cursor": "nonsense"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "invalid_cursor")


def test_an_upload_over_the_limit_is_413_before_it_is_read(service: Service) -> None:
    head = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(2 * 1024**3)}
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        lines = ["POST /api/v1/collections/default/documents HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in head.items()]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        reply = ""
        while "}}" not in reply and (piece := connection.recv(65536)):
            reply += piece.decode()
    assert reply.startswith("HTTP/1.1 413")
    assert '"code":"upload_too_large"' in reply


def test_an_upload_of_unknown_length_is_cut_off_at_the_limit(backends: Backends, tmp_path: Path) -> None:
    def endless() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
        for _ in range(1000):
            yield b"a" * 10_000

    env = {**backends.env, "RAG_UPLOADS__MAX_BYTES": "1000000"}
    with Service.start(tmp_path / "home", env) as service:
        try:
            reply = service.http.post(
                "/api/v1/collections/default/documents",
                content=endless(),
                headers={"Content-Type": "multipart/form-data; boundary=x"},
            )
        except httpx.TransportError:
            reply = None  # the server may close before all is sent
        assert reply is None or (reply.status_code, reply.json()["error"]["code"]) == (413, "upload_too_large")
        assert service.http.get("/api/v1/jobs").json()["items"] == []
        assert service.http.get("/livez").status_code == 200
