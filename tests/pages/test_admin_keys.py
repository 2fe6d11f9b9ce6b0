"""The admin page's view of keys, from the first one on."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import PHONE, Tabs, fits
from tests.pages.test_access import findings
from tests.processes import Backends, Service


@pytest.fixture(scope="module")
def house(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service.start(tmp_path_factory.mktemp("home"), backends.env) as service:
        yield service


def create(page: Page, name: str, role: str, **fields: str) -> str:
    """The secret, as the page shows it; the dialog is open."""
    page.get_by_label("Who or what has it").fill(name)
    page.get_by_label("Role").select_option(role)
    for label, value in fields.items():
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Create a key").click()
    return page.get_by_role("dialog").locator(".secret").inner_text()


def test_keys_are_made_shown_once_and_revoked(house: Service, tabs: Tabs) -> None:
    tabs.expected = ["401", "403", "409"]
    page = tabs.open(f"{house.url}/admin#keys", permissions=["clipboard-read", "clipboard-write"], bypass_csp=True)
    expect(page.locator("#keys")).to_contain_text("everybody on this machine may do everything")
    expect(page.get_by_label("Collections, with commas")).to_be_hidden()
    first = create(page, "me", "admin")
    expect(page.get_by_role("dialog")).to_contain_text("every request needs a key")
    assert findings(page) == []
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == first
    page.get_by_role("button", name="I have put it away").click()
    assert house.http.get("/api/v1/collections").status_code == 401
    second = create(page, "intranet", "reader", Collections="default, handbook", Groups="staff")
    page.get_by_role("button", name="I have put it away").click()
    row = page.locator("#keys tr", has_text="intranet")
    expect(row).to_contain_text("default, handbook")
    expect(row).to_contain_text("staff")
    assert second not in page.content()
    assert findings(page) == []

    reader = tabs.open(f"{house.url}/admin#keys", viewport=PHONE)
    reader.locator("#key").fill(second)
    reader.get_by_role("button", name="Use this key").click()
    expect(reader.locator("#keys")).to_contain_text("the role admin")
    reader.get_by_role("button", name="Use another key").click()
    expect(reader.get_by_role("dialog")).to_contain_text("may not do this")
    reader.locator("#key").fill(first)
    reader.get_by_role("button", name="Use this key").click()
    expect(reader.locator("#keys")).to_contain_text("intranet")
    assert fits(reader)

    row.get_by_role("button", name="Revoke intranet").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("Revoked")
    refused = house.http.get("/api/v1/collections", headers={"Authorization": f"Bearer {second}"})
    assert refused.status_code == 401
    page.get_by_role("button", name="Revoke me").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("alert").filter(has_text="Not revoked")).to_contain_text("last key of an admin")
    page.reload()
    expect(page.locator("#keys")).to_contain_text("intranet")
