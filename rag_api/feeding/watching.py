"""Following folders: what is new or changed is sent once it is quiet, what is gone is deleted.

Purpose: a collection that is what its folders are, also after both were alone for a while.
Mechanism: notifications of the system only say that it is time to look; what happened is found by comparing the
folder with what was seen before, so a lost or doubled notification does no harm and a look is due every minute anyway.
Only documents that carry the folder's feed are deleted, and only when their file is gone for sure.
Not promised: a folder that another file system is mounted over or away from under our eyes is left alone, not followed.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from watchfiles import Change, watch

from rag_api.client import Client
from rag_api.feeding.deleting import Deleter
from rag_api.feeding.folders import Folder
from rag_api.feeding.items import LocalFile, Skipped
from rag_api.feeding.known import Known, known_documents
from rag_api.feeding.report import Report
from rag_api.feeding.sending import Patience, Sender
from rag_api.terminal import err

QUIET_S = 1.0
WAKE_MS = 500
LOOK_S = 60.0
POLL_S = 2.0

Signature: TypeAlias = tuple[int, int, int]


@dataclass(eq=False, slots=True)
class _Followed:
    """A folder with what was last seen of it; `restless` holds files that may still be written to, and since when."""

    folder: Folder
    root: tuple[int, int]
    seen: dict[str, Signature] = field(default_factory=dict)
    restless: dict[str, tuple[Signature, float]] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)


class Watcher:
    def __init__(
        self,
        folders: list[Folder],
        client: Client,
        collection: str,
        *,
        patience: Patience,
        report: Report,
        unread: str = "",
    ) -> None:
        self._followed = [_Followed(folder, _identity(folder.root)) for folder in folders]
        self._client = client
        self._collection = collection
        self._patience = patience
        self._report = report
        self._sender = Sender(client, collection, patience, report, unread)
        self._deleter = Deleter(client, collection, patience, report)

    def run(self) -> None:
        """Until KeyboardInterrupt."""
        for followed in self._followed:
            self._deleter.delete_lost(followed.folder)
        known = self._patience(lambda: known_documents(self._client, self._collection))
        is_restless = self._round(known)
        roots = ", ".join(str(followed.folder.root) for followed in self._followed)
        err.print(f"watching {roots}; Ctrl-C ends it", markup=False)
        looked = time.monotonic()
        for has_changed in self._hints():
            if has_changed or is_restless or time.monotonic() - looked > LOOK_S:
                is_restless = self._round({})
                looked = time.monotonic()

    def _hints(self) -> Iterator[bool]:
        """Twice a second, whether something may have changed."""
        roots = [followed.folder.root.absolute() for followed in self._followed]
        try:
            for changes in watch(
                *roots, watch_filter=_is_visible(roots), rust_timeout=WAKE_MS, yield_on_timeout=True, step=100
            ):
                yield bool(changes)
        except (OSError, RuntimeError) as error:  # more folders than the system will watch, or none that it can
            err.print(f"the system does not watch these folders ({error}); looking every {POLL_S:.0f} s", markup=False)
        while True:
            time.sleep(POLL_S)
            yield True

    def _round(self, known: dict[str, Known]) -> bool:
        """Sends what is new and quiet, then deletes what is gone; whether something is not quiet yet."""
        for followed in self._followed:
            present: set[str] = set()
            fresh = dict(self._fresh(followed, present))
            unknown = [file for file in fresh if not self._is_known(file, known)]
            self._sender.send(iter(unknown))
            followed.seen |= {file.name: signature for file, signature in fresh.items()}
            self._delete_gone(followed, present)
        return any(followed.restless for followed in self._followed)

    def _fresh(self, followed: _Followed, present: set[str]) -> Iterator[tuple[LocalFile, Signature]]:
        """Files that are not as they were seen, once they are quiet."""
        restless, followed.restless = followed.restless, {}
        for file in followed.folder.files():
            if isinstance(file, Skipped):
                if file.name not in followed.told:
                    followed.told.add(file.name)
                    self._report.skipped(file.name, file.reason, is_wrong=file.is_wrong)
                continue
            present.add(file.name)
            signature = _signature(file.path)
            if signature is None or followed.seen.get(file.name) == signature:
                continue
            before, since = restless.get(file.name, (None, 0.0))
            since = since if before == signature else time.monotonic()
            if time.time() - signature[0] / 1e9 > QUIET_S or time.monotonic() - since > QUIET_S:
                yield file, signature
            else:
                followed.restless[file.name] = (signature, since)

    def _is_known(self, file: LocalFile, known: dict[str, Known]) -> bool:
        there = known.get(file.name)
        if there is None or there.feed != file.feed or not there.is_same(sha256_of(file.path)):
            return False
        self._report.ended(file.name, "unchanged")
        return True

    def _delete_gone(self, followed: _Followed, present: set[str]) -> None:
        folder = followed.folder
        gone = [name for name in followed.seen if name not in present and folder.has_lost(name)]
        if not gone:
            return
        if _identity(folder.root) != followed.root:
            if "" not in followed.told:
                followed.told.add("")
                self._report.skipped(str(folder.root), "not the folder that it was: nothing is deleted", is_wrong=True)
            return
        self._deleter.delete(folder, gone)
        for name in gone:
            del followed.seen[name]


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _signature(path: Path) -> Signature | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _identity(root: Path) -> tuple[int, int]:
    try:
        found = root.stat()
    except OSError:
        return (0, 0)
    return (found.st_dev, found.st_ino)


def _is_visible(roots: list[Path]) -> Callable[[Change, str], bool]:
    def is_visible(_: Change, path: str) -> bool:
        roots_of_it = (root for root in roots if Path(path).is_relative_to(root))
        inside = [Path(path).relative_to(root) for root in roots_of_it]
        return any(not any(part.startswith(".") for part in name.parent.parts) for name in inside)

    return is_visible
