"""Rerankers behind a whole service: a cross-encoder in its embedder, and a server that may fail or dawdle."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag_api.backends.cross_encoder import CrossEncoderModel
from tests.models import make_cross_encoder
from tests.processes import Backends, Service
from tests.web_server import Reply, Site, serve_site

TEXTS = {
    "ferry.txt": b"The ferry to the island leaves at seven in the morning.",
    "museum.txt": b"The museum of whaling on the island is closed on Mondays.",
    "weather.txt": b"In November gales are frequent, and the island's harbour may be shut.",
}
QUERY = "the island"


@pytest.fixture
def web() -> Iterator[Site]:
    with serve_site() as started:
        yield started


def search(service: Service, **options: Any) -> dict[str, Any]:
    body = {"query": QUERY, "top_k": 2, **options}
    found: dict[str, Any] = service.http.post("/api/v1/collections/default/search", json=body).raise_for_status().json()
    return found


def test_a_cross_encoder_orders_the_hits(backends: Backends, tmp_path: Path) -> None:
    folder = make_cross_encoder(tmp_path / "model")
    env = {name: value for name, value in backends.env.items() if name != "RAG_EMBEDDER__URL"}
    wanted = {"RAG_RERANKER__KIND": "cross_encoder", "RAG_RERANKER__MODEL": str(folder)}
    with Service.start(tmp_path / "home", env | wanted) as service:
        service.ingest("default", TEXTS)
        found = search(service, top_k=3, explain=True)
        told = found["explain"]
        texts = [f"{hit['title']}\n{hit['text']}" for hit in found["hits"]]
        expected = CrossEncoderModel(str(folder)).scores(QUERY, texts)
        assert found["degraded"] == []
        assert [hit["score"] for hit in found["hits"]] == pytest.approx(expected, abs=1e-3)
        assert expected == sorted(expected, reverse=True) and len(set(expected)) == 3
        assert [hit["chunk_id"] for hit in search(service)["hits"]] == [hit["chunk_id"] for hit in found["hits"]][:2]
        assert sorted(one["ranks"]["rerank"] for one in told["candidates"]) == [1, 2, 3]
        assert "rerank" in told["timings_ms"]
        assert search(service, mode="lexical")["hits"][0]["scores"]["rerank"] is None


def test_a_server_orders_the_hits_and_when_it_fails_or_is_late_the_search_goes_on(
    backends: Backends, tmp_path: Path, web: Site
) -> None:
    rows = [{"index": at, "relevance_score": at / 10} for at in range(3)]
    good = Reply(json.dumps({"results": rows}).encode(), media_type="application/json")
    wanted = {
        "RAG_RERANKER__KIND": "http",
        "RAG_RERANKER__MODEL": "judge",
        "RAG_RERANKER__BASE_URL": f"{web.url}/v1",
        "RAG_RERANKER__TIMEOUT_S": "0.5",
    }
    with Service.start(tmp_path / "home", {**backends.env, **wanted}) as service:
        service.ingest("default", TEXTS)
        web.pages["/v1/rerank"] = Reply(b"oops", 500)
        plain = search(service, top_k=3)
        assert plain["degraded"] == ["reranker"]
        web.pages["/v1/rerank"] = good
        reranked = search(service)
        assert reranked["degraded"] == []
        assert [hit["score"] for hit in reranked["hits"]] == [0.2, 0.1]
        fused = [hit["chunk_id"] for hit in plain["hits"]]
        assert [hit["chunk_id"] for hit in reranked["hits"]] == fused[:0:-1]
        web.pages["/v1/rerank"] = Reply(pieces=(b"{",), pause_s=5)
        late = search(service, top_k=3)
        assert late["degraded"] == ["reranker"]
        assert [hit["chunk_id"] for hit in late["hits"]] == fused
