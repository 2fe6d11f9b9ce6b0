"""What a site's robots.txt allows (RFC 9309)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

AGENT = "rag-api"
_ESCAPABLE = re.compile(r"%[0-9A-Fa-f]{2}|[^\x21-\x7e]")


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules for us, as (pattern, is allowed)."""

    rules: Sequence[tuple[str, bool]] = ()

    def allows(self, url: str) -> bool:
        """The longest pattern that matches decides, of equals the allowing one; nothing decides for yes."""
        parts = urlsplit(url)
        path = _plain(parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        matching = [(len(pattern), allowed) for pattern, allowed in self.rules if _matches(pattern, path)]
        return max(matching, default=(0, True))[1]


NOTHING_ALLOWED = Robots((("/", False),))


def parse_robots(text: str) -> Robots:
    """The groups that name us, else those for all."""
    groups: dict[str, list[tuple[str, bool]]] = {}
    agents: list[str] = []
    in_rules = False
    for line in text.lstrip("\ufeff").splitlines():
        name, _, value = line.partition("#")[0].partition(":")
        name, value = name.strip().lower(), value.strip()
        if name == "user-agent":
            agents = [value.lower()] if in_rules else [*agents, value.lower()]
            in_rules = False
            groups.setdefault(value.lower(), [])
        elif name in ("allow", "disallow"):
            in_rules = True
            for agent in agents if value else ():
                groups[agent].append((_plain(value), name == "allow"))
    return Robots(tuple(groups.get(AGENT, groups.get("*", []))))


def _matches(pattern: str, path: str) -> bool:
    """`*` is anything, `$` at the end is the end. Linear: the first place that fits each piece is as good as any."""
    is_whole = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    for place, piece in enumerate(rest):
        if is_whole and place == len(rest) - 1:
            return len(path) - len(piece) >= at and path.endswith(piece)
        at = path.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return not is_whole or at == len(path)


def _plain(path: str) -> str:
    """One spelling for what may be written with and without percent signs."""
    return _ESCAPABLE.sub(_spelled, path)


def _spelled(match: re.Match[str]) -> str:
    escaped = match[0]
    if len(escaped) == 1:
        return quote(escaped)
    character = chr(int(escaped[1:], 16))
    return character if character.isascii() and (character.isalnum() or character in "-._~") else escaped.upper()
