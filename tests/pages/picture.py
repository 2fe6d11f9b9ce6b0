"""`python -m tests.pages.picture`: takes the README's picture of the chat page, of a real answer on the samples."""

import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.pages.conftest import CHROMIUM, asked
from tests.processes import ROOT, Service, start_backends

QUESTION = "Who has to approve an expense of more than £400?"
TARGET = ROOT / "docs" / "images" / "chat.png"
SIZE = {"width": 1200, "height": 680}


def take(url: str, target: Path) -> None:
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        page = browser.new_page(viewport=SIZE, color_scheme="light", locale="en-GB")  # type: ignore[arg-type]
        page.goto(url)
        asked(page, "Do dogs need a ticket?")
        page.click("#new")
        asked(page, QUESTION)
        page.click(".cite >> nth=0")
        page.wait_for_selector("#source a.button")
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur()")
        page.screenshot(path=target)
        browser.close()


def main() -> None:
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, start_backends(Path(folder)) as backends:
        samples = ROOT / "data" / "samples"
        with Service.start(Path(folder) / "home", backends.env) as service:
            for file in sorted(samples.iterdir()):
                service.ingest("default", {file.name: file.read_bytes()})
            take(service.url, TARGET)
    sys.stdout.write(f"{TARGET}: {TARGET.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
