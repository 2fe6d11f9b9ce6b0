"""`python -m tests.pages.picture`: takes the documentation's pictures of the pages, made of the samples."""

import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.pages.conftest import CHROMIUM, asked
from tests.processes import ROOT, Service, start_backends

QUESTION = "Who has to approve an expense of more than £400?"
FOLDER = ROOT / "docs" / "images"
SIZE = {"width": 1200, "height": 680}


def chat(page: Page, url: str) -> None:
    """A real answer."""
    page.goto(url)
    asked(page, "Do dogs need a ticket?")
    page.click("#new")
    asked(page, QUESTION)
    page.click(".cite >> nth=0")
    page.wait_for_selector("#source a.button")


def admin(page: Page, url: str) -> None:
    """A document as it was cut."""
    page.goto(f"{url}/admin")
    page.locator("#documents tr", has_text="staff-handbook.md").locator("a").click()
    page.click(".chunk-button >> nth=3")
    page.wait_for_selector(".chunk-button[data-index='3'][aria-pressed=true]")
    page.evaluate("document.querySelector('#scroller').scrollTop = 0")


def take(url: str) -> None:
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        for prepare in (chat, admin):
            page = browser.new_page(viewport=SIZE, color_scheme="light", locale="en-GB")  # type: ignore[arg-type]
            prepare(page, url)
            page.mouse.move(0, 0)
            page.evaluate("document.activeElement.blur()")
            target = FOLDER / f"{prepare.__name__}.png"
            page.screenshot(path=target)
            sys.stdout.write(f"{target}: {target.stat().st_size:,} bytes\n")
        browser.close()


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, start_backends(Path(folder)) as backends:
        samples = ROOT / "data" / "samples"
        with Service.start(Path(folder) / "home", backends.env) as service:
            for file in sorted(samples.iterdir()):
                service.ingest("default", {file.name: file.read_bytes()})
            take(service.url)


if __name__ == "__main__":
    main()
