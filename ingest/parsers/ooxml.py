"""The package that Office files are: parts in a zip, which name each other by relationships."""

import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote
from zipfile import ZipFile

from ingest.documents import Json, Source
from ingest.errors import BrokenDocument
from ingest.parsers.archives import DAMAGED, check_archive
from ingest.parsers.trees import Element, tree_of


@dataclass(frozen=True, slots=True)
class Relation:
    """`kind` is the last part of the relationship's type, such as `slide`; `target` the name of a part."""

    kind: str
    target: str


@dataclass(frozen=True, slots=True)
class Package:
    archive: ZipFile
    name: str

    def tree(self, part: str) -> Element:
        return tree_of(self.read(part), name=self.name)

    def read(self, part: str) -> bytes:
        try:
            return self.archive.read(part)
        except KeyError as error:
            raise BrokenDocument(f"'{self.name}' lacks its part '{part}': save it again and send it anew") from error

    def has(self, part: str) -> bool:
        return part in self.archive.NameToInfo

    def related(self, part: str) -> Mapping[str, Relation]:
        """What a part (the whole, for an empty name) refers to inside of the package, by id."""
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        if not self.has(relations):
            return {}
        return {
            relation.get("Id", ""): Relation(
                relation.get("Type", "").rpartition("/")[2],
                posixpath.normpath(posixpath.join("/", folder, unquote(relation.get("Target", "")))).lstrip("/"),
            )
            for relation in self.tree(relations).iterfind("{*}Relationship")
            if relation.get("TargetMode") != "External"
        }

    def of_kind(self, part: str, kind: str) -> list[str]:
        return [relation.target for relation in self.related(part).values() if relation.kind == kind]

    def main(self) -> str:
        """The part that a reader begins with."""
        found = self.of_kind("", "officeDocument")
        if not found:
            raise BrokenDocument(f"'{self.name}' is a zip but no Office document: send the right file")
        return found[0]

    def properties(self) -> tuple[str, dict[str, Json]]:
        """The title and what else is known of the document."""
        found = self.of_kind("", "core-properties")
        if not found or not self.has(found[0]):
            return "", {}
        core = self.tree(found[0])
        title, author = (core.findtext(f"{{*}}{name}", "").strip() for name in ("title", "creator"))
        return title, {"author": author} if author else {}


@contextmanager
def open_package(source: Source) -> Iterator[Package]:
    """Raises what `check_archive` raises, and BrokenDocument for what breaks later on."""
    check_archive(source)
    try:
        with ZipFile(source.path) as archive:
            yield Package(archive, source.uri)
    except DAMAGED as error:
        raise BrokenDocument(f"'{source.uri}' is damaged ({error}): save it again and send it anew") from error
