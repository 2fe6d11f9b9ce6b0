"""Search through the front door."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import Backends, Service

SHARES_SERVICE = True

COLLECTION = "isle"
FILES = {
    "ferry.txt": b"The ferry to the island leaves at seven in the morning and carries bicycles free of charge.",
    "museum.txt": b"The museum of whaling is closed on Mondays. Admission is five crowns.",
    "weather.txt": b"In November gales are frequent and the harbour may be shut for days.",
}


@pytest.fixture(scope="module")
def isle(service: Service) -> Service:
    service.collection(COLLECTION)
    for year, (name, data) in enumerate(FILES.items(), start=2021):
        service.ingest(COLLECTION, {name: data}, metadata=f'{{"year": {year}, "tags": ["t{year}", "all"]}}')
    return service


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_each_mode_finds_what_was_asked_for(isle: Service, mode: str) -> None:
    hits = isle.search(COLLECTION, "When is the museum closed?", mode=mode)
    assert hits[0]["source"] == "museum.txt"
    assert [hit["rank"] for hit in hits] == list(range(1, len(hits) + 1))
    scores = hits[0]["scores"]
    assert (scores["dense"] is None) == (mode == "lexical")
    assert (scores["lexical"] is None) == (mode == "dense")
    assert hits[0]["score"] == scores["fused"]


def test_the_weight_of_the_dense_score_can_be_chosen(isle: Service) -> None:
    lexical = isle.search(COLLECTION, "gales November", dense_weight=0)
    dense = isle.search(COLLECTION, "gales November", dense_weight=1)
    assert lexical[0]["score"] == pytest.approx(lexical[0]["scores"]["lexical"])
    assert dense[0]["score"] == pytest.approx(dense[0]["scores"]["dense"])


def test_a_search_explains_every_candidate(isle: Service) -> None:
    body = {"query": "When is the museum closed?", "top_k": 1, "explain": True}
    found = isle.http.post(f"/api/v1/collections/{COLLECTION}/search", json=body).json()
    told = found["explain"]
    assert [one["fate"] for one in told["candidates"]] == ["shown", "below_top_k", "below_top_k"]
    assert told["candidates"][0]["chunk_id"] == found["hits"][0]["chunk_id"]
    assert [one["ranks"]["fused"] for one in told["candidates"]] == [1, 2, 3]
    assert sorted(one["ranks"]["dense"] for one in told["candidates"]) == [1, 2, 3]
    assert told["candidates"][0]["ranks"]["lexical"] == 1
    assert {"embed", "dense", "lexical", "fuse", "check"} == set(told["timings_ms"])


def test_nothing_is_explained_unless_asked(isle: Service) -> None:
    found = isle.http.post(f"/api/v1/collections/{COLLECTION}/search", json={"query": "ferry"}).json()
    assert "explain" not in found


@pytest.mark.parametrize(
    ("wanted", "sources"),
    [
        ({"year": 2022}, {"museum.txt"}),
        ({"year": {"$gte": 2022}}, {"museum.txt", "weather.txt"}),
        ({"$or": [{"year": 2021}, {"source": "weather.txt"}]}, {"ferry.txt", "weather.txt"}),
        ({"tags": "t2023"}, {"weather.txt"}),
        ({"media_type": {"$ne": "text/plain"}}, set()),
        ({"missing": {"$nin": ["x"]}}, set(FILES)),
    ],
)
def test_a_filter_lets_through_exactly_what_it_says(
    isle: Service, wanted: dict[str, object], sources: set[str]
) -> None:
    for mode in ("hybrid", "dense", "lexical"):
        hits = isle.search(COLLECTION, "ferry museum gales", filter=wanted, mode=mode)
        assert {hit["source"] for hit in hits} == sources


@pytest.mark.parametrize(
    "query", ['"', "AND OR NOT", "title:(x", "🛳️🛳️", "*", "-", "\\", "船", "the of and", "x" * 20_000, "a b " * 2_500]
)
def test_any_text_is_a_query(isle: Service, query: str) -> None:
    isle.search(COLLECTION, query)
    isle.search(COLLECTION, query, mode="lexical")


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"query": ""}, "query"),
        ({"query": "x" * 30_000}, "query"),
        ({"query": "x", "top_k": 0}, "top_k"),
        ({"query": "x", "top_k": 10_000}, "top_k"),
        ({"query": "x", "mode": "psychic"}, "mode"),
        ({"query": "x", "colour": 1}, "colour"),
        ({}, "query"),
    ],
)
def test_a_wrong_request_is_422_and_names_the_field(isle: Service, body: dict[str, object], part: str) -> None:
    reply = isle.http.post(f"/api/v1/collections/{COLLECTION}/search", json=body)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (422, "validation_error")
    assert part in error["message"]
    assert error["details"][0]["field"].endswith(part)
    assert error["request_id"] == reply.headers["x-request-id"]


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ({"year": {"$about": 3}}, "filter.year.$about"),
        ({"$and": []}, "filter.$and"),
        ({"$or": [{"year": 1}, {"year": {"$gt": None}}]}, "filter.$or[1].year.$gt"),
    ],
)
def test_a_wrong_filter_is_422_and_names_the_part(isle: Service, wanted: dict[str, object], part: str) -> None:
    reply = isle.http.post(f"/api/v1/collections/{COLLECTION}/search", json={"query": "x", "filter": wanted})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_filter")
    assert part in reply.json()["error"]["message"]


def test_an_unknown_collection_is_404(isle: Service) -> None:
    reply = isle.http.post("/api/v1/collections/atlantis/search", json={"query": "x"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "collection_not_found")
    assert "atlantis" in reply.json()["error"]["message"]


def test_a_search_never_sees_a_neighbours_documents(isle: Service) -> None:
    isle.collection("neighbour")
    isle.ingest("neighbour", {"other.txt": b"The museum of clocks is closed on Sundays."})
    assert {hit["source"] for hit in isle.search(COLLECTION, "museum closed")} <= set(FILES)


def test_an_unknown_path_and_method_have_the_same_shape_of_error(isle: Service) -> None:
    for reply, code in (
        (isle.http.get("/api/v1/nothing"), "route_not_found"),
        (isle.http.put("/api/v1/collections"), "method_not_allowed"),
    ):
        assert reply.json()["error"]["code"] == code
        assert "/docs" in reply.json()["error"]["message"]


@pytest.fixture
def without_embedder(backends: Backends, tmp_path: Path) -> Iterator[Service]:
    """A service whose embedder goes away after the first document is in."""
    home = tmp_path / "home"
    with Service.start(home, backends.env) as service:
        service.ingest("default", {"ferry.txt": FILES["ferry.txt"]})
    env = {**backends.env, "RAG_EMBEDDER__URL": f"unix:{tmp_path / 'nobody.sock'}"}
    with Service.start(home, env, ready=False) as service:
        yield service


def test_without_the_embedder_search_goes_on_by_words_and_says_so(without_embedder: Service) -> None:
    service = without_embedder
    found = service.http.post("/api/v1/collections/default/search", json={"query": "ferry bicycles"}).json()
    assert ([hit["source"] for hit in found["hits"]], found["degraded"]) == (["ferry.txt"], ["dense"])
    dense = service.http.post("/api/v1/collections/default/search", json={"query": "ferry", "mode": "dense"})
    assert (dense.status_code, dense.json()["error"]["code"]) == (503, "embedder_unavailable")
    ready = service.http.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"]["embedder"] != "ok"
    assert ready.json()["checks"]["chroma"] == "ok"
