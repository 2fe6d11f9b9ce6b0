"""The chat page with a language model: streams, stops, failures, and answers that mean harm."""

import asyncio
import json
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.fake_llm import (
    FakeLanguageModel,
    Script,
    Writer,
    begin,
    chunk,
    fake_language_model,
    hangs,
    refuses,
    says,
    send,
)
from tests.pages.conftest import PHONE, Tabs, ask, asked, fits
from tests.processes import Backends, Service

DOCUMENTS = {"bakery.txt": b"The Oslo bakery opens at six in the morning. In winter the Oslo bakery opens at eight."}
QUESTION = "When does the Oslo bakery open?"
OTHER = "other-model-with-a-long-name-and-a-version-70b"
HOSTILE = """Hello <script>window.hurt = 1</script><img src=x onerror="window.hurt = 2"> [1].

[click](javascript:window.hurt=3) [data](data:text/html,<script>window.hurt=4</script>) [local](/api/v1/stats)
![pixel](https://evil.example/pixel.png) <javascript:window.hurt=5> <https://evil.example/"onmouseover="hurt=6">
[fine](https://good.example/a?b=c) https://bare.example/x. [1](https://evil.example/fake)

<iframe src="https://evil.example"></iframe><svg onload=window.hurt=7><style>body{display:none}</style>

```html"><img src=x onerror=window.hurt=8>
</code></pre><script>window.hurt = 9</script>
```

| a | <b onclick=hurt()>b</b> |
|---|---|
| `</td>` | [x](vbscript:hurt) |
"""


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture(scope="module")
def spoken(backends: Backends, llm: FakeLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {**backends.env, "RAG_LLM__BASE_URL": llm.url, "RAG_LLM__MODEL": "fake-model", "RAG_LLM__RETRIES": "0"}
    env["RAG_LLM__FALLBACKS"] = json.dumps([{"base_url": llm.url, "model": OTHER}])
    with Service.start(tmp_path_factory.mktemp("home"), env) as service:
        service.ingest("default", DOCUMENTS)
        yield service


@pytest.fixture(autouse=True)
def fresh(llm: FakeLanguageModel) -> None:
    llm.reset()
    llm.default = says("The Oslo bakery opens at six in the morning [1].")


@pytest.fixture
def page(spoken: Service, tabs: Tabs) -> Page:
    return tabs.open(spoken.url)


def says_in_two(first: str, second: str, go_on: threading.Event) -> Script:
    async def script(writer: Writer) -> None:
        await begin(writer)
        await send(writer, chunk(first))
        await asyncio.to_thread(go_on.wait, 60)
        await send(writer, chunk(second))
        await send(writer, chunk(finish_reason="stop"))
        await send(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")

    return script


def test_text_is_there_before_the_answer_is_over(page: Page, llm: FakeLanguageModel) -> None:
    go_on = threading.Event()
    llm.then(says_in_two("The Oslo bakery ", "opens at six in the morning [1].", go_on))
    ask(page, QUESTION)
    try:
        expect(page.locator(".markdown")).to_have_text("The Oslo bakery")
        assert page.get_attribute(".turn", "aria-busy") == "true"
        expect(page.locator("#send")).to_have_attribute("aria-label", "Stop the answer")
    finally:
        go_on.set()
    page.wait_for_selector(".turn[data-outcome=answered]")
    expect(page.locator(".cite.supported")).to_have_text("1")
    expect(page.locator(".summary")).to_contain_text("fake-model")
    expect(page.locator("#announcer")).to_contain_text("The answer is there. The Oslo bakery opens")


def test_an_answer_is_stopped_in_the_middle(page: Page, llm: FakeLanguageModel) -> None:
    llm.then(hangs("The Oslo bakery opens"))
    ask(page, QUESTION)
    expect(page.locator(".markdown")).to_have_text("The Oslo bakery opens")
    page.click("#send")
    page.wait_for_selector(".turn[data-outcome=cancelled]")
    assert llm.closed_by_peer.wait(10)
    expect(page.locator(".end")).to_contain_text("Stopped")
    expect(page.locator(".markdown")).to_have_text("The Oslo bakery opens")
    asked(page, "And in winter?")


def test_a_page_that_is_loaded_anew_follows_the_answer_to_its_end(page: Page, llm: FakeLanguageModel) -> None:
    go_on = threading.Event()
    llm.then(says_in_two("The Oslo bakery ", "opens at six in the morning [1].", go_on))
    ask(page, QUESTION)
    try:
        expect(page.locator(".markdown")).to_have_text("The Oslo bakery")
        page.reload()
        expect(page.locator(".markdown")).to_have_text("The Oslo bakery")
        page.click("#new")
        expect(page.locator("#welcome")).to_be_visible()
        page.go_back()
        expect(page.locator(".markdown")).to_have_text("The Oslo bakery")
    finally:
        go_on.set()
    page.wait_for_selector(".turn[data-outcome=answered]")
    expect(page.locator(".markdown")).to_have_text("The Oslo bakery opens at six in the morning 1.")
    assert len(llm.requests) == 1


def test_a_stream_that_breaks_off_is_taken_up_again(page: Page, llm: FakeLanguageModel) -> None:
    resumed: list[str] = []

    def cut(route: Route) -> None:
        whole = route.fetch().body()
        route.fulfill(body=whole[: whole.index(b"event: done") - 40], content_type="text/event-stream")

    page.route("**/api/v1/answers", cut)
    page.on("request", lambda request: resumed.append(request.headers.get("last-event-id", "")))
    asked(page, QUESTION)
    expect(page.locator(".markdown")).to_have_text("The Oslo bakery opens at six in the morning 1.")
    assert any(resumed)


def test_a_failure_is_said_plainly_and_can_be_tried_again(page: Page, llm: FakeLanguageModel) -> None:
    llm.then(*[refuses("400 Bad Request", "no such model")] * 2)  # by both
    asked(page, QUESTION, "failed")
    expect(page.locator(".end.failed")).to_contain_text("This answer failed")
    expect(page.locator(".end.failed")).to_contain_text("language_model_refused")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector(".turn[data-outcome=answered]")
    expect(page.locator(".place span")).to_have_text("2 of 2")


def test_a_model_is_chosen_and_stays_chosen(page: Page, spoken: Service, llm: FakeLanguageModel) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    expect(page.locator("#models")).to_have_value("fake-model")
    expect(page.locator("#model")).to_be_hidden()
    asked(page, QUESTION)
    page.locator("#models").select_option(OTHER)
    assert fits(page)
    page.get_by_role("button", name="Answer again").click()
    expect(page.locator(".summary")).to_contain_text(OTHER)
    page.reload()
    expect(page.locator("#models")).to_have_value(OTHER)
    asked(page, "And in winter?")
    expect(page.locator(".turn:last-child .summary")).to_contain_text(OTHER)
    assert [request["model"] for request in llm.requests if request.get("stream")][:2] == ["fake-model", OTHER]
    kept = spoken.http.get(f"/api/v1/conversations/{page.url.partition('?c=')[2]}").json()["answers"]
    assert [answer["model"] for answer in kept] == ["fake-model", OTHER, OTHER]


def test_a_question_asked_before_the_conversation_is_shown_is_not_lost(page: Page, llm: FakeLanguageModel) -> None:
    asked(page, QUESTION)
    late: list[tuple[Route, APIResponse]] = []

    def fetched(route: Route) -> None:
        late.append((route, route.fetch()))

    page.route("**/api/v1/conversations/*", fetched)
    page.reload()
    while not late:
        page.wait_for_timeout(20)
    ask(page, "And in winter?")
    page.wait_for_timeout(200)  # time enough to be answered, were it asked already
    [(route, response)] = late
    route.fulfill(response=response)
    page.wait_for_selector(".turn:nth-child(2)[data-outcome=answered]")


def test_thinking_is_folded_away(page: Page, llm: FakeLanguageModel) -> None:
    page.get_by_label("Show what the model thinks").check()
    llm.then(says("<think>Six, or is it eight?</think>", "At six in the morning [1]."))
    asked(page, QUESTION)
    expect(page.locator(".thoughts-text")).to_be_hidden()
    page.get_by_text("Thinking", exact=True).click()
    expect(page.locator(".thoughts-text")).to_have_text("Six, or is it eight?")
    expect(page.locator(".markdown")).to_have_text("At six in the morning 1.")


def test_a_verdict_is_a_colour_and_a_word(page: Page, llm: FakeLanguageModel) -> None:
    llm.then(says("The Bergen museum sells tickets for elephants on every Tuesday afternoon [1]."))
    asked(page, QUESTION)
    cite = page.locator(".cite.unsupported")
    assert "not supported" in (cite.get_attribute("aria-label") or "")
    expect(page.locator(".summary")).to_contain_text("1 not supported")
    cite.click()
    expect(page.locator(".verdict.unsupported")).to_contain_text("Not supported")
    assert page.evaluate("CSS.highlights.get('unsupported').size") == 1
    marked = page.evaluate("[...CSS.highlights.get('cited')].map(String).join('')")
    assert marked == "The Bergen museum sells tickets for elephants on every Tuesday afternoon"


@pytest.mark.parametrize("size", [1, 1_000_000], ids=["by letter", "at once"])
def test_a_hostile_answer_runs_nothing_and_loads_nothing(
    page: Page, llm: FakeLanguageModel, tabs: Tabs, size: int
) -> None:
    llm.then(says(*[HOSTILE[i : i + size] for i in range(0, len(HOSTILE), size)]))
    asked(page, QUESTION)
    assert page.evaluate("window.hurt") is None
    root = page.locator(".markdown")
    assert root.locator("script, img, iframe, svg, style, b, [onclick], [onerror], [onmouseover]").count() == 0
    hrefs = {link.get_attribute("href") for link in root.locator("a").all()}
    assert hrefs == {
        "https://evil.example/pixel.png",
        "https://evil.example/",  # the frame, as text
        "https://evil.example/%22onmouseover=%22hurt=6%22",
        "https://good.example/a?b=c",
        "https://bare.example/x",
        "https://evil.example/fake",
    }
    assert {link.get_attribute("rel") for link in root.locator("a").all()} == {"noopener noreferrer nofollow"}
    expect(root).to_contain_text("<script>window.hurt = 1</script>")
    assert not [url for url in tabs.asked if "evil" in url]


def test_code_and_tables_stay_within_a_phone(spoken: Service, llm: FakeLanguageModel, tabs: Tabs) -> None:
    wide = " | ".join(f"column number {i}" for i in range(12))
    rule = "|".join(["---"] * 12)
    code = json.dumps({f"key {i}": "x" * 40 for i in range(5)})
    llm.then(says(f"{'wide' * 100}\n\n| {wide} |\n|{rule}|\n| {wide} |\n\n```json\n{code}\n```\n"))
    page = tabs.open(spoken.url, viewport=PHONE)
    asked(page, QUESTION)
    assert page.locator(".markdown th").count() == 12
    expect(page.locator(".markdown pre")).to_have_text(code)
    assert fits(page)
