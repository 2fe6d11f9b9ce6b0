"""What of a folder is in the collection already."""

from dataclasses import dataclass

from rag_api.client import Client
from rag_api.feeding.items import FEED


@dataclass(frozen=True, slots=True)
class Known:
    """A document by what tells whether sending its file again would change anything."""

    sha256: str
    feed: str
    has_failed: bool

    def is_same(self, sha256: str) -> bool:
        return self.sha256 == sha256 and not self.has_failed


def known_documents(client: Client, collection: str) -> dict[str, Known]:
    """By source. Some 300 bytes of memory each."""
    return {
        row["source"]: Known(row["sha256"], str(row["metadata"].get(FEED, "")), row["error"] is not None)
        for row in client.documents(collection)
    }
