"""The admin page: documents in and out, how they were cut, why a search shows what it shows, jobs."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.evaluation.values import full_outcome, kept, run
from tests.pages.conftest import PHONE, Tabs, fits
from tests.processes import Service

HOURS = "# Ærlige åpningstider 😀🥐\n\n" + "\n\n".join(
    f"## Bakery 🥖 number {i}\n\n" + f"The bakery in street {i} 🥐 opens at {i} o'clock and sells rye bread. " * 12
    for i in range(1, 9)
)
LOCKED_PDF = b"""%%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>endobj
4 0 obj<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>endobj
trailer<</Root 1 0 R/Encrypt 4 0 R/ID[<00><00>]>>
""" % (b"11" * 32, b"22" * 32)
HOSTILE = '<img src=x onerror="window.hurt=1"><script>window.hurt=2</script>.txt'


@pytest.fixture
def name(request: pytest.FixtureRequest, service: Service) -> str:
    """A collection for the test alone."""
    return service.collection(re.sub("[^a-z0-9]+", "-", request.node.name[5:60].lower()).strip("-"))


def admin(service: Service, tabs: Tabs, collection: str = "default", view: str = "", **options: Any) -> Page:
    """The page, on a collection."""
    page = tabs.open(f"{service.url}/admin{view}", **options)
    page.locator(f"#collection option[value='{collection}']").wait_for(state="attached")
    if view in ("", "#documents", "#search"):
        page.select_option("#collection", collection)
    return page


def choose(page: Page, files: dict[str, bytes]) -> None:
    page.set_input_files("#files", [{"name": name, "mimeType": "", "buffer": data} for name, data in files.items()])


def documents(service: Service, collection: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = service.http.get(f"/api/v1/collections/{collection}/documents").json()["items"]
    return rows


def test_an_upload_becomes_ready_before_ones_eyes(service: Service, tabs: Tabs, name: str) -> None:
    page = admin(service, tabs, name)
    expect(page.locator("#documents")).to_contain_text("No documents yet")
    choose(page, {"hours.md": HOURS.encode(), "plain.txt": b"The ferry leaves at noon."})
    expect(page.locator(".upload")).to_have_count(2)
    for item in page.locator(".upload").all():
        expect(item).to_have_attribute("data-state", "done")
    expect(page.locator(".uploads-box")).to_contain_text("2 of 2 files taken in")
    expect(page.locator("#documents tbody tr")).to_have_count(2)
    expect(page.locator("#documents tbody .badge")).to_have_text(["Ready", "Ready"])
    assert service.search(name, "When does the ferry leave?")[0]["source"] == "plain.txt"
    choose(page, {"plain.txt": b"The ferry leaves at noon."})
    expect(page.locator(".upload:last-child .badge")).to_have_text("There already")


def test_an_upload_that_fails_says_why_and_what_to_do(service: Service, tabs: Tabs, name: str) -> None:
    page = admin(service, tabs, name)
    choose(page, {"secret.pdf": LOCKED_PDF, "empty.txt": b"", "good.txt": b"The tram is yellow."})
    locked = page.locator(".upload", has_text="secret.pdf")
    expect(locked).to_have_attribute("data-state", "failed")
    expect(locked.locator(".reason")).to_contain_text("password")
    expect(locked.locator(".reason")).to_contain_text("Save a copy without a password")
    expect(page.locator(".upload", has_text="empty.txt")).to_have_attribute("data-state", "rejected")
    expect(page.locator(".upload", has_text="empty.txt")).to_contain_text("empty")
    expect(page.locator(".upload", has_text="good.txt")).to_have_attribute("data-state", "done")
    row = page.locator("#documents tr", has_text="secret.pdf")
    expect(row.locator(".badge")).to_have_text("Failed")
    expect(row).to_contain_text("password")
    page.get_by_label("Show").select_option("failed")
    expect(page.locator("#documents tbody tr")).to_have_count(1)
    with page.expect_response("**/retry") as reply:
        locked.get_by_role("button", name="Try secret.pdf again").click()
    assert reply.value.json()["state"] == "queued"
    expect(locked).to_have_attribute("data-state", "failed")


def test_files_that_are_all_refused_say_why(service: Service, tabs: Tabs, name: str) -> None:
    tabs.expected = ["422"]
    page = admin(service, tabs, name)
    choose(page, {"a.txt": b"", "b.txt": b""})
    expect(page.locator(".upload[data-state=rejected]")).to_have_count(2)
    expect(page.locator(".upload .reason").first).to_contain_text("empty")


def test_a_dropped_folder_keeps_its_paths(service: Service, tabs: Tabs, name: str, tmp_path: Any) -> None:
    (tmp_path / "docs" / "deep").mkdir(parents=True)
    (tmp_path / "docs" / "deep" / "a.txt").write_text("The pier is long.")
    (tmp_path / "docs" / "b.txt").write_text("The pier is old.")
    (tmp_path / "docs" / ".hidden").write_text("Nobody reads this.")
    page = admin(service, tabs, name)
    page.set_input_files("#folder", tmp_path / "docs")
    expect(page.locator(".upload[data-state=done]")).to_have_count(2)
    assert {row["source"] for row in documents(service, name)} == {"docs/deep/a.txt", "docs/b.txt"}
    page.evaluate("""() => {
        const files = new DataTransfer();
        files.items.add(new File(["The quay is new."], "quay.txt", {type: "text/plain"}));
        for (const kind of ["dragover", "drop"]) {
            document.body.dispatchEvent(new DragEvent(kind, {dataTransfer: files, bubbles: true, cancelable: true}));
        }
    }""")
    expect(page.locator(".upload[data-state=done]")).to_have_count(3)


def test_chunks_are_set_off_in_the_text_exactly_as_they_were_cut(service: Service, tabs: Tabs, name: str) -> None:
    service.ingest(name, {"hours.md": HOURS.encode()})
    [row] = documents(service, name)
    path = f"/api/v1/collections/{name}/documents/{row['document_id']}"
    content = service.http.get(f"{path}/content").content.decode()
    chunks = service.http.get(f"{path}/chunks").json()["items"]
    assert len(chunks) > 4
    page = admin(service, tabs, name)
    page.click(".document-name")
    expect(page.locator(".chunk-button")).to_have_count(len(chunks))
    for chunk in chunks:
        page.click(f".chunk-button[data-index='{chunk['index']}']")
        assert page.text_content("#chunk") == content[chunk["start"] : chunk["end"]] == chunk["text"]
        expect(page.locator("#chunk")).to_be_in_viewport()
    page.click(".chunk-button >> nth=1")
    page.get_by_role("button", name="Show more below").click()
    assert page.text_content(".cut-text") == content
    shaded = "name => [...CSS.highlights.get(name)].map(String)"
    assert page.evaluate(shaded, "cut-chosen") == [chunks[1]["text"]]
    for shade, first in (("cut-even", 0), ("cut-odd", 1)):
        assert page.evaluate(shaded, shade) == [chunk["text"] for chunk in chunks[first::2]]


def test_a_document_is_ingested_again_as_a_next_version(service: Service, tabs: Tabs, name: str) -> None:
    service.ingest(name, {"tram.txt": b"The tram is yellow."})
    page = admin(service, tabs, name)
    page.get_by_role("link", name="tram").click()
    version = page.locator(".facts div", has_text="Version")
    expect(version).to_contain_text("1")
    page.get_by_role("button", name="Ingest again").click()
    expect(page.locator("#toasts")).to_contain_text("Ingested again")
    expect(version).to_contain_text("2")
    assert documents(service, name)[0]["version"] == 2


def test_a_newer_version_that_failed_is_listed_beside_the_one_that_is_served(
    service: Service, tabs: Tabs, name: str
) -> None:
    service.ingest(name, {"paper.txt": b"The tram is yellow."}, source="paper")
    service.ingest(name, {"paper.pdf": LOCKED_PDF}, source="paper")
    [row] = documents(service, name)
    listed = service.http.get(f"/api/v1/collections/{name}/documents/{row['document_id']}/versions").json()["items"]
    assert [(one["version"], one["status"], one["is_current"]) for one in listed] == [
        (2, "failed", False),
        (1, "ready", True),
    ]
    assert (listed[0]["error"]["code"], listed[1]["error"]) == ("encrypted_document", None)
    page = admin(service, tabs, name)
    page.click(".document-name")
    rows = page.locator(".versions tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Save a copy without a password")
    expect(rows.last).to_contain_text("served")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    assert fits(page)


def test_a_deletion_gives_a_receipt_and_the_document_is_gone(service: Service, tabs: Tabs, name: str) -> None:
    service.ingest(name, {"tram.txt": b"The tram is yellow.", "ferry.txt": b"The ferry is red."})
    page = admin(service, tabs, name)
    page.get_by_role("button", name="Delete tram").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.locator("#documents tbody tr")).to_have_count(2)
    page.get_by_role("button", name="Delete tram").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".receipt")).to_contain_text("Deleted “tram”: 1 chunk, 1 vector, 19 B")
    expect(page.locator("#documents tbody tr")).to_have_count(1)
    assert [hit["source"] for hit in service.search(name, "tram")] == ["ferry.txt"]
    page.get_by_role("link", name="ferry").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".receipt")).to_have_count(2)
    expect(page.locator("#documents")).to_contain_text("No documents yet")
    page.get_by_role("link", name="Search").click()
    page.fill("#query", "tram or ferry")
    page.keyboard.press("Enter")
    expect(page.locator("#hits")).to_contain_text("Nothing found")


def test_a_search_is_explained_in_a_table(service: Service, tabs: Tabs, name: str) -> None:
    service.ingest(name, {"hours.md": HOURS.encode()})
    question = {"query": "When does the bakery in street 3 open?", "top_k": 2, "explain": True}
    page = admin(service, tabs, name, "#search")
    page.fill("#query", question["query"])  # type: ignore[arg-type]
    page.get_by_label("How many hits").fill("2")
    page.keyboard.press("Enter")
    expect(page.locator(".hit")).to_have_count(2)
    found = service.http.post(f"/api/v1/collections/{name}/search", json=question).json()
    for item, hit in zip(page.locator(".hit").all(), found["hits"], strict=True):
        expect(item.locator("p")).to_have_count(3)
        assert item.locator(".hit-text").text_content() == hit["text"]
        assert (item.inner_text().splitlines()[-1]).startswith(f"score {hit['score']:.3f}")
    candidates = found["explain"]["candidates"]
    rows = page.locator("#candidates tbody tr")
    expect(rows).to_have_count(len(candidates))
    shown = [row.locator("td a").get_attribute("title") for row in rows.all()]
    assert shown == [candidate["chunk_id"] for candidate in candidates]
    assert page.locator("#candidates td .badge").all_inner_texts().count("Shown") == 2
    first = rows.first.locator("td").all_inner_texts()
    assert f"{candidates[0]['scores']['dense']:.3f} #{candidates[0]['ranks']['dense']}" in first
    expect(page.locator("#stages th").first).to_have_text("embed")
    page.locator(".hit a").first.click()
    index = found["hits"][0]["chunk_id"].rpartition(":")[2]
    expect(page.locator(f".chunk-button[data-index='{index}']")).to_have_attribute("aria-pressed", "true")
    assert page.text_content("#chunk") == found["hits"][0]["text"]


def test_a_filter_that_is_wrong_is_told(service: Service, tabs: Tabs, name: str) -> None:
    tabs.expected = ["422"]
    page = admin(service, tabs, name, "#search")
    page.fill("#query", "bread")
    page.get_by_label("Filter, as JSON").fill("{year: 3}")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("no JSON")
    page.get_by_label("Filter, as JSON").fill('{"year": {"$about": 3}}')
    page.keyboard.press("Enter")
    expect(page.locator("#hits [role=alert]")).to_contain_text("$about")


def test_a_job_is_cancelled_and_tried_again(service: Service, tabs: Tabs, name: str) -> None:
    text = "\n\n".join(f"Line {i} of a very long log about rope number {i}." for i in range(6000))
    [row] = service.upload(name, {"rope.txt": text.encode()})
    page = admin(service, tabs, "default", "#jobs")
    job = page.locator("#jobs tbody tr", has_text="rope.txt").first
    job.get_by_role("button", name="Cancel").click()
    expect(job.locator(".badge")).to_have_text("Cancelled")
    assert service.finished(row["job_id"])["state"] == "cancelled"
    job.get_by_role("button", name="Try").click()
    expect(job.locator(".badge")).to_have_text("Done", timeout=60_000)
    assert service.finished(row["job_id"])["state"] == "done"


def test_a_job_that_failed_says_why(service: Service, tabs: Tabs, name: str) -> None:
    service.ingest(name, {"locked.pdf": LOCKED_PDF})
    page = admin(service, tabs, "default", "#jobs")
    page.get_by_label("Show").select_option("failed")
    job = page.locator("#jobs tbody tr", has_text="locked.pdf").first
    expect(job.locator(".reason")).to_contain_text("Save a copy without a password")
    job.get_by_role("button", name="Try").click()
    expect(page.locator("#jobs")).to_be_visible()
    latest = service.http.get("/api/v1/jobs?limit=1").json()["items"][0]
    assert service.finished(latest["job_id"])["state"] == "failed"


@pytest.mark.parametrize("view", ["", "#jobs", "#search"])
def test_a_hostile_name_runs_nothing(service: Service, tabs: Tabs, view: str) -> None:
    if not documents(service, "default"):
        service.ingest("default", {"hostile.txt": b"The hostile file says hello."}, title=HOSTILE, source=HOSTILE)
    page = admin(service, tabs, "default", view)
    if view == "#search":
        page.fill("#query", "hostile")
        page.keyboard.press("Enter")
    expect(page.locator("#scroller")).to_contain_text(HOSTILE)
    if not view:
        page.get_by_role("link", name=HOSTILE).click()
        expect(page.locator("#chunk")).to_have_text("The hostile file says hello.")
        expect(page.locator("h2")).to_have_text(HOSTILE)
    assert page.evaluate("window.hurt") is None
    assert page.locator("#scroller img, #scroller script").count() == 0


@pytest.mark.parametrize("view", ["documents", "search", "jobs", "collections", "feedback", "evaluations", "server"])
def test_a_phone_shows_each_view_without_scrolling_sideways(service: Service, tabs: Tabs, view: str) -> None:
    if view == "documents":
        choose_name = f"{'donaudampfschifffahrt' * 8}.txt"
        service.ingest("default", {choose_name: b"The steamer sails on the Danube."})
    page = admin(service, tabs, "default", f"#{view}", viewport=PHONE, has_touch=True, is_mobile=True)
    if view == "search":
        page.fill("#query", "steamer")
        page.keyboard.press("Enter")
        expect(page.locator("#candidates")).to_be_visible()
    if view == "evaluations":
        kept(service.home, run([full_outcome()]))
        page.reload()
        page.locator("#evaluations a").first.click()
        expect(page.locator("#evaluation table")).to_be_visible()
        assert fits(page)
        page.go_back()
    expect(page.locator("#scroller [aria-busy]")).to_have_count(0)
    expect(page.locator("#scroller")).not_to_contain_text("Loading")
    assert fits(page)


def test_pages_lead_to_each_other_and_agree_on_the_collection(service: Service, tabs: Tabs, name: str) -> None:
    page = admin(service, tabs, name)
    page.get_by_role("link", name="Chat").click()
    expect(page.locator("#collection")).to_have_value(name)
    page.get_by_role("link", name="Documents and server").click()
    expect(page.locator("#collection")).to_have_value(name)


def test_colours_are_those_that_were_chosen(service: Service, tabs: Tabs) -> None:
    background = "getComputedStyle(document.documentElement).backgroundColor"
    page = admin(service, tabs, color_scheme="dark")
    dark = page.evaluate(background)
    page.click("#theme")
    assert page.evaluate(background) != dark
    page.click("#theme")
    page.emulate_media(color_scheme="light")
    page.reload()
    assert page.evaluate(background) == dark
