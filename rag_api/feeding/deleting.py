"""What folders have brought and lost again leaves the collection."""

from collections.abc import Mapping, Sequence
from typing import Any

from rag_api.client import Client
from rag_api.feeding.folders import Folder
from rag_api.feeding.items import FEED, FEED_FILE
from rag_api.feeding.report import Report
from rag_api.feeding.sending import Patience

NAMES_A_FILTER = 100


class Deleter:
    """Touches only documents that carry a folder's feed."""

    def __init__(self, client: Client, collection: str, patience: Patience, report: Report) -> None:
        self._client = client
        self._collection = collection
        self._patience = patience
        self._report = report

    def delete_lost(self, folder: Folder) -> None:
        """What was lost while nobody watched. An empty folder may be one that is not mounted: it deletes nothing."""
        lost = self._patience(lambda: lost_names(self._client, self._collection, folder))
        if lost and next(folder.files(), None) is None:
            reason = f"the folder is empty, so its {len(lost)} files stay in the collection; DELETE …/documents?filter="
            self._report.skipped(str(folder.root), f'{reason}{{"{FEED}": "{folder.feed}"}} removes them', is_wrong=True)
            return
        self.delete(folder, lost)

    def delete(self, folder: Folder, names: Sequence[str]) -> None:
        """What these files brought, be it one document each or many."""
        for at in range(0, len(names), NAMES_A_FILTER):
            some = list(names[at : at + NAMES_A_FILTER])
            mine: list[Mapping[str, Any]] = [{"source": {"$in": some}}, {FEED_FILE: {"$in": some}}]
            wanted = {"$and": [{FEED: folder.feed}, {"$or": mine}]}
            self._patience(lambda wanted=wanted: self._client.delete_where(self._collection, wanted))  # type: ignore[misc]
            for name in some:
                self._report.ended(name, "deleted")


def lost_names(client: Client, collection: str, folder: Folder) -> list[str]:
    """Files that this folder brought and that are gone from it."""
    names = {_file_of(row) for row in client.documents(collection) if row["metadata"].get(FEED) == folder.feed}
    return sorted(name for name in names if folder.has_lost(name))


def _file_of(row: Mapping[str, Any]) -> str:
    return str(row["metadata"].get(FEED_FILE, row["source"]))
