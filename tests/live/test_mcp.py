"""The Model Context Protocol through its official client, over HTTP in both eras of the protocol and over stdio."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import mcp_types as types
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.fake_llm import FakeLanguageModel, fake_language_model, hangs, refuses, says
from tests.processes import BIN, Backends, Service, clean_env

SHARES_SERVICE = True

QUESTION = "When does the bakery open?"
TEXT = b"The bakery opens at six. It sells rye bread. Ask for Olga."
KEY = "sesame"
WAIT_S = 20
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture(scope="module")
def bakery(backends: Backends, llm: FakeLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {**backends.env, "RAG_LLM__BASE_URL": llm.url, "RAG_LLM__MODEL": "fake", "RAG_ADMIN_KEY": KEY}
    headers = {"Authorization": f"Bearer {KEY}"}
    with Service.start(tmp_path_factory.mktemp("home"), env, headers=headers) as service:
        service.collection("other")
        service.ingest("default", {"bakery.txt": TEXT})
        service.ingest("other", {"a.txt": b"Ships leave at noon.", "b.txt": b"Trains leave at one."})
        yield service


@pytest.fixture(autouse=True)
def fresh(llm: FakeLanguageModel) -> None:
    llm.reset()
    llm.default = says("At ", "six [1].")


@asynccontextmanager
async def connected(service: Service, mode: str = "auto") -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}, timeout=30) as http:
        wire = streamable_http_client(f"{service.url}/mcp", http_client=http)
        async with Client(wire, mode=mode) as client:
            yield client


@pytest.fixture(params=["auto", "legacy"])
async def client(bakery: Service, request: pytest.FixtureRequest) -> AsyncIterator["Call"]:
    yield Call(bakery, request.param)


class Call:
    """One call on a connection of its own: the protocol's client wants to be opened and closed in one task."""

    def __init__(self, service: Service, mode: str) -> None:
        self.service, self.mode = service, mode

    async def tool(self, name: str, **arguments: Any) -> types.CallToolResult:
        async with connected(self.service, self.mode) as client:
            return await client.call_tool(name, arguments)


def text_of(result: types.CallToolResult) -> str:
    [content] = result.content
    assert isinstance(content, types.TextContent)
    return content.text


def error_of(result: types.CallToolResult) -> str:
    assert result.is_error
    error = result.structured_content["error"]
    assert text_of(result) == f"{error['code']}: {error['message']}"
    return str(error["code"])


async def test_the_tools_name_what_they_take_and_the_collections_that_are_there(bakery: Service) -> None:
    async with connected(bakery) as client:
        assert client.protocol_version == "2026-07-28"
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"search", "ask", "list_documents", "get_document"}
    schema = tools["search"].input_schema
    assert schema["required"] == ["query"]
    assert "default, other" in schema["properties"]["collection"]["description"]
    assert all(tool.annotations and tool.annotations.read_only_hint and tool.output_schema for tool in tools.values())


async def test_search_and_documents_come_as_structure_and_as_text(client: Call) -> None:
    found = await client.tool("search", query=QUESTION, top_k=1)
    [hit] = found.structured_content["hits"]
    assert hit["text"] == TEXT.decode()
    assert hit["uri"] == f"rag://default/{hit['document_id']}"
    assert TEXT.decode() in text_of(found)
    assert hit["uri"] in text_of(found)
    part = await client.tool("get_document", document_id=hit["document_id"], start=4, length=6)
    assert part.structured_content["text"] == "bakery"
    assert (part.structured_content["end"], part.structured_content["length"]) == (10, len(TEXT))
    assert text_of(part).endswith("Characters 4 to 10 of 58:\n\nbakery")
    assert part.structured_content["document"]["source"] == "bakery.txt"


async def test_filters_and_pages_hold_for_tools_too(client: Call) -> None:
    found = await client.tool("search", query="leave", collection="other", filter={"source": "a.txt"})
    assert [hit["source"] for hit in found.structured_content["hits"]] == ["a.txt"]
    first = await client.tool("list_documents", collection="other", limit=1)
    cursor = first.structured_content["next_cursor"]
    second = await client.tool("list_documents", collection="other", limit=1, cursor=cursor)
    listed = [one["source"] for page in (first, second) for one in page.structured_content["documents"]]
    assert sorted(listed) == ["a.txt", "b.txt"]
    assert second.structured_content["next_cursor"] is None


async def test_documents_are_resources(bakery: Service) -> None:
    async with connected(bakery) as client:
        first = await client.list_resources()
        assert first.next_cursor
        rest = await client.list_resources(cursor=first.next_cursor)
        assert rest.next_cursor is None
        assert [[one.name for one in page.resources] for page in (first, rest)] == [["bakery.txt"], ["a.txt", "b.txt"]]
        [template] = (await client.list_resource_templates()).resource_templates
        assert template.uri_template == "rag://{collection}/{document_id}"
        [content] = (await client.read_resource(first.resources[0].uri)).contents
        assert isinstance(content, types.TextResourceContents)
        assert content.text == TEXT.decode()
        for uri in ("rag://default/nothing", "rag://nothing/x", "file:///etc/passwd"):
            with pytest.raises(MCPError) as caught:
                await client.read_resource(uri)
            assert caught.value.code == types.INVALID_PARAMS
        with pytest.raises(MCPError, match="cursor"):
            await client.list_resources(cursor="made-up")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_answer_comes_whole_with_its_citations_and_tells_how_far_it_is(bakery: Service, mode: str) -> None:
    told: list[tuple[float, str | None]] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    async with connected(bakery, mode) as client:
        answer = await client.call_tool("ask", {"question": QUESTION}, progress_callback=tell)
    value = answer.structured_content
    assert (value["outcome"], value["text"], value["model"]) == ("answered", "At six [1].", "fake")
    [citation] = value["citations"]
    assert TEXT.decode()[citation["start"] : citation["end"]] == citation["quote"]
    assert "bakery.txt" in text_of(answer)
    assert citation["verdict"] in text_of(answer)
    assert [message for _, message in told][:2] == ["searching", "1 passages were found"]
    assert [progress for progress, _ in told] == sorted({progress for progress, _ in told})
    shown = bakery.http.get(f"/api/v1/answers/{value['answer_id']}").raise_for_status().json()
    assert shown["text"] == value["text"]


async def hang_up(client: Client) -> None:
    """Asks, and cancels the call when the answer has begun."""
    begun = asyncio.Event()

    async def tell(_: float, __: float | None, message: str | None) -> None:
        if message == "3 characters are written":
            begun.set()

    calling = asyncio.create_task(client.call_tool("ask", {"question": QUESTION}, progress_callback=tell))
    async with asyncio.timeout(WAIT_S):
        await begun.wait()
    calling.cancel()
    await asyncio.wait([calling])


async def test_cancelling_the_call_stops_the_run(bakery: Service, llm: FakeLanguageModel) -> None:
    llm.scripts.append(hangs("At "))
    async with connected(bakery) as client:
        await hang_up(client)
        assert await asyncio.to_thread(llm.closed_by_peer.wait, WAIT_S)


async def test_leaving_stops_the_run_in_the_earlier_protocol(bakery: Service, llm: FakeLanguageModel) -> None:
    llm.scripts.append(hangs("At "))
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call"}
    params = {"name": "ask", "arguments": {"question": QUESTION}}
    body = {**call, "params": {**params, "_meta": {"progressToken": 1}}}
    headers = {"Accept": "application/json, text/event-stream"}
    with bakery.http.stream("POST", "/mcp", json=body, headers=headers) as response:
        assert response.status_code == 200
        said = ""
        for piece in response.iter_text():
            if "3 characters are written" in (said := said + piece):
                break
    assert await asyncio.to_thread(llm.closed_by_peer.wait, WAIT_S)


async def test_what_goes_wrong_in_a_tool_is_told_by_code_and_sentence(client: Call, llm: FakeLanguageModel) -> None:
    assert error_of(await client.tool("search", query="x", collection="nowhere")) == "collection_not_found"
    assert error_of(await client.tool("search", query="x", filter={"$or": 1})) == "invalid_filter"
    assert error_of(await client.tool("search", query="")) == "validation_error"
    assert error_of(await client.tool("search", query="x", colour="red")) == "validation_error"
    assert error_of(await client.tool("get_document", document_id="nothing")) == "document_not_found"
    llm.default = refuses("401 Unauthorized", "bad key")
    assert error_of(await client.tool("ask", question=QUESTION)) == "language_model_refused"
    async with connected(client.service, client.mode) as protocol:
        with pytest.raises(MCPError, match="there is no tool 'shout'"):
            await protocol.call_tool("shout")


def test_the_protocol_wants_the_key_and_takes_no_other_method(bakery: Service, service: Service) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        reply = httpx.post(f"{bakery.url}/mcp", json=HELLO, headers=headers)
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "unauthenticated")
        assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert bakery.http.get("/mcp").status_code == 405
    assert 'rag_requests_total{method="GET",route="/mcp",status="405"}' in bakery.http.get("/metrics").text
    reply = service.http.post("/mcp", json=HELLO, headers={"Origin": "https://evil.example"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "foreign_origin")


def stdio(home: Path, **env: str) -> StdioServerParameters:
    return StdioServerParameters(command=str(BIN / "rag"), args=["mcp"], env=clean_env(RAG_HOME=str(home), **env))


async def test_stdio_hands_on_to_the_server_that_owns_the_home(bakery: Service, llm: FakeLanguageModel) -> None:
    told: list[str | None] = []

    async def tell(_: float, __: float | None, message: str | None) -> None:
        told.append(message)

    async with Client(stdio(bakery.home, RAG_ADMIN_KEY=KEY)) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} >= {"ask", "search"}
        answer = await client.call_tool("ask", {"question": QUESTION}, progress_callback=tell)
        assert answer.structured_content["text"] == "At six [1]."
        assert told[0] == "searching"
        assert error_of(await client.call_tool("search", {"query": "x", "collection": "nowhere"})) == (
            "collection_not_found"
        )
        [document] = (await client.list_resources()).resources
        [content] = (await client.read_resource(document.uri)).contents
        assert isinstance(content, types.TextResourceContents)
        assert content.text == TEXT.decode()
        llm.scripts.append(hangs("At "))
        await hang_up(client)
        assert await asyncio.to_thread(llm.closed_by_peer.wait, WAIT_S)


def test_stdio_starts_the_service_for_its_own_time_and_writes_nothing_but_protocol(
    backends: Backends, tmp_path: Path
) -> None:
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call"}
    messages: Sequence[dict[str, Any]] = [
        HELLO,
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {**call, "params": {"name": "list_documents", "arguments": {}}},
    ]
    env = clean_env(**backends.env, RAG_HOME=str(tmp_path / "home"))
    command = [str(BIN / "rag"), "mcp"]
    with subprocess.Popen(command, env=env, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"".join(json.dumps(message).encode() + b"\n" for message in messages))
        process.stdin.flush()
        replies = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(60) == 0
    by_id = {reply["id"]: reply["result"] for reply in replies}
    assert by_id[1]["serverInfo"]["name"] == "rag-api"
    assert by_id[2]["structuredContent"] == {"documents": [], "next_cursor": None}


def test_stdio_says_on_standard_error_that_the_key_is_wrong(bakery: Service) -> None:
    env = clean_env(RAG_HOME=str(bakery.home), RAG_ADMIN_KEY="wrong")
    done = subprocess.run([str(BIN / "rag"), "mcp"], env=env, cwd=bakery.home.parent, input=b"", capture_output=True)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"not one of this server's" in done.stderr
