"""Archives through the front door: a bulk load whose lines are files."""

from tests.ingest.packed import sheet as rows
from tests.ingest.packed import xlsx, zipped
from tests.processes import Service

SHARES_SERVICE = True


def test_the_files_of_an_archive_are_documents_of_their_own(service: Service) -> None:
    collection = service.collection("packed")
    files = {
        "birds/heron.md": "# Herons\n\nThe heron stands in the reeds.",
        "birds/counts.xlsx": xlsx({"Lake": rows(["Bird", "Count"], ["Goosander", 41])}),
        "cat.gif": b"GIF89a\0\1\2",
        "inner.zip": zipped({"a.txt": "words"}),
        "lines.jsonl": '{"id": "l1", "text": "Coots build floating nests."}\n',
    }
    [job] = service.ingest(collection, {"all.zip": zipped(files)})
    assert (job["state"], job["document_id"]) == ("done", None)
    assert [failure["source"] for failure in job["failures"]] == ["cat.gif", "inner.zip"]
    listed = service.http.get(f"/api/v1/collections/{collection}/documents").json()["items"]
    assert {row["source"]: row["status"] for row in listed if row["status"] == "ready"} == dict.fromkeys(
        ["birds/heron.md", "birds/counts.xlsx", "l1"], "ready"
    )
    [hit] = service.search(collection, "How many goosanders are there?", top_k=1)
    assert (hit["source"], hit["section"]) == ("birds/counts.xlsx", "Lake")
    assert "Bird: Goosander; Count: 41" in hit["text"]
