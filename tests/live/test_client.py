"""Both clients against a real server: answers that are cut, servers that are killed, uploads that tell their way."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from rag_api import client_wire
from rag_api.async_client import AsyncClient
from rag_api.client import AnswerEvent, Client, ServerError
from tests.cutting_proxy import CuttingProxy, cutting_proxy
from tests.fake_llm import FakeLanguageModel, fake_language_model, hangs, says
from tests.processes import Backends, Service

QUESTION = "When does the bakery open?"
TEXT = b"The bakery opens at six. It sells rye bread. Ask for Olga."
SEEN_S = 20
See: TypeAlias = Callable[[AnswerEvent], None]
Ask: TypeAlias = Callable[..., list[AnswerEvent]]


def ask_blocking(url: str, see: See = lambda _: None, **options: Any) -> list[AnswerEvent]:
    found: list[AnswerEvent] = []
    with Client(url) as client:
        for event in client.ask(QUESTION, **options):
            see(event)
            found.append(event)
    return found


def ask_async(url: str, see: See = lambda _: None, **options: Any) -> list[AnswerEvent]:
    async def ask() -> list[AnswerEvent]:
        found: list[AnswerEvent] = []
        async with AsyncClient(url) as client, aclosing(client.ask(QUESTION, **options)) as events:
            async for event in events:
                await asyncio.to_thread(see, event)
                found.append(event)
        return found

    return asyncio.run(ask())


@pytest.fixture(params=[ask_blocking, ask_async], ids=["blocking", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    found: Ask = request.param
    return found


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture(scope="module")
def bakery(backends: Backends, llm: FakeLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {**backends.env, "RAG_LLM__BASE_URL": llm.url, "RAG_LLM__MODEL": "fake"}
    with Service.start(tmp_path_factory.mktemp("home"), env) as service:
        service.ingest("default", {"bakery.txt": TEXT})
        yield service


@pytest.fixture
def proxy(bakery: Service) -> Iterator[CuttingProxy]:
    with cutting_proxy(int(bakery.url.rpartition(":")[2])) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def fresh(llm: FakeLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    llm.reset()
    monkeypatch.setattr(client_wire, "LONGEST_PAUSE_S", 0.3)


def text_of(events: list[AnswerEvent]) -> str:
    return "".join(event.data["text"] for event in events if event.name == "text")


def test_an_answer_that_is_cut_goes_on_where_it_was(
    bakery: Service, llm: FakeLanguageModel, proxy: CuttingProxy, ask: Ask
) -> None:
    llm.default = says(*(f"word{i} " for i in range(30)), delay_s=0.05)
    proxy.word, proxy.cuts = b"event: text", 4
    events = ask(proxy.url)
    assert proxy.cut == 4
    assert len(llm.requests) == 1
    assert text_of(events) == "".join(f"word{i} " for i in range(30))
    assert [event.name for event in events[:2]] == ["started", "retrieved"]
    assert events[-1].name == "done"
    ids = [event.id for event in events]
    assert ids == [f"{events[0].data['answer_id']}:{seq}" for seq in range(1, len(events) + 1)]


def test_a_connection_that_is_always_cut_is_given_up(
    bakery: Service, llm: FakeLanguageModel, proxy: CuttingProxy, ask: Ask
) -> None:
    llm.default = hangs("At ")

    def cut(_: AnswerEvent) -> None:
        proxy.word, proxy.cuts = b"event-stream", 1_000

    with pytest.raises(ServerError, match="can't be reached") as caught:
        ask(proxy.url, cut)
    assert proxy.cut >= client_wire.TRIES
    assert (caught.value.code, caught.value.status) == ("unreachable", 0)


def api_of(service: Service) -> int:
    row = json.loads((service.home / "run" / "processes.json").read_bytes())["api"]
    return int(row["incarnation"].split(".")[0])


@pytest.mark.parametrize("kept_s", [0.0, 1.0], ids=["before it is kept", "after"])
def test_an_answer_whose_server_is_killed_ends_as_interrupted(
    bakery: Service, llm: FakeLanguageModel, ask: Ask, kept_s: float
) -> None:
    llm.default = hangs("At ", "six ")

    def kill(event: AnswerEvent) -> None:
        if event.name == "text" and "six" in event.data["text"]:
            time.sleep(kept_s)  # what was said is on disk within 0.1 s
            os.kill(api_of(bakery), signal.SIGKILL)

    events = ask(bakery.url, kill)
    assert text_of(events) == "At six "
    assert events[-1].name == "failed"
    assert events[-1].data["error"]["code"] == "interrupted"


def test_an_answer_is_stopped_followed_and_shown(bakery: Service, llm: FakeLanguageModel) -> None:
    llm.default = hangs("At ")
    with Client(bakery.url) as client:
        events = client.ask(QUESTION)
        first = next(events)
        answer_id = first.data["answer_id"]
        stopped = client.cancel(answer_id)
        assert stopped["outcome"] == "cancelled"
        assert [*events][-1].data["outcome"] == "cancelled"
        again = list(client.follow(answer_id))
        assert (again[0], again[-1].name) == (first, "done")
        assert list(client.follow(answer_id, after=again[-1].id)) == []
        assert client.answer(answer_id)["text"] == stopped["text"]
        with pytest.raises(ServerError) as caught:
            list(client.follow("ans_made_up"))
        assert (caught.value.code, caught.value.status) == ("answer_not_found", 404)


def test_what_is_wrong_with_a_question_is_told_at_once(bakery: Service, ask: Ask) -> None:
    with pytest.raises(ServerError) as caught:
        ask(bakery.url, collection="nowhere")
    assert caught.value.code == "collection_not_found"


def test_an_upload_tells_how_far_it_is(bakery: Service, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"A line of text.\n" * 20_000)
    (tmp_path / "b.txt").write_bytes(b"Another one.\n")
    files = [(path.name, path) for path in sorted(tmp_path.iterdir())]
    size = sum(path.stat().st_size for _, path in files)
    told: list[tuple[int, int]] = []
    with Client(bakery.url) as client:
        client.create_collection("blocking")
        rows = client.upload("blocking", files, progress=lambda *far: told.append(far))
    assert [row["status"] for row in rows] == ["queued", "queued"]
    assert told == sorted(told)
    assert len(told) > 2
    assert told[-1] == (size, size)

    async def upload() -> tuple[list[Any], list[Any], str]:
        far: list[tuple[int, int]] = []
        async with AsyncClient(bakery.url) as there:
            await there.create_collection("async")
            rows = await there.upload(
                "async", files[1:], metadata={"year": 2024}, progress=lambda *one: far.append(one)
            )
            deadline = asyncio.get_running_loop().time() + SEEN_S
            while (await there.job(rows[0]["job_id"] or ""))["state"] != "done":
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.1)
            listed = [row async for row in there.documents("async", status="ready")]
            text = await there.content("async", listed[0]["document_id"], version=1)
            assert (await there.search("async", "another"))["hits"][0]["metadata"] == {"year": 2024}
            rejected = await there.upload("async", [("empty.txt", Path(os.devnull))])
            assert rejected[0]["error"]
            assert rejected[0]["error"]["code"] == "empty_document"
        return far, listed, text

    far, listed, text = asyncio.run(upload())
    assert far[-1] == (13, 13)
    assert ([row["source"] for row in listed], text) == (["b.txt"], "Another one.\n")


def test_many_answers_come_over_one_async_client(bakery: Service, llm: FakeLanguageModel) -> None:
    llm.default = says("At ", "six [1].")

    async def ask_many() -> list[str]:
        async with AsyncClient(bakery.url) as client:

            async def one() -> str:
                return text_of([event async for event in client.ask(QUESTION)])

            return list(await asyncio.gather(*(one() for _ in range(20))))

    assert asyncio.run(ask_many()) == ["At six [1]."] * 20
