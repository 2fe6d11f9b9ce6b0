"""The pages that a sitemap lists (sitemaps.org), as far as the site's robots.txt allows them."""

import zlib
from collections import deque
from collections.abc import Container
from dataclasses import dataclass
from typing import BinaryIO, Protocol
from urllib.parse import urldefrag, urljoin, urlsplit
from xml.etree import ElementTree

from ingest.errors import UnsupportedFile
from rag_api.backends.gunzip import Gunzip
from rag_api.core.robots import NOTHING_ALLOWED, Robots, parse_robots
from rag_api.errors import FetchError, FetchFailed
from rag_api.feeding.items import Item, Skipped, WebPage

MEDIA_TYPES = ("text/xml", "application/xml", "application/gzip", "application/x-gzip", "text/plain")
MOST_SITEMAPS = 1_000
ROBOTS_BYTES = 500_000
UNPACKED_BYTES = 50 * 1024**2  # what sitemaps.org allows
GZIP = b"\x1f\x8b"


class Fetched(Protocol):
    @property
    def file(self) -> BinaryIO: ...


class Fetcher(Protocol):
    async def fetch(self, url: str, *, wanted: Container[str]) -> Fetched: ...


class Anything:
    """A set of all media types: robots.txt comes as whatever its server thinks."""

    def __contains__(self, media_type: object) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Listed:
    """What one sitemap lists: pages, or further sitemaps."""

    pages: list[str]
    sitemaps: list[str]


class Sitemaps:
    """`any_host`: pages and sitemaps of other hosts than the first sitemap's are taken, too."""

    def __init__(self, fetcher: Fetcher, *, max_pages: int, any_host: bool = False) -> None:
        self._fetcher = fetcher
        self._max_pages = max_pages
        self._any_host = any_host
        self._robots: dict[str, Robots] = {}

    async def expand(self, url: str) -> list[Item]:
        """The pages of the sitemap at a URL, with what is left out and why; the URL itself when it is no sitemap."""
        if not urlsplit(url).path.lower().endswith((".xml", ".gz")):
            return [WebPage(url)]
        if objection := await self._objection(url, url):
            return [Skipped(url, objection, is_wrong=True)]
        try:
            listed = await self._read(url)
        except UnsupportedFile:
            return [WebPage(url)]
        except FetchError as error:
            return [Skipped(url, str(error), is_wrong=True)]
        return [WebPage(url)] if listed is None else await self._pages(url, listed)

    async def _pages(self, url: str, listed: Listed) -> list[Item]:
        items: list[Item] = []
        seen, queue, taken = {url}, deque(listed.sitemaps), 0
        while True:
            for page in listed.pages:
                if page in seen:
                    continue
                seen.add(page)
                if objection := await self._objection(page, url):
                    items.append(Skipped(page, objection))
                    continue
                if taken == self._max_pages:
                    items.append(Skipped(url, f"it lists more than {taken} pages; --max-pages takes more"))
                    return items
                taken += 1
                items.append(WebPage(page))
            if not queue:
                return items
            listed = await self._further(queue.popleft(), url, seen, items)
            queue.extend(listed.sitemaps[: MOST_SITEMAPS - len(queue)])

    async def _further(self, sitemap: str, first: str, seen: set[str], items: list[Item]) -> Listed:
        """What a sitemap of an index lists; nothing, and a word about it, when it can't be had."""
        nothing = Listed([], [])
        if sitemap in seen:
            return nothing
        seen.add(sitemap)
        if objection := await self._objection(sitemap, first):
            items.append(Skipped(sitemap, objection))
            return nothing
        try:
            listed = await self._read(sitemap)
        except (FetchError, UnsupportedFile) as error:
            items.append(Skipped(sitemap, str(error), is_wrong=True))
            return nothing
        if listed is None:
            items.append(Skipped(sitemap, "it is no sitemap", is_wrong=True))
        return listed or nothing

    async def _objection(self, url: str, first: str) -> str | None:
        if not self._any_host and _site(url) != _site(first):
            return "on another host; --any-host takes it"
        site = _site(url)
        if site not in self._robots:
            self._robots[site] = await self._robots_of(site)
        return None if self._robots[site].allows(url) else "its robots.txt forbids it"

    async def _robots_of(self, site: str) -> Robots:
        """A site without rules allows everything; one that can't say what its rules are, nothing (RFC 9309)."""
        try:
            fetched = await self._fetcher.fetch(f"{site}/robots.txt", wanted=Anything())
        except FetchFailed as error:
            return Robots() if 400 <= error.status < 500 else NOTHING_ALLOWED
        except FetchError:
            return NOTHING_ALLOWED
        with fetched.file:
            return parse_robots(fetched.file.read(ROBOTS_BYTES).decode("utf-8", "replace"))

    async def _read(self, url: str) -> Listed | None:
        """None when it is something else than a sitemap. Raises FetchError, UnsupportedFile."""
        fetched = await self._fetcher.fetch(url, wanted=MEDIA_TYPES)
        with fetched.file:
            return parse_sitemap(fetched.file.read(UNPACKED_BYTES + 1), url)


def parse_sitemap(data: bytes, url: str) -> Listed | None:
    """URLs without fragments, in their order; None when it is no sitemap."""
    try:
        plain = Gunzip().feed(data, UNPACKED_BYTES) if data.startswith(GZIP) else data
        text = plain.decode("utf-8-sig")  # which sitemaps must be in
        if len(plain) > UNPACKED_BYTES or "<!DOCTYPE" in text or "<!ENTITY" in text:
            return None  # entities may unfold without end, and no sitemap has them
        root = ElementTree.fromstring(text)
    except (zlib.error, UnicodeDecodeError, ElementTree.ParseError):
        return None
    kind = _plain(root.tag)
    if kind not in ("urlset", "sitemapindex"):
        return None
    found = [
        urldefrag(urljoin(url, (place.text or "").strip())).url
        for entry in root
        for place in entry
        if _plain(place.tag) == "loc" and (place.text or "").strip()
    ]
    return Listed(found, []) if kind == "urlset" else Listed([], found)


def _plain(tag: str) -> str:
    return tag.rpartition("}")[2]


def _site(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"
