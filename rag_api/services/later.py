"""What is found out beside something else."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from rag_api.errors import Unavailable
from rag_api.telemetry import log

T = TypeVar("T")


class Later(Generic[T]):
    """A task's value, without the task once it is there: hundreds of answers may wait long with theirs."""

    __slots__ = ("_finding", "_value")

    def __init__(self, finding: Coroutine[Any, Any, T]) -> None:
        self._finding: asyncio.Task[T] | None = asyncio.create_task(finding)
        self._finding.add_done_callback(self._keep)

    async def found(self) -> T:
        """Raises what finding it raised."""
        return await self._finding if self._finding else self._value

    async def unless_away(self) -> T | None:
        """An answer that is whole does not fail because something about it can't be found out any more."""
        try:
            return await self.found()
        except Unavailable as error:
            log(__name__).warning("not found out", reason=str(error))
            return None

    def drop(self) -> None:
        """It is not wanted any more."""
        if self._finding:
            self._finding.cancel()

    def _keep(self, finding: "asyncio.Task[T]") -> None:
        if not finding.cancelled() and not finding.exception():
            self._value, self._finding = finding.result(), None
