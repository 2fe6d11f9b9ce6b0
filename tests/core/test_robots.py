import pytest

from rag_api.core.robots import NOTHING_ALLOWED, parse_robots

ROBOTS = """\
# everybody else
User-agent: *
Disallow: /

User-Agent: OtherBot
user-agent: RAG-API   # that is us
Disallow: /private
Disallow: /*.pdf$
Disallow: /search?*q=
Allow: /private/open
Disallow: /caf%c3%a9
Disallow:

Sitemap: https://example.org/sitemap.xml
User-agent: rag-api
Disallow: /late
"""


@pytest.mark.parametrize(
    ("path", "is_allowed"),
    [
        ("/", True),
        ("/private", False),
        ("/private/x", False),
        ("/private/open/x", True),
        ("/a/b.pdf", False),
        ("/a/b.pdf?x", True),
        ("/a/b.pdf.html", True),
        ("/search?lang=en&q=1", False),
        ("/search?lang=en", True),
        ("/café", False),
        ("/caf%C3%A9/menu", False),
        ("/late", False),
        ("", True),
    ],
)
def test_the_longest_rule_of_our_groups_decides(path: str, is_allowed: bool) -> None:
    assert parse_robots(ROBOTS).allows(f"https://example.org{path}") is is_allowed


def test_without_a_group_of_ours_the_one_for_all_holds() -> None:
    robots = parse_robots("User-agent: *\nDisallow: /a\nAllow: /a\nUser-agent: x\nDisallow: /\n")
    assert robots.allows("https://example.org/a")  # of equals, the allowing one
    assert robots.allows("https://example.org/b")


@pytest.mark.parametrize("text", ["", "nonsense", "<html>not found</html>", "Disallow: /\n", "User-agent: *\n"])
def test_a_file_without_rules_forbids_nothing(text: str) -> None:
    assert parse_robots(text).allows("https://example.org/a")


def test_nothing_allowed_is_nothing() -> None:
    assert not NOTHING_ALLOWED.allows("https://example.org/")


def test_many_stars_cost_no_more_than_few() -> None:
    robots = parse_robots(f"User-agent: *\nDisallow: /{'*a' * 2_000}b$\n")
    assert robots.allows(f"https://example.org/{'a' * 4_000}")
