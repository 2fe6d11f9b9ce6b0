"""A folder's files, as its owner wants them: hidden ones aside, `.ragignore` files honoured, globs applied."""

import hashlib
import os
import platform
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec, RegexPattern

from rag_api.feeding.items import LocalFile, Skipped

IGNORE_FILE = ".ragignore"
Rules = tuple[tuple[str, GitIgnoreSpec], ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Patterns as in .gitignore: what is not included, if anything is, and what is excluded stays out."""

    include: GitIgnoreSpec | None
    exclude: GitIgnoreSpec | None

    @classmethod
    def of(cls, include: Sequence[str], exclude: Sequence[str]) -> "Selection":
        """Raises ValueError that names a pattern which is none."""
        return cls(*(GitIgnoreSpec.from_lines(lines) if lines else None for lines in (include, exclude)))

    def takes(self, name: str) -> bool:
        is_wanted = name.endswith("/") or self.include is None or self.include.match_file(name)
        return bool(is_wanted and not (self.exclude and _says(self.exclude, name)))


@dataclass(frozen=True, slots=True)
class Folder:
    root: Path
    feed: str
    selection: Selection

    def files(self) -> Iterator[LocalFile | Skipped]:
        """In the order of their paths; a file's name is its path from the root on, with slashes. Lazy."""
        return self._inside(self.root, "", ())

    def has_lost(self, name: str) -> bool:
        """Whether a file is gone for sure: an unreadable folder or a root that went away prove nothing."""
        try:
            self.root.stat()
            (self.root / name).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return self.root.is_dir()
        except OSError:
            return False
        return False

    def _inside(self, folder: Path, prefix: str, above: Rules) -> Iterator[LocalFile | Skipped]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            rules = (*above, *_rules_in(folder, prefix))
        except OSError as error:
            yield Skipped(prefix or str(folder), f"can't be read: {error.strerror}", is_wrong=True)
            return
        for entry in entries:
            name = prefix + entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if self._takes(f"{name}/", rules):
                    yield from self._inside(folder / entry.name, f"{name}/", rules)
            elif _is_file(entry) and self._takes(name, rules):
                is_text = name.isascii() or name.encode("utf-8", "replace").decode() == name
                yield (
                    LocalFile(name, folder / entry.name, self.feed)
                    if is_text
                    else Skipped(ascii(name), "its name is no UTF-8: rename it", is_wrong=True)
                )

    def _takes(self, name: str, rules: Rules) -> bool:
        if not self.selection.takes(name):
            return False
        for prefix, spec in reversed(rules):  # the nearest ignore file that says anything decides
            said = _says(spec, name.removeprefix(prefix))
            if said is not None:
                return not said
        return True


def _says(spec: GitIgnoreSpec, name: str) -> bool | None:
    """Whether the last pattern that is about this very entry ignores it. A folder's name ends with a slash.

    The library also counts what matches by a folder above; here that folder has been decided on its own, as git does.
    """
    patterns = [pattern for pattern in spec.patterns if isinstance(pattern, RegexPattern) and pattern.regex]
    for pattern in reversed(patterns):
        assert pattern.regex
        if any(_is_about(match, name) for match in pattern.regex.finditer(name)):
            return bool(pattern.include)
    return None


def _is_about(match: re.Match[str], name: str) -> bool:
    slash = match.groupdict().get("ps_d") and match.start("ps_d")
    return slash == len(name) - 1 if slash else match.end() < len(name) or not name.endswith("/")


def feed_of(root: Path) -> str:
    """A name that no other folder has, on this machine or another, and that tells nothing but the folder's own."""
    path = root.resolve()
    digest = hashlib.sha256(f"{platform.node()}:{path}".encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{path.name.encode('ascii', 'replace').decode() or 'root'}-{digest}"


def _rules_in(folder: Path, prefix: str) -> Rules:
    try:
        lines = (folder / IGNORE_FILE).read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return ()
    return ((prefix, GitIgnoreSpec.from_lines(lines)),)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return False  # a link to nowhere
