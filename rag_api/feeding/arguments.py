"""What the command line names: files, folders, URLs and standard input, checked before anything is sent."""

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from ingest.parsers import FORMATS
from rag_api.feeding.folders import Folder, Selection, feed_of
from rag_api.feeding.items import Item, LocalFile, WebPage
from rag_api.feeding.sitemaps import Sitemaps
from rag_api.settings import Settings

STANDARD_INPUT = "-"
LINE_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Wanted:
    """The command's words as they were given."""

    paths: tuple[str, ...]
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    source: str = ""
    title: str = ""
    feed: str = ""
    max_pages: int = 500
    any_host: bool = False
    watches: bool = False
    deletes: bool = False
    is_dry: bool = False


@dataclass(frozen=True, slots=True)
class Arguments:
    wanted: Wanted
    parts: tuple[Folder | LocalFile | WebPage, ...]

    @property
    def folders(self) -> list[Folder]:
        return [part for part in self.parts if isinstance(part, Folder)]

    def items(self, settings: Settings) -> Iterator[Item]:
        """All there is to send. Lazy; sitemaps are fetched on the way."""
        for part in self.parts:
            if isinstance(part, Folder):
                yield from part.files()
            elif isinstance(part, WebPage) and not part.source and not part.title:
                yield from self._pages(part.url, settings)
            else:
                yield part

    def _pages(self, url: str, settings: Settings) -> list[Item]:
        from rag_api.wiring import make_fetcher  # half a second of imports that only URLs need

        wanted = self.wanted
        sitemaps = Sitemaps(make_fetcher(settings), max_pages=wanted.max_pages, any_host=wanted.any_host)
        return asyncio.run(sitemaps.expand(url))


def read_arguments(wanted: Wanted, stack: ExitStack) -> Arguments:
    """Standard input is read here, into a file that lives as long as the stack. Raises ValueError for wrong use."""
    selection = Selection.of(wanted.include, wanted.exclude)
    _check(wanted)
    parts = tuple(_part(path, wanted, selection, stack) for path in wanted.paths)
    folders = [part for part in parts if isinstance(part, Folder)]
    if (wanted.source or wanted.title) and (len(parts) > 1 or folders):
        raise ValueError("--source and --title are of one document: give one file, one URL or -")
    if not folders and (wanted.include or wanted.exclude or wanted.feed or wanted.deletes or wanted.watches):
        raise ValueError("--include, --exclude, --feed, --delete and --watch are about folders: give one")
    if wanted.watches and len(folders) < len(parts):
        raise ValueError("--watch follows folders only; ingest the files and URLs by a command of their own")
    is_plain = len(folders) == len(parts) and not (wanted.watches or wanted.deletes)
    if is_plain and all(next(folder.files(), None) is None for folder in folders):
        raise ValueError(f"there are no files in {', '.join(wanted.paths)}")
    return Arguments(wanted, parts)


def _check(wanted: Wanted) -> None:
    if wanted.watches and wanted.is_dry:
        raise ValueError("--watch and --dry-run exclude each other")
    if wanted.paths.count(STANDARD_INPUT) > 1:
        raise ValueError("standard input can be read once only")


def _part(path: str, wanted: Wanted, selection: Selection, stack: ExitStack) -> Folder | LocalFile | WebPage:
    if path == STANDARD_INPUT:
        return _standard_input(wanted, stack)
    if path.lower().startswith(("http://", "https://")):
        return WebPage(path, wanted.source, wanted.title)
    local = Path(path)
    if local.is_dir():
        return Folder(local, wanted.feed or feed_of(local), selection)
    if local.is_file():
        return LocalFile(local.name, local, source=wanted.source, title=wanted.title)
    raise ValueError(f"there is no file or folder {path}")


def _standard_input(wanted: Wanted, stack: ExitStack) -> LocalFile:
    path = Path(stack.enter_context(TemporaryDirectory(prefix="rag-"))) / "stdin"
    with path.open("wb") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
    name = wanted.source or "stdin"
    if not _has_known_suffix(name) and _is_json_lines(path):
        return LocalFile(f"{name}.jsonl", path, title=wanted.title)
    if not wanted.source:
        raise ValueError("a document from standard input needs --source; only JSON lines name their own")
    return LocalFile(name, path, source=wanted.source, title=wanted.title)


def _has_known_suffix(name: str) -> bool:
    suffix = PurePosixPath(name).suffix.lower()
    return any(suffix in format.extensions for format in FORMATS)


def _is_json_lines(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.readline(LINE_BYTES)
    try:
        line = json.loads(first)
    except ValueError:
        return False
    return isinstance(line, dict) and isinstance(line.get("text"), str)
