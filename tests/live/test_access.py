"""Two people with keys of one server, each trying to see what is the other's, at every route there is."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import httpx2
import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from tests.processes import Backends, Service, sent

ADMIN_KEY = "the key of all"
QUESTION = "How long does the sourdough rest?"
YEAST = b"The sourdough rests for nine hours in the cellar."
PIER = b"The tug Brunhild lies at the seventh pier."
OPEN = b"The canteen serves soup at noon."
DOCUMENTS = "/api/v1/collections/default/documents"


@dataclass
class Person:
    http: httpx.Client
    secret: str
    things: dict[str, str]  # what there is of this one, by the names that paths have for it


@pytest.fixture(scope="module")
def house(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {**backends.env, "RAG_ADMIN_KEY": ADMIN_KEY, "RAG_ANSWERS__CACHE": "exact"}
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    with Service.start(tmp_path_factory.mktemp("home"), env, headers=headers) as service:
        for name in ("kitchen", "harbour"):
            service.collection(name)
            service.ingest(name, {f"{name}.txt": OPEN})
        service.ingest("default", {"open.txt": OPEN})
        yield service


@contextmanager
def person(house: Service, group: str, source: str, text: bytes) -> Iterator[Person]:
    made = house.http.post(
        "/api/v1/keys", json={"role": "writer", "collections": ["default", group], "groups": [group], "name": group}
    ).json()
    headers = {"Authorization": f"Bearer {made['secret']}"}
    with httpx.Client(base_url=house.url, timeout=60, headers=headers) as http:
        files = {"files": (source, text)}
        [row] = (
            http.post(DOCUMENTS, files=files, data={"acl": json.dumps([group])}).raise_for_status().json()["documents"]
        )
        assert house.finished(row["job_id"])["state"] == "done"
        question = {"question": QUESTION, "stream": False, "conversation_id": "new"}
        answer = http.post("/api/v1/answers", json=question).raise_for_status().json()
        yield Person(
            http,
            made["secret"],
            {
                "collection": group,
                "document_id": row["document_id"],
                "job_id": row["job_id"],
                "answer_id": answer["answer_id"],
                "conversation_id": answer["conversation_id"],
                "chat_id": group,
                "model": f"rag:{group}",
                "evaluation_id": "none",
            },
        )


@pytest.fixture(scope="module")
def ada(house: Service) -> Iterator[Person]:
    with person(house, "kitchen", "sourdough.txt", YEAST) as found:
        yield found


@pytest.fixture(scope="module")
def bob(house: Service) -> Iterator[Person]:
    with person(house, "harbour", "pier.txt", PIER) as found:
        yield found


@pytest.fixture(scope="module")
def operations(house: Service) -> dict[tuple[str, str], Any]:
    paths = house.http.get("/openapi.json").json()["paths"]
    found = {(method.upper(), path): one for path, of in paths.items() for method, one in of.items()}
    assert len(found) > 40
    return found


def send(http: httpx.Client, method: str, path: str, operation: Mapping[str, Any]) -> httpx.Response:
    """As the interface's description has it; of what goes on without end, the head."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    params = {"filter": '{"year": 1}'} if "filter" in [one["name"] for one in operation.get("parameters", ())] else {}
    with http.stream(method, path, json=body, params=params) as response:
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            response.read()
        return response


def test_no_route_lets_strangers_in(house: Service, operations: dict[tuple[str, str], Any]) -> None:
    with httpx.Client(base_url=house.url) as stranger:
        for (method, path), operation in operations.items():
            if path not in ("/livez", "/readyz"):
                refused = send(stranger, method, path.replace("{collection}", "default"), operation)
                assert refused.status_code == 401, (method, path)
                assert refused.headers["www-authenticate"] == "Bearer"
        assert stranger.post("/mcp", json={}).status_code == 401


def test_what_is_anothers_is_not_there(operations: dict[tuple[str, str], Any], ada: Person, bob: Person) -> None:
    """Each operation on what is Ada's, asked for by Bob; and those that change nothing by herself."""
    tried = set()
    for (method, path), operation in operations.items():
        if "{" not in path or "{key_id}" in path:
            continue
        for collection in (ada.things["collection"], "default") if "{document_id}" in path else (None,):
            things = ada.things | ({"collection": collection} if collection else {})
            refused = send(bob.http, method, path.format(**things), operation)
            if "{chat_id}" in path:
                assert refused.status_code == 204
            elif refused.status_code == 403:
                assert "the role admin" in refused.json()["error"]["message"], (method, path)
            else:
                assert refused.status_code == 404, (method, path, refused.status_code, refused.text)
                assert "_not_found" in refused.json()["error"]["code"], (method, path)
        tried.add(path)
        if method == "GET" and "{chat_id}" not in path and refused.status_code != 403:
            own = ada.things | ({"collection": "default"} if "{document_id}" in path else {})
            assert send(ada.http, method, path.format(**own), operation).status_code in (200, 204), path
    assert len(tried) > 15


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/answers", {"question": QUESTION, "collection": "kitchen", "stream": False}),
        ("/v1/chat/completions", {"model": "rag:kitchen", "messages": [{"role": "user", "content": QUESTION}]}),
        (
            "/v1/chat/completions",
            {"model": "rag:kitchen", "messages": [{"role": "user", "content": "### Task:\nSuggest a title."}]},
        ),
        ("/v1/responses", {"model": "rag:kitchen", "input": QUESTION}),
        ("/v1/embeddings", {"model": "rag:kitchen", "input": "soup"}),
        (
            "/api/chat",
            {
                "id": "1",
                "collection": "kitchen",
                "messages": [{"id": "1", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}],
            },
        ),
        (
            "/api/ag-ui",
            {
                "threadId": "1",
                "runId": "1",
                "state": {},
                "tools": [],
                "context": [],
                "forwardedProps": {"collection": "kitchen"},
                "messages": [{"id": "1", "role": "user", "content": QUESTION}],
            },
        ),
    ],
)
def test_a_body_that_names_anothers_collection_is_told_that_there_is_none(
    ada: Person, bob: Person, path: str, body: dict[str, Any]
) -> None:
    refused = bob.http.post(path, json=body)
    assert refused.status_code == 404, refused.text
    assert ada.http.post(path, json=body).status_code == 200


def test_nobody_goes_on_with_anothers_conversation(ada: Person, bob: Person) -> None:
    body = {"question": QUESTION, "conversation_id": ada.things["conversation_id"], "stream": False}
    assert bob.http.post("/api/v1/answers", json=body).status_code == 404
    again = body | {"conversation_id": bob.things["conversation_id"], "again": ada.things["answer_id"]}
    assert bob.http.post("/api/v1/answers", json=again).status_code == 404


def test_lists_show_only_what_is_ones_own(house: Service, ada: Person, bob: Person) -> None:
    def listed(who: httpx.Client, path: str, name: str, **query: Any) -> set[str]:
        found: set[str] = set()
        cursor: str | None = None
        while True:
            page = who.get(path, params={"limit": 1, **query, **({"cursor": cursor} if cursor else {})}).json()
            found |= {item[name] for item in page["items"]}
            if not (cursor := page["next_cursor"]):
                return found

    assert listed(ada.http, "/api/v1/collections", "name") == {"default", "kitchen"}
    assert listed(house.http, "/api/v1/collections", "name") == {"default", "kitchen", "harbour"}
    assert listed(ada.http, DOCUMENTS, "source") == {"open.txt", "sourdough.txt"}
    assert listed(bob.http, DOCUMENTS, "source") == {"open.txt", "pier.txt"}
    assert listed(house.http, DOCUMENTS, "source") == {"open.txt", "sourdough.txt", "pier.txt"}
    for one, other in ((ada, bob), (bob, ada)):
        for path, name in (("/api/v1/conversations", "conversation_id"), ("/api/v1/jobs", "job_id")):
            mine = listed(one.http, path, name)
            assert one.things[name] in mine
            assert other.things[name] not in mine
            assert {one.things[name], other.things[name]} <= listed(house.http, path, name)
        models = {model["id"] for model in one.http.get("/v1/models").json()["data"]}
        assert models == {"rag", "rag:default", one.things["model"]}


def test_search_and_answers_see_what_the_groups_see(house: Service, ada: Person, bob: Person) -> None:
    """The same question, first by who may see the answer: what is remembered of it is not for the other."""

    def sources(who: httpx.Client, **options: Any) -> set[str]:
        body = {"query": QUESTION, "top_k": 50, **options}
        found = who.post("/api/v1/collections/default/search", json=body).json()
        assert "sourdough.txt" in str(found) or ada.things["document_id"] not in str(found)
        return {hit["source"] for hit in found["hits"]}

    for mode in ("hybrid", "dense", "lexical"):
        assert "sourdough.txt" in sources(ada.http, mode=mode, explain=True)
        assert "sourdough.txt" not in sources(bob.http, mode=mode, explain=True)
        assert "sourdough.txt" not in sources(bob.http, mode=mode, filter={"source": "sourdough.txt"})
    body = {"question": QUESTION, "stream": False}
    for _ in range(2):
        assert "nine hours" in ada.http.post("/api/v1/answers", json=body).json()["text"]
        other = bob.http.post("/api/v1/answers", json=body).json()
        assert "nine hours" not in json.dumps(other)
    assert other["passages"]
    assert "nine hours" in house.answer(QUESTION)["text"]


def test_what_one_may_see_no_more_is_gone_from_answers_and_conversations(house: Service, ada: Person) -> None:
    [row] = house.upload("default", {"recipe.txt": b"The rye recipe needs treacle."}, acl='["kitchen"]')
    house.finished(row["job_id"])
    body = {"question": "What does the rye recipe need?", "conversation_id": "new"}
    with ada.http.stream("POST", "/api/v1/answers", json=body) as response:
        events = list(sent(response))
    answer_id, conversation_id = (events[0].data[name] for name in ("answer_id", "conversation_id"))
    assert "owner" not in events[0].data
    assert "treacle" in json.dumps([event.data for event in events])
    assert "treacle" in ada.http.get(f"/api/v1/conversations/{conversation_id}").text
    path = f"{DOCUMENTS}/{row['document_id']}"
    house.http.patch(path, json={"acl": ["harbour"]}).raise_for_status()
    for gone in (f"/api/v1/answers/{answer_id}", f"/api/v1/answers/{answer_id}/events"):
        refused = ada.http.get(gone)
        assert (refused.status_code, refused.json()["error"]["code"]) == (410, "answer_redacted")
        assert house.http.get(gone).status_code == 200
    assert "treacle" not in ada.http.get(f"/api/v1/conversations/{conversation_id}").text
    assert ada.http.get(path).status_code == 404
    assert "treacle" not in ada.http.post("/api/v1/answers", json={**body, "stream": False}).text


def test_nobody_replaces_or_deletes_what_he_can_not_see(house: Service, ada: Person, bob: Person) -> None:
    refused = bob.http.post(DOCUMENTS, files={"files": ("sourdough.txt", b"Mine now.")})
    [row] = refused.json()["error"]["details"]
    assert (refused.status_code, row["error"]["code"]) == (422, "source_taken")
    lines = [{"id": "sourdough.txt", "text": "Mine now."}, {"id": "anchor.txt", "text": "The anchor is rusty."}]
    bulk = "\n".join(json.dumps(line) for line in lines).encode()
    [row] = bob.http.post(DOCUMENTS, files={"files": ("bulk.jsonl", bulk)}).json()["documents"]
    job = house.finished(row["job_id"])
    assert (job["state"], job["documents_done"], job["documents_total"]) == ("done", 1, 2)
    assert [(one["source"], one["error"]["code"]) for one in job["failures"]] == [("sourdough.txt", "source_taken")]
    assert bob.http.get(f"/api/v1/jobs/{row['job_id']}").status_code == 200
    assert ada.http.get(f"/api/v1/jobs/{row['job_id']}").status_code == 404
    for what in ({"source": "sourdough.txt"}, {"source": {"$ne": "nothing"}, "media_type": "application/pdf"}):
        deleted = bob.http.delete(DOCUMENTS, params={"filter": json.dumps(what)}).json()
        assert deleted["count"] == 0
    empty = bob.http.delete(DOCUMENTS, params={"filter": "{}"})
    assert empty.status_code == 422
    assert ada.http.get(f"{DOCUMENTS}/{ada.things['document_id']}/content").text == YEAST.decode()


def test_chats_of_one_name_are_two(ada: Person, bob: Person) -> None:
    body = {"id": "same", "messages": [{"id": "1", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}]}
    with ada.http.stream("POST", "/api/chat", json=body) as response:
        assert response.status_code == 200
        assert bob.http.get("/api/chat/same/stream").status_code == 204
        assert bob.http.post("/api/chat/same/stop").status_code == 204


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_tools_and_resources_of_mcp_see_the_same(house: Service, ada: Person, bob: Person, mode: str) -> None:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {bob.secret}"}, timeout=30) as http,
        Client(streamable_http_client(f"{house.url}/mcp", http_client=http), mode=mode) as client,
    ):
        told = json.dumps([tool.model_dump(mode="json") for tool in (await client.list_tools()).tools])
        assert "harbour" in told
        assert "kitchen" not in told
        for name, arguments in (
            ("search", {"query": QUESTION, "collection": "kitchen"}),
            ("ask", {"question": QUESTION, "collection": "kitchen"}),
            ("list_documents", {"collection": "kitchen"}),
            ("get_document", {"document_id": ada.things["document_id"]}),
        ):
            result = await client.call_tool(name, arguments)
            assert result.is_error, name
            assert "not_found" in text_of(result)
        for name, arguments in (
            ("search", {"query": QUESTION}),
            ("ask", {"question": QUESTION}),
            ("list_documents", {}),
        ):
            result = await client.call_tool(name, arguments)
            assert not result.is_error, text_of(result)
            assert ada.things["document_id"] not in result.model_dump_json()
            assert "nine hours" not in result.model_dump_json()
        uris: list[str] = []
        cursor: str | None = None
        while True:
            listed = await client.list_resources(cursor=cursor)
            uris += [str(one.uri) for one in listed.resources]
            if not (cursor := listed.next_cursor):
                break
        assert f"rag://default/{bob.things['document_id']}" in uris
        assert not [uri for uri in uris if "kitchen" in uri or ada.things["document_id"] in uri]
        with pytest.raises(MCPError, match="has no document"):
            await client.read_resource(f"rag://default/{ada.things['document_id']}")


def text_of(result: types.CallToolResult) -> str:
    return "".join(part.text for part in result.content if isinstance(part, types.TextContent))
