"""How many bytes of the disk are taken, and for what."""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

BESIDE = ("", "-wal", "-shm")  # a database's own files


class DiskUse:
    """`places`: a folder or a database's file by what it is for; None for what is kept elsewhere.

    Those named in `elsewhere` are elsewhere when they are not there.
    """

    def __init__(self, places: Mapping[str, Path | None], *, elsewhere: Collection[str] = ()) -> None:
        self._places = places
        self._elsewhere = elsewhere

    def measure(self) -> dict[str, int | None]:
        """0 for what is not there yet, None for what is kept elsewhere. Blocks."""
        return {
            name: None if place is None or (name in self._elsewhere and not place.exists()) else _bytes(place)
            for name, place in self._places.items()
        }


def _bytes(place: Path) -> int:
    if place.is_dir():
        return sum(_sizes(place))
    return sum(_size(Path(f"{place}{suffix}")) for suffix in BESIDE)


def _sizes(folder: Path) -> Iterator[int]:
    for root, _, names in os.walk(folder):
        for name in names:
            yield _size(Path(root, name))


def _size(file: Path) -> int:
    """0 for one that went while we looked."""
    try:
        return file.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
