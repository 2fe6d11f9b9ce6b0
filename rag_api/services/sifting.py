"""Pages of a list of which who asks may see some."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from rag_api.db.rows import Page

T = TypeVar("T")
READ_AT_ONCE = 200


class Pages(Protocol[T]):
    def __call__(self, *, limit: int, cursor: str | None) -> Awaitable[Page[T]]: ...


async def sifted(
    pages: Pages[T],
    sift: Callable[[Sequence[T]], Awaitable[Sequence[T]]],
    cursor_at: Callable[[T], str],
    *,
    limit: int,
    cursor: str | None,
) -> Page[T]:
    """A page of what `sift` leaves of the rows, with a cursor if there are more of that kind."""
    kept: list[T] = []
    while True:
        found = await pages(limit=max(limit, READ_AT_ONCE), cursor=cursor)
        kept += await sift(found.items)
        if len(kept) > limit:
            return Page(kept[:limit], cursor_at(kept[limit - 1]))
        if not (cursor := found.next_cursor):
            return Page(kept, None)
