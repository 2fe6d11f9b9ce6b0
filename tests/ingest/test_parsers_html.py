from pathlib import Path

import pytest

from ingest.clean import clean
from ingest.documents import Document, Parsed, Source
from ingest.errors import EmptyDocument
from ingest.parsers import parse

PROSE = "<p>" + "Ducks are waterfowl of the family Anatidae. " * 5 + "</p>"


def read(tmp_path: Path, html: str | bytes) -> Document:
    path = tmp_path / "page.html"
    path.write_bytes(html.encode() if isinstance(html, str) else html)
    (parsed,) = parse(Source("page.html", "text/html", path))
    assert isinstance(parsed, Parsed)
    return clean(parsed)


def text_of(tmp_path: Path, html: str | bytes) -> str:
    return read(tmp_path, html).text


@pytest.mark.parametrize(
    "noise",
    [
        "<script>x()</script>",
        "<style>x{}</style>",
        "<nav><ul><li>x</li></ul></nav>",
        "<header>x</header>",
        "<footer>x</footer>",
        "<aside>x</aside>",
        "<form><label>x</label><input></form>",
        "<p hidden>x</p>",
        "<p aria-hidden=true>x</p>",
        "<div style='color: red; Display : none'><p>x</p></div>",
        "<div role=navigation>x</div>",
        "<noscript>x</noscript>",
        "<template><p>x</p></template>",
        "<!-- x -->",
        "<ul><li><a hreflang=xx href=/>x</a></li></ul>",
    ],
)
def test_what_is_not_the_page_s_text_goes(tmp_path: Path, noise: str) -> None:
    assert text_of(tmp_path, f"<p>before</p>{noise}<p>after</p>") == "before\n\nafter"


def test_the_header_of_an_article_stays(tmp_path: Path) -> None:
    assert text_of(tmp_path, "<article><header><h1>Ducks</h1></header><p>Text</p></article>") == "Ducks\n\nText"


def test_a_form_around_the_whole_page_stays(tmp_path: Path) -> None:
    assert "Anatidae" in text_of(tmp_path, f"<form>{PROSE}</form><p>tail</p>")


def test_the_main_part_is_preferred_when_most_text_is_there(tmp_path: Path) -> None:
    around = "<div>Around</div>"
    assert "Around" not in text_of(tmp_path, f"{around}<main>{PROSE}</main>")
    assert "Around" not in text_of(tmp_path, f"<div role=main>{around}<article>{PROSE}</article></div>")
    assert "Anatidae" in text_of(tmp_path, f"<main>{around}</main>{PROSE}")


def test_headings_make_sections(tmp_path: Path) -> None:
    document = read(tmp_path, "<h1>A <i>b</i></h1><div><h2>C<br>d</h2>text</div>")
    assert document.text == "A b\n\nC d\n\ntext"
    assert document.section_at(len(document.text) - 1) == "A b > C d"


def test_words_are_kept_together_and_blocks_apart(tmp_path: Path) -> None:
    html = "<div>one<b>half</b>\n two<div>three</div>four<br>five</div>"
    assert text_of(tmp_path, html) == "onehalf two\n\nthree\n\nfour\nfive"


def test_lists_become_lines(tmp_path: Path) -> None:
    html = "<ul><li>a<ul><li>b</ul><li><p>c</p><p>d</p></ul><p>text<ol start=3><li>x<li>y</ol>"
    assert text_of(tmp_path, html) == "- a\n  - b\n- c\n  d\n\ntext\n\n3. x\n4. y"


def test_each_row_of_a_table_is_told_by_its_header(tmp_path: Path) -> None:
    html = (
        "<table><caption>Birds</caption><thead><tr><th>Name<th>Food<th>Size</thead>"
        "<tr><td rowspan=2>Duck<td>weed<td>5<tr><td><ul><li>snails</ul><td></table>"
    )
    assert text_of(tmp_path, html) == "Birds\n\nName: Duck; Food: weed; Size: 5\nName: Duck; Food: snails"


def test_tables_without_a_header_row_are_told_by_labels_or_in_order(tmp_path: Path) -> None:
    assert text_of(tmp_path, "<table><tr><th>Class<td>Aves<tr><th>Order<td>x</table>") == "Class: Aves\nOrder: x"
    assert text_of(tmp_path, "<table><tr><td>a<td>b</table>") == "a | b"


def test_headers_of_two_rows_are_joined(tmp_path: Path) -> None:
    html = "<table><tr><th rowspan=2>Year<th colspan=2>Sales<tr><th>net<th>gross<tr><td>2020<td>1<td>2</table>"
    assert text_of(tmp_path, html) == "Year: 2020; Sales net: 1; Sales gross: 2"


def test_a_table_for_layout_is_read_as_the_page_it_is(tmp_path: Path) -> None:
    html = f"<table><tr><td>menu<td><h1>Ducks</h1>{PROSE}<table><tr><td>a<td>b</table></table>"
    document = read(tmp_path, html)
    assert [section.path for section in document.sections] == [("Ducks",)]
    assert document.text.endswith("a | b")


def test_preformatted_text_keeps_its_lines(tmp_path: Path) -> None:
    assert text_of(tmp_path, "<pre>\ndef f():\n    <b>return</b> 1\n</pre>") == "def f():\n    return 1"


def test_title_language_and_description_are_kept(tmp_path: Path) -> None:
    head = '<head><title> On\nducks </title><meta name="Description" content="All about">'
    document = read(tmp_path, f'<html lang="en">{head}<body><p>text')
    assert document.title == "On ducks"
    assert document.metadata == {"lang": "en", "description": "All about"}
    assert read(tmp_path, "<p>x<h1>Named</h1>").title == "Named"


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("iso-8859-2", "iso8859-2"),
        ("iso-8859-2", "utf-8"),
        ("nonsense", "utf-16"),
        ("idna", "utf-8"),
    ],
)
def test_a_charset_is_believed_as_far_as_the_bytes_allow(tmp_path: Path, declared: str, encoding: str) -> None:
    polish = "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Żółć"
    assert text_of(tmp_path, f'<meta charset="{declared}"><p>{polish}'.encode(encoding)) == polish


def test_a_page_without_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptyDocument, match=r"'page\.html'"):
        read(tmp_path, "<html><body><script>x()</script></body></html>")


def test_thousands_of_open_tags_are_no_trouble(tmp_path: Path) -> None:
    assert text_of(tmp_path, "<div>" * 10_000 + "deep") == "deep"
    assert text_of(tmp_path, "<table><tr><td>" * 5_000 + "deep") == "deep"
    assert text_of(tmp_path, "<ul><li>" * 3_000 + "deep").strip() == "- deep"
