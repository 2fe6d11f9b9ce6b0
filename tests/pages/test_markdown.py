"""Markdown as the pages draw it, beside a CommonMark implementation of others."""

import random
import re
from typing import Any

import pytest
from markdown_it import MarkdownIt
from playwright.sync_api import Page
from selectolax.lexbor import LexborHTMLParser, LexborNode

from tests.pages.conftest import Tabs
from tests.processes import Service

SHARES_SERVICE = True

DRAW = """async ([texts, steps]) => {
    const main = document.querySelector("script[type=module]").src;
    const { MarkdownView } = await import(main.replace("chat/main.js", "markdown/view.js"));
    return texts.map((text) => {
        const root = document.createElement("div");
        const view = new MarkdownView(root);
        for (let end = steps; end && end < text.length; end += steps) view.show(text.slice(0, end));
        view.show(text);
        return root.innerHTML;
    });
}"""
PLACES = """async (texts) => {
    const main = document.querySelector("script[type=module]").src;
    const { parse } = await import(main.replace("chat/main.js", "markdown/blocks.js"));
    const { draw } = await import(main.replace("chat/main.js", "markdown/draw.js"));
    const wrong = [];
    for (const text of texts) {
        const pieces = [];
        for (const block of parse(text)) draw(block, { pieces, marker: () => null });
        for (const { node, at } of pieces) {
            const there = text.slice(at, at + node.length).replaceAll(/\\s/g, " ");
            if (there !== node.data.replaceAll(/\\s/g, " ")) wrong.push([text, at, node.data, there]);
        }
    }
    return wrong;
}"""
BLOCKS = {"p", "h1", "h2", "h3", "h4", "ul", "ol", "li", "pre", "blockquote", "tr", "th", "td", "hr", "table"}
INLINE = {"strong", "em", "s", "code", "a", "br"}
OURS = {"del": "s"} | {f"h{level + 2}": f"h{level}" for level in range(1, 5)}

SAMPLES = {
    "paragraphs": "One\ntwo *three*\n\nfour  \nfive\\\nsix",
    "headings": "# One\n\n## Two ##\n\n#No\n\nThree\n===\n\nFour\n---",
    "emphasis": "**bold** *em* __b__ _e_ ***both*** **a *b* c** *a **b** c* snake_case_name 2*3*4 **not * ~~gone~~",
    "marks beside marks": "*foo**bar**baz* **foo*bar*baz** *(**foo**)* a**b c** ** d** *e *",
    "code": "a `b` ``c ` d`` ` e ` `f\n\n```python\nx = [1]\n\n  y\n```\n\n~~~\n```\n~~~",
    "code without end": "Look:\n\n```js\nlet a = 1;\n",
    "bullets": "- a\n- b\n  - c\n    - d\n- e\n\nend",
    "loose bullets": "- a\n\n  b\n\n- c",
    "numbers": "3. a\n4. b\n   * c\n\n5) other",
    "numbers with code": "1. Do this:\n\n   ```sh\n   make serve\n   ```\n\n2. Then that",
    "bullets after a line": "Look:\n- a\n- b\nlazy",
    "quotes": "> a\nlazy\n>\n> - b\n> - c\n\nend",
    "table": "| a | b |\n|:--|--:|\n| *c* | `d` |\n| e \\| f | g |\n\nend",
    "links": "[a](https://x.example/b) [**c**](<https://x.example/d> 'e') ![f](https://x.example/g.png) <https://h.example/>",
    "text that looks like HTML": "a <b>c</b> & &amp; &lt; <!-- d -->",
    "escapes": "\\*a\\* \\[b\\](c) \\\\ \\d 1\\. e",
    "rules": "a\n\n---\n\n* * *\n\nb",
    "a line that begins with a year": "It was in\n1984. So it was.",
}
FRAGMENTS = [
    "*", "**", "_", "`", "```\n", "~~", "[", "]", "](https://x.example/)", "![", "[1]", "[2, 3]", "\n", "\n\n",
    "- ", "  - ", "1. ", "> ", "| a | b |\n|---|---|\n", "# ", "word ", "x", "\\", "<b>", "😀", "  ", "é",
    "https://y.example/z ", "|", "---\n",
]  # fmt: skip


@pytest.fixture
def page(service: Service, tabs: Tabs) -> Page:
    return tabs.open(service.url)


def kept(code: str) -> str:
    """With its white space made visible; references end code with a line's end."""
    return code.rstrip("\n").replace("</code>", "").rstrip("\n").replace(" ", "·").replace("\n", "¶")


def outline(html: str, names: dict[str, str]) -> str:
    """Tags and texts, without what only dresses them."""

    def told(node: LexborNode) -> str:
        name = names.get(node.tag or "", node.tag or "")
        if name == "-text":
            return node.text_content or ""
        if "code-bar" in (node.attributes.get("class") or ""):
            return ""
        inner = "".join(told(child) for child in node.iter(include_text=True))
        href = f" {node.attributes.get('href')}" if name == "a" else ""
        if name == "img":
            return f"<a {node.attributes['src']}>{node.attributes['alt']}</a>"
        if name in BLOCKS:
            return f"<{name}>{kept(inner) if name == 'pre' else inner.strip()}</{name}>"
        return f"<{name}{href}>{inner}</{name}>" if name in INLINE else inner

    root = LexborHTMLParser(f"<body>{html}</body>").body
    assert root
    told_once = re.sub(r"\s+", " ", told(root))
    return re.sub(r" ?(</?(?:p|h\d|[uo]l|li|pre|blockquote|table|t[rhd]|br|hr)>) ?", r"\1", told_once).replace(
        "<", "\n<"
    )


@pytest.mark.parametrize("name", SAMPLES)
def test_markdown_is_drawn_as_commonmark_has_it(page: Page, name: str) -> None:
    reference = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    [drawn] = page.evaluate(DRAW, [[SAMPLES[name]], 0])
    assert outline(drawn, OURS) == outline(reference.render(SAMPLES[name]), {})


def test_text_that_grows_is_drawn_as_text_that_was_there_at_once(page: Page) -> None:
    texts = [*SAMPLES.values(), *muddles(200)]
    assert page.evaluate(DRAW, [texts, 1]) == page.evaluate(DRAW, [texts, 0])


def test_everything_drawn_knows_its_place_in_the_text(page: Page) -> None:
    texts = [text for text in SAMPLES.values() if "&" not in text]
    assert page.evaluate(PLACES, [*texts, *muddles(1_000)]) == []


@pytest.mark.parametrize(
    "text",
    ["[" * 60_000, "*a " * 30_000, "> " * 30_000, "- " * 30_000, "[a](b" * 12_000, "`" * 60_000, "`a``b" * 12_000,
     "# x" + " " * 60_000 + "y", "|" * 30_000 + "\n" + "|-" * 30_000, "https://" + "." * 60_000 + "x", "_a_" * 20_000,
     "<http://" * 8_000, "` a" + "b" * 60_000 + "`", "1. a\n" * 12_000,
     "```js\n" + "/*" * 24_000, "```py\n" + '"""\'' * 12_000, "```html\n" + "<a'" * 16_000],
    ids=range(17),
)  # fmt: skip
def test_no_text_is_too_tangled_to_draw(page: Page, text: str) -> None:
    """A quadratic step anywhere would take minutes, and the browser's limit ends it."""
    [drawn] = page.evaluate(DRAW, [[text], 0])
    assert drawn


CODE = {
    "python": ("def f(a): # it's 1\n    return f'x {a}' + \"\"\"y\nz\"\"\"", "keyword def|comment # it's 1|"
               "keyword return|string 'x {a}'|string \"\"\"y\nz\"\"\""),
    "js": ("const a = `b\n` + 1e3 // don't\n/* x\ny */ 'open", "keyword const|string `b\n`|number 1e3|comment // don't|"
           "comment /* x\ny */|string 'open"),
    "SQL": ("Select 'it''s' -- x\nFROM t1", "keyword Select|string 'it'|string 's'|comment -- x|keyword FROM"),
    "rust": ("fn f<'a>(x: &'a str) {}", "keyword fn"),
    "sh": ("if [ $# -gt 1 ]; then # \"a\nfi", "keyword if|number 1|keyword then|comment # \"a|keyword fi"),
    "html": ("<p class=\"a>b\">don't</p><!-- <b>", "keyword <p|string \"a>b\"|keyword </p|comment <!-- <b>"),
    "yaml": ("a: don't # 1\nb: true", "comment # 1|keyword true"),
    "json": ('{"a": [1, null]}', 'string "a"|number 1|keyword null'),
    "constructor": ("if (1)", ""),
}  # fmt: skip


def test_code_is_coloured_and_stays_the_same_text(page: Page) -> None:
    drawn = page.evaluate(DRAW, [[f"```{name}\n{text}\n```" for name, (text, _) in CODE.items()], 0])
    for (text, wanted), html in zip(CODE.values(), drawn, strict=True):
        code = LexborHTMLParser(html).css_first("code")
        assert code and code.text() == text
        found = [(span.attributes["class"] or "", span.text()) for span in code.css("span")]
        assert "|".join(f"{kind.removeprefix('code-')} {part}" for kind, part in found) == wanted


def muddles(count: int) -> list[str]:
    dice = random.Random(7)
    return ["".join(dice.choices(FRAGMENTS, k=dice.randint(1, 40))) for _ in range(count)]


def test_the_reference_tells_differences_apart() -> None:
    render: Any = MarkdownIt("commonmark").render
    assert outline(render("*a*"), {}) != outline(render("**a**"), {})
