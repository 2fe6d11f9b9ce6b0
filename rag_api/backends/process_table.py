"""What the supervisor says of its children: a small file in the home."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import orjson


class ProcessTable:
    def __init__(self, file: Path) -> None:
        self._file = file

    async def states(self) -> Mapping[str, str]:
        return await asyncio.to_thread(self._read)

    def write(self, states: Mapping[str, str]) -> None:
        partial = self._file.with_suffix(".partial")
        partial.write_bytes(orjson.dumps(dict(states)))
        partial.replace(self._file)

    def _read(self) -> Mapping[str, str]:
        try:
            states: Mapping[str, str] = orjson.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        return states
