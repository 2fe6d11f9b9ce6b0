import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.clean import clean, storable
from ingest.documents import Block, BlockKind, Document, Parsed
from ingest.errors import EmptyDocument

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
KINDS = st.sampled_from(BlockKind)
BLOCKS = st.lists(
    st.builds(
        Block,
        text=st.text(max_size=60),
        kind=KINDS,
        level=st.integers(1, 6),
        page=st.none() | st.integers(1, 4),
    ),
    max_size=12,
)


def cleaned(*blocks: Block, verbatim: bool = False) -> Document:
    return clean(Parsed("a title", blocks, verbatim=verbatim))


def text_of(text: str, kind: BlockKind = BlockKind.PARAGRAPH, page: int | None = None) -> str:
    return cleaned(Block(text, kind, page=page)).text


def pages(*texts: str) -> list[Block]:
    return [Block(text, page=number) for number, text in enumerate(texts, start=1)]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("eﬃcient ﬁgures", "efficient figures"),
        ("cafe\u0301", "caf\u00e9"),
        ("in\u00advisible \u200bmarks\ufeff", "invisible marks"),
        ("thin\u2009and\u00a0hard   spaces\t", "thin and hard spaces"),
        ("a\x00b\x07c", "a bc"),
        ("half a pair \ud83d", "half a pair \ufffd"),
        ("می‌خواهم 👩‍💻", "می‌خواهم 👩‍💻"),
        ("read me\U000e0069\U000e0067", "read me"),
    ],
)
def test_text_is_left_with_readable_characters(raw: str, text: str) -> None:
    assert text_of(raw) == text


def test_code_keeps_its_spaces() -> None:
    assert text_of("def f():\n    return  1  \n", BlockKind.CODE) == "def f():\n    return  1"


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        ("a hyphen-\nated word", "a hyphenated word"),
        ("made by Coca-\nCola in", "made by Coca-Cola in"),
        ("from 2019-\n2020", "from 2019-2020"),
        ("the PDF-\nbased tools", "the PDF-based tools"),
        ("state-of-the-\nart tools", "state-of-the-art tools"),
        ("its self-\nesteem", "its self-esteem"),
        ("Ein-\nund Ausgabe", "Ein- und Ausgabe"),
        ("long-term plans are long-\nterm plans", "long-term plans are long-term plans"),
        ("two\nlines", "two lines"),
        ("日本\n語", "日本語"),
        ("Fees . . . . . . . . 7", "Fees … 7"),
    ],
)
def test_lines_of_a_printed_paragraph_become_one(printed: str, text: str) -> None:
    assert text_of(printed, page=1) == text


def test_lines_of_an_unprinted_paragraph_stay() -> None:
    assert text_of("Main Street 1\nSpringfield") == "Main Street 1\nSpringfield"


def test_running_headers_and_page_numbers_go() -> None:
    document = cleaned(*pages(*(f"Annual Report\nText {word}.\nPage {n} of 4" for n, word in enumerate("abcd", 1))))
    assert document.text == "Text a.\n\nText b.\n\nText c.\n\nText d."


def test_chapter_titles_with_page_numbers_go() -> None:
    titles = ["Chapter 1: Ducks"] * 3 + ["Chapter 2: Geese"] * 3
    document = cleaned(*pages(*(f"{title} {n}\n{'abcdef'[n]}" for n, title in enumerate(titles))))
    assert document.text.split() == list("abcdef")


def test_invoice_numbers_are_no_page_numbers() -> None:
    document = cleaned(*pages(*(f"Invoice {1000 + n}\n{word}" for n, word in enumerate("abcd"))))
    assert document.text.count("Invoice 100") == 4


def test_two_pages_that_begin_alike_are_kept() -> None:
    assert cleaned(*pages("Dear Ann\nyes", "Dear Ann\nno")).text.count("Dear Ann") == 2


def test_amounts_at_page_ends_are_no_page_numbers() -> None:
    document = cleaned(*pages("apples\n120", "pears\n80", "plums\n95"))
    assert all(amount in document.text for amount in ("120", "80", "95"))


def test_numbered_headings_at_page_tops_are_no_running_headers() -> None:
    steps = [[Block(f"Step {n}", BlockKind.HEADING, 1, page=n), Block(f"Do it {n}.", page=n)] for n in range(1, 5)]
    assert len(cleaned(*(block for step in steps for block in step)).sections) == 4


def test_a_number_sign_in_running_headings_is_no_number() -> None:
    tops = [Block("C# in depth", BlockKind.HEADING, 1, page=n) for n in range(1, 5)]
    bodies = [Block(f"body {word}", page=n) for n, word in enumerate("abcd", 1)]
    assert "body a" in cleaned(*(block for pair in zip(tops, bodies, strict=True) for block in pair)).text


def test_a_sentence_goes_on_over_a_page_break() -> None:
    document = cleaned(*pages("The quick", "brown fox.", "New page."))
    assert document.text == "The quick brown fox.\n\nNew page."
    assert [document.page_at(document.text.index(word)) for word in ("quick", "brown", "New")] == [1, 2, 3]


def test_rows_and_items_stand_line_by_line() -> None:
    rows = [Block("a: 1", BlockKind.TABLE), Block("a: 2", BlockKind.TABLE)]
    items = [Block("- x", BlockKind.LIST), Block("  - y", BlockKind.LIST)]
    assert cleaned(*rows, *items).text == "a: 1\na: 2\n\n- x\n  - y"


def test_a_section_starts_at_its_heading_and_ends_deeper_ones() -> None:
    document = cleaned(
        Block("before"),
        Block("One", BlockKind.HEADING, 1),
        Block("Deep", BlockKind.HEADING, 3),
        Block("Two", BlockKind.HEADING, 2),
        Block("text"),
    )
    assert [section.path for section in document.sections] == [("One",), ("One", "Deep"), ("One", "Two")]
    assert document.section_at(document.text.index("text")) == "One > Two"
    assert document.section_at(0) == ""
    assert document.text[document.sections[0].start :].startswith("One")


def test_a_verbatim_heading_is_named_without_its_marks() -> None:
    document = cleaned(Block("intro\n"), Block("## Fees\n", BlockKind.HEADING, 2, "Fees"), verbatim=True)
    assert document.text == "intro\n## Fees\n"
    assert document.section_at(8) == "Fees"


def test_a_document_without_words_is_refused_by_name() -> None:
    with pytest.raises(EmptyDocument, match="'faq#3' has no text"):
        clean(Parsed("a title", (Block("\u200b \n"),), source="faq#3"))


@given(st.lists(WORDS, min_size=1))
def test_verbatim_text_is_kept_to_the_character(texts: list[str]) -> None:
    whole = storable("".join(texts))
    if whole.strip() and "\x00" not in "".join(texts):
        assert cleaned(*map(Block, texts), verbatim=True).text == whole


@given(BLOCKS, st.booleans())
def test_sections_and_pages_ascend_inside_of_a_text_that_can_be_stored(blocks: list[Block], verbatim: bool) -> None:
    try:
        document = cleaned(*blocks, verbatim=verbatim)
    except EmptyDocument:
        return
    document.text.encode()
    assert "\x00" not in document.text
    for starts in ([s.start for s in document.sections], [p.start for p in document.pages]):
        assert starts == sorted(starts)
        assert all(0 <= start < len(document.text) for start in starts)


@given(BLOCKS)
def test_cleaning_a_clean_text_changes_nothing(blocks: list[Block]) -> None:
    try:
        once = cleaned(*blocks).text
    except EmptyDocument:
        return
    kept = cleaned(Block(once, BlockKind.CODE)).text
    assert kept == once.strip("\n")
