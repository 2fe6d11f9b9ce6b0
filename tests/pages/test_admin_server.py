"""The admin page's views of collections, feedback and the server; and a server that wants a key."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.evaluation.values import full_outcome, kept, outcome, run
from tests.pages.conftest import Tabs, asked
from tests.processes import Backends, Service

KEY = "correct-horse-battery"


def test_a_collection_is_made_indexed_anew_and_deleted(service: Service, tabs: Tabs) -> None:
    tabs.expected = ["409", "422"]
    page = tabs.open(f"{service.url}/admin#collections")
    page.get_by_label("Name").fill("harbour")
    page.get_by_label("What is in it").fill("Ships and piers")
    page.get_by_role("button", name="Create a collection").click()
    card = page.locator(".card[data-name=harbour]")
    expect(card).to_contain_text("Ships and piers")
    page.get_by_label("Name").fill("harbour")
    page.get_by_role("button", name="Create a collection").click()
    expect(page.get_by_role("alert")).to_contain_text("Not created")
    service.ingest("harbour", {"pier.txt": b"The pier is long."})
    card.get_by_role("button", name="Back to the index before").click()
    expect(card.get_by_role("alert")).to_contain_text("no previous index")
    card.get_by_role("button", name="Index harbour anew").click()
    page.get_by_role("dialog").get_by_role("button", name="Index anew").click()
    expect(card.locator(".progress-place")).to_contain_text("Searches use the other index now")
    card.get_by_role("button", name="Back to the index before").click()
    expect(card.locator(".progress-place")).to_contain_text("Being indexed")
    expect(card.locator(".progress-place")).to_contain_text("Searches use the other index now")
    jobs = service.http.get("/api/v1/jobs?limit=10").json()["items"]
    assert [job["state"] for job in jobs if job["kind"] == "reindex"] == ["done", "done"]
    assert service.search("harbour", "pier")
    card.get_by_role("button", name="Delete harbour").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(card).to_have_count(0)
    assert service.http.get("/api/v1/collections/harbour").status_code == 404


def test_what_people_think_is_listed_with_what_was_answered(service: Service, tabs: Tabs) -> None:
    page = tabs.open(f"{service.url}/admin#feedback")
    expect(page.locator("#feedback")).to_contain_text("Nobody has rated an answer yet")
    service.ingest("default", {"bakery.txt": b"The Oslo bakery opens at six in the morning."})
    for rating, comment in ((1, ""), (-1, "It says <b>nothing</b> of Sundays.")):
        answer = service.answer("When does the Oslo bakery open?")
        body = {"rating": rating, "comment": comment}
        service.http.post(f"/api/v1/answers/{answer['answer_id']}/feedback", json=body).raise_for_status()
    page.reload()
    expect(page.locator("#feedback .card")).to_have_count(2)
    expect(page.locator("#feedback .card").first).to_contain_text("It says <b>nothing</b> of Sundays.")
    page.get_by_label("Show").select_option("good")
    expect(page.locator("#feedback .card")).to_have_count(1)
    expect(page.locator("#feedback .card")).to_contain_text("opens at six")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as questions").click()
    assert download.value.suggested_filename == "questions.jsonl"


def test_evaluations_are_listed_opened_and_put_side_by_side(service: Service, tabs: Tabs) -> None:
    page = tabs.open(f"{service.url}/admin#evaluations")
    expect(page.locator("#evaluations")).to_contain_text("Nothing has been evaluated yet")
    expect(page.locator("#scroller")).to_contain_text("rag eval questions.jsonl -c NAME")
    kept(service.home, run([outcome("Why?", ndcg_at_10=0.25)]))
    ours = run([full_outcome(), outcome("Why?", ndcg_at_10=1.0)], name="mode=hybrid", with_answers=True)
    kept(service.home, ours, run([outcome("Why?", ndcg_at_10=0.5)], name="mode=dense"), origin="others.jsonl")
    page.get_by_role("button", name="Refresh").click()
    rows = page.locator("#evaluations tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("mode=hybrid against mode=dense")
    expect(rows.first).to_contain_text("ndcg@10 50.0 %")
    expect(rows.last.locator(".badge")).to_have_text("fallen")
    rows.first.get_by_role("link").click()
    line = page.locator("#evaluation tbody tr", has_text="ndcg@10")
    expect(line).to_contain_text("+50.0 %")
    expect(line.locator(".badge")).to_have_text("undecided")
    expect(page.locator("#evaluation .note")).to_contain_text("It was <b>late</b>.")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open the report").click()
    report = opened.value
    expect(report.locator("h1")).to_have_text("Evaluation of default")
    assert report.evaluate("getComputedStyle(document.body).maxWidth") == "992px"  # its own style is let through
    assert report.evaluate("self.origin") == "null"
    report.close()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download it as JSON").click()
    assert json.loads(download.value.path().read_text("utf-8"))["run"]["name"] == "mode=hybrid"
    page.go_back()
    for box in page.locator("#evaluations input").all():
        expect(page.get_by_role("button", name="side by side")).to_be_disabled()
        box.check()
    page.get_by_role("button", name="side by side").click()
    expect(page.locator("#evaluation .note").first).to_contain_text("not of the same questions")
    line = page.locator("#evaluation tbody tr", has_text="ndcg@10")
    expect(line).to_contain_text("25.0 %")
    expect(line.locator("td").last).to_have_text("+25.0 %")
    page.goto(f"{service.url}/admin#evaluation/eval_gone")
    expect(page.locator("#evaluation")).to_contain_text("not kept any more")


def counted(service: Service) -> dict[str, Any]:
    """The usage of all days, once the log of answers has been written."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        total: dict[str, Any] | None = service.http.get("/api/v1/usage").json()["total"]
        if total and total["outcomes"]["no_answer"]:
            return total
        time.sleep(0.05)
    raise AssertionError("no refusal was counted")


def test_the_server_tells_how_it_is_and_what_answers_took(service: Service, tabs: Tabs) -> None:
    page = tabs.open(service.url)
    asked(page, "How many moons does Jupiter have?", "no_answer")
    total = counted(service)
    page.goto(f"{service.url}/admin#server")
    expect(page.locator("#state")).to_contain_text("The server is ready")
    expect(page.locator("#state tbody tr", has_text="worker").locator(".badge")).to_have_text("well")
    stats = service.http.get("/api/v1/stats").json()
    expect(page.locator("#holdings .facts div", has_text="Documents")).to_contain_text(str(stats["documents"]))
    sizes = stats["bytes"]
    assert sizes.pop("chroma") is None  # the tests' own
    assert sizes["catalogue"] >= (service.home / "catalogue.db").stat().st_size > 0
    assert sizes["answers"] > 0
    assert sizes.keys() == {"catalogue", "answers", "files", "lexical", "matrices", "evaluations"}
    expect(page.locator("#holdings .facts div", has_text="Vector index")).to_contain_text("kept elsewhere")
    expect(page.locator("#usage .facts div").first).to_have_text(f"Answers{total['answers']}")
    expect(page.locator("#usage .facts div", has_text="No answer")).to_contain_text(str(total["outcomes"]["no_answer"]))
    titles = page.locator("#usage rect title").all_text_contents()
    assert any(title.endswith(f"no answer {total['outcomes']['no_answer']}") for title in titles)
    expect(page.locator("#metrics tbody tr", has_text="/api/v1/answers").first).to_be_visible()
    assert page.locator("#metrics svg rect").count() > 0


@pytest.fixture(scope="module")
def locked(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """It has a Chroma of its own, too, as a purge empties that's files."""
    env = {"RAG_EMBEDDER__URL": backends.env["RAG_EMBEDDER__URL"], "RAG_ADMIN_KEY": KEY}
    headers = {"Authorization": f"Bearer {KEY}"}
    with Service.start(tmp_path_factory.mktemp("home"), env, headers=headers) as service:
        service.ingest("default", {"bakery.txt": b"The Oslo bakery opens at six in the morning."})
        yield service


def test_without_a_key_every_view_says_what_is_missing(locked: Service, tabs: Tabs) -> None:
    tabs.expected = ["401"]
    page = tabs.open(f"{locked.url}/admin")
    page.get_by_role("button", name="Not now").click()
    expect(page.locator("#banner")).to_contain_text("needs a key of this server")
    page.get_by_role("button", name="Not now").click()
    expect(page.locator("#documents")).to_contain_text("needs a key of this server")
    page.locator("#documents").get_by_role("button", name="Try again").click()
    page.locator("#key").fill(KEY)
    page.get_by_role("button", name="Use this key").click()
    expect(page.locator("#documents tbody tr")).to_have_count(1)


def test_with_the_key_files_go_both_ways_and_a_purge_is_followed(locked: Service, tabs: Tabs) -> None:
    tabs.expected = ["401"]
    page = tabs.open(f"{locked.url}/admin")
    page.locator("#key").fill(KEY)
    page.get_by_role("button", name="Use this key").click()
    expect(page.locator("#documents tbody tr")).to_have_count(1)
    page.set_input_files("#files", [{"name": "tram.txt", "mimeType": "", "buffer": b"The tram is yellow."}])
    expect(page.locator(".upload")).to_have_attribute("data-state", "done")
    page.get_by_role("link", name="tram").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the file").click()
    assert download.value.suggested_filename == "tram.txt"
    page.get_by_role("link", name="Server").click()
    expect(page.locator("#metrics tbody tr").first).to_be_visible()
    page.get_by_role("button", name="Take what is deleted").click()
    page.get_by_role("dialog").get_by_role("button", name="Purge").click()
    expect(page.locator("#scroller .progress-place")).to_contain_text("is in no file any more")
    latest = locked.http.get("/api/v1/jobs?limit=1").json()["items"][0]
    assert (latest["kind"], latest["state"]) == ("purge", "done")
