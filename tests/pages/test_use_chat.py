"""A page that is made with the AI SDK's `useChat`, in a real browser, against the service itself."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.fake_llm import FakeLanguageModel, fake_language_model, hangs, says
from tests.node_clients import need_node, run_node
from tests.processes import Backends, Service

HTML = (
    "<!doctype html><meta charset=utf-8><title>useChat</title>"
    "<div id=root></div><script type=module src=/use-chat.js></script>"
)
WAIT_MS = 20_000


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture(scope="module")
def bakery(backends: Backends, llm: FakeLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {**backends.env, "RAG_LLM__BASE_URL": llm.url, "RAG_LLM__MODEL": "fake"}
    with Service.start(tmp_path_factory.mktemp("home"), env) as service:
        service.ingest("default", {"bakery.txt": b"The bakery opens at six. It sells rye bread."})
        yield service


@pytest.fixture(scope="module")
def script() -> str:
    need_node()
    bundled: str = run_node("bundle.mjs", "use_chat.jsx")["text"]
    return bundled


@pytest.fixture
def page(browser: Browser, bakery: Service, script: str) -> Iterator[Page]:
    """The page under the service's own address, so that the browser lets it ask there."""
    context = browser.new_context()
    context.set_default_timeout(WAIT_MS)
    context.route("**/use-chat", lambda route: route.fulfill(body=HTML, content_type="text/html"))
    context.route("**/use-chat.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
    yield context.new_page()
    context.close()


def asked(page: Page, service: Service, chat: str) -> None:
    page.goto(f"{service.url}/use-chat#{chat}")
    page.fill("input", "When does the bakery open?")
    page.keyboard.press("Enter")


def test_an_answer_comes_with_its_source(page: Page, bakery: Service, llm: FakeLanguageModel) -> None:
    llm.default = says("At ", "six [1].")
    asked(page, bakery, "whole")
    expect(page.locator(".assistant .text")).to_have_text("At six [1].", timeout=WAIT_MS)
    expect(page.locator("main")).to_have_attribute("data-status", "ready", timeout=WAIT_MS)
    assert page.locator(".assistant cite").all_inner_texts() == ["bakery"]
    assert page.locator(".assistant q").all_inner_texts() == ["The bakery opens at six."]
    assert page.locator("output").inner_text() == ""


def test_a_page_that_is_loaded_anew_goes_on_and_stops(page: Page, bakery: Service, llm: FakeLanguageModel) -> None:
    llm.then(hangs("At six, "))
    asked(page, bakery, "resumed")
    expect(page.locator(".assistant .text")).to_have_text("At six,", timeout=WAIT_MS)
    page.reload()
    expect(page.locator(".assistant .text")).to_have_text("At six,", timeout=WAIT_MS)
    expect(page.locator("main")).to_have_attribute("data-status", "streaming", timeout=WAIT_MS)
    page.click("button")
    expect(page.locator("main")).to_have_attribute("data-status", "ready", timeout=WAIT_MS)
    assert llm.closed_by_peer.wait(5)
    assert page.locator("output").inner_text() == ""
