"""Room for what is held in memory at once."""

import asyncio


class Room:
    """`limit`: of the sizes in it. What is larger than that gets in when it is alone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._left = asyncio.Condition()

    async def enter(self, size: int) -> None:
        async with self._left:
            await self._left.wait_for(lambda: not self._taken or self._taken + size <= self._limit)
            self._taken += size

    async def leave(self, size: int) -> None:
        async with self._left:
            self._taken -= size
            self._left.notify_all()
