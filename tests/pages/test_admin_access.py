"""What axe-core finds on the admin page: nothing serious, in both themes."""

import pytest
from playwright.sync_api import expect

from tests.evaluation.values import full_outcome, kept, run
from tests.pages.conftest import DESKTOP, PHONE, Tabs
from tests.pages.test_access import findings
from tests.processes import Service

TEXT = b"# Oslo\n\nThe Oslo bakery opens at six in the morning.\n\n" + b"## Trams\n\nTrams are yellow and slow. " * 40


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_admin_page_is_for_everybody(service: Service, tabs: Tabs, theme: str, size: dict[str, int]) -> None:
    if service.http.get("/api/v1/stats").json()["documents"] == 0:
        service.ingest("default", {"oslo.md": TEXT, "broken.pdf": b"%PDF-1.4\nnothing in it\n"})
        answer = service.answer("When does the Oslo bakery open?")
        service.http.post(f"/api/v1/answers/{answer['answer_id']}/feedback", json={"rating": 1, "comment": "Yes."})
        kept(service.home, run([full_outcome()]), run([full_outcome()], name="mode=dense"))
    page = tabs.open(f"{service.url}/admin", color_scheme=theme, viewport=size, bypass_csp=True)
    page.set_input_files("#files", [{"name": "broken.pdf", "mimeType": "", "buffer": b"%PDF-1.4\nnothing\n"}])
    page.wait_for_selector(".upload[data-state=failed]")
    expect(page.locator("#documents [aria-busy]")).to_have_count(0)
    assert findings(page) == []
    page.locator(".document-name").first.click()
    page.wait_for_selector(".chunk-button[aria-pressed=true]")
    assert findings(page) == []
    page.get_by_role("button", name="Delete").click()
    assert findings(page) == []
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    for view, there in {
        "Search": "#query",
        "Jobs": "#jobs table",
        "Collections": ".card",
        "Feedback": ".card",
        "Evaluations": "#evaluations table",
        "Keys": "#keys .empty",
        "Server": "#usage svg",
    }.items():
        page.get_by_role("navigation").get_by_role("link", name=view).click()
        page.wait_for_selector(there)
        if view == "Search":
            page.fill("#query", "When does the bakery open?")
            page.keyboard.press("Enter")
            page.wait_for_selector("#candidates")
        assert findings(page) == [], view
        if view == "Evaluations":
            page.locator("#evaluations a").first.click()
            page.wait_for_selector("#evaluation table")
            assert findings(page) == [], view
