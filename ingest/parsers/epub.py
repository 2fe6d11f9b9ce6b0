"""EPUB books: the pages of the spine in their order, named by the table of contents where they have no heading."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import unquote
from zipfile import ZipFile

from ingest.documents import Block, BlockKind, Json, Parsed, Source
from ingest.errors import BrokenDocument, EncryptedDocument, IngestError
from ingest.parsers.archives import DAMAGED, check_archive
from ingest.parsers.html import read_page
from ingest.parsers.trees import Element, tag_of, tree_of

_CONTAINER = "META-INF/container.xml"
_RIGHTS = "META-INF/rights.xml"  # of shops that lock their books
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml"})


def parse(source: Source) -> Parsed:
    check_archive(source)
    try:
        with ZipFile(source.path) as archive:
            return _Book(archive, source.uri).parsed()
    except DAMAGED as error:
        raise BrokenDocument(f"'{source.uri}' is damaged ({error}): save it again and send it anew") from error


class _Book:
    def __init__(self, archive: ZipFile, name: str) -> None:
        self._archive = archive
        self._name = name
        if _RIGHTS in archive.NameToInfo:
            raise EncryptedDocument(f"'{name}' is locked by its shop: send a copy without the lock")
        roots = self._tree(_CONTAINER).iterfind("{*}rootfiles/{*}rootfile")
        self._package_path = next((root.get("full-path", "") for root in roots), "")
        self._package = self._tree(self._package_path)
        self._items = {item.get("id", ""): item for item in self._package.iterfind("{*}manifest/{*}item")}

    def parsed(self) -> Parsed:
        titles = self._titles()
        blocks = [block for path in self._spine() for block in self._page(path, titles.get(path))]
        title, metadata = self._properties()
        return Parsed(title, tuple(blocks), metadata)

    def _tree(self, path: str) -> Element:
        if path not in self._archive.NameToInfo:
            raise BrokenDocument(f"'{self._name}' is no whole EPUB book, it lacks '{path}': send the right file")
        return tree_of(self._archive.read(path), name=self._name)

    def _spine(self) -> Iterator[str]:
        for entry in self._package.iterfind("{*}spine/{*}itemref"):
            item = self._items.get(entry.get("idref", ""))
            if item is None or "nav" in item.get("properties", "").split():
                continue  # the table of contents says nothing that its pages don't
            path = _joined(self._package_path, item.get("href", ""))
            if item.get("media-type") in _PAGES and not path.startswith("..") and path in self._archive.NameToInfo:
                yield path

    def _page(self, path: str, named: tuple[int, str] | None) -> Iterator[Block]:
        page = read_page(self._archive.read(path), name=f"{self._name}/{path}")
        levels = [block.level for block in page.blocks if block.level]
        if named and page.blocks and not levels:
            yield Block(named[1], BlockKind.HEADING, named[0])
        # The table of contents knows where a page stands in the book; its own headings may begin at any level.
        shift = named[0] - min(levels) if named and levels else 0
        yield from (replace(block, level=block.level + shift) if block.level else block for block in page.blocks)

    def _properties(self) -> tuple[str, dict[str, Json]]:
        found = self._package.find("{*}metadata")
        if found is None:
            return "", {}
        read = {
            name: [" ".join(entry.itertext()).strip() for entry in found.iterfind(f"{{*}}{name}")]
            for name in ("title", "creator", "language")
        }
        title, author, language = (next(filter(None, read[name]), "") for name in ("title", "creator", "language"))
        metadata: dict[str, Json] = {"author": author} if author else {}
        return title, metadata | ({"lang": language} if language else {})

    def _titles(self) -> Mapping[str, tuple[int, str]]:
        """What the table of contents calls each page, with the level; a broken table is a missing one."""
        found: dict[str, tuple[int, str]] = {}
        for item in self._items.values():
            is_nav = "nav" in item.get("properties", "").split()
            if not is_nav and item.get("media-type") != "application/x-dtbncx+xml":
                continue
            path = _joined(self._package_path, item.get("href", ""))
            try:
                entries = (_nav_entries if is_nav else _ncx_entries)(self._tree(path))
                for level, link, title in entries:
                    if title:
                        found.setdefault(_joined(path, link), (min(level, 6), title))
            except IngestError:
                continue
        return found


def _nav_entries(tree: Element) -> Iterator[tuple[int, str, str]]:
    for link in tree.iter("{*}a"):
        level = sum(tag_of(outer) == "ol" for outer in link.iterancestors())
        yield level, link.get("href", ""), " ".join("".join(link.itertext()).split())


def _ncx_entries(tree: Element) -> Iterator[tuple[int, str, str]]:
    for point in tree.iter("{*}navPoint"):
        content = point.find("{*}content")
        level = 1 + sum(tag_of(outer) == "navPoint" for outer in point.iterancestors())
        title = " ".join(point.findtext("{*}navLabel/{*}text", "").split())
        yield level, "" if content is None else content.get("src", ""), title


def _joined(beside: str, link: str) -> str:
    """The part that a link in another one means; one that leads out of the book names no part."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(beside), unquote(link.partition("#")[0])))
