"""Filters through the front door: each change counts in the next search."""

from collections.abc import Iterator

import pytest

from tests.processes import Backends, Service

SHARES_SERVICE = True

COLLECTION = "harbour"
FILES = {f"{i}.txt": f"Notice {i}: the ferry waits at pier {i}.".encode() for i in range(4)}
MODES = ("hybrid", "dense", "lexical")


@pytest.fixture(scope="module")
def harbour(service: Service) -> Service:
    service.collection(COLLECTION)
    service.ingest(COLLECTION, FILES, metadata='{"state": "draft", "year": 2024}')
    return service


def found(service: Service, wanted: dict[str, object]) -> set[str]:
    """The same in every mode."""
    by_mode = {
        frozenset(
            hit["source"] for hit in service.search(COLLECTION, "the ferry at the pier", mode=mode, filter=wanted)
        )
        for mode in MODES
    }
    [sources] = by_mode
    return set(sources)


def ids(service: Service) -> dict[str, str]:
    rows = service.http.get(f"/api/v1/collections/{COLLECTION}/documents").json()["items"]
    return {row["source"]: row["document_id"] for row in rows}


def test_a_change_a_new_version_and_a_deletion_count_in_the_next_search(harbour: Service) -> None:
    path = f"/api/v1/collections/{COLLECTION}/documents"
    assert found(harbour, {"state": "draft"}) == set(FILES)
    assert found(harbour, {"state": "final"}) == set()
    for i in range(3):
        body = {"metadata": {"state": "final", "year": 2024}}
        harbour.http.patch(f"{path}/{ids(harbour)[f'{i}.txt']}", json=body).raise_for_status()
        assert found(harbour, {"state": "final"}) == {f"{n}.txt" for n in range(i + 1)}
        assert found(harbour, {"state": {"$ne": "final"}}) == {f"{n}.txt" for n in range(i + 1, 4)}
    harbour.http.delete(f"{path}/{ids(harbour)['0.txt']}").raise_for_status()
    assert found(harbour, {"state": "final"}) == {"1.txt", "2.txt"}
    harbour.ingest(COLLECTION, {"1.txt": b"Notice 1, corrected: the ferry waits at pier 9."}, metadata='{"year": 2025}')
    assert found(harbour, {"state": "final"}) == {"2.txt"}
    assert found(harbour, {"year": {"$gt": 2024}}) == {"1.txt"}


@pytest.fixture
def restarted(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("restarted") / "home"
    with Service.start(home, backends.env) as service:
        service.collection(COLLECTION)
        service.ingest(COLLECTION, FILES, metadata='{"state": "draft", "year": 2024}')
        assert found(service, {"state": "draft"}) == set(FILES)
    with Service.start(home, backends.env) as service:
        yield service


def test_the_first_filter_after_a_start_sees_everything(restarted: Service) -> None:
    assert found(restarted, {"state": "draft", "source": {"$in": ["1.txt", "3.txt"]}}) == {"1.txt", "3.txt"}
