"""How deep a page is nested, known before it is parsed."""

import re

from ingest.errors import BrokenDocument

_DEEPEST = 60_000
# Only what must be closed by its author; <p>, <li> and <td> often aren't.
_NESTING = re.compile(
    r"<(/?)(?:article|aside|blockquote|center|details|div|dl|fieldset|figure|footer|form|header|main|menu|nav|ol|pre"
    r"|section|table|ul)\b",
    re.IGNORECASE,
)


def check_depth(html: str, *, name: str) -> None:
    """Raises BrokenDocument for what would take minutes: 50,000 open elements take 3 s, ten times as many 300.

    Lexbor looks up through all open elements at each block that opens.
    """
    depth = 0
    for tag in _NESTING.finditer(html) if html.count("<") > _DEEPEST else ():
        depth = max(0, depth - 1) if tag[1] else depth + 1
        if depth > _DEEPEST:
            raise BrokenDocument(f"'{name}' is nested over {_DEEPEST:,} elements deep: save it again and send it anew")
