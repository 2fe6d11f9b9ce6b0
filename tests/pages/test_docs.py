"""The page that describes the interface."""

from playwright.sync_api import Page, expect

from tests.pages.conftest import PHONE, Tabs, fits
from tests.processes import Service


def open_route(page: Page, words: str) -> None:
    page.fill("#find", words)
    page.click("details.operation:visible > summary >> nth=0")


def test_every_route_is_told(service: Service, tabs: Tabs) -> None:
    page = tabs.open(f"{service.url}/docs")
    page.wait_for_selector("details.operation")
    paths = service.http.get("/openapi.json").json()["paths"]
    wanted = sorted(f"{method} {path}" for path, item in paths.items() for method in item)
    told = page.locator("details.operation > summary").evaluate_all(
        "found => found.map(one => one.children[0].textContent.toLowerCase() + ' ' + one.children[1].textContent)"
    )
    assert sorted(told) == wanted
    for summary in page.locator("details.operation > summary").all():
        summary.click()
    expect(page.locator(".trial")).to_have_count(len(wanted))


def test_a_route_is_found_read_and_tried(service: Service, tabs: Tabs) -> None:
    service.ingest("default", {"bakery.txt": b"The Oslo bakery opens at six in the morning."})
    page = tabs.open(f"{service.url}/docs")
    open_route(page, "post /answers ask")
    expect(page.locator(".inside:visible")).to_contain_text("length 1 to 20,000")
    page.locator(".trial:visible textarea").fill('{"question": "When does the Oslo bakery open?"}')
    page.get_by_role("button", name="Send POST").click()
    expect(page.locator(".output:visible")).to_contain_text("event: done")
    open_route(page, "get /livez")
    page.get_by_role("button", name="Send GET").click()
    expect(page.locator(".output:visible")).to_contain_text('"status": "ok"')


def test_what_goes_wrong_is_shown(service: Service, tabs: Tabs) -> None:
    tabs.expected = ["404"]
    page = tabs.open(f"{service.url}/docs", viewport=PHONE)
    open_route(page, "get /jobs/{job_id}")
    page.get_by_label("job_id").fill("no/such")
    page.get_by_role("button", name="Send GET").click()
    expect(page.locator(".trial:visible [role=status]")).to_contain_text("404")
    assert fits(page)
