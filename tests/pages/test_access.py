"""What axe-core finds on the pages: nothing serious, in both themes."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.pages.conftest import DESKTOP, PHONE, Tabs, asked
from tests.processes import Service


def findings(page: Page) -> list[Any]:
    """The page's policy is lifted in these tests, for axe's own script."""
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], [node["target"] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_chat_page_is_for_everybody(service: Service, tabs: Tabs, theme: str, size: dict[str, int]) -> None:
    if service.http.get("/api/v1/stats").json()["documents"] == 0:
        service.ingest("default", {"bakery.txt": b"The Oslo bakery opens at six in the morning."})
    page = tabs.open(service.url, color_scheme=theme, viewport=size, bypass_csp=True)
    expect(page.locator("#welcome h2")).to_be_visible()
    assert findings(page) == []
    asked(page, "When does the Oslo bakery open?")
    page.click(".sources summary")
    page.click(".cite >> nth=0")
    page.wait_for_selector("#source a.button")
    assert findings(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="A good answer").click()
    if size == PHONE:
        page.get_by_role("button", name="Conversations").click()
    page.locator(".conversation").first.hover()
    page.get_by_role("button", name="Delete When").first.click()
    assert findings(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_of_the_interface_is_for_everybody(service: Service, tabs: Tabs, theme: str) -> None:
    page = tabs.open(f"{service.url}/docs", color_scheme=theme, bypass_csp=True)
    page.locator("details.operation > summary", has_text="POST").first.click()
    page.wait_for_selector(".trial")
    assert findings(page) == []
