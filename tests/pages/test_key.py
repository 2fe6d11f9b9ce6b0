"""The chat page of a server that wants a key."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import Tabs, asked
from tests.processes import ROOT, Backends, Service

KEY = "correct-horse-battery"


@pytest.fixture(scope="module")
def locked(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {**backends.env, "RAG_ADMIN_KEY": KEY}
    headers = {"Authorization": f"Bearer {KEY}"}
    with Service.start(tmp_path_factory.mktemp("home"), env, headers=headers) as service:
        report = (ROOT / "data" / "samples" / "annual-report-2024-25.pdf").read_bytes()
        service.ingest("default", {"bakery.txt": b"The Oslo bakery opens at six in the morning.", "report.pdf": report})
        yield service


@pytest.fixture
def page(locked: Service, tabs: Tabs) -> Page:
    tabs.expected = ["401"]
    return tabs.open(locked.url)


def give(page: Page, key: str, *, keep: bool = False) -> None:
    page.locator("#key").fill(key)
    page.get_by_label("Keep it").set_checked(keep)
    page.get_by_role("button", name="Use this key").click()


def test_a_key_is_asked_for_once_and_a_wrong_one_is_told(page: Page, tabs: Tabs, locked: Service) -> None:
    expect(page.get_by_role("dialog")).to_contain_text("answers only who has its key")
    give(page, "wrong")
    expect(page.get_by_role("dialog")).to_contain_text("does not take this key")
    give(page, KEY)
    expect(page.locator("#welcome")).to_contain_text("2 documents")
    expect(page.get_by_role("dialog")).to_have_count(0)
    asked(page, "When does the Oslo bakery open?")
    page.reload()
    expect(page.locator(".markdown")).to_contain_text("opens at six")
    other = page.context.new_page()
    other.goto(locked.url)
    expect(other.get_by_role("dialog")).to_be_visible()  # it was kept for the tab alone
    give(other, KEY, keep=True)
    third = page.context.new_page()
    third.goto(locked.url)
    expect(third.locator("#welcome")).to_contain_text("2 documents")


def test_without_a_key_the_page_says_what_is_missing(page: Page) -> None:
    page.get_by_role("button", name="Not now").click()
    expect(page.locator("#welcome")).to_contain_text("key")


def test_files_are_fetched_with_the_key(page: Page) -> None:
    give(page, KEY)
    asked(page, "When does the Oslo bakery open?")
    page.click(".cite >> nth=0")
    with page.expect_download() as download:
        page.click("#source a.button")
    assert download.value.suggested_filename == "bakery.txt"
