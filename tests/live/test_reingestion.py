"""Documents made anew from the bytes that are kept."""

from typing import Any

from tests.processes import Service

SHARES_SERVICE = True

TEXT = b"# Lights\n\nThe lighthouse keeper is Bram Oosterhuis.\n"


def only_document(service: Service, collection: str) -> tuple[str, dict[str, Any]]:
    path = f"/api/v1/collections/{collection}/documents"
    [row] = service.http.get(path).json()["items"]
    return f"{path}/{row['document_id']}", row


def test_the_same_bytes_become_a_next_version_with_what_was_said_of_them(service: Service) -> None:
    name = service.collection("bytes-again")
    service.ingest(name, {"lights.md": TEXT}, metadata='{"year": 2019}', acl='["crew"]', title="Lights of the coast")
    path, first = only_document(service, name)
    service.http.patch(path, json={"title": "Coast lights"}).raise_for_status()
    reply = service.http.post(f"{path}/ingest")
    assert reply.status_code == 202
    assert reply.json()["document_id"] == first["document_id"]
    assert service.finished(reply.json()["job_id"])["state"] == "done"
    _, row = only_document(service, name)
    assert (row["version"], row["status"], row["title"]) == (2, "ready", "Coast lights")
    assert (row["metadata"], row["acl"], row["sha256"]) == (first["metadata"], ["crew"], first["sha256"])
    assert service.http.get(f"{path}/file").content == TEXT
    [hit] = service.search(name, "Who keeps the lighthouse?", top_k=1)
    assert (hit["document_id"], hit["version"]) == (first["document_id"], 2)


def test_what_failed_is_tried_anew_and_fails_with_its_reason_again(service: Service) -> None:
    name = service.collection("again-failed")
    service.ingest(name, {"broken.pdf": b"%PDF-1.4\nnothing in it\n"})
    path, row = only_document(service, name)
    assert row["status"] == "failed"
    job = service.finished(service.http.post(f"{path}/ingest").json()["job_id"])
    assert (job["state"], job["error"]["code"]) == ("failed", row["error"]["code"])
    _, row = only_document(service, name)
    assert (row["version"], row["status"]) == (2, "failed")


def test_a_line_of_a_bulk_load_has_no_bytes_of_its_own(service: Service) -> None:
    name = service.collection("again-bulk")
    service.ingest(name, {"lines.jsonl": b'{"id": "one", "text": "The ferry leaves at noon."}\n'})
    path, _ = only_document(service, name)
    reply = service.http.post(f"{path}/ingest")
    assert (reply.status_code, reply.json()["error"]["code"]) == (410, "content_gone")
    assert service.http.post(f"{path}x/ingest").status_code == 404
