"""Documents by URL, changed in place, and deleted by a filter."""

import hashlib
import json
from collections.abc import Iterator

import pytest

from tests.processes import Backends, Service
from tests.web_server import Reply, Site, serve_site

WELL = b"<html><title>The well</title><body><h1>Depth</h1><p>The well is 42 metres deep.</p></body></html>"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serve_site() as started:
        yield started


@pytest.fixture(scope="module")
def service(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One that may fetch from `localhost`, and so not from 127.0.0.1."""
    env = {**backends.env, "RAG_FETCH__ALLOW_HOSTS": "Localhost, other.test", "RAG_FETCH__MAX_BYTES": "200000"}
    with Service.start(tmp_path_factory.mktemp("home"), env) as started:
        yield started


def test_a_url_becomes_a_document_and_the_same_bytes_are_unchanged(service: Service, site: Site) -> None:
    collection, url = service.collection("urls"), f"http://localhost:{site.port}/well"
    site.pages["/well"] = Reply(WELL)
    path = f"/api/v1/collections/{collection}/documents"
    body = {"url": url, "metadata": {"year": 2024}, "acl": ["staff"]}
    [row] = service.http.post(path, json=body).raise_for_status().json()["documents"]
    assert (row["filename"], row["status"], row["error"]) == (url, "queued", None)
    assert service.finished(row["job_id"])["state"] == "done"
    document = service.http.get(f"{path}/{row['document_id']}").json()
    assert (document["source"], document["title"], document["media_type"]) == (url, "The well", "text/html")
    assert (document["metadata"]["year"], document["acl"]) == (2024, ["staff"])
    assert "42 metres" in service.search(collection, "How deep is the well?")[0]["text"]
    [again] = service.http.post(path, json={"url": url}).json()["documents"]
    assert (again["status"], again["document_id"]) == ("unchanged", row["document_id"])
    named = service.http.post(path, json={"url": url, "source": "well", "title": "My well"}).json()["documents"][0]
    service.finished(named["job_id"])
    named = service.http.get(f"{path}/{named['document_id']}").json()
    assert (named["source"], named["title"]) == ("well", "My well")


@pytest.mark.parametrize(
    ("path", "reply", "code"),
    [
        ("/gone", Reply(b"gone", 410), "fetch_failed"),
        ("/song", Reply(b"ID3", media_type="audio/mpeg"), "unsupported_file"),
        ("/long", Reply(b"x" * 200_001), "page_too_large"),
        ("/inside", Reply(status=302, headers={"Location": "http://127.0.0.1/"}), "url_refused"),
        ("/contract.pdf", Reply(b"<html>please log in", media_type="application/pdf"), "broken_document"),
        ("/empty", Reply(b""), "empty_document"),
    ],
)
def test_a_url_that_cant_be_had_is_rejected_with_its_reason(
    service: Service, site: Site, path: str, reply: Reply, code: str
) -> None:
    site.pages[path] = reply
    url = f"http://localhost:{site.port}{path}"
    refused = service.http.post("/api/v1/collections/default/documents", json={"url": url})
    assert refused.status_code == 422
    error = refused.json()["error"]
    assert error["code"] == "nothing_accepted"
    [row] = error["details"]
    assert (row["filename"], row["error"]["code"]) == (url, code)
    assert len(row["error"]["message"]) > 20


def test_the_service_itself_is_not_reached_by_a_url(service: Service) -> None:
    refused = service.http.post("/api/v1/collections/default/documents", json={"url": f"{service.url}/api/v1/stats"})
    assert refused.json()["error"]["details"][0]["error"]["code"] == "url_refused"


@pytest.mark.parametrize("body", [{}, {"text": "a", "url": "http://a.example/"}, {"url": ""}, {"url": "x" * 5000}])
def test_a_body_is_either_a_text_or_a_url(service: Service, body: dict[str, str]) -> None:
    assert service.http.post("/api/v1/collections/default/documents", json=body).status_code == 422


def test_a_documents_title_metadata_and_acl_can_be_changed(service: Service) -> None:
    collection = service.collection("changing")
    [row] = service.upload(collection, {"tea.txt": b"Tea is at four."}, metadata='{"year": 2019, "by": "Ann"}')
    service.finished(row["job_id"])
    path = f"/api/v1/collections/{collection}/documents/{row['document_id']}"
    before = service.http.get(path).json()
    changed = service.http.patch(path, json={"title": "Tea time", "metadata": {"year": 2024}, "acl": ["staff"]}).json()
    assert (changed["title"], changed["metadata"], changed["acl"]) == ("Tea time", {"year": 2024}, ["staff"])
    assert (changed["version"], changed["chunks"]) == (before["version"], before["chunks"])
    assert service.search(collection, "tea", filter={"by": "Ann"}) == []
    [hit] = service.search(collection, "When is tea?", filter={"year": 2024})
    assert (hit["title"], hit["metadata"]) == ("Tea time", {"year": 2024})
    assert service.http.patch(path, json={"metadata": {}}).json()["title"] == "Tea time"
    assert service.http.patch(path, json={"source": "x"}).status_code == 422
    assert service.http.patch(path, json={"title": ""}).status_code == 422
    assert service.http.patch(f"{path}x", json={"title": "a"}).status_code == 404


def test_a_document_that_is_not_ready_cant_be_changed(service: Service) -> None:
    collection = service.collection("not-ready")
    [row] = service.upload(collection, {"broken.pdf": b"%PDF-1.4\nnothing"})
    assert service.finished(row["job_id"])["state"] == "failed"
    refused = service.http.patch(
        f"/api/v1/collections/{collection}/documents/{row['document_id']}", json={"title": "a"}
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")


def test_documents_are_deleted_by_a_filter_and_only_those(service: Service) -> None:
    collection = service.collection("by-filter")
    service.ingest(collection, {"a.txt": b"Apples.", "b.txt": b"Bread."}, metadata='{"year": 2019}')
    service.ingest(collection, {"c.txt": b"Cheese."}, metadata='{"year": 2024}')
    service.ingest(collection, {"d.pdf": b"%PDF-1.4\nnothing"}, metadata='{"year": 2019}')
    path = f"/api/v1/collections/{collection}/documents"
    wanted = json.dumps({"$and": [{"year": {"$lt": 2020}}, {"source": {"$ne": "b.txt"}}]})
    receipt = service.http.delete(path, params={"filter": wanted}).json()
    assert receipt["count"] == 2  # one of which failed
    assert sum(row["chunks"] for row in receipt["documents"]) == 1
    assert [row["source"] for row in service.http.get(path).json()["items"]] == ["b.txt", "c.txt"]
    assert service.search(collection, "apples")[0]["source"] != "a.txt"
    assert service.http.delete(path, params={"filter": wanted}).json() == {"count": 0, "documents": []}


@pytest.mark.parametrize("query", ["", "?filter=", "?filter={}", "?filter=[]", "?filter={", '?filter={"a":{"$x":1}}'])
def test_nothing_is_deleted_without_a_filter(service: Service, query: str) -> None:
    collection = service.collection(f"kept-{abs(hash(query))}")
    service.ingest(collection, {"a.txt": b"Apples."})
    path = f"/api/v1/collections/{collection}/documents"
    assert service.http.delete(path + query).status_code == 422
    assert len(service.http.get(path).json()["items"]) == 1


def test_the_bytes_of_the_newest_version_can_be_told_without_sending_them(service: Service) -> None:
    collection = service.collection("hashes")
    service.ingest(collection, {"a.txt": b"Apples."})
    [row] = service.http.get(f"/api/v1/collections/{collection}/documents").json()["items"]
    assert row["sha256"] == hashlib.sha256(b"Apples.").hexdigest()
