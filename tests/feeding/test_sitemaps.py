"""Sitemaps against a real server on loopback."""

import gzip

import pytest

from rag_api.backends.fetch import Fetcher, FetchLimits, Reach
from rag_api.feeding.items import Skipped, WebPage
from rag_api.feeding.sitemaps import Sitemaps, parse_sitemap
from tests.web_server import Reply, Site, open_site

XML = "application/xml"
SPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


def urlset(*urls: str) -> bytes:
    entries = "".join(f"<url><lastmod>2026-01-01</lastmod><loc> {url} </loc></url>" for url in urls)
    return f'<?xml version="1.0"?><urlset xmlns="{SPACE}">{entries}</urlset>'.encode()


def index(*urls: str) -> bytes:
    entries = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f'<sitemapindex xmlns="{SPACE}">{entries}</sitemapindex>'.encode()


def sitemaps(*, max_pages: int = 100, any_host: bool = False, max_bytes: int = 1_000_000) -> Sitemaps:
    fetcher = Fetcher(Reach(allow_private=True), FetchLimits(max_bytes, 5))
    return Sitemaps(fetcher, max_pages=max_pages, any_host=any_host)


async def pages(found: Sitemaps, site: Site, path: str = "/sitemap.xml") -> tuple[list[str], list[str]]:
    """Paths of the pages taken, and of what was skipped with its reason."""
    items = await found.expand(site.url + path)
    taken = [item.url.removeprefix(site.url) for item in items if isinstance(item, WebPage)]
    return taken, [f"{item.name.removeprefix(site.url)}: {item.reason}" for item in items if isinstance(item, Skipped)]


async def test_pages_come_once_in_their_order_without_fragments() -> None:
    async with open_site() as site:
        listed = urlset(f"{site.url}/b", f"{site.url}/a?x=1&amp;y=2", "c", f"{site.url}/b#part")
        site.pages["/sitemap.xml"] = Reply(listed, media_type=XML)
        assert await pages(sitemaps(), site) == (["/b", "/a?x=1&y=2", "/c"], [])


async def test_an_index_leads_to_packed_sitemaps_and_a_circle_ends() -> None:
    async with open_site() as site:
        names = ("one.xml.gz", "two.xml", "sitemap.xml", "gone.xml", "page.xml")
        site.pages["/sitemap.xml"] = Reply(index(*(f"{site.url}/{name}" for name in names)), media_type=XML)
        site.pages["/one.xml.gz"] = Reply(gzip.compress(urlset(f"{site.url}/1")), media_type="application/x-gzip")
        site.pages["/two.xml"] = Reply(
            gzip.compress(index(f"{site.url}/one.xml.gz", f"{site.url}/three.xml")),
            media_type="text/xml",
            headers={"Content-Encoding": "gzip"},
        )
        site.pages["/three.xml"] = Reply(urlset(f"{site.url}/3", f"{site.url}/1"), media_type=XML)
        site.pages["/page.xml"] = Reply(b"<note>not a sitemap</note>", media_type=XML)
        taken, skipped = await pages(sitemaps(), site)
    assert taken == ["/1", "/3"]
    assert [reason.partition(":")[0] for reason in skipped] == ["/gone.xml", "/page.xml"]
    assert site.asked.count("/one.xml.gz") == site.asked.count("/sitemap.xml") == site.asked.count("/robots.txt") == 1


async def test_no_more_pages_are_taken_than_allowed() -> None:
    async with open_site() as site:
        site.pages["/sitemap.xml"] = Reply(urlset(*(f"{site.url}/{n}" for n in range(5))), media_type=XML)
        assert await pages(sitemaps(max_pages=5), site) == ([f"/{n}" for n in range(5)], [])
        taken, skipped = await pages(sitemaps(max_pages=3), site)
    assert (len(taken), skipped) == (3, ["/sitemap.xml: it lists more than 3 pages; --max-pages takes more"])


async def test_other_hosts_are_left_out_unless_wanted() -> None:
    async with open_site() as site, open_site() as other:
        listed = index(f"{other.url}/s.xml", f"{site.url}/s.xml")
        site.pages["/sitemap.xml"] = Reply(listed, media_type=XML)
        site.pages["/s.xml"] = Reply(urlset(f"{site.url}/a", f"{other.url}/b"), media_type=XML)
        other.pages["/s.xml"] = Reply(urlset(f"{other.url}/c"), media_type=XML)
        other.pages["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /b", media_type="text/plain")
        taken, skipped = await pages(sitemaps(), site)
        assert (taken, len(skipped), other.asked) == (["/a"], 2, [])
        taken, skipped = await pages(sitemaps(any_host=True), site)
    assert taken == [f"{other.url}/c", "/a"]
    assert skipped == [f"{other.url}/b: its robots.txt forbids it"]


@pytest.mark.parametrize(
    ("robots", "is_allowed"),
    [
        (Reply(b"", 404), True),
        (Reply(b"", 403), True),
        (Reply(b"", 503), False),
        (Reply(b"User-agent: rag-api\nDisallow: /", media_type="text/html"), False),
        (Reply(b"User-agent: other\nDisallow: /"), True),
        (Reply(b"x", headers={"Content-Encoding": "br"}), False),
    ],
)
async def test_what_robots_txt_forbids_is_not_read(robots: Reply, is_allowed: bool) -> None:
    async with open_site() as site:
        site.pages["/robots.txt"] = robots
        site.pages["/sitemap.xml"] = Reply(urlset(f"{site.url}/a"), media_type=XML)
        taken, _ = await pages(sitemaps(), site)
        assert (taken == ["/a"], "/sitemap.xml" in site.asked) == (is_allowed, is_allowed)


@pytest.mark.parametrize("path", ["/page", "/page.html", "/feed.xml", "/song.xml"])
async def test_what_is_no_sitemap_is_a_page(path: str) -> None:
    async with open_site() as site:
        site.pages["/feed.xml"] = Reply(b"<rss><item/></rss>", media_type=XML)
        site.pages["/song.xml"] = Reply(b"x", media_type="audio/mpeg")
        assert await pages(sitemaps(), site, path) == ([path], [])


async def test_a_sitemap_that_cant_be_had_is_told() -> None:
    async with open_site() as site:
        taken, skipped = await pages(sitemaps(), site)
    assert (taken, len(skipped)) == ([], 1)
    assert "answers 404" in skipped[0]


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain",
        b"<urlset>",
        BOMB,
        BOMB.decode().encode("utf-16"),
        gzip.compress(bytes(60 * 1024**2)),
        b"\x1f\x8bxx",
        b"\xff\xfe",
    ],
    ids=["empty", "plain", "open", "entities", "utf-16", "gzip bomb", "no gzip", "binary"],
)
def test_hostile_bytes_are_no_sitemap(data: bytes) -> None:
    assert parse_sitemap(data, "https://example.org/sitemap.xml") is None
