"""The chat page without a language model: answers that quote."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import PHONE, Tabs, asked, fits
from tests.processes import ROOT, Service

HOURS = """Ærlige åpningstider 😀🥐\r
\r
The Oslo bakery 🥖 opens at six in the morning. In winter the Oslo bakery opens at eight."""
SAMPLES = ROOT / "data" / "samples"
QUESTION = "When does the Oslo bakery open?"


@pytest.fixture(scope="module", autouse=True)
def documents(service: Service) -> Iterator[None]:
    service.ingest("default", {"bakery.txt": HOURS.encode()})
    service.collection("papers")
    service.ingest("papers", {"report.pdf": (SAMPLES / "annual-report-2024-25.pdf").read_bytes()})
    yield


def test_a_citation_opens_the_source_and_marks_exactly_what_it_quotes(service: Service, tabs: Tabs) -> None:
    page = tabs.open(service.url)
    asked(page, QUESTION)
    page.click(".cite >> nth=0")
    conversation = service.http.get(f"/api/v1/conversations/{page.url.partition('?c=')[2]}").json()
    citation = conversation["answers"][0]["citations"][0]
    document = f"/api/v1/collections/default/documents/{citation['document_id']}"
    text = service.http.get(f"{document}/content").content.decode()
    assert citation["quote"] == text[citation["start"] : citation["end"]]
    page.wait_for_selector("#source a.button")
    assert page.text_content("#quoted") == citation["quote"]
    assert page.text_content(".excerpt") == text
    assert page.inner_text(".verdict .badge") == {"supported": "Supported"}[citation["verdict"]]
    box, view = page.locator("#quoted").bounding_box(), page.locator(".excerpt").bounding_box()
    assert box and view and view["y"] <= box["y"] <= view["y"] + view["height"]


def test_what_a_replaced_version_said_is_shown_and_sought_in_the_current_text(service: Service, tabs: Tabs) -> None:
    tabs.expected = ["410"]
    cited = "The Tromsø museum 🐋 opens at ten."
    museum = service.collection("museum")
    service.ingest(museum, {"museum.txt": f"{cited} Entry is free.".encode()})
    page = tabs.open(service.url)
    page.select_option("#collection", museum)
    asked(page, "When does the Tromsø museum open?")
    current = f"🐋 News. {'Whales are large. ' * 400}\n\nThe hall is closed. {cited} {'Seals are small. ' * 400}"
    service.ingest(museum, {"museum.txt": current.encode()})
    page.click(".cite >> nth=0")
    note = page.locator("#source .note")
    expect(note).to_contain_text("cited was version 1, now it is 2")
    expect(note).to_contain_text("not kept")
    quote = page.text_content("#quoted") or ""
    assert quote in cited and "opens at ten" in quote
    page.get_by_role("button", name="Look into the current text").click()
    expect(note).to_contain_text("stand in the current text, too")
    expect(page.locator("#quoted")).to_have_text(quote)
    expect(page.locator("#quoted")).to_be_in_viewport()
    expect(page.locator(".excerpt")).to_contain_text("The hall is closed.")
    page.get_by_role("button", name="Back to what was cited").click()
    expect(page.locator(".excerpt")).to_have_text(f"{cited} Entry is free.")
    service.ingest(museum, {"museum.txt": b"The museum has moved to Bergen."})
    page.get_by_role("button", name="Close the source").click()
    page.reload()
    page.click(".cite >> nth=0")
    page.get_by_role("button", name="Look into the current text").click()
    expect(note).to_contain_text("do not stand in the current text any more")
    expect(note.locator("blockquote")).to_have_text(quote)
    expect(page.locator(".excerpt")).to_have_text("The museum has moved to Bergen.")
    expect(page.locator("#quoted")).to_be_empty()


def test_a_pdf_is_opened_at_the_page_of_the_citation(service: Service, tabs: Tabs) -> None:
    page = tabs.open(service.url)
    page.select_option("#collection", "papers")
    asked(page, "How many passengers were carried in the year?")
    page.click(".cite >> nth=0")
    link = page.locator("#source a.button")
    expect(link).to_contain_text("Open the PDF at page")
    href = link.get_attribute("href") or ""
    assert re.search(r"/file\?inline=true#page=\d+$", href)
    reply = service.http.get(href.partition("#")[0])
    assert reply.headers["content-type"] == "application/pdf"
    assert reply.headers["content-disposition"].startswith("inline")
    assert reply.headers["x-content-type-options"] == "nosniff"


def test_only_a_pdf_is_ever_shown_in_place(service: Service) -> None:
    service.ingest("default", {"page.html": b"<p>The fair opens at noon.</p><script>alert(1)</script>"})
    [row] = [
        row
        for row in service.http.get("/api/v1/collections/default/documents").json()["items"]
        if row["source"] == "page.html"
    ]
    reply = service.http.get(f"/api/v1/collections/default/documents/{row['document_id']}/file?inline=true")
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"].startswith("attachment")


def test_a_conversation_goes_on_and_is_found_again(service: Service, tabs: Tabs) -> None:
    page = tabs.open(service.url)
    asked(page, QUESTION)
    expect(page.locator("#model")).to_have_text("quotations, no language model")
    expect(page.locator("#models")).to_be_hidden()  # there is nothing to choose
    asked(page, "And in winter?")
    assert "eight" in page.inner_text(".turn:last-child .markdown")
    page.reload()
    page.wait_for_selector(".turn:nth-child(2)[data-outcome=answered]")
    assert page.locator("#conversations a[aria-current=page]").inner_text() == QUESTION
    page.click("#new")
    expect(page.locator("#welcome")).to_be_visible()
    assert page.locator(".turn").count() == 0
    page.go_back()
    page.wait_for_selector(".turn:nth-child(2)[data-outcome=answered]")


def test_conversations_are_renamed_and_deleted_in_the_side_bar(service: Service, tabs: Tabs) -> None:
    page = tabs.open(service.url)
    asked(page, QUESTION)
    row = page.locator(".conversation:has([aria-current])")
    row.hover()
    row.get_by_role("button", name="Rename").click()
    page.keyboard.type("Opening hours")
    page.keyboard.press("Enter")
    expect(row.locator("a")).to_have_text("Opening hours")
    listed = service.http.get("/api/v1/conversations").json()["items"]
    assert [item["title"] for item in listed if item["conversation_id"] in page.url] == ["Opening hours"]
    row.hover()
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#conversations")).not_to_contain_text("Opening hours")
    expect(page.locator("#welcome")).to_be_visible()


def test_no_answer_is_said_plainly_and_the_nearest_passages_are_shown(service: Service, tabs: Tabs) -> None:
    page = tabs.open(service.url)
    asked(page, "How many moons does Jupiter have?", "no_answer")
    expect(page.locator(".end")).to_contain_text("No answer in the documents")
    expect(page.locator(".sources summary")).to_contain_text("Nearest passages")
    page.click(".sources summary")
    page.click(".source-button >> nth=0")
    expect(page.locator("#source h2")).to_be_focused()
    expect(page.locator("#quoted.passage")).not_to_be_empty()


def test_an_answer_is_given_again_beside_the_first(service: Service, tabs: Tabs) -> None:
    page = tabs.open(service.url)
    asked(page, QUESTION)
    page.get_by_role("button", name="Answer again").click()
    expect(page.locator(".place span")).to_have_text("2 of 2")
    page.wait_for_selector(".turn[data-outcome=answered]")
    assert page.locator(".turn").count() == 1
    page.get_by_role("button", name="The answer before").click()
    expect(page.locator(".place span")).to_have_text("1 of 2")
    expect(page.locator("#composer-note")).to_contain_text("earlier answer")
    page.reload()
    expect(page.locator(".place span")).to_have_text("2 of 2")


def test_an_answer_is_copied_with_its_sources_and_rated(service: Service, tabs: Tabs) -> None:
    page = tabs.open(service.url, permissions=["clipboard-read", "clipboard-write"])
    asked(page, QUESTION)
    page.get_by_role("button", name="Copy the answer").click()
    expect(page.locator("#announcer")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "opens at six" in copied
    assert re.search(r"^\[1\] .*bakery", copied, re.MULTILINE)
    page.get_by_role("button", name="A bad answer").click()
    page.get_by_label("Comment").fill("It says nothing of Sundays.")
    page.get_by_role("button", name="Send comment").click()
    expect(page.locator("#toasts")).to_contain_text("Noted")
    latest = service.http.get("/api/v1/feedback").json()["items"][0]
    assert (latest["rating"], latest["comment"]) == (-1, "It says nothing of Sundays.")
    assert latest["answer"]["question"] == QUESTION


def test_everything_works_by_keyboard(service: Service, tabs: Tabs) -> None:
    page = tabs.open(service.url)
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_selector(".turn[data-outcome=answered] .source-button", state="attached")
    focused = "document.activeElement.className"
    for _ in range(20):
        if "cite" in page.evaluate(focused):
            break
        page.keyboard.press("Shift+Tab")
    assert "cite" in page.evaluate(focused)
    page.keyboard.press("Enter")
    expect(page.locator("#source h2")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Close the source"
    page.keyboard.press("Escape")
    expect(page.locator("#source")).to_be_hidden()
    assert "cite" in page.evaluate(focused)


def test_a_phone_shows_all_of_it_without_scrolling_sideways(service: Service, tabs: Tabs) -> None:
    page = tabs.open(service.url, viewport=PHONE, has_touch=True, is_mobile=True)
    expect(page.locator("#welcome h2")).to_be_visible()
    assert fits(page)
    asked(page, f"When does the Oslo bakery open, {'donaudampfschifffahrt' * 10}?")
    assert fits(page)
    page.click(".cite >> nth=0")
    expect(page.locator("#quoted")).to_be_in_viewport()
    assert fits(page)
    page.get_by_role("button", name="Close the source").click()
    page.get_by_role("button", name="Conversations").click()
    expect(page.locator("#new")).to_be_in_viewport()
    assert fits(page)
    page.click("#new")
    expect(page.locator("#sidebar")).to_be_hidden()


def test_colours_follow_the_system_until_one_is_chosen(service: Service, tabs: Tabs) -> None:
    background = "getComputedStyle(document.documentElement).backgroundColor"
    page = tabs.open(service.url, color_scheme="dark")
    dark = page.evaluate(background)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(background)
    assert light != dark
    page.click("#theme")
    page.click("#theme")
    assert page.evaluate(background) == dark
    page.reload()
    assert page.evaluate(background) == dark
    page.click("#theme")
    assert page.evaluate(background) == light


def test_a_dropped_file_can_be_asked_about(service: Service, tabs: Tabs, tmp_path: Path) -> None:
    page = tabs.open(service.url)
    page.wait_for_selector("#welcome h2")
    page.evaluate("""() => {
        const files = new DataTransfer();
        const text = "The Bergen library closes at nine in the evening.";
        files.items.add(new File([text], "library.txt", {type: "text/plain"}));
        for (const kind of ["dragover", "drop"]) {
            document.body.dispatchEvent(new DragEvent(kind, {dataTransfer: files, bubbles: true, cancelable: true}));
        }
    }""")
    expect(page.locator("#toasts")).to_contain_text("library.txt can be asked about now")
    asked(page, "When does the Bergen library close?")
    expect(page.locator(".markdown")).to_contain_text("nine in the evening")


def test_a_conversation_that_is_gone_is_told(service: Service, tabs: Tabs) -> None:
    tabs.expected = ["404"]
    page = tabs.open(f"{service.url}/?c=conv_gone")
    expect(page.locator("#toasts")).to_contain_text("not there any more")
    expect(page.locator("#welcome")).to_be_visible()
