"""Pages in a real browser: Debian's Chromium. What a page logs as an error, or asks of another host, fails its test."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WAIT_MS = 20_000
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    expect.set_options(timeout=WAIT_MS)
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's own does not work for root
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=[*sandbox, "--disable-dev-shm-usage"])
        yield started
        started.close()


@dataclass
class Tabs:
    """Opens pages, each with storage of its own, and watches over them."""

    browser: Browser
    problems: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)  # parts of problems that a test brings about
    contexts: list[BrowserContext] = field(default_factory=list)

    def open(self, url: str, **options: Any) -> Page:
        context = self.browser.new_context(**{"viewport": DESKTOP, "locale": "en-GB", **options})
        self.contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(url)
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.text} ({message.location.get('url', '')})")

    def close(self) -> None:
        for context in self.contexts:
            context.close()

    def surprises(self) -> list[str]:
        return [problem for problem in self.problems if not any(part in problem for part in self.expected)]


@pytest.fixture
def tabs(browser: Browser) -> Iterator[Tabs]:
    opened = Tabs(browser)
    yield opened
    opened.close()
    assert opened.surprises() == []
    hosts = ("http://127.0.0.1:", "blob:http://127.0.0.1:", "data:")
    assert [url for url in opened.asked if not url.startswith(hosts)] == []


def ask(page: Page, question: str) -> None:
    page.fill("#question", question)
    page.keyboard.press("Enter")


def asked(page: Page, question: str, outcome: str = "answered") -> None:
    """Asks, and waits until that turn is over."""
    ask(page, question)
    page.locator(f".turn:last-child[data-outcome={outcome}]", has_text=question).wait_for()


def fits(page: Page) -> bool:
    """Whether nothing sticks out of the window to the right."""
    width = "Math.max(document.documentElement.scrollWidth, document.querySelector('#scroller')?.scrollWidth ?? 0)"
    return bool(page.evaluate(f"{width} <= innerWidth"))
