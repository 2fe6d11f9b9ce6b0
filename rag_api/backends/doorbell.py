"""How the API tells the worker of this machine that there is work: by touching a file that the worker looks at.

Looking costs microseconds, so it may be often. Nothing is lost with a ring that nobody hears: the worker also looks
into the queue itself from time to time.
"""

import asyncio
from pathlib import Path

LOOK_S = 0.02


class Doorbell:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._heard = self._last_rung()

    async def ring(self) -> None:
        await asyncio.to_thread(self._file.touch)

    async def wait(self, timeout_s: float) -> None:
        """Until it is rung, or has been since the last time, for a limited time."""
        for _ in range(max(1, round(timeout_s / LOOK_S))):
            rung = self._last_rung()
            if rung != self._heard:
                self._heard = rung
                return
            await asyncio.sleep(LOOK_S)

    def _last_rung(self) -> int:
        try:
            return self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return 0
