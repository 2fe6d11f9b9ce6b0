"""Bulk loads: many documents in one file, at once, interrupted, and with lines that can't be kept."""

import json
import time
from typing import Any

from tests.processes import Service

SHARES_SERVICE = True


def lines(count: int) -> bytes:
    rows = ({"id": f"d{i}", "text": f"Buoy number {i} lies off the northern point."} for i in range(count))
    return "\n".join(map(json.dumps, rows)).encode()


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def statuses(service: Service, collection: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    cursor = ""
    while cursor is not None:
        query = {"limit": "1000"} | ({"cursor": cursor} if cursor else {})
        page = service.http.get(f"/api/v1/collections/{collection}/documents", params=query).json()
        for row in page["items"]:
            counts[row["status"]] = counts.get(row["status"], 0) + 1
        cursor = page["next_cursor"]
    return counts


def test_the_same_lines_sent_twice_at_once_are_each_ingested_once(service: Service) -> None:
    collection = service.collection("twice")
    jobs = service.ingest(collection, {"a.jsonl": lines(600), "b.jsonl": lines(600)})
    assert [(job["state"], job["documents_done"], job["attempts"]) for job in jobs] == [("done", 600, 1)] * 2
    assert statuses(service, collection) == {"ready": 600}
    hits = service.search(collection, "Buoy number 77", top_k=3, mode="lexical")
    assert hits[0]["source"] == "d77"
    assert len({hit["source"] for hit in hits}) == 3


def test_a_cancelled_load_leaves_no_line_waiting_and_can_be_tried_again(service: Service) -> None:
    collection = service.collection("stopped")
    [row] = service.upload(collection, {"a.jsonl": lines(2000)})
    while service.http.get(f"/api/v1/jobs/{row['job_id']}").json()["chunks_done"] == 0:
        time.sleep(0.05)
    service.http.post(f"/api/v1/jobs/{row['job_id']}/cancel")
    assert service.finished(row["job_id"])["state"] == "cancelled"
    assert "queued" not in statuses(service, collection)
    service.http.post(f"/api/v1/jobs/{row['job_id']}/retry").raise_for_status()
    assert service.finished(row["job_id"])["state"] == "done"
    assert statuses(service, collection) == {"ready": 2000}


def test_deleting_a_collection_stops_its_load(service: Service) -> None:
    collection = service.collection("doomed")
    [row] = service.upload(collection, {"a.jsonl": lines(2000)})
    service.http.delete(f"/api/v1/collections/{collection}").raise_for_status()
    deadline = time.monotonic() + 60
    while (reply := service.http.get(f"/api/v1/jobs/{row['job_id']}")).status_code == 200:
        if reply.json()["state"] == "cancelled":
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    service.collection(collection)
    assert service.search(collection, "buoy") == []


def test_metadata_that_could_not_be_shown_again_are_refused_everywhere(service: Service) -> None:
    for body in (
        {"name": "deep", "metadata": nested(40)},
        {"name": "deep", "description": "\ud800"},
    ):
        refused = service.http.post(
            "/api/v1/collections", content=json.dumps(body), headers={"Content-Type": "application/json"}
        )
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "validation_error")
    assert service.http.get("/api/v1/collections/deep").status_code == 404
    path = "/api/v1/collections/default/documents"
    form = {"metadata": json.dumps(nested(40))}
    refused = service.http.post(path, files=[("files", ("a.txt", b"Deep."))], data=form)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")
    collection = service.collection("deep-lines")
    bad, good = {"text": "Bad.", "metadata": nested(40)}, {"text": "Good.", "metadata": nested(20)}
    [job] = service.ingest(collection, {"a.jsonl": f"{json.dumps(bad)}\n{json.dumps(good)}".encode()})
    assert (job["state"], [row["error"]["code"] for row in job["failures"]]) == ("done", ["broken_document"])
    assert service.search(collection, "good")[0]["metadata"] == nested(20)


def test_a_text_is_never_taken_for_another_kind_of_file(service: Service) -> None:
    collection = service.collection("kinds")
    body = {"text": "%PDF-1.4 is how such a file begins.", "title": "Beginnings"}
    reply = service.http.post(f"/api/v1/collections/{collection}/documents", json=body)
    assert service.finished(reply.json()["documents"][0]["job_id"])["state"] == "done"


def test_a_version_beyond_all_numbers_is_422(service: Service) -> None:
    [job] = service.ingest("default", {"v.txt": b"Versions."})
    path = f"/api/v1/collections/default/documents/{job['document_id']}/content"
    assert service.http.get(path, params={"version": "9" * 20}).status_code == 422
